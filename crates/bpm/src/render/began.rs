//! A run that came up.

use bpm_api::Began;

use super::safe::safe_line;
use super::style::{Ink, Style};
use super::time::count;

/// The answer to `restart`.
#[must_use]
pub fn restarted(began: &Began, style: Style) -> String {
    say("restarted", began, style)
}

/// The answer to `start`.
#[must_use]
pub fn started(began: &Began, style: Style) -> String {
    say(if began.already { "runs already" } else { "started" }, began, style)
}

fn say(what: &str, began: &Began, style: Style) -> String {
    let Began { process, run, pid, recipe, build, warnings, .. } = began;
    let mut text = format!("{} {what}: run {run}, pid {pid}, {} recipe", safe_line(process), recipe.as_str());
    if let Some(build) = build {
        text.push_str(&format!(", build {build}"));
    }
    let mut out = format!("{} {text}", style.paint(Ink::Good, "▶"));
    if *warnings > 0 {
        let warned = format!(" with {}", count(*warnings, "warning"));
        out.push_str(&style.paint(Ink::Waiting, &warned));
    }
    out.push('\n');
    out
}
