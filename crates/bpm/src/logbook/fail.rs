//! What is said when a log cannot be read.

use std::io;
use std::path::Path;

use bpm_api::{Code, Error};
use bpm_logs::{ReadError, SearchError};
use rustix::io::Errno;

/// A directory or file of the state is there and cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::new(Code::System, format!("cannot read `{}`: {error}", path.display()))
        .hint("check that it belongs to you; `BPM_STATE_DIR` names another place")
}

/// The log of one run cannot be read.
pub(super) fn log_unreadable(source: &str, error: &ReadError) -> Error {
    match error {
        ReadError::Missing { .. } => {
            Error::new(Code::UnknownRun, format!("the log of {source} is not there any more"))
                .hint("`logs = { keep_runs = … }` in the configuration says how many are kept")
        }
        ReadError::Io { dir, source: error } => Error::new(
            Code::System,
            format!("cannot read the log of {source} in `{}`: {error}", dir.display()),
        )
        .hint("check that it belongs to you and was written by this version of bpm"),
    }
}

/// A search of one run's log failed.
pub(super) fn search_failed(source: &str, error: &SearchError) -> Error {
    match error {
        SearchError::Pattern { message } => {
            let (last, drawing) = last_line(message);
            let error = invalid(format!("`pattern` is not a regular expression: {last}"))
                .hint("Rust syntax; write `\\` before characters that are meant as they stand");
            if drawing { error.detail(message.clone()) } else { error }
        }
        SearchError::Read(error) => log_unreadable(source, error),
    }
}

/// The sentence of a regex error, and whether there is more: it draws the place above the sentence.
fn last_line(message: &str) -> (&str, bool) {
    let message = message.trim();
    match message.rsplit_once('\n') {
        Some((_, last)) => (last.strip_prefix("error: ").unwrap_or(last), true),
        None => (message, false),
    }
}

/// The state directory cannot be watched.
pub(super) fn unwatchable(error: &io::Error) -> Error {
    let error_text = Error::new(Code::System, format!("cannot watch the logs: {error}"));
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::MFILE) => error_text
            .hint("raise `fs.inotify.max_user_watches` or `fs.inotify.max_user_instances` with sysctl"),
        Some(_) | None => error_text,
    }
}

/// A parameter that cannot be taken as it is.
pub(super) fn invalid(text: String) -> Error {
    Error::new(Code::InvalidParameter, text)
}
