//! The caller's own terminal put in front of a run's: what is typed goes there, what is printed there comes here, as it is.
//! Must not know by which way the manager is reached, nor what the program is.

mod keys;
mod live;
mod own;
mod session;

use std::fmt;

use bpm_api::{Error, Origin, Output};
use bpm_core::signals::signal_name;

use crate::control::Control;
use crate::modes::Modes;
use live::Live;
use own::Own;
use session::{Session, Signals};

/// Why a terminal was left, and whose it was. The caller's terminal is then as it was before, on a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Process, or task by its id.
    pub target: String,
    pub run: u64,
    pub how: How,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// By `ctrl-]`.
    Asked,
    /// The run has ended; how, in words, where that is known.
    Ended(Option<String>),
    /// The manager does not answer any more; the program most likely runs on.
    ManagerGone,
    /// This program was told to end by a signal.
    Told(i32),
    /// The caller's terminal has gone.
    HungUp,
}

/// Shows a run's terminal in the caller's until it is left by `ctrl-]`, or something ends; see [`How`]. Nobody else may read standard
/// input meanwhile. Dropping the future gives the terminal back.
///
/// # Errors
/// `InvalidParameter`: standard input or output is no terminal. `NoTerminal`: the run has none. `NotReady`: there is no run.
/// What the manager says otherwise.
pub async fn attach<C: Control>(control: &C, target: &str, origin: Origin) -> Result<Left, Error> {
    let own = Own::open()?;
    let signals = Signals::listen().map_err(|error| own::unusable(&error))?;
    // before the last lines are read: nothing of what comes then is missed
    let mut chunks = control.output(Output { target: target.to_owned(), modes: true }).await?;
    let live = Live::find(control, target, &origin).await?;
    let set = chunks.next().await.unwrap_or_default();
    let mut modes = Modes::default();
    modes.printed(&set);
    // what was printed to another screen makes no lines: that is drawn anew
    let redraws = modes.is_on_other_screen();
    let before = match redraws {
        true => String::new(),
        false => live.last_lines(control, own.size().1, &origin).await,
    };
    let notice = format!("attached to `{}`, run {}; ctrl-] leaves\r\n", live.id, live.run);
    let raw = own.raw().map_err(|error| own::unusable(&error))?;
    let first = [notice.as_bytes(), before.as_bytes(), &set].concat();
    let session = Session::new(control, &live, origin.clone(), raw, chunks, signals, redraws);
    let how = session.run(first).await;
    let how = match how {
        Some(how) => how,
        None => live.end(control, &origin).await,
    };
    Ok(Left { target: live.id, run: live.run, how })
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Left { target, run, how } = self;
        match how {
            How::Asked => write!(f, "left `{target}`, which runs on"),
            How::Ended(Some(how)) => write!(f, "run {run} of `{target}` has ended: {how}"),
            How::Ended(None) => write!(f, "run {run} of `{target}` has ended"),
            How::ManagerGone => {
                write!(f, "the manager of `{target}` went away; what runs on is taken over by the next one")
            }
            How::Told(signal) => {
                write!(f, "left `{target}`, told to by {}", signal_name(*signal).unwrap_or("a signal"))
            }
            How::HungUp => write!(f, "left `{target}`: the terminal has gone"),
        }
    }
}
