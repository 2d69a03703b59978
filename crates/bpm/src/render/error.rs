//! An error for people: what happened, what to do next, and what belongs to it.

use bpm_api::Error;

use super::safe::{safe_line, safe_text};
use super::style::{Ink, Style};

/// `error: message`, `  hint: …`, then the detail below an empty line. Ends in a line feed.
#[must_use]
pub fn error(error: &Error, style: Style) -> String {
    let Error { message, hint, detail, .. } = error;
    let mut out = format!("{}: {}\n", style.paint(Ink::Bad, "error"), safe_line(message));
    if let Some(hint) = hint {
        out.push_str(&format!("  {}: {}\n", style.paint(Ink::Strong, "hint"), safe_line(hint)));
    }
    if let Some(detail) = detail {
        out.push_str(&format!("\n{}\n", safe_text(detail).trim_end_matches('\n')));
    }
    out
}
