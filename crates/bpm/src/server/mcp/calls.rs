//! A tool's call, from its arguments to its result: bounded, cancellable, and never the end of any work.

use bpm_api::{Code, Error, Origin, Reply, Request};
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};

use super::handler::Shared;
use super::identity::{Face, clip};
use super::{lasting, news, progress, text};
use crate::control::Control;

/// The longest that a call is held: clients give up after a minute.
const LONGEST_SECONDS: f64 = 50.0;

pub(super) async fn call<C: Control>(
    shared: &Shared<C>,
    call: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let Some(tool) = shared.tools.find(&call.name) else {
        let message =
            format!("unknown tool `{}`, expected one of {}", clip(&call.name), shared.tools.names());
        return Err(ErrorData::invalid_params(message, None));
    };
    let request = match tool.request(call.arguments.unwrap_or_default()) {
        Ok(request) => request,
        Err(error) => return Ok(result_of(Err(error)).into()),
    };
    let origin = shared.identity.origin(&context, Face::Tool);
    let answer = answer(shared, request, origin, &context);
    tokio::select! {
        response = answer => Ok(response),
        // Nobody waits for the answer any more. The work goes on.
        () = context.ct.cancelled() => Err(ErrorData::internal_error("cancelled", None)),
    }
}

async fn answer<C: Control>(
    shared: &Shared<C>,
    mut request: Request,
    origin: Origin,
    context: &RequestContext<RoleServer>,
) -> CallToolResponse {
    let control = &shared.control;
    let outcome = if lasting::is_wanted(&request, context) {
        match lasting::submit(control, request, origin.clone()).await {
            Ok(lasting::Submitted::Task(task)) => return CallToolResponse::Task(task),
            Ok(lasting::Submitted::Done(outcome)) => outcome,
            Err(error) => Err(error),
        }
    } else {
        bound(&mut request);
        if let Request::GetStatus(op) = &mut request {
            op.brief = true;
        }
        match context.meta.get_progress_token() {
            Some(token) => {
                progress::call(control, request, origin.clone(), token, context.peer.clone()).await
            }
            None => control.call(request, origin.clone()).await,
        }
    };
    let mut result = result_of(outcome);
    news::lead(control, origin, &mut result).await;
    result.into()
}

/// Waits end before a client gives up; who asked for longer learns how things stand, and asks again.
fn bound(request: &mut Request) {
    if let Some(seconds) = timeout_of(request)
        && *seconds > LONGEST_SECONDS
    {
        *seconds = LONGEST_SECONDS;
    }
}

fn timeout_of(request: &mut Request) -> Option<&mut f64> {
    match request {
        Request::Restart(op) => op.timeout_seconds.as_mut(),
        Request::Start(op) => op.timeout_seconds.as_mut(),
        Request::Stop(op) => op.timeout_seconds.as_mut(),
        Request::RunTask(op) => op.timeout_seconds.as_mut(),
        Request::EndTask(op) => op.timeout_seconds.as_mut(),
        Request::SendInput(op) => op.timeout_seconds.as_mut(),
        Request::WaitFor(op) => op.timeout_seconds.as_mut(),
        _ => None,
    }
}

pub(super) fn result_of(outcome: Result<Reply, Error>) -> CallToolResult {
    match text::for_a_model(outcome) {
        Ok(reply) => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(text::reply(&reply))]);
            result.structured_content = text::structured(reply);
            result
        }
        Err(error) => {
            let content = vec![ContentBlock::text(text::error(&error))];
            // The wait is over, the work is not: nothing has failed yet.
            let mut result = match error.code {
                Code::TimedOut => CallToolResult::success(content),
                _ => CallToolResult::error(content),
            };
            result.structured_content = Some(text::structured_error(error));
            result
        }
    }
}

#[cfg(test)]
mod tests {
    use bpm_api::{Request, RunTask, WaitFor};
    use serde_json::json;

    use super::bound;

    #[test]
    fn no_call_is_held_longer_than_clients_wait() {
        for (asked, held) in [(json!(null), json!(null)), (json!(3.5), json!(3.5)), (json!(600), json!(50.0))]
        {
            let wait: WaitFor =
                serde_json::from_value(json!({"targets": [], "timeout_seconds": asked})).unwrap();
            let run: RunTask =
                serde_json::from_value(json!({"command": "x", "timeout_seconds": asked})).unwrap();
            for mut request in [Request::WaitFor(wait), Request::RunTask(run)] {
                bound(&mut request);
                let sent = serde_json::to_value(&request).unwrap();
                assert_eq!(sent["with"].get("timeout_seconds").cloned().unwrap_or_default(), held);
            }
        }
    }
}
