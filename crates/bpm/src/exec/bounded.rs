//! Runs a helper program within limits of time and output. Owns its process group until it has ended;
//! knows nothing of what the program is for.

use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    net::unix::pipe::Receiver,
    process::{Child, ChildStderr, ChildStdout, Command},
    time::{Instant, timeout_at},
};

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Output {
    /// Its status; `None` when it was ended for taking too long.
    pub status: Option<ExitStatus>,
    /// Its standard output up to the limit.
    pub stdout: Vec<u8>,
    /// Whether there was more.
    pub is_clipped: bool,
}

/// Ends the group of a child that has not been waited for, also when the caller goes away.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // The leader is not reaped, so the number is still its own.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Runs `command` without input in a process group of its own, for `limit` at most, keeping
/// `max_bytes` of its output. Every piece of stderr goes to `on_stderr`. What the program leaves in
/// the background when it ends in time is let go, even if it holds the pipes.
///
/// # Errors
/// The program cannot be started or its output cannot be read.
pub async fn output(
    mut command: Command,
    limit: Duration,
    max_bytes: usize,
    mut on_stderr: impl FnMut(&[u8]),
) -> io::Result<Output> {
    let deadline = Instant::now() + limit;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.kill_on_drop(true).spawn()?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let stdout = receiver(child.stdout.take().map(ChildStdout::into_owned_fd))?;
    let stderr = receiver(child.stderr.take().map(ChildStderr::into_owned_fd))?;
    let mut kept = Kept { bytes: Vec::new(), max_bytes, is_clipped: false };
    let reading = read_until_exit(&mut child, &stdout, &stderr, &mut kept, &mut on_stderr);
    let status = match timeout_at(deadline, reading).await {
        Ok(status) => Some(status?),
        Err(_) => None,
    };
    if status.is_some() {
        group.0 = None;
    } else {
        drop(group);
        child.wait().await?;
    }
    Ok(Output { status, stdout: kept.bytes, is_clipped: kept.is_clipped })
}

fn receiver(pipe: Option<io::Result<std::os::fd::OwnedFd>>) -> io::Result<Receiver> {
    Receiver::from_owned_fd(pipe.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()))?)
}

struct Kept {
    bytes: Vec<u8>,
    max_bytes: usize,
    is_clipped: bool,
}

impl Kept {
    fn take(&mut self, piece: &[u8]) {
        let room = self.max_bytes - self.bytes.len();
        self.is_clipped |= piece.len() > room;
        self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

async fn read_until_exit(
    child: &mut Child,
    stdout: &Receiver,
    stderr: &Receiver,
    kept: &mut Kept,
    on_stderr: &mut impl FnMut(&[u8]),
) -> io::Result<ExitStatus> {
    let mut buffer = vec![0; 16 * 1024];
    let (mut out_open, mut err_open) = (true, true);
    let status = loop {
        tokio::select! {
            ready = stdout.readable(), if out_open => {
                ready?;
                out_open = drain(stdout, &mut buffer, |piece| kept.take(piece))?;
            }
            ready = stderr.readable(), if err_open => {
                ready?;
                err_open = drain(stderr, &mut buffer, &mut *on_stderr)?;
            }
            status = child.wait() => break status?,
        }
    };
    // What it wrote before it ended is in the pipes by now, and a part at most is unread.
    if out_open {
        drain(stdout, &mut buffer, |piece| kept.take(piece))?;
    }
    if err_open {
        drain(stderr, &mut buffer, &mut *on_stderr)?;
    }
    Ok(status)
}

/// The most that is taken in one go: more than any pipe holds, and an end for one that never empties.
const DRAIN_BYTES: usize = 2 * 1024 * 1024;

/// Reads what is there; false at the end of the pipe.
fn drain(pipe: &Receiver, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> io::Result<bool> {
    let mut taken = 0;
    while taken < DRAIN_BYTES {
        match pipe.try_read(buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => {
                take(&buffer[..count]);
                taken += count;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    async fn shell(script: &str, limit: Duration, max_bytes: usize) -> (Output, String) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut said = Vec::new();
        let output = output(command, limit, max_bytes, |piece| said.extend_from_slice(piece)).await.unwrap();
        (output, String::from_utf8(said).unwrap())
    }

    #[tokio::test]
    async fn both_streams_are_read_however_much_there_is() {
        let script = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo 0123456789012345678901234567890123456789; \
                      echo 0123456789012345678901234567890123456789 >&2; done; exit 7";
        let (output, said) = shell(script, LONG, 1000).await;
        assert_eq!(output.status.unwrap().code(), Some(7));
        assert_eq!((output.stdout.len(), output.is_clipped, said.len()), (1000, true, 3000 * 41));
    }

    #[tokio::test]
    async fn what_stays_in_the_background_is_not_waited_for() {
        let begun = Instant::now();
        let (output, said) = shell("sleep 30 & echo $!; echo done >&2", LONG, 1000).await;
        assert!(begun.elapsed() < LONG && output.status.unwrap().success());
        assert_eq!(said, "done\n");
        let left = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(left).unwrap(), Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_ended_with_its_children() {
        let (output, said) =
            shell("trap '' TERM; sleep 60 & echo $! >&2; wait", Duration::from_millis(300), 10).await;
        assert!(output.status.is_none());
        let child = Pid::from_raw(said.trim().parse().unwrap()).unwrap();
        let deadline = Instant::now() + LONG;
        let is_running = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.as_raw_pid()));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        while is_running() {
            assert!(Instant::now() < deadline, "the child outlived its group");
            tokio::task::yield_now().await;
        }
    }
}
