//! Signals: the requests to end this program, of which the terminal's hang-up is one, those of a shell's job control,
//! and that the terminal has another size.
//! Must not know what they lead to.

use std::io::{self, stdout};
use std::time::Duration;

use crossterm::terminal::disable_raw_mode;
use rustix::process::{Signal as Number, getpid, kill_process};
use rustix::termios::{QueueSelector, tcflush};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

/// How long the loop may take to hear of an end. It waits longer only where the terminal takes no output (ctrl-s, a
/// connection that hangs).
const PATIENCE: Duration = Duration::from_secs(1);
/// Then what the terminal has not taken is thrown away so many times, so that the loop can go on to its end.
const FLUSHES: u32 = 20;
const BETWEEN_FLUSHES: Duration = Duration::from_millis(50);

/// Listens from now on.
pub(super) struct Ends {
    asked: watch::Receiver<Option<i32>>,
    stops: Signal,
    goes_on: Signal,
    size: Signal,
}

/// What a terminal that has gone is worth: a signal that may not come.
pub(super) const GONE: i32 = Number::HUP.as_raw();

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// That this program ends: the signal's number.
    End(i32),
    /// That it stops, as by ctrl-z.
    Stop,
    /// It was stopped by something that cannot be listened to, and goes on: the terminal may be as the shell had it.
    GoOn,
    /// That it looks how large the terminal is.
    Look,
}

impl Ends {
    pub(super) fn listen() -> io::Result<Ends> {
        let numbers = [Number::INT, Number::TERM, Number::HUP, Number::QUIT].map(Number::as_raw);
        let (came, asked) = watch::channel(None);
        for number in numbers {
            let mut signals = signal(SignalKind::from_raw(number))?;
            let came = came.clone();
            tokio::spawn(async move {
                if signals.recv().await.is_some() {
                    came.send_if_modified(|asked| asked.is_none() && asked.replace(number).is_none());
                    insist().await;
                }
            });
        }
        let stops = signal(SignalKind::from_raw(Number::TSTP.as_raw()))?;
        let goes_on = signal(SignalKind::from_raw(Number::CONT.as_raw()))?;
        let size = signal(SignalKind::window_change())?;
        Ok(Ends { asked, stops, goes_on, size })
    }

    pub(super) async fn wish(&mut self) -> Wish {
        tokio::select! {
            biased;
            asked = self.asked.wait_for(Option::is_some) => match asked.as_deref() {
                Ok(Some(number)) => Wish::End(*number),
                Ok(None) | Err(_) => std::future::pending().await,
            },
            _ = self.stops.recv() => Wish::Stop,
            _ = self.goes_on.recv() => Wish::GoOn,
            _ = self.size.recv() => Wish::Look,
        }
    }
}

/// Whatever the loop waits for.
async fn insist() {
    sleep(PATIENCE).await;
    for _ in 0..FLUSHES {
        let _ = tcflush(stdout(), QueueSelector::OFlush);
        // nobody wakes a writer for the room that this made: a signal does, and it has a handler
        let _ = kill_process(getpid(), Number::WINCH);
        sleep(BETWEEN_FLUSHES).await;
    }
    // what is restored without a byte of output
    let _ = disable_raw_mode();
    let _ = kill_process(getpid(), Number::KILL);
}
