//! Nothing of a configuration runs that nobody approved, and what runs by an approved one goes on.

use rustix::process::Signal;
use serde_json::json;

use crate::lab::{Lab, alive, process, puppet, send};
use crate::session::Session;

fn stays(name: &str, more: &str) -> String {
    process(name, &[&puppet(), "sleep", "600"], more)
}

fn alarm(lab: &Lab) -> String {
    let alarms: Vec<String> = lab.status().alarms.into_iter().map(|alarm| alarm.message).collect();
    alarms.join("\n")
}

#[test]
fn an_unapproved_configuration_starts_nothing_until_it_is_allowed() {
    let lab = Lab::new(&stays("web", ""));
    let mut session = Session::of(&lab);
    let shown = session.done("get_status", json!({}));
    assert!(shown.contains("`bpm allow`"), "{shown}");
    assert!(lab.status().processes.is_empty());
    for (tool, args) in [
        ("start", json!({"process": "web"})),
        ("restart", json!({})),
        ("wait_for", json!({"targets": ["web"]})),
        ("search_logs", json!({"process": "web"})),
    ] {
        let text = session.refused(tool, args);
        assert!(text.contains("unknown_process"), "{text}");
        assert!(text.contains("`bpm allow`") && !text.contains("configured"), "{tool}: {text}");
    }
    assert!(lab.bpm(&["allow"]).status.success());
    lab.running("web");
    assert_eq!(alarm(&lab), "");
}

#[test]
fn a_faulty_configuration_is_told_with_its_first_fault() {
    let lab = Lab::new("[process.web]\ncommand = 'x'\ncolour = 'red'\n");
    let mut session = Session::of(&lab);
    let shown = session.done("get_status", json!({}));
    assert!(shown.contains("colour") && shown.contains("`bpm check`"), "{shown}");
    assert!(lab.status().processes.is_empty());
}

#[test]
fn what_runs_goes_on_when_the_file_has_changed_and_the_manager_dies() {
    let lab = Lab::new(&[stays("web", ""), stays("idle", "autostart = false")].concat());
    lab.bpm(&["allow"]);
    let mut session = Session::of(&lab);
    session.done("get_status", json!({}));
    let web = lab.running("web");
    for changed in [stays("evil", ""), "[process.web]\ncomand = 'x'\n".to_owned()] {
        lab.configure(&changed);
        let before = lab.status().manager.pid;
        send(before, Signal::KILL);
        session.done("get_status", json!({}));
        assert_ne!(lab.status().manager.pid, before);
        let after = lab.running("web");
        assert_eq!((after.pid, after.run), (web.pid, web.run));
        assert!(alive(web.pid.unwrap()));
        let names: Vec<String> = lab.status().processes.into_iter().map(|process| process.name).collect();
        assert_eq!(names, ["web"]);
        assert_ne!(alarm(&lab), "");
    }
}
