//! Whatever the text: no panic, and every fault lies inside of it.

use bpm_core::config::{MAX_KEPT, Source, parse};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

/// Pieces of real files, whole and broken, so that random texts get past the first line.
const PIECES: &[&str] = &[
    "\n",
    "\r\n",
    "\t",
    " ",
    "=",
    "[",
    "]",
    "[[",
    "{",
    "}",
    ",",
    ".",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "#",
    "\\u0000",
    "\u{0}",
    "\u{feff}",
    "é",
    "日本",
    "\u{202e}",
    "-",
    "1",
    "nan",
    "1e999",
    "true",
    "2020-01-01",
    "[process.a]\n",
    "[process.b\n",
    "process",
    "[logs]\n",
    "mcp_port = ",
    "type = \"rust\"\n",
    "type = \"npm\"",
    "command = [\"x\"]\n",
    "command = \"x",
    "args = [",
    "env = { A = \"1\" }\n",
    "env = {",
    "profile = \"x\"\n",
    "run = { dev = \"x\" }\n",
    "build.release = \"\"\n",
    "give_up = { crashes = 3 }\n",
    "stop = { signal = 9 }\n",
    "logs = { max_bytes = \"1X\" }\n",
    "keep_runs = 0\n",
    "depends_on = []\n",
    "dev_timeout_hours = -inf\n",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => (0..PIECES.len()).prop_map(|index| PIECES[index].to_owned()),
        1 => "\\PC{0,8}",
        1 => ".{0,4}",
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn check(main: &str, local: Option<&str>) -> Result<(), TestCaseError> {
    let source = |path, text| Source { path, text };
    let parsed = parse(source("main", main), local.map(|text| source("local", text)));
    let Err(faults) = parsed else {
        return Ok(());
    };
    prop_assert!(faults.count() > 0 && faults.iter().count() <= MAX_KEPT);
    for fault in &faults {
        let text = if fault.path == "main" { main } else { local.unwrap_or_default() };
        let found = text.get(fault.span.clone());
        prop_assert!(found.is_some(), "{:?} is not inside of the text", fault.span);
        prop_assert!(found.unwrap_or_default().starts_with(fault.text.trim_end_matches('…')));
        prop_assert_eq!(fault.line, text[..fault.span.start].matches('\n').count() + 1);
        prop_assert!(fault.column >= 1);
        prop_assert!(!fault.message.is_empty());
    }
    let drawn = faults.render(false);
    let unsafe_there = drawn.chars().any(|c| c.is_control() && c != '\n');
    prop_assert!(!unsafe_there, "{drawn:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_file(main in text()) {
        check(&main, None)?;
    }

    #[test]
    fn two_files(main in text(), local in text()) {
        check(&main, Some(&local))?;
    }

    #[test]
    fn a_good_file_with_one_piece_put_in(at in 0_usize..400, piece in 0..PIECES.len(), _x in Just(())) {
        let good = "mcp_port = 3000\n[logs]\nkeep_runs = 3\n[process.a]\ncommand = [\n  \"x\",\n  \"日本\",\n]\n\
            env = { A = \"1\", B = \"2\" }\n[process.b]\ntype = \"rust\"\nprofile = { dev = \"a\" }\n\
            build = \"\"\"\nmake\n\"\"\"\nstop = { signal = \"INT\", grace_seconds = 1.5 }\n";
        let mut at = at.min(good.len());
        while !good.is_char_boundary(at) {
            at -= 1;
        }
        let text = format!("{}{}{}", &good[..at], PIECES[piece], &good[at..]);
        check(&text, None)?;
    }
}
