//! What people read: one pure function from each answer to text. Knows the API's types and a [`Style`];
//! must not know terminals, files or where the answers come from.

mod applied;
mod began;
mod error;
mod log_page;
mod safe;
mod status;
mod style;
mod table;
mod task;
mod time;
mod wait;
mod welcome;
mod why;

pub use applied::applied;
pub use began::{restarted, started};
pub use error::error;
pub use log_page::{footer, log_lines, log_page};
pub use safe::{fit, safe_line, safe_text};
pub use status::{exit, state, status};
pub use style::{Ink, Style};
pub use task::{input, task, task_state, tasks};
pub use time::{bytes, seconds};
pub use wait::waited;
pub use welcome::welcome;
pub use why::why;

#[cfg(test)]
mod tests;
