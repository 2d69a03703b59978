//! What a broken configuration looks like to the person who wrote it: every kind of fault, drawn.
//! Each file has several, for all are reported at once.

#![expect(clippy::panic, reason = "a helper of tests")]

use bpm_core::config::{
    FaultKind, Faults, MAX_FILE_BYTES, MAX_KEPT, MAX_PROCESSES, MAX_SHOWN, Source, parse,
};

const MAIN: &str = ".mcp-run";
const LOCAL: &str = ".mcp-run.local";

fn faults(main: &str, local: Option<&str>) -> Faults {
    let main = Source { path: MAIN, text: main };
    let local = local.map(|text| Source { path: LOCAL, text });
    match parse(main, local) {
        Err(faults) => faults,
        Ok(config) => panic!("no fault in {config:?}"),
    }
}

/// The drawn faults, one `what` for each; `what` is the kind and the key.
#[track_caller]
fn drawn(main: &str) -> String {
    let faults = faults(main, None);
    assert_spans(main, &faults);
    faults.render(false)
}

/// Every position agrees with every other.
#[track_caller]
fn assert_spans(text: &str, faults: &Faults) {
    for fault in faults {
        let before = &text[..fault.span.start];
        assert_eq!(fault.line, before.matches('\n').count() + 1, "{fault}");
        let line = before.rsplit('\n').next().unwrap_or_default();
        assert_eq!(fault.column, line.chars().count() + 1, "{fault}");
        let found = &text[fault.span.clone()];
        let clipped = fault.text.strip_suffix('…').unwrap_or(&fault.text);
        assert!(found.starts_with(clipped), "{fault}");
    }
}

/// The kinds and keys of the faults, in their order.
fn kinds(faults: &Faults) -> Vec<(FaultKind, &str)> {
    faults.iter().map(|fault| (fault.kind, fault.key.as_str())).collect()
}

#[test]
fn keys_that_are_unknown_misplaced_or_not_there_yet() {
    insta::assert_snapshot!(drawn(
        r#"
mcp_prot = 3000
args = ["x"]
xyzzy = 1

[backend]
type = "rust"

[log]
keep_runs = 3

[process.web]
comand = "x"
command = ["x"]
agrs = []
mcp_port = 3000
depends_on = ["db"]
env_flie = ".env"
stop = { sginal = "INT", "grace seconds" = 3 }

[process.web.logs]
max_size = 3
"#
    ));
}

#[test]
fn every_key_of_a_later_version_is_refused_by_name() {
    for name in bpm_core::config::LATER {
        let text = match name.strip_prefix("process.NAME.") {
            Some(key) => format!("[process.a]\ncommand = [\"x\"]\n{key} = 1\n"),
            None => format!("{name} = 1\n"),
        };
        let faults = faults(&text, None);
        let key = name.replace("NAME", "a");
        assert_eq!(kinds(&faults), [(FaultKind::NotYet, key.as_str())]);
        assert!(faults.to_string().contains("this version does not have"));
    }
}

#[test]
fn what_is_bound_is_an_address_and_no_name_or_port() {
    for value in ["\"localhost\"", "\"127.0.0.1:3001\"", "\"[::1]\"", "\"\"", "\"0.0.0.0/0\"", "\"*\""] {
        let faults = faults(&format!("bind = {value}\n"), None);
        assert_eq!(kinds(&faults), [(FaultKind::BadValue, "bind")], "{value}");
        assert!(faults.to_string().contains("expected an IP address"), "{faults}");
    }
    let wrong = faults("bind = 3001\n", None);
    assert_eq!(kinds(&wrong), [(FaultKind::WrongType, "bind")]);
}

#[test]
fn types_that_are_wrong() {
    insta::assert_snapshot!(drawn(
        r#"
mcp_port = true
dev_timeout_hours = "3"
idle_exit_minutes = "30"
dev_crash_wait_seconds = []
release_crash_backoff_initial_seconds = 2020-01-01
logs = "10"

[process.a]
type = 1
args = "--port"
command = 3
cwd = 1.5
env = ["A=1"]
env_file = {}
features = "serde"
restart = true
give_up = 10
stop = "TERM"
autostart = "true"

[process.b]
command = ["node", 1, true]
env = { PORT = 8080, DEBUG = false }
stop = { signal = 9, grace_seconds = "5" }
logs = { keep_runs = "10", max_bytes = 1.5 }
give_up = { crashes = 2.0, within_seconds = {} }
build = { dev = 1 }
"#
    ));
}

#[test]
fn processes_that_are_not_tables() {
    insta::assert_snapshot!(drawn("process = 3\n"));
    insta::assert_snapshot!(drawn("[process]\ncommand = \"x\"\nweb = \"x\"\n"));
    insta::assert_snapshot!(drawn("[[process]]\nname = \"x\"\n"));
    insta::assert_snapshot!(drawn("[[process.a]]\ncommand = \"x\"\n"));
}

#[test]
fn numbers_out_of_their_range() {
    insta::assert_snapshot!(drawn(
        r#"
mcp_port = 0
dev_timeout_hours = -1
idle_exit_minutes = 0
dev_crash_wait_seconds = nan
release_crash_backoff_initial_seconds = 0
release_crash_backoff_max_seconds = inf

[logs]
keep_runs = 0
max_bytes = 65535

[process.a]
command = ["x"]
give_up = { crashes = 0, within_seconds = 0 }
stop = { grace_seconds = 3601 }
logs = { keep_runs = 99999999999999999999999999999999999999999, max_bytes = -1 }

[process.b]
command = ["x"]
give_up = { crashes = 1_000_000, within_seconds = 1e400 }
stop = { grace_seconds = -0.5 }
logs = { max_bytes = "32T" }

[process.c]
command = ["x"]
logs = { max_bytes = "64KB" }

[process.d]
command = ["x"]
logs = { max_bytes = "lots" }
"#
    ));
}

#[test]
fn ports_out_of_their_range() {
    for port in ["65536", "-1", "0x10000", "99999999999999999999999", "\"3000\"", "\"any\""] {
        let faults = faults(&format!("mcp_port = {port}"), None);
        assert_eq!(kinds(&faults), [(FaultKind::BadValue, "mcp_port")]);
    }
}

#[test]
fn strings_that_cannot_be() {
    insta::assert_snapshot!(drawn(
        r#"
mcp_port = "Auto"

[process.a]
command = []
cwd = ""
env_file = " "
env = { "A=B" = "x", "" = "x", C = "x\u0000" }
args = ["\u0000"]
restart = "on_failure"
stop = { signal = "TREM" }

[process.b]
type = "node"

[process.c]
command = ""
stop = { signal = "STOP" }
run = ["", "x"]
build = { dev = " ", release = [] }

[process.d]
type = "rust"
profile = "debug"
package = "-Zx"
bin = "two words"
features = ["a b", ""]
stop = { signal = "15" }

[process.e]
type = "rust"
profile = { dev = "", release = "x y", test = "z" }
stop = { signal = 15 }
"#
    ));
}

#[test]
fn names_that_a_process_cannot_have() {
    let long = "x".repeat(65);
    let text = [".a", "-a", "all", "a b", "ä", "", "a/b", "x\\u001b[2J", &long]
        .map(|name| format!("[process.\"{name}\"]\ncommand = [\"x\"]\n"))
        .concat();
    insta::assert_snapshot!(drawn(&text));
}

#[test]
fn keys_that_do_not_go_together() {
    insta::assert_snapshot!(drawn(
        r#"
release_crash_backoff_initial_seconds = 60
release_crash_backoff_max_seconds = 30

[process.a]
command = ["x"]
package = "a"

[process.b]
type = "npm"
features = []
profile = "x"

[process.c]

[process.d]
type = "command"

[process.e]
run = { dev = "x" }

[process.f]
run = {}

[process.g]
command = "x"
give_up = { crashes = 3 }
"#
    ));
}

#[test]
fn an_initial_wait_above_the_default_maximum_is_a_conflict() {
    let faults = faults("release_crash_backoff_initial_seconds = 301", None);
    let key = "release_crash_backoff_initial_seconds";
    assert_eq!(kinds(&faults), [(FaultKind::Conflict, key)]);
}

#[test]
fn one_missing_bracket_hides_nothing_below_it() {
    insta::assert_snapshot!(drawn(
        r#"
mcp_port = 0

[process.a]
command = ["x",
  "y"
args = []
autostart = 1

[process.b
command = ["x"]

[process.c]
command = rust
env = { A = "1"
type = "npm"

[process.d]
type = npm
cwd = 3
cwd = "twice"
args = [
  "a",
  "b" "c",
]

[process.d]
agrs = []
"#
    ));
}

#[test]
fn text_that_is_not_toml() {
    insta::assert_snapshot!(drawn("mcp_port: 3000\nprocess:\n  web: x\n"));
    insta::assert_snapshot!(drawn("{ \"mcp_port\": 3000 }"));
    insta::assert_snapshot!(drawn("[process.a]\ncommand\nargs = \ncwd = \"x\ntype = \"\"\"\nrust\n"));
    insta::assert_snapshot!(drawn("a = 007\nb = True\nc = \"\\q\"\n[process.x] type = 1\n"));
    insta::assert_snapshot!(drawn("\u{0}\u{1}\u{1b}[31m\nmcp_port = \"\u{7}\"\n"));
}

#[test]
fn missing_keys_are_not_reported_of_what_could_not_be_read() {
    let faults = faults("[process.a]\ncommand = \"x\nautostart = 1\n", None);
    assert_eq!(kinds(&faults), [(FaultKind::Syntax, ""), (FaultKind::WrongType, "process.a.autostart")]);
}

#[test]
fn a_fault_names_the_file_in_which_it_stands() {
    let main = r#"
mcp_port = 0
[process.web]
type = "npm"
cwd = 3
run = { dev = "x" }
"#;
    let local = r#"
mcp_port = "auto"
[process.web]
type = "command"
logs = { keep_runs = 0 }
[process.wbe]
args = []
"#;
    insta::assert_snapshot!(faults(main, Some(local)).render(false));
}

#[test]
fn a_conflict_is_found_on_the_merged_whole_only() {
    let main = "[process.a]\ntype = \"rust\"\npackage = \"x\"\n";
    let local = "[process.a]\ntype = \"npm\"\n";
    let found = faults(main, Some(local));
    assert_eq!(kinds(&found), [(FaultKind::Conflict, "process.a.package")]);
    assert_eq!(found.iter().next().map(|fault| fault.path.as_str()), Some(MAIN));
}

#[test]
fn a_broken_local_file_does_not_make_the_main_one_incomplete() {
    let main = "[process.a]\nrun = { dev = \"x\" }\n";
    let local = "[process.a\nrun.release = \"y\"\n";
    let found = faults(main, Some(local));
    assert_eq!(kinds(&found), [(FaultKind::Syntax, "")]);
    assert_eq!(found.iter().next().map(|fault| fault.path.as_str()), Some(LOCAL));
}

#[test]
fn long_lines_are_clipped_around_the_caret() {
    let pad = "x".repeat(300);
    insta::assert_snapshot!(drawn(&format!(
        "[process.a]\ncommand = [\"{pad}\", 1, \"{pad}\"]\ncwd = [\"{pad}\"]\n"
    )));
}

#[test]
fn wide_characters_tabs_and_carriage_returns_keep_the_caret_in_its_place() {
    insta::assert_snapshot!(drawn(
        "[process.a]\r\ncommand = [\"日本語\", 1]\r\n\tenv = {\tA = 1 }\r\ncwd = [\"\u{202e}\"]\r\n"
    ));
}

#[test]
fn a_byte_order_mark_is_no_column() {
    let faults = faults("\u{feff}mcp_port = 0\n", None);
    let fault = faults.iter().next().expect("one fault");
    assert_eq!((fault.line, fault.column, fault.span.clone()), (1, 12, 14..15));
    insta::assert_snapshot!(faults.render(false));
}

#[test]
fn colour_marks_the_error_the_frame_and_the_caret() {
    insta::assert_snapshot!(faults("mcp_prot = 1", None).render(true).escape_debug());
}

#[test]
fn many_faults_are_counted_and_few_are_drawn() {
    use std::fmt::Write as _;
    let mut text = String::new();
    for index in 0..MAX_KEPT + 500 {
        let _ = writeln!(text, "unknown{index} = 1");
    }
    let faults = faults(&text, None);
    assert_eq!(faults.count(), MAX_KEPT + 500);
    assert_eq!(faults.iter().count(), MAX_KEPT);
    let drawn = faults.render(false);
    assert_eq!(drawn.matches("error: ").count(), MAX_SHOWN);
    let last = format!("and {} more faults\n", MAX_KEPT + 500 - MAX_SHOWN);
    assert!(drawn.ends_with(&last), "{drawn}");
}

#[test]
fn garbage_is_bounded() {
    let garbage = "[[[{\"'=\n".repeat(MAX_FILE_BYTES / 8);
    let faults = faults(&garbage, None);
    assert!(faults.iter().count() <= MAX_KEPT);
    assert!(faults.render(false).len() < 64 * 1024);
}

#[test]
fn a_file_that_is_too_big_is_not_parsed() {
    let text = "# \n".repeat(MAX_FILE_BYTES);
    insta::assert_snapshot!(drawn(&text));
}

#[test]
fn processes_are_bounded() {
    let many =
        |count| (0..count).map(|index| format!("[process.p{index}]\ncommand = \"x\"\n")).collect::<String>();
    let main = Source { path: MAIN, text: &many(MAX_PROCESSES) };
    assert_eq!(parse(main, None).map(|config| config.processes.len()), Ok(MAX_PROCESSES));
    let one_more = faults(&many(MAX_PROCESSES + 1), None);
    let key = format!("process.p{MAX_PROCESSES}");
    assert_eq!(kinds(&one_more), [(FaultKind::BadValue, key.as_str())]);
}

/// A parse that took quadratic time would not come back within the patience of any test runner.
#[test]
fn hostile_files_of_the_full_size_are_answered() {
    for piece in [
        "[",
        "{",
        "a=[\n",
        "a={b=",
        "a.",
        "[a.b.c]\n",
        "[process.x",
        "\"\"\"\n",
        "x=1 y=2\n",
        "a=[[1],\n",
        "=\n",
    ] {
        let text = piece.repeat(MAX_FILE_BYTES / piece.len());
        let found = faults(&text, Some(&text));
        assert!(found.iter().count() <= MAX_KEPT);
    }
    let processes: String = (0..12_000).map(|index| format!("[process.p{index}]\n")).collect();
    assert!(faults(&processes, Some(&processes.replace(".p", ".q"))).count() > 0);
}

#[test]
fn patterns_that_are_none_or_too_large() {
    let many = vec!["'a'"; 33].join(", ");
    let long = "a".repeat(1_001);
    let text = format!(
        r#"
[process.a]
command = "serve"
errors = {{ match = ["ok", "a)|(b", "", '(?:\w{{100}}){{100}}'], ignore = "x" }}
[process.b]
command = "serve"
errors.match = [{many}]
errors.ignore = ["{long}", 3, '[[:nope:]]']
errors.matches = []
"#
    );
    insta::assert_snapshot!(drawn(&text));
}
