//! Errors in what programs print: that a wait knows them, what the configuration adds, who has a port.

use bpm_api::WaitAnswer;

use crate::lab::{Lab, process, puppet, shell};

fn wait_for_error(lab: &Lab, name: &str) -> WaitAnswer {
    let output = lab.bpm(&["--json", "wait", name, "--until", "error", "--timeout", "30"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The lines that decided.
fn deciding(answer: &WaitAnswer) -> Vec<&str> {
    let lines = answer.lines.as_ref().unwrap().lines.iter();
    lines.filter(|line| line.is_match).map(|line| line.text.as_str()).collect()
}

#[test]
fn an_address_in_use_names_the_process_of_ours_that_has_it() {
    let web = "until test -s port; do sleep 0.02; done; \
               echo \"Error: listen EADDRINUSE: address already in use :::$(cat port)\" >&2; exec sleep 1000";
    let lab = Lab::up(&(process("api", &[&puppet(), "listen", "0"], "") + &shell("web", web, "")));
    let port = lab.wait_for("api listens", |lab| {
        lab.lines("api").first()?.strip_prefix("listening on ").map(str::to_owned)
    });
    lab.write("port", &port);
    let answer = wait_for_error(&lab, "web");
    let met = answer.met.clone().unwrap();
    let pid = lab.process("api").pid.unwrap();
    let holder = met.port_holder.unwrap();
    assert!(met.bad && holder.starts_with(&format!("pid {pid} (`")), "{holder}");
    let expected = format!("which bpm runs: process `api`, run 1; port {port}");
    assert!(holder.ends_with(&expected), "{holder}");
    assert_eq!(deciding(&answer), [format!("Error: listen EADDRINUSE: address already in use :::{port}")]);
}

#[test]
fn the_configuration_says_what_else_is_an_error_and_what_is_none() {
    let line = "echo 'ERROR harmless: as always'; echo '3 errors, harmless'; echo 'oops 7'; exec sleep 1000";
    let lab = Lab::up(&shell("app", line, "errors = { match = ['^oops \\d'], ignore = ['harmless'] }"));
    let answer = wait_for_error(&lab, "app");
    assert_eq!(deciding(&answer), ["oops 7"]);
}

#[test]
fn a_pattern_that_is_none_is_a_fault_of_its_key() {
    let lab = Lab::new(&shell("app", "true", "errors.match = ['a)|(b']"));
    let output = lab.bpm(&["check"]);
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("`errors.match[0]`") && said.contains("unopened group"), "{said}");
}

#[test]
fn an_address_in_use_without_its_port_is_looked_for_by_the_command_that_names_it() {
    let lab = Lab::up(&process("api", &[&puppet(), "listen", "0"], ""));
    let port = lab.wait_for("api listens", |lab| {
        lab.lines("api").first()?.strip_prefix("listening on ").map(str::to_owned)
    });
    let line =
        format!("echo 'OSError: [Errno 98] Address already in use' >&2; : serve --port {port}; exit 1");
    lab.bpm(&["run", "--name", "second", "--shell", &line]);
    let met = wait_for_error(&lab, "second").met.unwrap();
    let holder = met.port_holder.unwrap();
    assert!(holder.contains("process `api`") && holder.ends_with(&format!("port {port}")), "{holder}");
}
