//! The only way to the terminal: results to stdout, everything else to stderr, colour and width as the
//! terminal and `NO_COLOR` have it. Must not know what is printed.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use bpm_api::{Code, Error};
use rustix::termios::tcgetwinsize;
use serde::Serialize;

use super::failure::Failure;
use crate::render::{self, Style};

/// Where output goes and how it is dressed.
#[derive(Debug)]
pub(super) struct Printer {
    json: bool,
    out: Style,
    err: Style,
}

impl Printer {
    /// For this process's stdout and stderr.
    pub(super) fn for_process(json: bool) -> Printer {
        Printer { json, out: style(&io::stdout()), err: style(&io::stderr()) }
    }

    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Of what goes to stdout.
    pub(super) fn style(&self) -> Style {
        self.out
    }

    /// Of what goes to stderr.
    pub(super) fn err_style(&self) -> Style {
        self.err
    }

    /// Shows an answer: rendered for people, or as one line of JSON.
    ///
    /// # Errors
    /// Stdout does not take it.
    pub(super) fn show<T: Serialize>(
        &self,
        answer: &T,
        render: impl FnOnce(&T, Style) -> String,
    ) -> Result<ExitCode, Failure> {
        if self.json {
            self.json_line(answer)?;
        } else {
            self.text(&render(answer, self.out))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// One line of JSON on stdout.
    ///
    /// # Errors
    /// Stdout does not take it.
    pub(super) fn json_line<T: Serialize>(&self, answer: &T) -> Result<(), Failure> {
        let mut line = serde_json::to_string(answer).map_err(|error| {
            Error::new(Code::Internal, format!("the answer cannot be written as JSON: {error}"))
        })?;
        line.push('\n');
        Ok(self.bytes(line.as_bytes())?)
    }

    pub(super) fn text(&self, text: &str) -> io::Result<()> {
        self.bytes(text.as_bytes())
    }

    pub(super) fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// A remark, a line of its own on stderr. One that nobody can read is lost.
    pub(super) fn note(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// An error, on stderr: in words, or as one line of JSON.
    pub(super) fn fail(&self, error: &Error) {
        let text = match (self.json, serde_json::to_string(error)) {
            (true, Ok(json)) => json,
            (_, _) => render::error(error, self.err).trim_end_matches('\n').to_owned(),
        };
        self.note(&text);
    }

    /// Replaces the line of progress on stderr; nothing where stderr is no terminal, or JSON is wanted.
    pub(super) fn progress(&self, line: &str) {
        let Some(width) = self.progress_width() else { return };
        let shown: String = render::fit(line, width);
        let _ = write!(io::stderr().lock(), "\r\x1b[K{shown}");
    }

    /// Takes the line of progress away.
    pub(super) fn progress_done(&self) {
        if self.progress_width().is_some() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }

    /// Columns of a line of progress; `None`: none is shown.
    pub(super) fn progress_width(&self) -> Option<usize> {
        self.err.width.filter(|_| !self.json)
    }
}

/// Colour and width where the stream is a terminal, neither otherwise.
fn style(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Style {
    const USUAL_WIDTH: usize = 80;
    if !stream.is_terminal() {
        return Style::PLAIN;
    }
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let columns = tcgetwinsize(stream).map_or(0, |size| usize::from(size.ws_col));
    Style { color: unset("NO_COLOR") && !dumb, width: Some(if columns == 0 { USUAL_WIDTH } else { columns }) }
}
