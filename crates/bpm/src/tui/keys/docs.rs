//! The reference of keys is written from the table of keys. `UPDATE_DOCS=1` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Group, KEYS, shown};

const PAGE: &str = "docs/tui.md";
const BEGIN: &str =
    "<!-- keys: written by the test `the_page_lists_every_key`, from crates/bpm/src/tui/keys.rs -->\n";
const END: &str = "<!-- end of keys -->";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PAGE)
}

/// Text for a cell of a table, with keys as code: a backtick and a bar need care.
fn code(text: &str) -> String {
    let text = text.replace('|', "\\|");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

fn tables() -> String {
    let mut out = String::new();
    for group in Group::ALL {
        let _ = write!(out, "\n### {}\n\n| key | what it does |\n|---|---|\n", group.title());
        for binding in KEYS.iter().filter(|binding| binding.group == group) {
            let keys: Vec<String> = binding.chords.iter().map(|chord| code(&shown(*chord, false))).collect();
            let _ = writeln!(out, "| {} | {} |", keys.join(" "), binding.does.replace('|', "\\|"));
        }
    }
    out.push('\n');
    out
}

#[test]
fn the_page_lists_every_key() {
    let found = fs::read_to_string(page()).unwrap_or_else(|error| panic!("{PAGE}: {error}"));
    let (before, rest) = found.split_once(BEGIN).unwrap_or_else(|| panic!("no {BEGIN:?} in {PAGE}"));
    let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("no {END:?} in {PAGE}"));
    let expected = format!("{before}{BEGIN}{}{END}{after}", tables());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(page(), &expected).unwrap();
        return;
    }
    assert!(
        found == expected,
        "{PAGE} is not what the table of keys says; `UPDATE_DOCS=1 cargo test -p background-process-manager --lib keys::docs` writes it"
    );
}

#[test]
fn no_key_does_two_things() {
    for (place, binding) in KEYS.iter().enumerate() {
        for chord in binding.chords {
            let others = KEYS.iter().enumerate().filter(|(other, _)| *other != place);
            let taken: Vec<_> = others
                .filter(|(_, other)| other.chords.contains(chord))
                .map(|(_, other)| other.action)
                .collect();
            assert_eq!(taken, [], "{} is {:?}", shown(*chord, false), binding.action);
        }
    }
}
