//! What of the project must survive the manager. Plain data; the shell stores it.

use crate::ids::Mode;
use crate::service::ServiceSnapshot;
use crate::time::Time;

/// Written before the actions of a step are performed.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub mode: Mode,
    pub mode_since: Time,
    pub last_activity: Time,
    /// The manager ended in order: the next one starts up anew.
    pub ended: bool,
    pub services: Vec<ServiceSnapshot>,
}

impl Snapshot {
    /// A project that never ran: release mode, nothing alive.
    pub fn empty(now: Time) -> Snapshot {
        Snapshot {
            mode: Mode::Release,
            mode_since: now,
            last_activity: now,
            ended: true,
            services: Vec::new(),
        }
    }

    /// Another boot, or an orderly end: a start-up in release mode, but what was stopped by hand
    /// stays stopped and numbers go on.
    pub fn at_rest(self, now: Time) -> Snapshot {
        let services = self.services.into_iter().map(ServiceSnapshot::at_rest).collect();
        Snapshot { services, ..Snapshot::empty(now) }
    }
}
