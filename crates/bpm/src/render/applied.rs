//! What a new configuration changed.

use bpm_api::Applied;

use super::safe::safe_line;

/// One line for each change; the last one has no line feed.
#[must_use]
pub fn applied(applied: &Applied) -> String {
    let Applied { added, removed, changed } = applied;
    let sorts = [("+", added, ""), ("-", removed, ""), ("~", changed, " (from the next start on)")];
    let lines: Vec<String> = (sorts.into_iter())
        .flat_map(|(mark, names, remark)| {
            names.iter().map(move |name| format!("{mark} {}{remark}", safe_line(name)))
        })
        .collect();
    match lines.is_empty() {
        true => "the configuration is in force; no process changed".to_owned(),
        false => lines.join("\n"),
    }
}
