//! The conformance suite of the protocol against a whole manager: with the suite's own tools in front of the
//! real handler (`bpm-conformance`) everything holds, and without them just what needs none. Run by
//! `scripts/test`, which installs the suite and builds that program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::lab::{Lab, text};

const CONFIG: &str = "mcp_port = \"auto\"\n[process.app]\ncommand = \"echo ready; exec sleep 1000\"\n";

/// `-2026-11-21T07-14-25-896Z`, which the suite adds to the name of a scenario.
const TIMESTAMP: usize = 25;

/// Where `scripts/test` puts what is npm's.
pub fn clients() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("mcp-clients")
}

/// The Node.js that it puts there.
pub fn node() -> Command {
    let program = clients().join("node_modules/.bin/node");
    assert!(program.exists(), "{} is missing; `scripts/test` installs it", program.display());
    let mut command = Command::new(program);
    command.env_remove("NODE_OPTIONS").env_remove("NODE_PATH").stdin(Stdio::null());
    command
}

/// What came of one run of the suite.
#[derive(Default)]
struct Outcome {
    scenarios: BTreeSet<String>,
    /// Scenarios in which nothing was found good: each must be known, for it shows nothing.
    vacuous: BTreeSet<String>,
    /// `scenario:check`
    complaints: BTreeSet<String>,
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Runs the suite, which must be content itself.
fn suite(lab: &Lab, args: &[&str]) -> Outcome {
    let url = lab.status().manager.mcp_url.unwrap();
    let results = tempfile::tempdir().unwrap();
    let output = node()
        .arg(clients().join("node_modules/@modelcontextprotocol/conformance/dist/index.js"))
        .args(["server", "--url", &url])
        .args(args)
        .arg("--output-dir")
        .arg(results.path())
        .output()
        .unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}\nterminal: {}", lab.terminal());
    read(results.path())
}

fn read(results: &Path) -> Outcome {
    let mut outcome = Outcome::default();
    for entry in fs::read_dir(results).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let scenario = name.strip_prefix("server-").unwrap();
        let scenario = &scenario[..scenario.len() - TIMESTAMP];
        let checks = fs::read(entry.path().join("checks.json")).unwrap();
        let checks: Vec<Value> = serde_json::from_slice(&checks).unwrap();
        let with = |status: &'static str| checks.iter().filter(move |check| check["status"] == status);
        outcome.scenarios.insert(scenario.to_owned());
        if with("SUCCESS").next().is_none() {
            outcome.vacuous.insert(scenario.to_owned());
        }
        for check in with("FAILURE").chain(with("WARNING")) {
            outcome.complaints.insert(format!("{scenario}:{}", check["id"].as_str().unwrap()));
        }
    }
    outcome
}

/// The entries of the list of expected failures, as the suite writes them.
fn expected(list: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(list).unwrap();
    let entries: Vec<String> =
        text.lines().filter_map(|line| line.trim().strip_prefix("- ")).map(str::to_owned).collect();
    let set: BTreeSet<String> = entries.iter().cloned().collect();
    assert_eq!(set.len(), entries.len(), "an entry stands there twice");
    set
}

#[test]
#[ignore = "needs the MCP conformance suite"]
fn needs_mcp_suite_the_program_as_it_is_lacks_nothing_but_fixtures() {
    let lab = Lab::up(CONFIG);
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/expected-failures.yml");
    let mut complaints = BTreeSet::new();
    for (revision, scenarios) in [("2025-11-25", 33), ("2026-07-28", 40)] {
        let list = list.to_str().unwrap();
        let asked = ["--suite", "all", "--spec-version", revision, "--expected-failures", list];
        let outcome = suite(&lab, &asked);
        assert_eq!(outcome.scenarios.len(), scenarios, "{revision}: {:?}", outcome.scenarios);
        complaints.extend(outcome.complaints);
    }
    // The suite itself overlooks an entry that no scenario has.
    assert_eq!(complaints, expected(&list));
}

#[test]
#[ignore = "needs the MCP conformance suite"]
fn needs_mcp_suite_all_that_the_newest_revision_requires() {
    let mut lab = Lab::new(CONFIG).program("bpm-conformance");
    lab.start();
    let outcome = suite(&lab, &["--requirements", "2026-07-28"]);
    // also those that the suite runs and does not count: the extension for tasks, headers, schemas
    assert_eq!(outcome.scenarios.len(), 50, "{:?}", outcome.scenarios);
    assert_eq!(outcome.complaints, set(&[]));
    // left out by the suite itself
    assert_eq!(outcome.vacuous, set(&["tasks-status-notifications"]));
}

#[test]
#[ignore = "needs the MCP conformance suite"]
fn needs_mcp_suite_all_of_the_revision_with_sessions() {
    let mut lab = Lab::new(CONFIG).program("bpm-conformance");
    lab.start();
    let outcome = suite(&lab, &["--suite", "all", "--spec-version", "2025-11-25"]);
    assert_eq!(outcome.scenarios.len(), 33, "{:?}", outcome.scenarios);
    // Streams begin without an event that has no data: clients of older revisions take it for a message, and
    // the SDK does not tell revisions apart here.
    let streams =
        ["server-sse-polling:server-sse-priming-event", "server-sse-polling:server-sse-retry-field"];
    assert_eq!(outcome.complaints, set(&streams));
    assert_eq!(outcome.vacuous, set(&["server-sse-polling"]));
}
