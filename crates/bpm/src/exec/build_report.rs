//! What a finished build says about itself, in words: from the cargo helper's result where there is one,
//! else from the end of its log.

use std::path::Path;

use bpm_logs::{Query, RunLog, economy};
use bpm_shim::protocol::Status;

use super::cargo_helper::{BuildResult, Waiting};
use super::cargo_output::Diagnostic;
use crate::store::build_progress::Progress;

/// Errors whose own text is given in full.
const SHOWN_ERRORS: usize = 3;
/// Lines of a log that stand for a build without diagnostics.
const LOG_LINES: usize = 20;
const LINE_BYTES: usize = 500;
const TEXT_BYTES: usize = 6 << 10;

/// One line: how many errors, and the first with its place; or how the build's program ended.
pub fn summary(dir: &Path, status: Status) -> String {
    match BuildResult::load(dir) {
        Ok(Some(result)) if result.errors > 0 || !result.diagnostics.is_empty() => {
            let count = result.errors.max(1);
            let noun = if count == 1 { "error" } else { "errors" };
            match result.diagnostics.first() {
                Some(only) if count == 1 => format!("1 error: {}", place_and_message(only)),
                Some(first) => format!("{count} {noun}, first {}", place_and_message(first)),
                None => format!("{count} {noun}"),
            }
        }
        _ => ended(status),
    }
}

fn ended(status: Status) -> String {
    match status {
        Status::Code(code) => format!("exit code {code}"),
        Status::Signal { signal, .. } => match bpm_core::fleet::signal_name(signal) {
            Some(name) => format!("ended by signal {name}"),
            None => format!("ended by signal {signal}"),
        },
    }
}

fn place_and_message(found: &Diagnostic) -> String {
    let code = found.code.as_ref().map_or_else(String::new, |code| format!("[{code}] "));
    match (&found.file, found.line) {
        (Some(file), Some(line)) => format!("{file}:{line}: {code}{}", found.message),
        (Some(file), None) => format!("{file}: {code}{}", found.message),
        _ => format!("{code}{}", found.message),
    }
}

/// The first errors in the compiler's own text and the count of the rest; without diagnostics the last
/// lines of the log. `None`: nothing is known.
pub fn failure_text(dir: &Path) -> Option<String> {
    match BuildResult::load(dir) {
        Ok(Some(result)) if !result.diagnostics.is_empty() => Some(diagnostics_text(&result)),
        _ => log_end(dir),
    }
}

fn diagnostics_text(result: &BuildResult) -> String {
    let mut text = String::new();
    let mut shown = 0;
    for found in result.diagnostics.iter().take(SHOWN_ERRORS) {
        let rendered = found.rendered.trim_end();
        if shown > 0 && text.len() + rendered.len() > TEXT_BYTES {
            break;
        }
        text.push_str(clip(rendered, TEXT_BYTES));
        text.push_str("\n\n");
        shown += 1;
    }
    let rest = result.errors.saturating_sub(shown);
    let warnings = result.warnings;
    text.push_str(&match (rest, warnings) {
        (0, 0) => format!("{} in all", counted(result.errors, "error")),
        (0, _) => format!("{} in all, {}", counted(result.errors, "error"), counted(warnings, "warning")),
        _ => format!("and {} more, {}", counted(rest, "error"), counted(warnings, "warning")),
    });
    text
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn clip(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn log_end(dir: &Path) -> Option<String> {
    let log = RunLog::open(dir).ok()?;
    let query = Query { tail: Some(LOG_LINES), max_line_bytes: LINE_BYTES, ..Query::default() };
    let found = log.search(&query).ok()?;
    let lines: Vec<String> = found.lines.iter().map(|line| economy::plain_text(&line.text)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// How far a build is that is under way and says so.
pub fn progress(dir: &Path) -> Option<Progress> {
    Progress::load(dir)
}

/// How many warnings a build gave.
pub fn warnings(dir: &Path) -> u64 {
    BuildResult::load(dir).ok().flatten().map_or(0, |result| result.warnings)
}

/// What a cargo that waits for a lock waits for, and who holds it.
pub fn waits_for(dir: &Path) -> Option<String> {
    let waiting = Waiting::load(dir).ok()??;
    let what = waiting.what;
    Some(match waiting.held {
        Some(held) => {
            let command = held.command.map_or_else(String::new, |command| format!(" ({command})"));
            format!("cargo waits for the lock on the {what}, held by pid {}{command}", held.pid)
        }
        None => format!("cargo waits for the lock on the {what}"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn found(number: u64) -> serde_json::Value {
        serde_json::json!({
            "file": "src/db.rs", "line": number, "column": 1, "code": "E0308", "message": "mismatched types",
            "rendered": format!("error[E0308]: mismatched types, number {number}\n"),
        })
    }

    /// A build's directory with this result of the cargo helper.
    fn result(diagnostics: &[serde_json::Value], errors: u64, warnings: u64) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let result = serde_json::json!({
            "success": false, "artefact": null, "warning": null, "package": null, "bin": null,
            "manifest_dir": null, "cargo_env": { "set": {}, "default": {}, "library_path": [] },
            "diagnostics": diagnostics, "errors": errors, "warnings": warnings, "wall_ms": 5,
        });
        fs::write(dir.path().join(super::super::cargo_helper::RESULT_FILE), result.to_string()).unwrap();
        assert!(BuildResult::load(dir.path()).unwrap().is_some());
        dir
    }

    #[test]
    fn a_summary_counts_and_names_the_first() {
        let failed = Status::Code(101);
        assert_eq!(
            summary(result(&[found(41), found(7)], 2, 0).path(), failed),
            "2 errors, first src/db.rs:41: [E0308] mismatched types"
        );
        assert_eq!(summary(result(&[], 1, 0).path(), failed), "1 error");
        assert_eq!(summary(result(&[], 0, 0).path(), failed), "exit code 101");
        let nothing = tempfile::tempdir().unwrap();
        let killed = Status::Signal { signal: 9, core: false };
        assert_eq!(summary(nothing.path(), killed), "ended by signal KILL");
    }

    #[test]
    fn the_text_shows_the_first_errors_and_counts_the_rest() {
        let many: Vec<_> = (1..=5).map(found).collect();
        let text = failure_text(result(&many, 5, 2).path()).unwrap();
        assert!(text.contains("number 3") && !text.contains("number 4"), "{text}");
        assert!(text.ends_with("and 2 errors more, 2 warnings"), "{text}");
        let one = failure_text(result(&many[..1], 1, 0).path()).unwrap();
        assert!(one.ends_with("1 error in all"), "{one}");
    }

    #[test]
    fn a_text_stays_short_and_is_cut_between_characters() {
        let mut long = found(1);
        long["rendered"] = "é".repeat(TEXT_BYTES).into();
        let text = failure_text(result(&[long.clone(), long], 2, 0).path()).unwrap();
        assert!(text.len() < TEXT_BYTES + 100, "{}", text.len());
        assert!(text.ends_with("and 1 error more, 0 warnings"));
    }

    #[test]
    fn without_a_result_nothing_is_made_up() {
        let nothing = tempfile::tempdir().unwrap();
        assert_eq!(failure_text(nothing.path()), None);
        assert_eq!((warnings(nothing.path()), waits_for(nothing.path())), (0, None));
        assert_eq!(warnings(result(&[], 0, 3).path()), 3);
    }
}
