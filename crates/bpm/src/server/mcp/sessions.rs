//! The sessions of older protocol revisions: how many there are, and which goes when there are too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use rmcp::transport::streamable_http_server::session::{SessionId, SessionManager};

/// Clients that end without saying so leave their session behind; the one used least recently goes first.
/// Its client, should there be one, gets 404 and begins a new one, as the protocol says.
const MAX_SESSIONS: usize = 256;

#[derive(Debug)]
pub(super) struct Sessions {
    manager: Arc<LocalSessionManager>,
    uses: Mutex<Uses>,
}

#[derive(Debug, Default)]
struct Uses {
    count: u64,
    last: HashMap<SessionId, u64>,
}

impl Sessions {
    pub(super) fn new() -> Sessions {
        let mut config = SessionConfig::default();
        // An agent that was left overnight finds its session again; the bound is their number.
        config.keep_alive = None;
        // An event without data makes clients of before 2025-11-25 stumble.
        config.sse_retry = None;
        let mut manager = LocalSessionManager::default();
        manager.session_config = config;
        Sessions { manager: Arc::new(manager), uses: Mutex::default() }
    }

    pub(super) fn manager(&self) -> Arc<LocalSessionManager> {
        self.manager.clone()
    }

    /// Notes that a session was just begun, and ends another if that is one too many.
    pub(super) async fn begun(&self, id: &str) {
        let surplus = self.uses().insert(id.into());
        if let Some(surplus) = surplus {
            // It may have ended by itself by now.
            let _ = self.manager.close_session(&surplus).await;
        }
    }

    /// Notes that a session was used.
    pub(super) fn used(&self, id: &str) {
        self.uses().touch(id);
    }

    /// Notes that a client ended its session.
    pub(super) fn ended(&self, id: &str) {
        self.uses().last.remove(id);
    }

    fn uses(&self) -> std::sync::MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Uses {
    fn touch(&mut self, id: &str) {
        if let Some(last) = self.last.get_mut(id) {
            self.count += 1;
            *last = self.count;
        }
    }

    fn insert(&mut self, id: SessionId) -> Option<SessionId> {
        self.count += 1;
        self.last.insert(id, self.count);
        if self.last.len() <= MAX_SESSIONS {
            return None;
        }
        let oldest = self.last.iter().min_by_key(|(_, last)| **last).map(|(id, _)| id.clone())?;
        self.last.remove(&oldest);
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_SESSIONS, Uses};

    #[test]
    fn the_least_recently_used_session_goes_first() {
        let mut uses = Uses::default();
        for index in 0..MAX_SESSIONS {
            assert_eq!(uses.insert(format!("s{index}").into()), None);
        }
        uses.touch("s0");
        uses.touch("unknown");
        assert_eq!(uses.insert("new".into()).as_deref(), Some("s1"));
        assert_eq!(uses.last.len(), MAX_SESSIONS);
    }
}
