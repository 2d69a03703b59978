//! What comes into the model and what goes out of it. Plain data.

use std::time::Duration;

use bpm_api::{Change, Error, Hello, Reply, Request};
use crossterm::event::{KeyEvent, MouseEvent};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Message {
    Key(KeyEvent),
    Mouse(MouseEvent),
    /// Text that was pasted as a whole.
    Paste(String),
    /// The terminal has another size, in cells.
    Resized {
        columns: u16,
        rows: u16,
    },
    /// A second has passed, or what a command waited for is due.
    Tick,
    /// A manager is there, and its events come from now on.
    Connected {
        label: String,
        hello: Option<Hello>,
        manager_pid: Option<u32>,
    },
    /// The manager has gone, or cannot be reached: the shell tries again after `again`, for as long as it takes.
    Disconnected {
        error: Error,
        again: Duration,
        /// It was told to end, and has stopped everything before.
        orderly: bool,
    },
    Change(Change),
    /// What came of [`Command::Ask`].
    Answered {
        ask: Ask,
        outcome: Result<Reply, Error>,
    },
    /// A terminal that was attached is left again.
    Detached(Result<String, Error>),
    /// What came of [`Command::Copy`].
    Copied {
        lines: usize,
    },
}

/// The time that a message comes at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Since the program began; never goes back.
    pub mono_ms: u64,
    /// Since 1970.
    pub wall_ms: i64,
}

/// Something to be done. Whatever it is, the model does not wait for it.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Ask the manager; the answer comes as [`Message::Answered`] with the same `ask`.
    Ask {
        ask: Ask,
        request: Request,
    },
    /// Be told that these logs grow, instead of those before. Events are always told.
    Watch {
        logs: Vec<String>,
        builds: Vec<String>,
    },
    /// Put text into the clipboard of whoever looks at the terminal.
    Copy {
        text: String,
        lines: usize,
    },
    /// Leave the screen to a run's terminal until it is left.
    Attach {
        target: String,
    },
    /// Whether the terminal reports the mouse; where it does not, its own selection works.
    CaptureMouse(bool),
    /// Draw everything anew: something else has written to the terminal.
    Redraw,
    /// Stop this program as ctrl-z does, and go on when it is continued.
    Suspend,
    Quit,
}

/// Who in the model an answer is for. At most one of each of the first five is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// The status of everything.
    Status,
    /// The selected process, with its events.
    Details,
    /// Lines for the output panel. An answer whose number is not the last one given is thrown away.
    Log {
        number: u64,
        purpose: LogPurpose,
    },
    Runs,
    Why,
    /// Something that somebody asked for: restart, stop, input …
    Deed(u64),
}

/// What lines were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogPurpose {
    /// The end of the log.
    End,
    /// What comes before or after the lines that are there.
    Before,
    After,
    /// Lines around one that was looked for, which is to be shown.
    Around {
        line: u64,
    },
    /// The next or the previous line that matches, or that decides an error.
    Find {
        backward: bool,
    },
    /// How long the log is, and no lines.
    Length,
}
