//! The Tasks extension (SEP-2663): calls that a client polls instead of holding. The manager keeps them, over its
//! own death as well; nothing of them is kept here.

use bpm_api::{
    Answer, CallState, CallStatus, CancelCall, Code, Error, GetCall, Origin, Reply, Request, SubmitCall,
};
use rmcp::model::{CreateTaskResult, DetailedTask, GetTaskResult, JsonObject, Task, TaskPayload, TaskStatus};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;

use super::calls::result_of;
use crate::control::Control;

/// How often a client should look.
const FIRST_POLL_MS: f64 = 1_000.0;
const LAST_POLL_MS: f64 = 5_000.0;
/// How long an outcome is kept for it.
const KEEP_SECONDS: f64 = 3_600.0;
/// Nothing is waited for longer.
const LONGEST_SECONDS: f64 = 24.0 * 3_600.0;

/// What came of handing a call to the manager.
pub(super) enum Submitted {
    Task(CreateTaskResult),
    /// It was done at once.
    Done(Result<Reply, Error>),
}

/// Whether it may take long, and the client said that it knows such tasks.
pub(super) fn is_wanted(request: &Request, context: &RequestContext<RoleServer>) -> bool {
    may_last(request) && context.client_capabilities().is_some_and(|client| client.supports_tasks())
}

fn may_last(request: &Request) -> bool {
    match request {
        Request::Restart(_) | Request::Start(_) | Request::WaitFor(_) => true,
        // Its own wait is a second unless it asks for more.
        Request::RunTask(run) => run.timeout_seconds.is_some_and(|seconds| seconds > 1.0),
        _ => false,
    }
}

pub(super) async fn submit<C: Control>(
    control: &C,
    request: Request,
    origin: Origin,
) -> Result<Submitted, Error> {
    let call = SubmitCall { request: Box::new(request), keep_seconds: Some(KEEP_SECONDS) };
    let mut status = control.ask(call, origin).await?;
    if status.state == CallState::Done
        && let Some(answer) = status.answer.take()
    {
        return Ok(Submitted::Done(outcome(*answer)));
    }
    Ok(Submitted::Task(CreateTaskResult::new(task(&status))))
}

fn age_seconds(status: &CallStatus) -> f64 {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    match (time(&status.created), time(&status.updated)) {
        (Some(created), Some(updated)) => updated.duration_since(created).as_secs_f64(),
        _ => 0.0,
    }
}

pub(super) async fn get<C: Control>(
    control: &C,
    call_id: String,
    origin: Origin,
) -> Result<GetTaskResult, ErrorData> {
    let mut status = control.ask(GetCall { call_id }, origin).await.map_err(refused)?;
    let payload = match (status.state, status.answer.take()) {
        (CallState::Cancelled, _) => TaskPayload::Cancelled,
        (CallState::Done, Some(answer)) => TaskPayload::Completed { result: result(*answer)? },
        (CallState::Done, None) => return Err(ErrorData::internal_error("the outcome was not kept", None)),
        (CallState::Working, _) => TaskPayload::Working,
    };
    Ok(GetTaskResult::new(DetailedTask::new(task(&status), payload)))
}

/// Nothing of ours asks a client for input; that the task exists is all there is to check.
pub(super) async fn update<C: Control>(
    control: &C,
    call_id: String,
    origin: Origin,
) -> Result<(), ErrorData> {
    control.ask(GetCall { call_id }, origin).await.map_err(refused)?;
    Ok(())
}

/// Ends the wait. What it waits for goes on.
pub(super) async fn cancel<C: Control>(
    control: &C,
    call_id: String,
    origin: Origin,
) -> Result<(), ErrorData> {
    control.ask(CancelCall { call_id }, origin).await.map_err(refused)?;
    Ok(())
}

/// Its time to live counts from its beginning, the manager's keeping from its end.
fn task(status: &CallStatus) -> Task {
    let state = match status.state {
        CallState::Working => TaskStatus::Working,
        CallState::Done => TaskStatus::Completed,
        CallState::Cancelled => TaskStatus::Cancelled,
    };
    let age = match status.state {
        CallState::Working => LONGEST_SECONDS,
        CallState::Done | CallState::Cancelled => age_seconds(status),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clipped to what fits")]
    let ttl_ms = ((age + status.keep_seconds).max(0.0) * 1_000.0) as u64;
    let mut task = Task::new(&status.call_id, state, &status.created, &status.updated)
        .with_ttl_ms(ttl_ms)
        .with_poll_interval_ms(poll_ms(waited_seconds(status)));
    if !status.message.is_empty() {
        task = task.with_status_message(&status.message);
    }
    task
}

/// Since it was accepted.
fn waited_seconds(status: &CallStatus) -> f64 {
    let created = status.created.parse::<jiff::Timestamp>();
    created.map_or(0.0, |created| jiff::Timestamp::now().duration_since(created).as_secs_f64())
}

/// What has taken a minute is not missed by two seconds: the longer it takes, the less often it is to be asked for.
fn poll_ms(age_seconds: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clipped to what fits")]
    let ms = (age_seconds * 1_000.0 / 30.0).clamp(FIRST_POLL_MS, LAST_POLL_MS) as u64;
    ms
}

fn outcome(answer: Answer) -> Result<Reply, Error> {
    match answer {
        Answer::Reply(reply) => Ok(reply),
        Answer::Error(error) => Err(error),
    }
}

/// The very result that the call would have had.
fn result(answer: Answer) -> Result<JsonObject, ErrorData> {
    match serde_json::to_value(result_of(outcome(answer))) {
        Ok(Value::Object(result)) => Ok(result),
        Ok(_) | Err(_) => Err(ErrorData::internal_error("the outcome cannot be written as JSON", None)),
    }
}

fn refused(error: Error) -> ErrorData {
    match error.code {
        Code::UnknownCall | Code::InvalidParameter => ErrorData::invalid_params(error.message, None),
        _ => ErrorData::internal_error(error.message, None),
    }
}
