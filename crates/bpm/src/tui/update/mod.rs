//! What becomes of the model when something happens, and what is to be done about it: the one way in. Total: whatever
//! comes, in whatever order. Must not know how anything is drawn or carried out.
//!
//! A message changes the model; then [`settle`] sees what the model lacks, and asks for it. So it does not matter
//! which message made a question necessary, and there is one place that keeps to one question at a time.

mod deeds;
mod events;
mod keys;
mod link;
mod log;
mod mouse;
mod notes;
mod overlays;
mod prompt;
mod runs;
mod search;
mod select;
mod status;
mod window;

#[cfg(test)]
mod tests;

use super::message::{Ask, Command, LogPurpose, Message, Now};
use super::model::{Level, Model};

/// Takes one message. What the commands lead to comes back as messages.
pub fn update(model: &mut Model, message: Message, now: Now) -> Vec<Command> {
    model.now = Now { mono_ms: now.mono_ms.max(model.now.mono_ms), wall_ms: now.wall_ms };
    let mut commands = Vec::new();
    model.answering = answers(&message);
    take(model, message, &mut commands);
    settle(model, &mut commands);
    commands
}

/// Whether what is told of it answers somebody.
fn answers(message: &Message) -> bool {
    match message {
        Message::Key(_)
        | Message::Mouse(_)
        | Message::Paste(_)
        | Message::Detached(_)
        | Message::Copied { .. } => true,
        Message::Answered { ask, .. } => {
            matches!(ask, Ask::Deed(_) | Ask::Log { purpose: LogPurpose::Find { .. }, .. })
        }
        Message::Resized { .. }
        | Message::Tick
        | Message::Connected { .. }
        | Message::Disconnected { .. }
        | Message::Change(_) => false,
    }
}

fn take(model: &mut Model, message: Message, commands: &mut Vec<Command>) {
    match message {
        Message::Key(key) => keys::pressed(model, key, commands),
        Message::Mouse(mouse) => mouse::moved(model, mouse, commands),
        Message::Paste(text) => prompt::paste(model, &text),
        Message::Resized { columns, rows } => {
            (model.columns, model.rows) = (columns, rows);
            model.drag = None;
            log::resized(model);
        }
        Message::Tick => {
            status::tick(model);
            log::tick(model);
        }
        Message::Connected { label, hello, manager_pid } => {
            link::connected(model, label, hello, manager_pid);
        }
        Message::Disconnected { error, again, orderly } => {
            link::disconnected(model, error, again, orderly);
        }
        Message::Change(change) => events::changed(model, change),
        Message::Answered { ask, outcome } => match ask {
            Ask::Status => status::answered(model, outcome),
            Ask::Details => status::details(model, outcome),
            Ask::Log { number, purpose } => log::answered(model, number, purpose, outcome),
            Ask::Runs => overlays::runs(model, outcome),
            Ask::Why => overlays::why(model, outcome),
            Ask::Deed(number) => deeds::answered(model, number, outcome),
        },
        Message::Detached(how) => {
            match how {
                Ok(text) => notes::note(model, Level::Info, text),
                Err(error) => notes::failed(model, "attach", &error),
            }
            commands.push(Command::Redraw);
            model.status_again = true;
            model.log.grown = true;
        }
        Message::Copied { lines } => notes::note(model, Level::Good, notes::count(lines, "line") + " copied"),
    }
}

/// Asks for what the model lacks, as far as somebody is there who can answer.
fn settle(model: &mut Model, commands: &mut Vec<Command>) {
    if !model.link.is_up() {
        return;
    }
    status::settle(model, commands);
    select::watch(model, commands);
    log::settle(model, commands);
    overlays::settle(model, commands);
}
