//! Completion of names: the variables of resource templates and the arguments of prompts.

use bpm_api::Origin;
use rmcp::ErrorData;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference};

use super::identity::clip;
use super::prompts::{DIAGNOSE, PROCESS};
use super::resources::{processes, tasks};
use super::uris::{PROCESS_LOGS, TASK_LOGS};
use crate::control::Control;

pub(super) async fn complete<C: Control>(
    control: &C,
    asked: CompleteRequestParams,
    origin: Origin,
) -> Result<CompleteResult, ErrorData> {
    let argument = asked.argument.name.as_str();
    let names = match &asked.r#ref {
        Reference::Resource(template) if (template.uri.as_str(), argument) == PROCESS_LOGS => {
            processes(control, &origin).await?
        }
        Reference::Prompt(prompt) if (prompt.name.as_str(), argument) == (DIAGNOSE, PROCESS) => {
            processes(control, &origin).await?
        }
        Reference::Resource(template) if (template.uri.as_str(), argument) == TASK_LOGS => {
            let tasks = tasks(control, &origin).await;
            // By its id or its name; the id is what the address takes.
            let begun = |text: &str| begins(text, &asked.argument.value);
            let found =
                tasks.into_iter().filter(|(id, name)| begun(id) || name.as_deref().is_some_and(begun));
            return answer(found.map(|(id, _)| id).collect());
        }
        other => {
            let what = other.as_prompt_name().or(other.as_resource_uri()).unwrap_or_default();
            let message = format!("nothing is known of `{}` of `{}`", clip(argument), clip(what));
            return Err(ErrorData::invalid_params(message, None));
        }
    };
    answer(names.into_iter().filter(|name| begins(name, &asked.argument.value)).collect())
}

fn begins(name: &str, typed: &str) -> bool {
    name.to_lowercase().starts_with(&typed.to_lowercase())
}

fn answer(mut names: Vec<String>) -> Result<CompleteResult, ErrorData> {
    let total = u32::try_from(names.len()).ok();
    let has_more = names.len() > CompletionInfo::MAX_VALUES;
    names.truncate(CompletionInfo::MAX_VALUES);
    let info = CompletionInfo::with_pagination(names, total, has_more)
        .map_err(|fault| ErrorData::internal_error(fault, None))?;
    Ok(CompleteResult::new(info))
}
