//! A manager that has nothing configured, no task and no client ends itself after a while.

use super::Fleet;
use crate::time::Time;

impl Fleet {
    /// When the manager ends itself, if nothing comes until then.
    pub fn idle_exit_at(&self) -> Option<Time> {
        let since = self.idle_since.filter(|_| self.closing.is_none())?;
        Some(since + self.config.timing.idle_exit)
    }

    pub(super) fn note_idleness(&mut self, now: Time) {
        let idle = self.booted && self.services.is_empty() && self.clients == 0;
        match idle {
            true => self.idle_since = self.idle_since.or(Some(now)),
            false => self.idle_since = None,
        }
    }
}
