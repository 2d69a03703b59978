//! Prompts: ready messages with the evidence in them.

use bpm_api::{Code, GetStatus, Op, Origin, ProcessStatus, Reply, State, Why};
use rmcp::ErrorData;
use rmcp::model::{
    GetPromptResult, JsonObject, ListPromptsResult, Prompt, PromptArgument, PromptMessage, Role,
};
use serde_json::Value;

use super::identity::clip;
use super::resources::fault;
use super::text;
use crate::control::Control;

pub(super) const DIAGNOSE: &str = "diagnose";
/// The one argument of `diagnose`.
pub(super) const PROCESS: &str = "process";
const STATUS: &str = "status";
/// Looked at closely where nobody says which.
const MAX_SUSPECTS: usize = 3;

pub(super) fn list() -> ListPromptsResult {
    let process = PromptArgument::new(PROCESS)
        .with_description("Which process; all that are not well when left out")
        .with_required(false);
    let diagnose =
        Prompt::new(DIAGNOSE, Some("Why a process is not running, with evidence"), Some(vec![process]));
    let status = Prompt::new(STATUS, Some("What runs, and what needs attention"), None);
    ListPromptsResult::with_all_items(vec![diagnose.with_title("Diagnose"), status.with_title("Status")])
}

pub(super) async fn get<C: Control>(
    control: &C,
    name: &str,
    arguments: Option<JsonObject>,
    origin: Origin,
) -> Result<GetPromptResult, ErrorData> {
    let text = match name {
        DIAGNOSE => diagnose(control, process_of(arguments)?, origin).await?,
        STATUS => format!(
            "Tell me in a few sentences how this project's programs stand, what needs attention, and what you would do \
             next.\n\n{}",
            status(control, origin).await?
        ),
        other => {
            let message = format!("no prompt `{}`, expected `{DIAGNOSE}` or `{STATUS}`", clip(other));
            return Err(ErrorData::invalid_params(message, None));
        }
    };
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]))
}

fn process_of(arguments: Option<JsonObject>) -> Result<Option<String>, ErrorData> {
    match arguments.and_then(|mut arguments| arguments.remove(PROCESS)) {
        None | Some(Value::Null) => Ok(None),
        // What a form sends that was left empty.
        Some(Value::String(process)) => Ok(Some(process).filter(|process| !process.is_empty())),
        Some(_) => Err(ErrorData::invalid_params(format!("`{PROCESS}` is expected to be a string"), None)),
    }
}

async fn diagnose<C: Control>(
    control: &C,
    process: Option<String>,
    origin: Origin,
) -> Result<String, ErrorData> {
    let suspects = match process {
        Some(process) => vec![process],
        None => suspects(control, &origin).await?,
    };
    if suspects.is_empty() {
        let status = status(control, origin).await?;
        return Ok(format!("No process is down. Check whether what runs is well.\n\n{status}"));
    }
    let mut text = format!(
        "Find out why {} is not running as it should. Below are its state and the last lines of the run or build that \
         decided it. Name the cause and the line that shows it, then mend it if it is in this project, call \
         `restart`, and make sure with `wait_for` that it runs. `search_logs` and `search_build_log` have more.",
        names(&suspects)
    );
    for process in suspects {
        let why = control.call(Why { process }.into_request(), origin.clone()).await;
        match text::for_a_model(why) {
            Ok(reply) => text.push_str(&format!("\n\n{}", text::reply(&reply))),
            Err(error) if error.code == Code::UnknownProcess => {
                return Err(ErrorData::invalid_params(error.message, None));
            }
            Err(error) => return Err(fault(&error)),
        }
    }
    Ok(text)
}

fn names(processes: &[String]) -> String {
    let names: Vec<String> = processes.iter().map(|process| format!("`{process}`")).collect();
    names.join(", or ")
}

async fn suspects<C: Control>(control: &C, origin: &Origin) -> Result<Vec<String>, ErrorData> {
    let status = control.ask(GetStatus::default(), origin.clone()).await.map_err(|error| fault(&error))?;
    let unwell = status.processes.into_iter().filter(is_unwell).map(|process| process.name);
    Ok(unwell.take(MAX_SUSPECTS).collect())
}

fn is_unwell(process: &ProcessStatus) -> bool {
    let build_failed = process.last_build.as_ref().is_some_and(|build| build.ok == Some(false));
    let is_meant = matches!(process.state, State::Running | State::Stopped | State::Idle | State::Starting);
    !is_meant || build_failed || process.crashes > 0
}

async fn status<C: Control>(control: &C, origin: Origin) -> Result<String, ErrorData> {
    let status =
        control.ask(GetStatus::default(), origin).await.map(|status| Reply::Status(Box::new(status)));
    text::for_a_model(status).map(|reply| text::reply(&reply)).map_err(|error| fault(&error))
}
