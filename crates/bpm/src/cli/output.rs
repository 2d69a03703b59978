//! Writes log bytes: as they are, as lines for a terminal, or as JSON. Must not know which logs, nor files.

use std::sync::Arc;

use bpm_api::LogLine;
use bpm_logs::{Stream, economy};

use super::failure::Failure;
use super::printer::Printer;
use crate::logbook::{Assembler, Follow, Lost, TextLine, rfc3339};
use crate::render::{Ink, safe_line};

/// How logs are written.
#[derive(Debug)]
pub(super) struct Output<'p> {
    printer: &'p Printer,
    form: Form,
    labelled: bool,
    /// Names in the order in which they came, for their colours.
    labels: Vec<Arc<str>>,
    assembler: Assembler,
    /// The line that has begun on the terminal and not ended, and what is seen of it.
    begun: Option<(Arc<str>, u64, String)>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The programs' bytes, untouched.
    Exact,
    /// Whole lines of bytes, each with its label.
    Lines,
    /// Lines that a terminal may be given.
    Clean,
    Json,
}

impl<'p> Output<'p> {
    pub(super) fn new(printer: &'p Printer, raw: bool, labelled: bool) -> Output<'p> {
        let exact = raw || printer.style().width.is_none();
        let form = match (printer.json(), exact, labelled) {
            (true, _, _) => Form::Json,
            (false, true, false) => Form::Exact,
            (false, true, true) => Form::Lines,
            (false, false, _) => Form::Clean,
        };
        Output {
            printer,
            form,
            labelled,
            labels: Vec::new(),
            assembler: Assembler::default(),
            begun: None,
            bytes: Vec::new(),
        }
    }

    /// Writes everything that is there now.
    pub(super) fn all(&mut self, follow: &mut Follow) -> Result<(), Failure> {
        loop {
            let pieces = follow.next_pieces()?;
            let last = pieces.is_empty();
            for printed in &pieces {
                if self.form == Form::Exact {
                    self.bytes.extend_from_slice(&printed.piece.bytes);
                } else {
                    let mut ended = Vec::new();
                    self.assembler.push(printed, &mut ended);
                    for line in &ended {
                        self.line(line)?;
                    }
                }
            }
            if last && self.form == Form::Clean {
                self.show_begun();
            }
            self.write()?;
            if last {
                self.say_lost(follow);
                return Ok(());
            }
        }
    }

    /// Writes what has no line feed, when no more will come.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        let open: Vec<TextLine> = self.assembler.open().into_iter().cloned().collect();
        for line in &open {
            self.line(line)?;
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), Failure> {
        if !self.bytes.is_empty() {
            self.printer.bytes(&self.bytes)?;
            self.bytes.clear();
        }
        Ok(())
    }

    fn line(&mut self, line: &TextLine) -> Result<(), Failure> {
        match self.form {
            Form::Json => {
                let json = as_json(line);
                return self.printer.json_line(&json);
            }
            Form::Clean => {
                let text = clean(&line.text);
                self.show(line, &text);
                self.bytes.push(b'\n');
                self.begun = None;
            }
            Form::Lines | Form::Exact => {
                self.label(&line.process);
                self.bytes.extend_from_slice(&line.text);
                self.bytes.push(b'\n');
            }
        }
        Ok(())
    }

    /// Shows the lines that have begun, such as a prompt. They go on in place if nothing comes between.
    fn show_begun(&mut self) {
        let open: Vec<TextLine> = self.assembler.open().into_iter().cloned().collect();
        for line in &open {
            let text = clean(&line.text);
            self.show(line, &text);
            self.begun = Some((Arc::clone(&line.process), line.run, text));
        }
    }

    /// Writes a line without its end: what is new of it where it was the last to be begun, else the whole.
    fn show(&mut self, line: &TextLine, text: &str) {
        match self.begun.take() {
            Some((process, run, seen)) if process == line.process && run == line.run => {
                if let Some(new) = text.strip_prefix(seen.as_str()) {
                    self.bytes.extend_from_slice(new.as_bytes());
                    return;
                }
                self.bytes.push(b'\n');
            }
            Some(_) => self.bytes.push(b'\n'),
            None => {}
        }
        self.label(&line.process);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn label(&mut self, process: &Arc<str>) {
        if !self.labelled {
            return;
        }
        let number = match self.labels.iter().position(|known| known == process) {
            Some(number) => number,
            None => {
                self.labels.push(Arc::clone(process));
                self.labels.len() - 1
            }
        };
        let label = format!("[{}]", safe_line(process));
        self.bytes.extend_from_slice(self.printer.style().paint(Ink::Label(number), &label).as_bytes());
        self.bytes.push(b' ');
    }

    fn say_lost(&self, follow: &mut Follow) {
        for (process, run, Lost { bytes, lines }) in follow.take_lost() {
            self.printer.note(&format!("{process} {run}: {lines} lines ({bytes} bytes) are lost here"));
        }
    }
}

fn clean(text: &[u8]) -> String {
    safe_line(&economy::plain_text(text)).into_owned()
}

fn as_json(line: &TextLine) -> LogLine {
    LogLine {
        process: Some(line.process.to_string()),
        run: line.run,
        number: line.number,
        time: rfc3339(line.time_ns),
        stream: match line.stream {
            Stream::Stdout => bpm_api::Stream::Stdout,
            Stream::Stderr => bpm_api::Stream::Stderr,
        },
        is_match: true,
        text: String::from_utf8_lossy(&line.text).into_owned(),
        times: 1,
        alike: false,
        by_turns: false,
        last_number: None,
        skipped: None,
    }
}
