//! Owns which lines belong together: stack traces, panics, compiler diagnostics. Must not know what is
//! done with them.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Lines of a unit, at most; what goes on begins another.
const MOST_LINES: usize = 2000;
/// Blank lines that may lie within a unit.
const MOST_BLANKS: usize = 2;

/// What the lines so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Plain,
    /// In a Python traceback, before the line that names the exception.
    Python,
    /// After that line.
    PythonEnd,
    /// Between two chained tracebacks.
    PythonChain,
    /// A Rust panic whose message is on the next line.
    PanicHead,
    Panic,
    Go,
    Rustc,
    CargoCause,
    /// Where a C compiler's diagnostic is.
    CcPlace,
    Cc,
    /// Java, JavaScript, .NET: indented `at …`.
    Frames,
}

/// What becomes of a line.
enum Fate {
    Begins(Kind),
    Goes(Kind),
    /// It belongs to the unit if what follows does.
    Waits,
}

/// Lines that belong together, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit<L> {
    pub first: L,
    pub rest: Vec<L>,
}

/// Puts lines together. What it holds is one unit.
#[derive(Debug)]
pub struct Units<L> {
    kind: Kind,
    unit: Option<Unit<L>>,
    blanks: Vec<L>,
}

impl<L> Default for Units<L> {
    fn default() -> Units<L> {
        Units { kind: Kind::Plain, unit: None, blanks: Vec::new() }
    }
}

impl<L> Units<L> {
    /// Takes the next line, whose clean text is `text`; appends the units that it ends.
    pub fn push(&mut self, text: &str, line: L, done: &mut Vec<Unit<L>>) {
        let full = self.unit.as_ref().is_none_or(|unit| unit.rest.len() + 1 >= MOST_LINES);
        let fate = if full { Fate::Begins(begin(text)) } else { fate(self.kind, text) };
        match (fate, &mut self.unit) {
            (Fate::Waits, Some(_)) if self.blanks.len() < MOST_BLANKS => self.blanks.push(line),
            (Fate::Goes(kind), Some(unit)) => {
                unit.rest.append(&mut self.blanks);
                unit.rest.push(line);
                self.kind = kind;
            }
            (Fate::Begins(kind) | Fate::Goes(kind), _) => self.begin(kind, line, done),
            (Fate::Waits, _) => self.begin(Kind::Plain, line, done),
        }
    }

    /// Ends the unit: what comes next is from elsewhere.
    pub fn finish(&mut self, done: &mut Vec<Unit<L>>) {
        done.extend(self.unit.take());
        done.extend(self.blanks.drain(..).map(|first| Unit { first, rest: Vec::new() }));
        self.kind = Kind::Plain;
    }

    fn begin(&mut self, kind: Kind, first: L, done: &mut Vec<Unit<L>>) {
        self.finish(done);
        self.unit = Some(Unit { first, rest: Vec::new() });
        self.kind = kind;
    }
}

fn fate(kind: Kind, text: &str) -> Fate {
    if is_frame(text) {
        return Fate::Goes(if kind == Kind::Plain { Kind::Frames } else { kind });
    }
    let blank = text.trim_ascii().is_empty();
    let blank_waits =
        matches!(kind, Kind::PythonEnd | Kind::PythonChain | Kind::Go | Kind::Rustc | Kind::CargoCause);
    if blank && blank_waits {
        return Fate::Waits;
    }
    let goes = match kind {
        Kind::Plain => None,
        Kind::Python if indented(text) => Some(Kind::Python),
        Kind::Python => (!blank).then_some(Kind::PythonEnd),
        Kind::PythonEnd => is_python_chain(text).then_some(Kind::PythonChain),
        Kind::PythonChain => is_traceback(text).then_some(Kind::Python),
        Kind::PanicHead => (!blank).then_some(Kind::Panic),
        Kind::Panic => is_panic_part(text).then_some(Kind::Panic),
        Kind::Go => is_go_part(text).then_some(Kind::Go),
        Kind::Rustc if text.starts_with("Caused by:") => Some(Kind::CargoCause),
        Kind::Rustc => is_rustc_part(text).then_some(Kind::Rustc),
        Kind::CargoCause => (indented(text) || text.starts_with("Caused by:")).then_some(Kind::CargoCause),
        Kind::CcPlace if indented(text) => Some(Kind::CcPlace),
        Kind::CcPlace => is_cc(text).then_some(Kind::Cc),
        Kind::Cc => (indented(text) || text.contains(": note: ")).then_some(Kind::Cc),
        Kind::Frames => is_frames_part(text).then_some(Kind::Frames),
    };
    goes.map_or_else(|| Fate::Begins(begin(text)), Fate::Goes)
}

/// What a line begins.
fn begin(text: &str) -> Kind {
    if is_traceback(text) {
        Kind::Python
    } else if find(&PANICKED, text) {
        if text.ends_with(':') { Kind::PanicHead } else { Kind::Panic }
    } else if text.starts_with("panic: ") || text.starts_with("fatal error: ") || is_goroutine(text) {
        Kind::Go
    } else if is_rustc(text) {
        Kind::Rustc
    } else if is_cc(text) {
        Kind::Cc
    } else if text.starts_with("In file included from ") || text.ends_with("':") && text.contains(": In ") {
        Kind::CcPlace
    } else {
        Kind::Plain
    }
}

static TRACEBACK: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new("Traceback (most recent call last)"));
static PANICKED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(" panicked at "));
static CC_ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("error: "));
static CC_WARNING: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(": warning: "));

fn find(what: &Finder<'_>, text: &str) -> bool {
    what.find(text.as_bytes()).is_some()
}

fn indented(text: &str) -> bool {
    text.starts_with([' ', '\t'])
}

fn is_frame(text: &str) -> bool {
    indented(text) && text.trim_ascii_start().starts_with("at ")
}

fn is_traceback(text: &str) -> bool {
    find(&TRACEBACK, text)
}

fn is_python_chain(text: &str) -> bool {
    text.starts_with("During handling of the above exception")
        || text.starts_with("The above exception was the direct cause")
}

fn is_panic_part(text: &str) -> bool {
    indented(text) || text.starts_with("stack backtrace:") || text.starts_with("note: ")
}

fn is_goroutine(text: &str) -> bool {
    text.starts_with("goroutine ") && text.ends_with("]:")
}

fn is_go_part(text: &str) -> bool {
    let call = |(name, _): (&str, &str)| name.contains('.') && !name.contains(' ');
    text.starts_with('\t')
        || is_goroutine(text)
        || ["created by ", "[signal ", "exit status ", "panic: ", "...additional frames"]
            .iter()
            .any(|start| text.starts_with(start))
        || text.ends_with(')') && text.split_once('(').is_some_and(call)
}

fn is_rustc(text: &str) -> bool {
    let rest = text.strip_prefix("error").or_else(|| text.strip_prefix("warning"));
    rest.is_some_and(|rest| rest.starts_with(": ") || rest.starts_with('['))
}

fn is_rustc_part(text: &str) -> bool {
    let part = text.trim_ascii_start();
    let numbered =
        || part.trim_start_matches(|c: char| c.is_ascii_digit()).trim_ascii_start().starts_with('|');
    match part.as_bytes().first() {
        Some(b'-') => part.starts_with("-->"),
        Some(b'|') => true,
        Some(b'=') => part.starts_with("= "),
        Some(b':') => part.starts_with(":::"),
        Some(b'.') => part.starts_with("..."),
        Some(b'0'..=b'9') => numbered(),
        Some(b'h' | b'n') => part.starts_with("help: ") || part.starts_with("note: "),
        Some(_) | None => false,
    }
}

/// `file:line:column: error: …`.
fn is_cc(text: &str) -> bool {
    let placed =
        || text.split(':').nth(1).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let said = || {
        find(&CC_WARNING, text)
            || CC_ERROR
                .find(text.as_bytes())
                .is_some_and(|at| text[..at].ends_with(": ") || text[..at].ends_with(": fatal "))
    };
    !indented(text) && said() && placed()
}

fn is_frames_part(text: &str) -> bool {
    indented(text) && !text.trim_ascii().is_empty()
        || ["Caused by: ", "Suppressed: ", "}", "--- End of"].iter().any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests;
