//! How a wait ended.

use std::fmt::Write as _;

use bpm_api::{Condition, Met, TargetState, WaitAnswer};

use super::log_page::{footer, log_lines};
use super::safe::safe_line;
use super::style::{Ink, Style};
use super::time::seconds;

/// What was met, or where each target stands, and the lines that show it.
#[must_use]
pub fn waited(answer: &WaitAnswer, style: Style) -> String {
    let waited = seconds(answer.waited_seconds);
    let mut out = String::new();
    if let Some(met) = &answer.met {
        let (sign, ink) = if met.bad { ("✗", Ink::Bad) } else { ("✓", Ink::Good) };
        let target = safe_line(&met.target);
        let (sign, target) = (style.paint(ink, sign), style.paint(Ink::Strong, &target));
        let _ = writeln!(out, "{sign} {target} {} (waited {waited})", safe_line(&met.what));
        if let Some(holder) = &met.port_holder {
            let _ = writeln!(out, "  the port is held by {}", safe_line(holder));
        }
    } else {
        let _ = writeln!(out, "{} nothing of it after {waited}", style.paint(Ink::Waiting, "…"));
        for TargetState { target, state, why } in &answer.targets {
            let target = safe_line(target);
            let _ = writeln!(
                out,
                "  {}: {}: {}",
                style.paint(Ink::Strong, &target),
                safe_line(state),
                safe_line(why)
            );
        }
    }
    if let Some(page) = answer.lines.as_ref().filter(|page| !page.lines.is_empty()) {
        let hit = |met: &Met| matches!(met.condition, Condition::Pattern | Condition::Error);
        let marked = answer.met.as_ref().is_some_and(hit);
        out.push_str(&log_lines(&page.lines, marked, style));
        let _ = writeln!(out, "{}", style.paint(Ink::Faint, &footer(page, marked)));
    }
    out
}
