//! Real cargo under a real manager, on small projects without dependencies: recipes, diagnostics, the
//! last live artefact, a workspace with two binaries.

use std::fs;

use bpm_api::{Code, Mode, State};
use rustix::process::Signal;

use crate::lab::{Lab, alive, send};

const ONE: &str = r#"
dev_crash_wait_seconds = 0.2
release_crash_backoff_initial_seconds = 0.2
[process.hello-world]
type = "rust"
args = ["--to", "all of you"]
"#;

/// A program that says which it is, how it was built and what it was given, and stays.
fn source(version: &str) -> String {
    format!(
        r#"fn main() {{
    let recipe = if cfg!(debug_assertions) {{ "dev" }} else {{ "release" }};
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!("{version} {{recipe}} {{arguments:?}} {{}}", env!("CARGO_PKG_NAME"));
    loop {{
        std::thread::park();
    }}
}}
"#
    )
}

/// Three type errors, in known lines.
const BROKEN: &str = r#"fn main() {
    let one: u32 = "text";
    let two: String = 2;
    let three: bool = missing();
}
"#;

fn package(lab: &Lab, dir: &str, name: &str) {
    fs::create_dir_all(lab.file(dir).join("src")).unwrap();
    let manifest = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    fs::write(lab.file(dir).join("Cargo.toml"), manifest).unwrap();
}

fn project() -> Lab {
    let mut lab = Lab::new(ONE);
    package(&lab, "", "hello-world");
    lab.write("src/main.rs", &source("one"));
    lab.start();
    lab
}

fn says(lab: &Lab, process: &str, expected: &str) {
    lab.wait_for(&format!("{process} says {expected}"), |lab| {
        (lab.lines(process) == [expected]).then_some(())
    });
}

#[test]
fn starts_in_release_and_a_restart_after_an_edit_serves_the_new_code_in_dev() {
    let lab = project();
    let first = lab.running("hello-world");
    assert_eq!((first.run, first.recipe), (Some(1), Some(Mode::Release)));
    says(&lab, "hello-world", r#"one release ["--to", "all of you"] hello-world"#);

    lab.write("src/main.rs", &source("two"));
    let began: bpm_api::Began = lab.ask(&["restart", "hello-world"]);
    assert_eq!((began.run, began.build, began.recipe, began.warnings), (2, Some(2), Mode::Dev, 0));
    assert!(!alive(first.pid.unwrap()) && alive(began.pid));
    assert_eq!(lab.status().mode, Mode::Dev);
    says(&lab, "hello-world", r#"two dev ["--to", "all of you"] hello-world"#);
    let before = lab.logs(&["hello-world", "--run", "-2"]);
    assert_eq!(before.lines[0].text, r#"one release ["--to", "all of you"] hello-world"#);

    let build = lab.bpm(&["build-log", "hello-world"]);
    let build = crate::lab::text(&build.stdout);
    assert!(build.contains("Compiling hello-world") && !build.contains("{\"reason\""), "{build}");
}

#[test]
fn broken_code_is_told_and_hurts_nothing_and_a_crash_runs_the_last_live_artefact() {
    let lab = project();
    let first = lab.running("hello-world");
    lab.write("src/main.rs", BROKEN);
    let error = lab.refused(&["restart", "hello-world"]);
    assert_eq!(error.code, Code::BuildFailed);
    assert!(error.message.contains("3 errors, first src/main.rs:"), "{}", error.message);
    let detail = error.detail.unwrap();
    for expected in ["error[E0308]: mismatched types", "--> src/main.rs:2:20", "expected `u32`, found `&str`"]
    {
        assert!(detail.contains(expected), "{expected} in {detail}");
    }
    assert!(detail.contains("--> src/main.rs:4:23") && detail.contains("3 errors in all"), "{detail}");
    let now = lab.process("hello-world");
    assert_eq!((now.pid, now.run, now.state), (first.pid, Some(1), State::Running));

    // The tree does not compile; what runs now is what ran before.
    send(first.pid.unwrap(), Signal::KILL);
    let again = lab.running_other_than("hello-world", 1);
    assert_eq!((again.run, again.recipe), (Some(2), Some(Mode::Release)));
    assert_eq!(again.last_exit.unwrap().signal.as_deref(), Some("KILL"));
    says(&lab, "hello-world", r#"one release ["--to", "all of you"] hello-world"#);

    lab.write("src/main.rs", &source("mended"));
    let began: bpm_api::Began = lab.ask(&["restart", "hello-world"]);
    assert_eq!(began.recipe, Mode::Dev);
    says(&lab, "hello-world", r#"mended dev ["--to", "all of you"] hello-world"#);
}

#[test]
fn a_crash_after_an_edit_that_was_not_asked_for_runs_the_old_code() {
    let lab = project();
    let first = lab.running("hello-world");
    lab.write("src/main.rs", &source("half-edited"));
    send(first.pid.unwrap(), Signal::ABORT);
    lab.running_other_than("hello-world", 1);
    says(&lab, "hello-world", r#"one release ["--to", "all of you"] hello-world"#);
    // not even if somebody built in between
    let built = std::process::Command::new(env!("CARGO"))
        .args(["build", "--release", "--offline", "--quiet"])
        .current_dir(lab.project())
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_BUILD_TARGET_DIR")
        .status()
        .unwrap();
    assert!(built.success());
    send(lab.process("hello-world").pid.unwrap(), Signal::KILL);
    lab.running_other_than("hello-world", 2);
    says(&lab, "hello-world", r#"one release ["--to", "all of you"] hello-world"#);
}

#[test]
fn two_binaries_of_a_workspace_have_a_life_of_their_own() {
    let mut lab = Lab::new(
        "[process.front-end]\ntype = \"rust\"\nbin = \"front-end\"\n[process.back-end]\ntype = \"rust\"\npackage = \"back-end\"\n",
    );
    lab.write("Cargo.toml", "[workspace]\nmembers = [\"front-end\", \"back-end\"]\nresolver = \"3\"\n");
    for name in ["front-end", "back-end"] {
        package(&lab, name, name);
        lab.write(&format!("{name}/src/main.rs"), &source("one"));
    }
    lab.start();
    let front = lab.running("front-end");
    lab.running("back-end");
    says(&lab, "front-end", "one release [] front-end");
    says(&lab, "back-end", "one release [] back-end");

    lab.write("back-end/src/main.rs", &source("two"));
    let began: bpm_api::Began = lab.ask(&["restart", "back-end"]);
    assert_eq!((began.run, began.recipe), (2, Mode::Dev));
    says(&lab, "back-end", "two dev [] back-end");
    let now = lab.process("front-end");
    assert_eq!((now.pid, now.run, now.recipe), (front.pid, Some(1), Some(Mode::Release)));

    // one that does not compile is no matter of the other
    lab.write("back-end/src/main.rs", BROKEN);
    let began: bpm_api::Began = lab.ask(&["restart", "front-end"]);
    assert_eq!((began.run, began.recipe), (2, Mode::Dev));
    says(&lab, "front-end", "one dev [] front-end");
}
