//! Taking over from the manager before: looks up every run and build that it left.

use bpm_core::fleet::{Ending, Event};
use bpm_core::ids::RunId;
use bpm_core::service::{Phase, Step};
use bpm_core::time::Time;
use bpm_shim::protocol::Status;

use super::Engine;
use crate::exec::watch::Told;

impl Engine {
    /// Starts to look up what the restored state says may exist.
    pub(super) fn adopt(&mut self) {
        let services = self.fleet.services();
        let mut runs = Vec::new();
        let mut builds = Vec::new();
        for service in services {
            let process = service.name().clone();
            for run in service.live().into_iter().chain(service.retiring()) {
                if run.phase == Phase::Adopting {
                    runs.push(RunId { process: process.clone(), number: run.number });
                }
            }
            if let Some(Step::Building { build, .. }) = service.candidate().map(|candidate| candidate.step) {
                builds.push(bpm_core::ids::BuildId { process: process.clone(), number: build });
            }
            builds.extend(service.cancelled_build().map(|number| bpm_core::ids::BuildId { process, number }));
        }
        for run in runs {
            self.adopting.insert(run.clone());
            self.performer.adopt_run(run);
        }
        for build in builds {
            self.performer.adopt_build(build);
        }
    }
}

/// What a report about a run means to the core.
pub(super) fn event_of(run: RunId, told: Told) -> Option<Event> {
    Some(match told {
        Told::Started { pid, at_mono_ns, adopted: true, .. } => {
            Event::Adopted { run, pid, started: Time::from_nanos(at_mono_ns) }
        }
        Told::Started { pid, adopted: false, .. } => Event::Spawned { run, pid },
        Told::SpawnFailed(error) => Event::SpawnFailed { run, error },
        Told::Exited { status, at_mono_ns, tree_empty } => {
            Event::Exited { run, ending: ending(status), at: Time::from_nanos(at_mono_ns), tree_empty }
        }
        Told::TreeEmpty => Event::TreeEmpty { run },
        Told::Lost => Event::Lost { run, at: super::clock::now() },
        Told::NeverStarted => Event::NeverStarted { run },
        Told::Alarm { .. } => return None,
    })
}

fn ending(status: Status) -> Ending {
    match status {
        Status::Code(code) => Ending::Code(code),
        Status::Signal { signal, .. } => Ending::Signal(signal),
    }
}
