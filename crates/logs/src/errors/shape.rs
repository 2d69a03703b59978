//! Owns how far a report reaches that has more than one line, and which of its lines names the error. Must
//! not know how a report begins.

/// What follows the first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing.
    Line,
    /// Python: indented frames, then the exception.
    Traceback,
    /// Rust: the message, a note, perhaps frames.
    RustPanic,
    /// Go: goroutines and their frames.
    GoPanic,
    /// JavaScript, Java, Ruby, PHP, Lua: frames and causes.
    Frames,
    /// Compilers: quoted source, notes.
    Quote,
    /// npm: more lines of its own.
    Npm,
}

/// Where the next line belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// To the report, which may go on.
    More,
    /// To the report, which is whole with it.
    Last,
    /// Not to the report.
    Ended,
}

impl Shape {
    /// What `line` is to a report of these `lines`, of which there were `seen`, and whether it names the error.
    pub(super) fn step(self, lines: &[String], seen: u64, line: &str) -> (Step, bool) {
        let first = lines.first().map_or("", String::as_str);
        let previous = lines.last().map_or("", String::as_str);
        let step = match self {
            Shape::Line => Step::Ended,
            Shape::Traceback => return traceback(first, line),
            Shape::RustPanic if seen == 1 && first.ends_with(':') => return (Step::More, true),
            Shape::RustPanic => rust_panic(line),
            Shape::GoPanic => go_panic(line),
            Shape::Frames => frames(previous, line),
            Shape::Quote => quote(first, seen, line),
            Shape::Npm => more_if(line.starts_with("npm ERR!") || line.starts_with("npm error")),
        };
        (step, false)
    }
}

fn more_if(more: bool) -> Step {
    if more { Step::More } else { Step::Ended }
}

fn indented(line: &str) -> bool {
    line.starts_with([' ', '\t']) && !line.trim().is_empty()
}

/// A traceback may stand behind a margin, which its lines share: `E   `, `web | `, `  | ` in a group.
fn traceback(first: &str, line: &str) -> (Step, bool) {
    let margin = first.find("Traceback").map_or("", |at| first[..at].trim_end_matches("Exception Group "));
    let inner = match line.split_at_checked(margin.len()) {
        Some((head, inner)) if head == margin || head == margin.replace('+', "|") => inner,
        Some(_) | None => line,
    };
    if indented(inner) {
        return (Step::More, false);
    }
    let name = inner.find(": ").map_or(inner, |end| &inner[..end]).trim_end_matches(':');
    let named = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    if named { (Step::Last, true) } else { (Step::Ended, false) }
}

fn rust_panic(line: &str) -> Step {
    if line.starts_with("note: run with `RUST_BACKTRACE")
        || line.starts_with("note: Some details are omitted")
    {
        return Step::Last;
    }
    more_if(indented(line) || line == "stack backtrace:" || line.starts_with("note: "))
}

fn go_panic(line: &str) -> Step {
    if line.starts_with("exit status ") {
        return Step::Last;
    }
    let frame = line.ends_with(')') && line.contains('(');
    let begins = ["goroutine ", "[signal ", "created by ", "\t", "main.", "runtime."];
    more_if(line.is_empty() || frame || begins.iter().any(|b| line.starts_with(b)))
}

fn frames(previous: &str, line: &str) -> Step {
    if line == "}" || line == "]" {
        return Step::Last;
    }
    let begins = ["Caused by: ", "Suppressed: ", "Stack trace:", "stack traceback:", "#", "at "];
    let began = begins.iter().any(|b| line.starts_with(b)) || previous.ends_with(" {");
    more_if(indented(line) || began)
}

fn quote(first: &str, seen: u64, line: &str) -> Step {
    // esbuild leaves a line empty between the message and the source.
    if line.is_empty() && seen == 1 && first.contains("[ERROR]") {
        return Step::More;
    }
    let numbered = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let source = numbered.len() < line.len() && numbered.trim_start().starts_with(['|', '│']);
    more_if(indented(line) || source || line == "...")
}
