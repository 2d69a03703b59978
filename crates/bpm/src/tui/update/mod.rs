//! What becomes of the model when something happens, and what is to be done about it: the one way in. Total: whatever
//! comes, in whatever order. Must not know how anything is drawn or carried out.

use super::message::{Command, Message, Now};
use super::model::Model;

/// Takes one message. What the commands lead to comes back as messages.
#[expect(clippy::needless_pass_by_value, reason = "messages are taken")]
pub fn update(model: &mut Model, message: Message, now: Now) -> Vec<Command> {
    model.now = now;
    match message {
        Message::Resized { columns, rows } => (model.columns, model.rows) = (columns, rows),
        Message::Key(key) if super::keys::action(key) == Some(super::keys::Action::Quit) => {
            return vec![Command::Quit];
        }
        _ => {}
    }
    Vec::new()
}
