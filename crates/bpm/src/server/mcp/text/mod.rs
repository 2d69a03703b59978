//! What a model reads: pure functions from answers to compact text, and to the same facts for programs.

mod logs;
mod status;
mod steps;
mod tasks;
mod units;
mod waits;

use bpm_api::{Applied, Began, Error, Reply, WhyAnswer};
use serde_json::{Value, json};

/// Most of an error's detail that is shown. Clients cut an error's text themselves not far above it.
const DETAIL_BYTES: usize = 8 * 1024;

/// Next steps name tools instead of commands from here on, in both forms of the answer.
pub(super) fn for_a_model(mut outcome: Result<Reply, Error>) -> Result<Reply, Error> {
    match &mut outcome {
        Ok(Reply::Status(status)) => {
            steps::in_status(status);
            tasks::leave_some_out(status);
        }
        Ok(Reply::Tasks(list)) => {
            let over = list.tasks.len().saturating_sub(tasks::MOST_SHOWN);
            list.tasks.truncate(tasks::MOST_SHOWN);
            list.more += over as u64;
        }
        Ok(Reply::Why(answer)) => steps::in_process(&mut answer.status),
        Ok(_) => {}
        Err(error) => steps::in_error(error),
    }
    outcome
}

pub(super) fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Status(status) => status::status(status),
        Reply::Began(run) => began(run),
        Reply::Done(done) => done.message.clone(),
        Reply::LogPage(page) => logs::page(page),
        Reply::Why(answer) => why(answer),
        Reply::Applied(applied) => self::applied(applied),
        Reply::Task(report) => tasks::report(report),
        Reply::Tasks(list) => tasks::list(list),
        Reply::Input(sent) => tasks::input(sent),
        Reply::Wait(answer) => waits::wait(answer),
        Reply::News(news) => news.line.clone().unwrap_or_default(),
        Reply::Call(call) => call.message.clone(),
        // no tool's answers
        Reply::Window(_) | Reply::Runs(_) => String::new(),
    }
}

/// The same facts for a program, and all of them: some clients show a model this and not the text. Where lines
/// of a log are all there is, there is none; escaped they are hard to read.
pub(super) fn structured(reply: Reply) -> Option<Value> {
    let value = match reply {
        Reply::Status(status) => status::structured(*status),
        Reply::Began(began) => serde_json::to_value(began),
        Reply::Done(done) => serde_json::to_value(done),
        Reply::Applied(applied) => serde_json::to_value(applied),
        Reply::Task(report) => Ok(tasks::structured_report(&report)),
        Reply::Tasks(list) => Ok(tasks::structured_list(&list)),
        Reply::Input(sent) => Ok(tasks::structured_input(&sent)),
        Reply::Wait(answer) => Ok(waits::structured(&answer)),
        Reply::LogPage(_)
        | Reply::Why(_)
        | Reply::News(_)
        | Reply::Call(_)
        | Reply::Window(_)
        | Reply::Runs(_) => return None,
    };
    value.ok()
}

/// `code: message`, the next step, the detail as far as it fits.
pub(super) fn error(error: &Error) -> String {
    let mut text = format!("{}: {}", error.code.as_str(), error.message);
    if let Some(hint) = &error.hint {
        text.push_str("\nnext: ");
        text.push_str(hint);
    }
    if let Some(detail) = error.detail.as_deref().filter(|detail| !detail.trim().is_empty()) {
        text.push_str("\n\n");
        text.push_str(&units::head(detail.trim_end(), DETAIL_BYTES));
    }
    text
}

/// For a program, and for the clients that show a model this instead of the text.
pub(super) fn structured_error(error: Error) -> Value {
    let mut value = json!({"code": error.code.as_str(), "message": error.message});
    if let Some(hint) = error.hint {
        value["next"] = Value::String(hint);
    }
    if let Some(detail) = error.detail.as_deref().filter(|detail| !detail.trim().is_empty()) {
        value["detail"] = Value::String(units::head(detail.trim_end(), DETAIL_BYTES));
    }
    value
}

fn began(run: &Began) -> String {
    let Began { process, run: number, pid, recipe, already, build, warnings } = run;
    let recipe = recipe.as_str();
    if *already {
        return format!("`{process}` runs already: run {number} ({recipe}), pid {pid}");
    }
    let mut text = format!("`{process}` has started: run {number} ({recipe}), pid {pid}");
    if let Some(build) = build {
        text.push_str(&format!(", build {build}"));
    }
    if *warnings > 0 {
        text.push_str(&format!(", {}", units::count(*warnings, "warning")));
    }
    text
}

fn why(answer: &WhyAnswer) -> String {
    let mut text = status::process(&answer.status, true);
    for survivor in &answer.survivors {
        text.push_str(&format!("\n  outlived KILL: {survivor}"));
    }
    if let Some(evidence) = &answer.evidence {
        text.push('\n');
        text.push_str(&logs::page(evidence));
    }
    text
}

fn applied(applied: &Applied) -> String {
    let lists = [
        ("added", &applied.added),
        ("removed", &applied.removed),
        ("changed from its next start on", &applied.changed),
    ];
    let parts: Vec<String> = lists
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}: {}", names.join(", ")))
        .collect();
    if parts.is_empty() { "nothing changed".to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests;
