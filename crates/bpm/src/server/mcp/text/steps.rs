//! Next steps are written once, for a person at a shell; a model is told the tool that does the same.
//! Touches no text of a program's.

use bpm_api::{Error, ProcessStatus, Status};

/// Verbs that have a tool, and its name.
const TOOLS: [(&str, &str); 12] = [
    ("status", "get_status"),
    ("why", "get_status"),
    ("restart", "restart"),
    ("start", "start"),
    ("stop", "stop"),
    ("logs", "search_logs"),
    ("search", "search_logs"),
    ("build-log", "search_build_log"),
    ("tasks", "get_task_status"),
    ("run", "run_background_task"),
    ("wait", "wait_for"),
    ("send", "send_input"),
];

pub(super) fn in_error(error: &mut Error) {
    rename(&mut error.message);
    if let Some(hint) = &mut error.hint {
        rename(hint);
    }
}

pub(super) fn in_status(status: &mut Status) {
    for alarm in &mut status.alarms {
        rename(&mut alarm.message);
    }
    for process in &mut status.processes {
        in_process(process);
    }
}

pub(super) fn in_process(process: &mut ProcessStatus) {
    rename(&mut process.why);
    if let Some(next) = &mut process.next {
        rename(next);
    }
}

/// A command that has no tool stays: the model may tell its user.
fn rename(text: &mut String) {
    // most texts name no command at all
    if !text.contains("`bpm ") {
        return;
    }
    for (verb, tool) in TOOLS {
        for end in ['`', ' '] {
            let command = format!("`bpm {verb}{end}");
            if text.contains(&command) {
                *text = text.replace(&command, &format!("`{tool}{end}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rename;

    #[test]
    fn commands_become_tools_where_there_is_one() {
        for (said, expected) in [
            (
                "`bpm build-log api` shows it; mend it, then `bpm restart api`",
                "`search_build_log api` shows it; mend it, then `restart api`",
            ),
            ("`bpm status` lists them", "`get_status` lists them"),
            ("`bpm tasks` lists them", "`get_task_status` lists them"),
            ("`bpm wait t3` tells when", "`wait_for t3` tells when"),
            ("`bpm why api` names what is left", "`get_status api` names what is left"),
            ("`bpm up` starts it again, `bpm startle`", "`bpm up` starts it again, `bpm startle`"),
        ] {
            let mut text = said.to_owned();
            rename(&mut text);
            assert_eq!(text, expected);
        }
    }
}
