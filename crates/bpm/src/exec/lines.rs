//! Reads the lines that a child prints into a pipe until the child has ended. Knows nothing of what
//! they mean.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    process::Child,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

/// A longer line is taken in pieces.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// Hands on every line until the child has ended and what it wrote is read. What it leaves running
/// may hold the pipe open; that is not waited for.
///
/// # Errors
/// The pipe cannot be read.
pub fn read_until_exit(pipe: &OwnedFd, child: &Child, mut line: impl FnMut(&[u8])) -> io::Result<()> {
    let ended = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let ended = ended.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    rustix::io::ioctl_fionbio(pipe, true)?;
    let mut lines = Lines::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut has_ended = false;
    loop {
        match rustix::io::read(pipe, &mut buffer) {
            Ok(0) => break,
            Ok(count) => lines.push(&buffer[..count], &mut line),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) if has_ended => break,
            Err(rustix::io::Errno::AGAIN) => has_ended = wait(pipe, ended.as_ref())?,
            Err(error) => return Err(error.into()),
        }
    }
    lines.finish(&mut line);
    Ok(())
}

/// Waits for either; true when the child has ended.
fn wait(pipe: &OwnedFd, ended: Option<&OwnedFd>) -> io::Result<bool> {
    let mut fds = vec![PollFd::new(pipe, PollFlags::IN)];
    fds.extend(ended.map(|ended| PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN)));
    match poll(&mut fds, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(fds.get(1).is_some_and(|ended| !ended.revents().is_empty()))
}

#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8], line: &mut impl FnMut(&[u8])) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            if self.rest.is_empty() {
                line(&bytes[..end]);
            } else {
                self.rest.extend_from_slice(&bytes[..end]);
                line(&self.rest);
                self.rest.clear();
            }
            bytes = &bytes[end + 1..];
        }
        self.rest.extend_from_slice(bytes);
        if self.rest.len() > MAX_LINE_BYTES {
            self.finish(line);
        }
    }

    fn finish(&mut self, line: &mut impl FnMut(&[u8])) {
        if !self.rest.is_empty() {
            line(&self.rest);
            self.rest.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Instant};

    use super::*;

    #[test]
    fn lines_are_put_together_from_pieces_and_the_last_needs_no_line_feed() {
        let mut seen = Vec::new();
        let mut lines = Lines::default();
        let mut take = |line: &[u8]| seen.push(String::from_utf8_lossy(line).into_owned());
        for piece in ["a\nb", "", "c", "\n\nd\n", "e"] {
            lines.push(piece.as_bytes(), &mut take);
        }
        lines.finish(&mut take);
        lines.finish(&mut take);
        assert_eq!(seen, ["a", "bc", "", "d", "e"]);
    }

    #[test]
    fn a_line_without_end_is_not_held_for_ever() {
        let mut sizes = Vec::new();
        let mut lines = Lines::default();
        let piece = vec![b'x'; MAX_LINE_BYTES];
        lines.push(&piece, &mut |line| sizes.push(line.len()));
        lines.push(b"x", &mut |line| sizes.push(line.len()));
        assert_eq!(sizes, [MAX_LINE_BYTES + 1]);
    }

    #[test]
    fn what_a_child_leaves_running_does_not_hold_up_the_end() {
        let (output, input) = io::pipe().unwrap();
        let script = "sleep 30 & echo $!; echo last >&2";
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(input.try_clone().unwrap()).stderr(input);
        let mut child = command.spawn().unwrap();
        drop(command);
        let begun = Instant::now();
        let mut seen = Vec::new();
        let line = |line: &[u8]| seen.push(String::from_utf8_lossy(line).into_owned());
        read_until_exit(&OwnedFd::from(output), &child, line).unwrap();
        assert!(begun.elapsed().as_secs() < 20);
        assert!(child.wait().unwrap().success());
        assert_eq!(seen[1], "last");
        let left = Pid::from_raw(seen[0].parse().unwrap()).unwrap();
        rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
    }
}
