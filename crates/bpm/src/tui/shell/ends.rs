//! Signals: the requests to end this program, of which the terminal's hang-up is one, those of a shell's job control,
//! and that the terminal has another size.
//! Must not know what they lead to.

use std::io::{self, stdout};
use std::sync::mpsc::SyncSender;
use std::task::{Context, Poll};
use std::thread::Builder;
use std::time::Duration;

use crossterm::terminal::disable_raw_mode;
use rustix::process::{Signal as Number, getpid, kill_process};
use rustix::termios::{Action, QueueSelector, tcflow, tcflush};
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
        let (came, asked) = watch::channel(None);
        let (listening, is_listening) = std::sync::mpsc::sync_channel(1);
        // on a thread of its own: the loop's may hang at the terminal
        Builder::new().name("ends".to_owned()).spawn(move || match runtime() {
            Ok(runtime) => runtime.block_on(hear(&came, &listening)),
            Err(error) => drop(listening.send(Err(error))),
        })?;
        is_listening.recv().map_err(io::Error::other)??;
        let stops = signal(SignalKind::from_raw(Number::TSTP.as_raw()))?;
        let goes_on = signal(SignalKind::from_raw(Number::CONT.as_raw()))?;
        let size = signal(SignalKind::window_change())?;
        Ok(Ends { asked, stops, goes_on, size })
    }

    /// What came while somebody else had the terminal was not for now.
    pub(super) async fn forget_stops(&mut self) {
        let drained = |cx: &mut Context<'_>| {
            while self.stops.poll_recv(cx).is_ready() {}
            Poll::Ready(())
        };
        std::future::poll_fn(drained).await;
    }

    pub(super) async fn wish(&mut self) -> Wish {
        tokio::select! {
            biased;
            number = end(&mut self.asked) => Wish::End(number),
            _ = self.stops.recv() => Wish::Stop,
            _ = self.goes_on.recv() => Wish::GoOn,
            _ = self.size.recv() => Wish::Look,
        }
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Waits for the first request to end, and sees to it that there is an end.
async fn hear(came: &watch::Sender<Option<i32>>, listening: &SyncSender<io::Result<()>>) {
    let listen = |number: Number| signal(SignalKind::from_raw(number.as_raw()));
    let all =
        || Ok([listen(Number::INT)?, listen(Number::TERM)?, listen(Number::HUP)?, listen(Number::QUIT)?]);
    let [mut int, mut term, mut hup, mut quit] = match all() {
        Ok(all) => {
            let _ = listening.send(Ok(()));
            all
        }
        Err(error) => return drop(listening.send(Err(error))),
    };
    let number = tokio::select! {
        _ = int.recv() => Number::INT,
        _ = term.recv() => Number::TERM,
        _ = hup.recv() => Number::HUP,
        _ = quit.recv() => Number::QUIT,
    };
    let _ = came.send(Some(number.as_raw()));
    insist().await;
}

async fn end(asked: &mut watch::Receiver<Option<i32>>) -> i32 {
    match asked.wait_for(Option::is_some).await.ok().and_then(|number| *number) {
        Some(number) => number,
        None => std::future::pending().await,
    }
}

/// Whatever the loop waits for.
async fn insist() {
    sleep(PATIENCE).await;
    // ctrl-s, perhaps
    let _ = tcflow(stdout(), Action::OOn);
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
