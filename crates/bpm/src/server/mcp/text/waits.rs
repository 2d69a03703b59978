//! How a wait ended: what held, by which target, then the lines that decided it and how to go on.

use std::fmt::Write;

use bpm_api::{TargetState, WaitAnswer};
use serde_json::{Value, json};

use super::logs;
use super::units::duration;

pub(super) fn wait(answer: &WaitAnswer) -> String {
    let waited = duration(answer.waited_seconds);
    let mut text = match &answer.met {
        Some(met) => {
            let bad = if met.bad { ", a failure" } else { "" };
            let mut text =
                format!("{} {} ({}{bad}), waited {waited}", met.target, met.what, met.condition.as_str());
            if let Some(holder) = &met.port_holder {
                let _ = write!(text, "\nthe port is held by {holder}");
            }
            text
        }
        None => format!("nothing of it in {waited}; {}", next(answer)),
    };
    let decided = answer.met.as_ref().map(|met| met.target.as_str());
    for state in answer.targets.iter().filter(|state| Some(state.target.as_str()) != decided) {
        let why = if state.why.is_empty() { String::new() } else { format!(", {}", state.why) };
        let _ = write!(text, "\n{}: {}{why}", state.target, state.state);
    }
    match lines(answer) {
        Some(lines) => {
            text.push('\n');
            text.push_str(&lines);
        }
        None => {
            let _ = write!(text, "\ncursor {}", answer.cursor);
        }
    }
    text
}

fn next(answer: &WaitAnswer) -> String {
    let is_over = |state: &TargetState| matches!(&*state.state, "completed" | "failed" | "killed" | "lost");
    if answer.targets.iter().all(is_over) {
        return "they have ended, as was told before, and nothing more will come".to_owned();
    }
    format!("to go on call `wait_for` again with cursor {}", answer.cursor)
}

/// With the one cursor that both tools take.
fn lines(answer: &WaitAnswer) -> Option<String> {
    let mut page = answer.lines.clone()?;
    page.cursor.clone_from(&answer.cursor);
    Some(logs::page(&page))
}

/// The same, for a program and for clients that show a model nothing else.
pub(super) fn structured(answer: &WaitAnswer) -> Value {
    let mut facts = json!({"waited_seconds": (answer.waited_seconds * 10.0).round() / 10.0});
    match &answer.met {
        Some(met) => facts["met"] = json!(met),
        None => facts["next"] = Value::String(next(answer)),
    }
    facts["targets"] = json!(answer.targets);
    if let Some(lines) = lines(answer) {
        facts["lines"] = Value::String(lines);
    }
    facts["cursor"] = Value::String(answer.cursor.clone());
    facts
}
