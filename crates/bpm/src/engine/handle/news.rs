//! What a client was not there to see: one line of what others did, and what went wrong, since its last call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bpm_api::{EventKind, TaskStatus};

use crate::engine::hub::{Hub, Noted};
use crate::engine::view;

/// Clients that are remembered.
const MAX_SESSIONS: usize = 256;
/// Events that wait for one client.
const MAX_PENDING: usize = 64;
const MAX_BYTES: usize = 400;

/// Whoever calls with a session, and up to where he knows what happened.
#[derive(Debug, Default)]
pub(super) struct News {
    sessions: Mutex<HashMap<String, Session>>,
}

#[derive(Debug)]
struct Session {
    seen: u64,
    pending: Vec<Arc<Noted>>,
    /// What a call was about is in its answer: from and to which event, and whose.
    told: Vec<(u64, u64, Vec<String>)>,
    used: u64,
}

impl News {
    /// A call begins: what happened before it is news for it.
    pub(super) fn begin(&self, session: &str, hub: &Hub) {
        let mut sessions = self.lock();
        let last = hub.last();
        let Some(known) = sessions.get_mut(session) else {
            make_room(&mut sessions);
            let new = Session { seen: last, pending: Vec::new(), told: Vec::new(), used: last };
            sessions.insert(session.to_owned(), new);
            return;
        };
        known.used = last;
        let (events, last) = hub.since(known.seen);
        known.seen = last;
        let told = std::mem::take(&mut known.told);
        let is_news = |noted: &Arc<Noted>| {
            let seq = noted.event.seq;
            let of = noted.event.process.as_deref().unwrap_or_default();
            let in_answer = told
                .iter()
                .any(|(from, to, about)| (*from..=*to).contains(&seq) && about.iter().any(|name| name == of));
            is_worth_telling(noted.event.kind) && noted.session.as_deref() != Some(session) && !in_answer
        };
        known.pending.extend(events.into_iter().filter(is_news));
        let over = known.pending.len().saturating_sub(MAX_PENDING);
        known.pending.drain(..over);
    }

    /// A call has ended that began after event `from` and was about these: its answer says what became of them.
    pub(super) fn answered(&self, session: &str, from: u64, to: u64, about: Vec<String>) {
        let mut sessions = self.lock();
        let Some(known) = sessions.get_mut(session).filter(|_| !about.is_empty()) else { return };
        // a task ends once: it may have ended just before the call that tells of it
        known.pending.retain(|noted| {
            let of = noted.event.process.as_ref();
            noted.event.kind != EventKind::TaskEnded || !of.is_some_and(|of| about.contains(of))
        });
        if known.told.len() < MAX_PENDING {
            known.told.push((from, to, about));
        }
    }

    pub(super) fn is_there(&self, session: &str) -> bool {
        self.lock().get(session).is_some_and(|known| !known.pending.is_empty())
    }

    pub(super) fn take(&self, session: &str) -> Vec<Arc<Noted>> {
        self.lock().get_mut(session).map(|known| std::mem::take(&mut known.pending)).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(sessions: &mut HashMap<String, Session>) {
    if sessions.len() >= MAX_SESSIONS
        && let Some(oldest) =
            sessions.iter().min_by_key(|(_, known)| known.used).map(|(name, _)| name.clone())
    {
        sessions.remove(&oldest);
    }
}

fn is_worth_telling(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Requested
            | EventKind::BuildFailed
            | EventKind::Crashed
            | EventKind::TaskEnded
            | EventKind::Down
            | EventKind::Mode
            | EventKind::Configuration
    )
}

/// `api crashed twice: panic at src/db.rs:41; web restart by cli ann; t3 (tests) completed`. `evidence`: the deciding
/// line of a run.
pub(super) fn line<'t>(
    events: &[Arc<Noted>],
    evidence: impl Fn(&str, u64) -> Option<String>,
    task: impl Fn(&str) -> Option<&'t TaskStatus>,
) -> Option<String> {
    let mut parts: Vec<(String, usize, Option<String>)> = Vec::new();
    for noted in events {
        let event = &noted.event;
        let id = event.process.as_deref().unwrap_or("the project");
        let task = task(id);
        let of = task.map_or_else(|| id.to_owned(), view::task_label);
        let (what, why) = match event.kind {
            EventKind::Crashed => (format!("{of} crashed"), noted.run.and_then(|run| evidence(id, run))),
            EventKind::TaskEnded => {
                (format!("{of} {}", task.map_or_else(|| event.text.clone(), view::task_end_in_words)), None)
            }
            EventKind::Requested => {
                let by = event.by.as_deref().unwrap_or("somebody");
                (format!("{of} {} by {by}", event.text.trim_end_matches(" requested")), None)
            }
            _ => (format!("{of}: {}", event.text), None),
        };
        match parts.iter_mut().find(|(known, _, _)| *known == what) {
            Some((_, times, known)) => {
                *times += 1;
                *known = why.or(known.take());
            }
            None => parts.push((what, 1, why)),
        }
    }
    let part = |(what, times, why): &(String, usize, Option<String>)| {
        let times = match times {
            1 => String::new(),
            2 => " twice".to_owned(),
            more => format!(" {more} times"),
        };
        let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{what}{times}{why}")
    };
    let text = parts.iter().map(part).collect::<Vec<_>>().join("; ");
    (!text.is_empty()).then(|| clip(text))
}

fn clip(text: String) -> String {
    if text.len() <= MAX_BYTES {
        return text;
    }
    let mut end = MAX_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::hub::Draft;

    fn publish(hub: &Hub, process: &str, kind: EventKind, text: &str, session: Option<&str>) {
        hub.publish(Draft {
            process: Some(process.to_owned()),
            kind,
            text: text.to_owned(),
            time: String::new(),
            by: session.map(|_| "cli ann".to_owned()),
            session: session.map(str::to_owned),
            run: Some(3),
            steps: None,
        });
    }

    fn told(news: &News, session: &str) -> Option<String> {
        let crash = |_: &str, run| Some(format!("panic in run {run}"));
        line(&news.take(session), crash, |_| None)
    }

    #[test]
    fn one_line_of_what_others_did_and_what_went_wrong() {
        let (hub, news) = (Hub::new(), News::default());
        publish(&hub, "api", EventKind::Crashed, "", None);
        news.begin("me", &hub);
        assert!(!news.is_there("me"), "who has just come missed nothing");
        publish(&hub, "api", EventKind::Crashed, "", None);
        publish(&hub, "api", EventKind::Started, "", None);
        publish(&hub, "api", EventKind::Crashed, "", None);
        publish(&hub, "web", EventKind::Requested, "restart requested", Some("other"));
        publish(&hub, "web", EventKind::Requested, "stop requested", Some("me"));
        news.begin("me", &hub);
        assert!(news.is_there("me"));
        assert_eq!(told(&news, "me").unwrap(), "api crashed twice: panic in run 3; web restart by cli ann");
        news.begin("me", &hub);
        assert!(!news.is_there("me"), "once is enough");
    }

    #[test]
    fn what_an_answer_was_about_is_no_news() {
        let (hub, news) = (Hub::new(), News::default());
        news.begin("me", &hub);
        let from = hub.last();
        publish(&hub, "t1", EventKind::TaskEnded, "ended", None);
        publish(&hub, "api", EventKind::Crashed, "", None);
        news.answered("me", from, hub.last(), vec!["t1".to_owned()]);
        publish(&hub, "t1", EventKind::TaskEnded, "ended", None);
        news.begin("me", &hub);
        assert_eq!(told(&news, "me").unwrap(), "api crashed: panic in run 3; t1 ended");
    }

    #[test]
    fn the_end_of_a_task_that_an_answer_tells_is_no_news_also_where_it_came_before_the_call() {
        let (hub, news) = (Hub::new(), News::default());
        news.begin("me", &hub);
        publish(&hub, "t1", EventKind::TaskEnded, "ended", None);
        publish(&hub, "api", EventKind::Crashed, "", None);
        news.begin("me", &hub);
        news.answered("me", hub.last(), hub.last(), vec!["t1".to_owned(), "api".to_owned()]);
        assert_eq!(told(&news, "me").unwrap(), "api crashed: panic in run 3");
    }

    #[test]
    fn clients_and_their_news_are_bounded() {
        let (hub, news) = (Hub::new(), News::default());
        for number in 0..MAX_SESSIONS + 10 {
            news.begin(&number.to_string(), &hub);
        }
        assert_eq!(news.lock().len(), MAX_SESSIONS);
        for number in 0..200 {
            publish(&hub, &format!("process-{number}"), EventKind::Crashed, "", None);
        }
        // of those that nothing happened between, any may have made room, but not the newest
        let newest = (MAX_SESSIONS + 9).to_string();
        news.begin(&newest, &hub);
        assert_eq!(news.lock()[&newest].pending.len(), MAX_PENDING);
        assert!(told(&news, &newest).unwrap().len() <= MAX_BYTES + 4);
    }
}
