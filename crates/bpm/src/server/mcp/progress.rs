//! Progress of a call that gave a token: what happens to its targets while it waits, as it happens.

use std::collections::HashSet;

use bpm_api::{Change, Error, Event, EventKind, Origin, Reply, Request, Watch};
use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::Peer;

use crate::control::{Changes, Control};

/// Carries out a request and tells meanwhile how it goes. Ends with the request.
pub(super) async fn call<C: Control>(
    control: &C,
    request: Request,
    origin: Origin,
    token: ProgressToken,
    peer: Peer<RoleServer>,
) -> Result<Reply, Error> {
    let Some(mut scope) = Scope::of(&request, &origin) else { return control.call(request, origin).await };
    // Watched first: nothing that the request brings about is missed.
    let changes = control.watch(Watch { events: true, ..Watch::default() }).await;
    let call = control.call(request, origin);
    let Ok(changes) = changes else { return call.await };
    let told = tell(changes, &mut scope, token, peer);
    tokio::select! {
        // What has happened already is told before the answer.
        biased;
        never = told => match never {},
        outcome = call => outcome,
    }
}

enum Never {}

async fn tell(
    mut changes: Changes,
    scope: &mut Scope,
    token: ProgressToken,
    peer: Peer<RoleServer>,
) -> Never {
    let mut meter = Meter::default();
    while let Some(change) = changes.next().await {
        let Change::Event(event) = change else { continue };
        if !scope.has(&event) {
            continue;
        }
        let Some((progress, total)) = meter.read(&event) else { continue };
        let mut param = ProgressNotificationParam::new(token.clone(), progress).with_message(message(&event));
        param.total = total;
        if peer.notify_progress(param).await.is_err() {
            break;
        }
    }
    std::future::pending().await
}

fn message(event: &Event) -> String {
    match &event.process {
        Some(process) => format!("{process}: {}", event.text),
        None => event.text.clone(),
    }
}

/// Whose events belong to a request.
enum Scope {
    All,
    These(HashSet<String>),
    /// The task that this client is about to start: the first that it is said to have asked for.
    NewTask {
        who: String,
    },
}

impl Scope {
    /// `None` for what is answered at once.
    fn of(request: &Request, origin: &Origin) -> Option<Scope> {
        let these = |names: &[String]| Some(Scope::These(names.iter().cloned().collect()));
        match request {
            Request::Restart(op) => match &op.process {
                Some(process) => these(std::slice::from_ref(process)),
                None => Some(Scope::All),
            },
            Request::Start(op) => these(std::slice::from_ref(&op.process)),
            Request::Stop(op) => these(std::slice::from_ref(&op.process)),
            Request::EndTask(op) => these(std::slice::from_ref(&op.task_id)),
            Request::WaitFor(op) => these(&op.targets),
            Request::RunTask(_) => Some(Scope::NewTask { who: origin.who.clone() }),
            _ => None,
        }
    }

    fn has(&mut self, event: &Event) -> bool {
        match (&*self, &event.process) {
            (Scope::All, _) => true,
            (Scope::These(names), Some(process)) => names.contains(process),
            (Scope::NewTask { who }, Some(task)) => {
                let is_ours = matches!(event.kind, EventKind::Requested | EventKind::Started)
                    && event.by.as_ref().is_some_and(|by| by.contains(who.as_str()));
                if is_ours {
                    *self = Scope::These(HashSet::from([task.clone()]));
                }
                is_ours
            }
            (_, None) => false,
        }
    }
}

/// The number that a client sees: it only ever grows.
#[derive(Default)]
struct Meter {
    last: Option<f64>,
}

impl Meter {
    /// `None`: nothing that is further than the last.
    fn read(&mut self, event: &Event) -> Option<(f64, Option<f64>)> {
        let last = self.last.unwrap_or(-1.0);
        let (progress, total) = match event.steps {
            Some((done, total)) => (f64::from(done), Some(f64::from(total))),
            None => (last + 1.0, None),
        };
        if progress <= last {
            return None;
        }
        self.last = Some(progress);
        Some((progress, total))
    }
}

#[cfg(test)]
mod tests {
    use bpm_api::{Event, EventKind, Origin, Request, RunTask, TaskCommand};

    use super::{Meter, Scope};

    fn event(process: &str, kind: EventKind, steps: Option<(u32, u32)>) -> Event {
        Event {
            seq: 1,
            time: "2026-01-02T03:04:05Z".to_owned(),
            process: Some(process.to_owned()),
            kind,
            text: "it".to_owned(),
            by: Some("mcp tester 1.2".to_owned()),
            steps,
        }
    }

    #[test]
    fn the_number_only_grows() {
        let mut meter = Meter::default();
        let plain = |kind| event("api", kind, None);
        let steps = |done| event("api", EventKind::BuildProgress, Some((done, 40)));
        let read = [
            meter.read(&plain(EventKind::BuildStarted)),
            meter.read(&steps(3)),
            meter.read(&steps(3)),
            meter.read(&steps(40)),
            meter.read(&plain(EventKind::Started)),
            meter.read(&steps(12)),
            meter.read(&plain(EventKind::Ready)),
        ];
        let expected = [
            Some((0.0, None)),
            Some((3.0, Some(40.0))),
            None,
            Some((40.0, Some(40.0))),
            Some((41.0, None)),
            None,
            Some((42.0, None)),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn a_new_task_is_known_by_who_asked_for_it() {
        let run: RunTask = serde_json::from_value(serde_json::json!({"command": "ls"})).unwrap();
        assert_eq!(run.command, TaskCommand::Shell("ls".to_owned()));
        let mut scope = Scope::of(&Request::RunTask(run), &Origin::new("mcp", "tester 1.2")).unwrap();
        let other = Event { by: Some("cli ann".to_owned()), ..event("t1", EventKind::Started, None) };
        assert!(!scope.has(&other));
        assert!(!scope.has(&event("t1", EventKind::Ready, None)));
        assert!(scope.has(&event("t2", EventKind::Started, None)));
        assert!(scope.has(&event("t2", EventKind::Ready, None)));
        assert!(!scope.has(&event("t3", EventKind::Started, None)));
    }
}
