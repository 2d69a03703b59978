//! The requests to end this program: signals, of which the terminal's hang-up is one. Must not know what ends.

use std::io;
use std::task::Poll;
use std::time::Duration;

use crossterm::terminal::disable_raw_mode;
use rustix::process::{Signal as Number, getpid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

/// How long the loop may take to hear of it. It waits longer only where the terminal takes no output (ctrl-s, a
/// connection that hangs).
const PATIENCE: Duration = Duration::from_secs(2);

/// Listens from now on.
pub(super) struct Ends(watch::Receiver<bool>);

impl Ends {
    pub(super) fn listen() -> io::Result<Ends> {
        let kinds =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
        let mut signals: Vec<Signal> = kinds.into_iter().map(signal).collect::<Result<_, _>>()?;
        let (came, asked) = watch::channel(false);
        tokio::spawn(async move {
            first(&mut signals).await;
            came.send_replace(true);
            sleep(PATIENCE).await;
            // what is restored without a byte of output
            let _ = disable_raw_mode();
            let _ = kill_process(getpid(), Number::KILL);
        });
        Ok(Ends(asked))
    }

    pub(super) async fn asked(&mut self) {
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}

async fn first(signals: &mut [Signal]) {
    std::future::poll_fn(|cx| {
        let came = signals.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
        if came { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
