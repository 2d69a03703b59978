//! Lines of many programs on one terminal: each begins with its prefix, and none is continued by another's.

use std::io::{self, Write};

use bpm_logs::Stream;

/// Both may be the same terminal, or two files.
#[derive(Debug)]
pub(super) struct Terminal<O, E> {
    stdout: O,
    stderr: E,
    /// Whose line has no end yet, and on which stream.
    unfinished: Option<(i32, Stream)>,
}

impl<O: Write, E: Write> Terminal<O, E> {
    pub(super) fn new(stdout: O, stderr: E) -> Self {
        Self { stdout, stderr, unfinished: None }
    }

    /// Prints what `who` wrote to a stream, to the same stream.
    pub(super) fn print(&mut self, who: i32, prefix: &str, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut at_start = self.unfinished != Some((who, stream));
        if at_start {
            self.finish_line()?;
        }
        let mut text = Vec::with_capacity(bytes.len() + bytes.len() / 8);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if at_start {
                text.extend_from_slice(prefix.as_bytes());
            }
            text.extend_from_slice(line);
            at_start = line.ends_with(b"\n");
        }
        self.write(stream, &text)?;
        self.unfinished = (!at_start).then_some((who, stream));
        Ok(())
    }

    /// A line of the manager's own, on stderr.
    pub(super) fn say(&mut self, line: &str) -> io::Result<()> {
        self.finish_line()?;
        self.write(Stream::Stderr, format!("{line}\n").as_bytes())
    }

    fn finish_line(&mut self) -> io::Result<()> {
        match self.unfinished.take() {
            Some((_, stream)) => self.write(stream, b"\n"),
            None => Ok(()),
        }
    }

    fn write(&mut self, stream: Stream, text: &[u8]) -> io::Result<()> {
        match stream {
            Stream::Stdout => self.stdout.write_all(text).and_then(|()| self.stdout.flush()),
            Stream::Stderr => self.stderr.write_all(text).and_then(|()| self.stderr.flush()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: (i32, &str) = (1, "[web] ");
    const API: (i32, &str) = (2, "[api] ");

    /// What stands on stdout and stderr in the end.
    fn shown(pieces: &[((i32, &str), Stream, &str)]) -> (String, String) {
        let mut terminal = Terminal::new(Vec::new(), Vec::new());
        for ((who, prefix), stream, text) in pieces {
            terminal.print(*who, prefix, *stream, text.as_bytes()).unwrap();
        }
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(terminal.stdout), text(terminal.stderr))
    }

    #[test]
    fn every_line_begins_with_its_prefix_and_goes_to_its_stream() {
        let pieces =
            [(WEB, Stream::Stdout, "a\n\nb\n"), (API, Stream::Stderr, "c\n"), (WEB, Stream::Stdout, "d\n")];
        assert_eq!(shown(&pieces), ("[web] a\n[web] \n[web] b\n[web] d\n".into(), "[api] c\n".into()));
    }

    #[test]
    fn a_line_in_pieces_is_one_line() {
        let pieces = [(WEB, Stream::Stdout, "a"), (WEB, Stream::Stdout, "b"), (WEB, Stream::Stdout, "\nc")];
        assert_eq!(shown(&pieces).0, "[web] ab\n[web] c");
    }

    #[test]
    fn nobody_goes_on_with_the_line_of_another() {
        let pieces = [(WEB, Stream::Stdout, "a"), (API, Stream::Stdout, "b\n"), (WEB, Stream::Stdout, "c\n")];
        assert_eq!(shown(&pieces).0, "[web] a\n[api] b\n[web] c\n");
    }

    #[test]
    fn a_line_is_ended_on_the_stream_it_stands_on() {
        let pieces = [(WEB, Stream::Stdout, "a"), (WEB, Stream::Stderr, "b\n"), (API, Stream::Stdout, "c\n")];
        assert_eq!(shown(&pieces), ("[web] a\n[api] c\n".into(), "[web] b\n".into()));
    }

    #[test]
    fn a_word_of_the_manager_has_a_line_of_its_own() {
        let mut terminal = Terminal::new(Vec::new(), Vec::new());
        terminal.print(1, "[web] ", Stream::Stderr, b"a").unwrap();
        terminal.say("(restart)").unwrap();
        terminal.print(1, "[web] ", Stream::Stderr, b"b").unwrap();
        assert_eq!(String::from_utf8(terminal.stderr).unwrap(), "[web] a\n(restart)\n[web] b");
    }
}
