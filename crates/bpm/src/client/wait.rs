//! How long a client waits, and for what. Must not know the wire.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bpm_api::{Code, Error, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Readable;

/// What a call that names no wait gets from the manager.
const DEFAULT_WAIT: Duration = Duration::from_secs(50);
/// For the way there and back, and a busy machine.
const SLACK: Duration = Duration::from_secs(15);
/// Answers that need no work.
const ANSWER: Duration = Duration::from_secs(30);
/// Programs may have long grace times, one layer after the other.
const SHUTDOWN: Duration = Duration::from_secs(3600);
/// Longest wait that a caller can ask for.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// When a client gives up on an answer: later than the manager does.
pub(super) fn patience(request: &Request) -> Duration {
    match request {
        Request::Restart(restart) => wait(restart.timeout_seconds),
        Request::Start(start) => wait(start.timeout_seconds),
        Request::Stop(stop) => wait(stop.timeout_seconds),
        Request::RunTask(run) => wait(run.timeout_seconds),
        Request::EndTask(end) => wait(end.timeout_seconds),
        Request::SendInput(input) => wait(input.timeout_seconds),
        Request::WaitFor(wait_for) => wait(wait_for.timeout_seconds),
        Request::GetStatus(_)
        | Request::SearchLogs(_)
        | Request::SearchBuildLog(_)
        | Request::Why(_)
        | Request::Apply(_)
        | Request::GetTask(_)
        | Request::ClearTasks(_)
        | Request::GetNews(_)
        | Request::SubmitCall(_)
        | Request::GetCall(_)
        | Request::CancelCall(_)
        | Request::ReadLog(_)
        | Request::GetRuns(_)
        | Request::SendSignal(_)
        | Request::ResizeTerminal(_) => ANSWER,
        Request::Shutdown(_) => SHUTDOWN,
    }
}

fn wait(seconds: Option<f64>) -> Duration {
    let asked = seconds.map(|seconds| {
        // What is no duration is the manager's to refuse.
        Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST)
    });
    asked.unwrap_or(DEFAULT_WAIT).min(LONGEST) + SLACK
}

/// Resolves when the process behind a pidfd has ended.
pub(super) async fn process_end(handle: Arc<OwnedFd>) -> Result<(), Error> {
    let failed =
        |error: io::Error| Error::new(Code::System, format!("cannot wait for the manager's end: {error}"));
    Readable::new(handle).map_err(failed)?.wait().await.map_err(failed)
}

/// Whether the process behind a pidfd has ended.
pub(super) fn has_ended(handle: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(handle, PollFlags::IN)];
    matches!(poll(&mut asked, Some(&Timespec::default())), Ok(1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bpm_api::{GetStatus, Request, Restart};

    use super::{LONGEST, SLACK, has_ended, patience, process_end};

    fn restart(timeout_seconds: Option<f64>) -> Request {
        Request::Restart(Restart { timeout_seconds, ..Restart::default() })
    }

    #[test]
    fn a_client_waits_longer_than_the_manager() {
        assert_eq!(patience(&restart(Some(3.0))), Duration::from_secs(3) + SLACK);
        assert!(patience(&restart(None)) > Duration::from_secs(50));
        assert!(patience(&Request::GetStatus(GetStatus::default())) < Duration::from_secs(60));
    }

    #[test]
    fn what_is_no_duration_still_ends() {
        for seconds in [f64::NAN, f64::INFINITY, 1e300, -5.0] {
            assert!(patience(&restart(Some(seconds))) <= LONGEST + SLACK, "{seconds}");
        }
    }

    #[tokio::test]
    async fn the_end_of_a_process_is_noticed() {
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let handle = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::NONBLOCK).unwrap();
        let handle = std::sync::Arc::new(handle);
        let early =
            tokio::time::timeout(Duration::from_millis(20), process_end(std::sync::Arc::clone(&handle)));
        assert!(early.await.is_err(), "it runs until its input ends");
        assert!(!has_ended(&handle));
        drop(child.stdin.take());
        tokio::time::timeout(Duration::from_secs(10), process_end(std::sync::Arc::clone(&handle)))
            .await
            .unwrap()
            .unwrap();
        assert!(has_ended(&handle));
        child.wait().unwrap();
    }
}
