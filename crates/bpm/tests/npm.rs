//! The command of an `npm` process, run by a real npm. Run by `scripts/test`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{fs, process::Command};

use bpm::exec::package_manager::dev_command;

#[test]
#[ignore = "needs npm"]
fn needs_npm_the_script_gets_the_arguments_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"{"name":"x","scripts":{"dev":"printf '<%s>' \"$npm_lifecycle_event\""}}"#;
    fs::write(dir.path().join("package.json"), script).unwrap();
    let args = ["--port", "3000", "a b"].map(str::to_owned);
    let argv = dev_command(dir.path(), dir.path(), &args).unwrap();
    let output = Command::new(&argv[0]).args(&argv[1..]).current_dir(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.ends_with("<dev><--port><3000><a b>"), "{said}");
}
