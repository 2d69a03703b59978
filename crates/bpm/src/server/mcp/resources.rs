//! Status and logs as resources: listed in pages, read as the text that the tools give. Reading is no use of a tool:
//! it keeps nothing awake.

use bpm_api::{Code, Error, GetStatus, GetTask, LogQuery, Op, Origin, SearchLogs};
use rmcp::ErrorData;
use rmcp::model::{
    ListResourceTemplatesResult, ListResourcesResult, PaginatedRequestParams, ReadResourceResult, Resource,
    ResourceContents, ResourceTemplate,
};
use serde_json::json;

use super::identity::clip;
use super::text;
use super::uris::{PROCESS_LOGS, TASK_LOGS, Uri};
use crate::control::Control;

const PAGE: usize = 50;
const MIME: &str = "text/plain";

pub(super) fn templates() -> ListResourceTemplatesResult {
    let template = |(uri, _): (&str, &str), name: &str, what: &str| {
        ResourceTemplate::new(uri, name).with_description(what).with_mime_type(MIME)
    };
    ListResourceTemplatesResult::with_all_items(vec![
        template(PROCESS_LOGS, "process logs", "What a process printed, condensed: the newest run"),
        template(TASK_LOGS, "task logs", "What a background task printed, condensed"),
    ])
}

/// One page; the cursor is the last address of the page before, so that what comes and goes moves nothing else.
pub(super) async fn list<C: Control>(
    control: &C,
    page: Option<PaginatedRequestParams>,
    origin: Origin,
) -> Result<ListResourcesResult, ErrorData> {
    let after = match page.and_then(|page| page.cursor) {
        None => None,
        Some(cursor) => Some(Uri::parse(&cursor).ok_or_else(|| {
            ErrorData::invalid_params(format!("`{}` is no cursor of this list", clip(&cursor)), None)
        })?),
    };
    let mut uris = vec![Uri::Status];
    uris.extend(processes(control, &origin).await?.into_iter().map(Uri::ProcessLogs));
    uris.extend(tasks(control, &origin).await.into_iter().map(|(id, _)| Uri::TaskLogs(id)));
    uris.sort();
    let mut rest = uris.into_iter().filter(|uri| after.as_ref().is_none_or(|after| uri > after));
    let listed: Vec<Uri> = rest.by_ref().take(PAGE).collect();
    let mut result = ListResourcesResult::with_all_items(listed.iter().map(resource).collect());
    result.next_cursor = rest.next().and(listed.last()).map(Uri::to_string);
    Ok(result)
}

fn resource(uri: &Uri) -> Resource {
    let (name, what) = match uri {
        Uri::Status => ("status".to_owned(), "What runs, and why something does not"),
        Uri::ProcessLogs(name) => {
            (format!("{name} logs"), "What the process printed, condensed: the newest run")
        }
        Uri::TaskLogs(id) => (format!("{id} logs"), "What the task printed, condensed"),
    };
    Resource::new(uri.to_string(), name).with_description(what).with_mime_type(MIME)
}

/// The names of the configured processes.
pub(super) async fn processes<C: Control>(control: &C, origin: &Origin) -> Result<Vec<String>, ErrorData> {
    let status = control.ask(GetStatus::default(), origin.clone()).await.map_err(|error| fault(&error))?;
    Ok(status.processes.into_iter().map(|process| process.name).collect())
}

/// Ids and names of all tasks that are kept. A manager that cannot tell has none: the rest is as good without.
pub(super) async fn tasks<C: Control>(control: &C, origin: &Origin) -> Vec<(String, Option<String>)> {
    match control.ask(GetTask::default(), origin.clone()).await {
        Ok(list) => list.tasks.into_iter().map(|task| (task.task_id, task.name)).collect(),
        Err(error) => {
            tracing::debug!(%error, "tasks cannot be listed");
            Vec::new()
        }
    }
}

pub(super) async fn read<C: Control>(
    control: &C,
    address: &str,
    origin: Origin,
) -> Result<ReadResourceResult, ErrorData> {
    let uri = known(address)?;
    let request = match uri.target() {
        None => GetStatus::default().into_request(),
        Some(target) => {
            let query = LogQuery { process: Some(target.to_owned()), ..LogQuery::default() };
            SearchLogs(query).into_request()
        }
    };
    match text::for_a_model(control.call(request, origin).await) {
        Ok(reply) => {
            let contents = ResourceContents::text(text::reply(&reply), uri.to_string()).with_mime_type(MIME);
            Ok(ReadResourceResult::new(vec![contents]))
        }
        Err(error) if matches!(error.code, Code::UnknownProcess | Code::UnknownTask | Code::UnknownRun) => {
            Err(not_found(address, error.message))
        }
        Err(error) => Err(fault(&error)),
    }
}

/// # Errors
///
/// Not found, if it is none of ours.
pub(super) fn known(address: &str) -> Result<Uri, ErrorData> {
    Uri::parse(address).ok_or_else(|| {
        let (process, task) = (PROCESS_LOGS.0, TASK_LOGS.0);
        let message =
            format!("no resource `{}`, expected {}, {process} or {task}", clip(address), Uri::Status);
        not_found(address, message)
    })
}

fn not_found(address: &str, message: String) -> ErrorData {
    ErrorData::resource_not_found(message, Some(json!({"uri": address})))
}

/// A failure that has no result to be told in.
pub(super) fn fault(error: &Error) -> ErrorData {
    ErrorData::internal_error(text::error(error), Some(json!({"code": error.code.as_str()})))
}
