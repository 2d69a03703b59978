//! Reads the lines that a child prints into a pipe until the child has ended. Knows nothing of what
//! they mean.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    process::Child,
    time::Instant,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

/// A longer line is taken in pieces.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// Text before a carriage return beyond this is part of a line in any case.
const MAX_OVERWRITTEN_BYTES: usize = 4 * 1024;

/// Takes what was read.
pub trait Sink {
    /// A line, without its line feed.
    fn line(&mut self, line: &[u8]);

    /// Text that is followed by a carriage return, at the beginning of a line. True: it was meant to be written over
    /// and has been taken; what comes next begins a line again.
    fn overwritten(&mut self, text: &[u8]) -> bool;

    /// When [`Sink::at_due`] is to be called, if nothing comes before.
    fn due(&self) -> Option<Instant>;

    /// It is time.
    fn at_due(&mut self);
}

/// Hands on every line until the child has ended and what it wrote is read. What it leaves running
/// may hold the pipe open; that is not waited for.
///
/// # Errors
/// The pipe cannot be read.
pub fn read_until_exit(pipe: &OwnedFd, child: &Child, sink: &mut impl Sink) -> io::Result<()> {
    let ended = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let ended = ended.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    rustix::io::ioctl_fionbio(pipe, true)?;
    let mut lines = Lines::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut has_ended = false;
    loop {
        if sink.due().is_some_and(|due| due <= Instant::now()) {
            sink.at_due();
        }
        match rustix::io::read(pipe, &mut buffer) {
            Ok(0) => break,
            Ok(count) => lines.push(&buffer[..count], sink),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) if has_ended => break,
            Err(rustix::io::Errno::AGAIN) => has_ended = wait(pipe, ended.as_ref(), sink.due())?,
            Err(error) => return Err(error.into()),
        }
    }
    lines.finish(sink);
    Ok(())
}

/// Waits for either, or until `due`; true when the child has ended.
fn wait(pipe: &OwnedFd, ended: Option<&OwnedFd>, due: Option<Instant>) -> io::Result<bool> {
    let mut fds = vec![PollFd::new(pipe, PollFlags::IN)];
    fds.extend(ended.map(|ended| PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN)));
    let left = due.and_then(|due| Timespec::try_from(due.saturating_duration_since(Instant::now())).ok());
    match poll(&mut fds, left.as_ref()) {
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
    fn push(&mut self, mut bytes: &[u8], sink: &mut impl Sink) {
        while let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) {
            let after = &bytes[end + 1..];
            if bytes[end] == b'\n' {
                self.end_line(&bytes[..end], sink);
            } else if after.first() == Some(&b'\n') || !self.overwrite(&bytes[..end], sink) {
                self.rest.extend_from_slice(&bytes[..=end]);
            }
            bytes = after;
        }
        self.rest.extend_from_slice(bytes);
        if self.rest.len() > MAX_LINE_BYTES {
            self.finish(sink);
        }
    }

    fn end_line(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        if self.rest.is_empty() {
            return sink.line(bytes);
        }
        self.rest.extend_from_slice(bytes);
        sink.line(&self.rest);
        self.rest.clear();
    }

    /// True when the sink has taken what is there of the line.
    fn overwrite(&mut self, bytes: &[u8], sink: &mut impl Sink) -> bool {
        if self.rest.is_empty() {
            return bytes.len() <= MAX_OVERWRITTEN_BYTES && sink.overwritten(bytes);
        }
        let before = self.rest.len();
        if before + bytes.len() > MAX_OVERWRITTEN_BYTES {
            return false;
        }
        self.rest.extend_from_slice(bytes);
        let taken = sink.overwritten(&self.rest);
        self.rest.truncate(if taken { 0 } else { before });
        taken
    }

    fn finish(&mut self, sink: &mut impl Sink) {
        if !self.rest.is_empty() {
            sink.line(&self.rest);
            self.rest.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Duration};

    use super::*;

    /// Remembers what it got; takes what begins with `~`.
    #[derive(Default)]
    struct Heard {
        lines: Vec<String>,
        taken: Vec<String>,
        due: Option<Instant>,
        dues: u32,
    }

    impl Sink for Heard {
        fn line(&mut self, line: &[u8]) {
            self.lines.push(String::from_utf8_lossy(line).into_owned());
        }

        fn overwritten(&mut self, text: &[u8]) -> bool {
            let takes = text.starts_with(b"~");
            self.taken.extend(takes.then(|| String::from_utf8_lossy(text).into_owned()));
            takes
        }

        fn due(&self) -> Option<Instant> {
            self.due
        }

        fn at_due(&mut self) {
            (self.due, self.dues) = (None, self.dues + 1);
        }
    }

    fn heard(pieces: &[&str]) -> Heard {
        let (mut lines, mut heard) = (Lines::default(), Heard::default());
        pieces.iter().for_each(|piece| lines.push(piece.as_bytes(), &mut heard));
        lines.finish(&mut heard);
        lines.finish(&mut heard);
        heard
    }

    #[test]
    fn lines_are_put_together_from_pieces_and_the_last_needs_no_line_feed() {
        let heard = heard(&["a\nb", "", "c", "\n\nd\n", "e"]);
        assert_eq!(heard.lines, ["a", "bc", "", "d", "e"]);
    }

    #[test]
    fn what_is_written_over_is_taken_out_wherever_the_pieces_are_cut() {
        let text = "a\n~1\r~22\rb\n~333\r{}\nc\rd\r\n~4\r\n e~\r~\n~5\r";
        for cut in 0..=text.len() {
            let heard = heard(&[&text[..cut], &text[cut..]]);
            // cut between the two, a carriage return and a line feed cannot be told from the former alone
            let halved = text[..cut].ends_with("~4\r");
            let (fourth, taken) = if halved { ("", 5) } else { ("~4\r", 4) };
            assert_eq!(heard.lines, ["a", "b", "{}", "c\rd\r", fourth, " e~\r~"], "{cut}");
            assert_eq!(heard.taken.len(), taken, "{cut}");
            assert_eq!((&*heard.taken[1], &*heard.taken[taken - 1]), ("~22", "~5"));
        }
    }

    #[test]
    fn carriage_returns_without_end_are_a_line_and_cost_little() {
        let long = "x\r".repeat(1 << 20);
        assert_eq!(heard(&[&long, "\n"]).lines, [long]);
        let long = format!("~{}\r", "x".repeat(MAX_OVERWRITTEN_BYTES));
        let heard = heard(&[&long[..9], &long[9..]]);
        assert_eq!((heard.lines, heard.taken.len()), (vec![long], 0));
    }

    #[test]
    fn a_line_without_end_is_not_held_for_ever() {
        let piece = "x".repeat(MAX_LINE_BYTES);
        let heard = heard(&[&piece, "x"]);
        assert_eq!(heard.lines.iter().map(String::len).collect::<Vec<_>>(), [MAX_LINE_BYTES + 1]);
    }

    fn listen(script: &str, heard: &mut Heard) {
        let (output, input) = io::pipe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(input.try_clone().unwrap()).stderr(input);
        let mut child = command.spawn().unwrap();
        drop(command);
        read_until_exit(&OwnedFd::from(output), &child, heard).unwrap();
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn what_a_child_leaves_running_does_not_hold_up_the_end() {
        let begun = Instant::now();
        let mut heard = Heard::default();
        listen("sleep 30 & echo $!; echo last >&2", &mut heard);
        assert!(begun.elapsed().as_secs() < 20);
        assert_eq!(heard.lines[1], "last");
        let left = Pid::from_raw(heard.lines[0].parse().unwrap()).unwrap();
        rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
    }

    #[test]
    fn what_is_due_is_done_while_the_child_is_silent() {
        let mut heard = Heard { due: Some(Instant::now() + Duration::from_millis(50)), ..Heard::default() };
        listen("sleep 0.5", &mut heard);
        assert_eq!((heard.due, heard.dues), (None, 1));
    }
}
