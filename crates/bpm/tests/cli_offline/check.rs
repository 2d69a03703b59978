//! `bpm check`

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::Bench;

const FAULTY: &str = "\
mcp_prot = 3001
dev_timeout_hours = \"3\"

[process.api]
type = \"rusty\"
agrs = [\"--port\", 8080]

[process.web]
restart = \"sometimes\"
";

const VALID: &str = "\
mcp_port = 3001

[process.api]
type = \"rust\"
bin = \"server\"
args = [\"--name\", \"my shop\"]

[process.web]
type = \"npm\"
autostart = false

[process.jobs]
run = { dev = \"make watch\", release = [\"./jobs\", \"--all\"] }
restart = \"on-failure\"
";

#[test]
fn all_faults_are_shown_at_once() {
    let bench = Bench::new(FAULTY);
    let ran = bench.run(&["check"]).code(2);
    assert_eq!(ran.out, "");
    assert_snapshot!(ran.err);
}

#[test]
fn faults_are_data_too() {
    let bench = Bench::new(FAULTY);
    let ran = bench.run(&["check", "--json"]).code(2);
    assert_eq!(ran.err, "");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["ok"], false);
    let faults = report["faults"].as_array().unwrap();
    let first = &faults[0];
    assert_eq!(first["line"], 1);
    assert_eq!(first["column"], 1);
    assert_eq!(first["kind"], "unknown_key");
    assert!(first["suggestion"].as_str().unwrap().contains("mcp_port"), "{first}");
    let shown = bench.run(&["check"]).err.matches("error: ").count();
    assert_eq!(faults.len(), shown);
}

#[test]
fn a_valid_configuration_is_told() {
    let bench = Bench::new(VALID);
    let ran = bench.run(&["check"]).code(0);
    assert_eq!(ran.err, "");
    assert_snapshot!(ran.out);
    let report: Value = serde_json::from_str(&bench.run(&["check", "--json"]).code(0).out).unwrap();
    assert_eq!(report["ok"], true);
    assert_eq!(report["processes"][2]["dev"], "make watch");
}

#[test]
fn a_file_or_a_directory_can_be_named() {
    let bench = Bench::new(FAULTY);
    let other = bench.root().join("other.toml");
    std::fs::write(&other, VALID).unwrap();
    bench.run(&["check", "other.toml"]).code(0);
    bench.run(&["check", "."]).code(2);
    bench.run(&["check", bench.root().to_str().unwrap()]).code(2);
    let ran = bench.run(&["check", ".", "--project", "."]).code(2);
    assert!(ran.err.contains("expected one of them"), "{}", ran.err);
}

#[test]
fn a_fault_in_the_local_file_is_named_there() {
    let bench = Bench::new(VALID);
    std::fs::write(bench.root().join(".mcp-run.local"), "mcp_port = \"any\"\n").unwrap();
    let ran = bench.run(&["check"]).code(2);
    assert!(ran.err.contains(".mcp-run.local:1:12"), "{}", ran.err);
    assert!(ran.err.ends_with("\n1 fault in `[DIR]/shop/.mcp-run.local`\n"), "{}", ran.err);
}

#[test]
fn what_cannot_be_read_is_said() {
    let bench = Bench::new("");
    let ran = bench.run(&["check"]).code(2);
    assert!(ran.err.starts_with("error: there is no `[DIR]/shop/.mcp-run`\n  hint: "), "{}", ran.err);
    std::fs::write(bench.root().join(".mcp-run"), b"mcp_port = 1 # \xff\n").unwrap();
    let ran = bench.run(&["check"]).code(2);
    assert!(ran.err.contains("byte 16 is not UTF-8"), "{}", ran.err);
    std::fs::write(bench.root().join(".mcp-run"), vec![b'#'; bpm_core::config::MAX_FILE_BYTES + 1]).unwrap();
    bench.run(&["check"]).code(2);
}
