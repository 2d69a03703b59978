//! Claude Code's channel: crashes are told as they happen, without being asked. Off unless a flag asks for it.

use std::collections::BTreeSet;
use std::time::Duration;

use bpm_api::{Change, Event, EventKind, GetTask, Origin, TaskState, Watch};
use rmcp::RoleServer;
use rmcp::model::{CustomNotification, ServerNotification};
use rmcp::service::Peer;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::control::{Changes, Control};

/// The capability that is declared for it.
pub(super) const CAPABILITY: &str = "claude/channel";
const METHOD: &str = "notifications/claude/channel";
/// What happens so soon after one another is told together.
const TOGETHER: Duration = Duration::from_secs(1);
const MAX_LINES: usize = 10;

/// Until the client or the manager goes.
pub(super) async fn run<C: Control>(control: C, peer: Peer<RoleServer>, origin: Origin) {
    let Ok(mut changes) = control.watch(Watch { events: true, ..Watch::default() }).await else { return };
    while let Some(first) = changes.next().await {
        let mut news = News::default();
        news.add(&control, &origin, first).await;
        if news.lines.is_empty() {
            continue;
        }
        news.gather(&control, &origin, &mut changes).await;
        if peer.send_notification(news.into_notification()).await.is_err() {
            return;
        }
    }
}

#[derive(Default)]
struct News {
    lines: Vec<String>,
    more: usize,
    targets: BTreeSet<String>,
}

impl News {
    async fn gather<C: Control>(&mut self, control: &C, origin: &Origin, changes: &mut Changes) {
        let end = Instant::now() + TOGETHER;
        while let Ok(Some(change)) = timeout_at(end, changes.next()).await {
            self.add(control, origin, change).await;
        }
    }

    async fn add<C: Control>(&mut self, control: &C, origin: &Origin, change: Change) {
        let Change::Event(event) = change else { return };
        if !is_bad(control, origin, &event).await {
            return;
        }
        let target = event.process.unwrap_or_default();
        if self.lines.len() == MAX_LINES {
            self.more += 1;
        } else {
            self.lines.push(format!("{target}: {}", event.text));
        }
        self.targets.insert(target);
    }

    fn into_notification(mut self) -> ServerNotification {
        if self.more > 0 {
            self.lines.push(format!("and {} more", self.more));
        }
        let targets = self.targets.into_iter().collect::<Vec<_>>().join(" ");
        let params = json!({"content": self.lines.join("\n"), "meta": {"kind": "crash", "targets": targets}});
        ServerNotification::CustomNotification(CustomNotification::new(METHOD, Some(params)))
    }
}

async fn is_bad<C: Control>(control: &C, origin: &Origin, event: &Event) -> bool {
    match event.kind {
        EventKind::Crashed | EventKind::Down => true,
        EventKind::TaskEnded => {
            let which = GetTask { task_id: event.process.clone(), lines: Some(0), cursor: None };
            let list = control.ask(which, origin.clone()).await.unwrap_or_default();
            list.tasks.iter().any(|task| matches!(task.state, TaskState::Failed | TaskState::Lost))
        }
        _ => false,
    }
}
