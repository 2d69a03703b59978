//! One session: keys there, output here, sizes, signals, all in one loop that waits for none of them alone. Must not know the
//! terminal's descriptors.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bpm_api::{Code, Done, Error, InputSent, Origin, ResizeTerminal, SendInput};
use bytes::Bytes;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::How;
use super::keys::leave_at;
use super::live::Live;
use super::own::Raw;
use crate::control::{Chunks, Control};

const READ_BYTES: usize = 4 << 10;
/// What is typed waits up to this many bytes, which is also what one request may carry.
const MOST_TYPED: usize = 32 << 10;
/// Between two tries to type into a program that does not read.
const RETRY: Duration = Duration::from_millis(100);
/// A program that has not read for this long is not going to: what is typed is dropped, as every terminal does.
const DEAF: Duration = Duration::from_secs(2);
/// How long what was typed before `ctrl-]` may take to get there.
const LAST_KEYS: Duration = Duration::from_secs(1);
/// How long a program has to hear of one size before it gets the next.
const NUDGE: Duration = Duration::from_millis(50);
const BELL: &[u8] = b"\x07";
const SIGCONT: i32 = 18;

type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// What interrupts a session from outside.
pub(super) struct Signals {
    ends: [(i32, Signal); 4],
    size: Signal,
    goes_on: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Signals> {
        let end = |kind: SignalKind| Ok::<_, io::Error>((kind.as_raw_value(), signal(kind)?));
        Ok(Signals {
            ends: [
                end(SignalKind::terminate())?,
                end(SignalKind::hangup())?,
                end(SignalKind::interrupt())?,
                end(SignalKind::quit())?,
            ],
            size: signal(SignalKind::window_change())?,
            goes_on: signal(SignalKind::from_raw(SIGCONT))?,
        })
    }

    async fn next(&mut self) -> Happened {
        let Signals { ends: [(a, first), (b, second), (c, third), (d, fourth)], size, goes_on } = self;
        tokio::select! {
            _ = first.recv() => Happened::Told(*a),
            _ = second.recv() => Happened::Told(*b),
            _ = third.recv() => Happened::Told(*c),
            _ = fourth.recv() => Happened::Told(*d),
            _ = size.recv() => Happened::SizeChanged,
            _ = goes_on.recv() => Happened::GoesOn,
        }
    }
}

pub(super) struct Session<'a, C> {
    control: &'a C,
    live: &'a Live,
    origin: Origin,
    raw: Raw,
    chunks: Chunks,
    signals: Signals,
    /// Typed, and not yet asked for.
    typed: Vec<u8>,
    sending: Option<Call<'a, InputSent>>,
    /// What is being sent.
    sent: Vec<u8>,
    /// It was not taken: since when, and when to try again.
    deaf: Option<(Instant, Instant)>,
    /// When the size is to be told, if it is.
    resize_at: Option<Instant>,
    /// First another one: what draws a whole screen draws it anew for a change only.
    nudge: bool,
    resizing: Option<Call<'a, Done>>,
    /// To be written to the terminal.
    shown: Bytes,
    /// `ctrl-]` was typed: wait for what was typed before it until then.
    leave_by: Option<Instant>,
}

enum Happened {
    Typed(io::Result<usize>),
    Printed(Option<Bytes>),
    Written(io::Result<usize>),
    Sent(Result<InputSent, Error>),
    Resized,
    SizeChanged,
    GoesOn,
    Told(i32),
    Due,
}

impl<'a, C: Control> Session<'a, C> {
    pub(super) fn new(
        control: &'a C,
        live: &'a Live,
        origin: Origin,
        raw: Raw,
        chunks: Chunks,
        signals: Signals,
        redraws: bool,
    ) -> Session<'a, C> {
        Session {
            control,
            live,
            origin,
            raw,
            chunks,
            signals,
            typed: Vec::new(),
            sending: None,
            sent: Vec::new(),
            deaf: None,
            resize_at: Some(Instant::now()), // the program draws itself anew
            nudge: redraws,
            resizing: None,
            shown: Bytes::new(),
            leave_by: None,
        }
    }

    /// Until it is over; the terminal is given back then. `None`: nothing more comes from the run.
    pub(super) async fn run(mut self, first: Vec<u8>) -> Option<How> {
        self.shown = Bytes::from(first);
        let mut buffer = [0; READ_BYTES];
        loop {
            self.begin_calls();
            let all_sent = self.sending.is_none() && self.typed.is_empty();
            if self.leave_by.is_some_and(|by| all_sent || by <= Instant::now()) {
                return Some(How::Asked);
            }
            match self.next(&mut buffer).await {
                Happened::Typed(Ok(0) | Err(_)) | Happened::Written(Err(_)) => return Some(How::HungUp),
                Happened::Typed(Ok(count)) => self.take(&buffer[..count]),
                Happened::Printed(Some(bytes)) => self.shown = bytes,
                Happened::Printed(None) => return None,
                Happened::Written(Ok(count)) => self.raw.shown(&self.shown.split_to(count)),
                Happened::Sent(outcome) => self.sent(outcome),
                Happened::Resized | Happened::Due => {}
                Happened::SizeChanged => self.resize_at = Some(Instant::now()),
                Happened::GoesOn => {
                    let _ = self.raw.make_raw();
                    self.resize_at = Some(Instant::now());
                }
                Happened::Told(signal) => return Some(How::Told(signal)),
            }
        }
    }

    async fn next(&mut self, buffer: &mut [u8]) -> Happened {
        let reads = self.leave_by.is_none() && (self.typed.len() < MOST_TYPED || self.is_deaf());
        let resize_at = self.resize_at.filter(|_| self.resizing.is_none());
        let due = self.leave_by.into_iter().chain(self.deaf.map(|(_, again)| again)).chain(resize_at).min();
        let Session { raw, chunks, signals, sending, resizing, shown, .. } = self;
        tokio::select! {
            happened = signals.next() => happened,
            () = reached(due) => Happened::Due,
            read = raw.read(buffer), if reads => Happened::Typed(read),
            bytes = chunks.next(), if shown.is_empty() => Happened::Printed(bytes),
            written = raw.write(shown), if !shown.is_empty() => Happened::Written(written),
            sent = done(sending) => Happened::Sent(sent),
            _ = done(resizing) => Happened::Resized,
        }
    }

    /// One request of a kind at a time, so that keys stay in order and sizes are the newest.
    fn begin_calls(&mut self) {
        let waits = self.deaf.is_some_and(|(_, again)| again > Instant::now());
        if self.sending.is_none() && !self.typed.is_empty() && !waits {
            let later = self.typed.split_off(self.typed.len().min(MOST_TYPED));
            self.sent = std::mem::replace(&mut self.typed, later);
            let (text, bytes) = match String::from_utf8(self.sent.clone()) {
                Ok(text) => (Some(text), None),
                Err(error) => (None, Some(error.into_bytes())),
            };
            let ask = SendInput { task_id: Some(self.live.id.clone()), text, bytes, ..SendInput::default() };
            self.sending = Some(Box::pin(self.control.ask(ask, self.origin.clone())));
        }
        if self.resizing.is_none() && self.resize_at.is_some_and(|at| at <= Instant::now()) {
            let (columns, mut rows) = self.raw.size();
            self.resize_at = None;
            if std::mem::take(&mut self.nudge) {
                rows = if rows > 1 { rows - 1 } else { 2 };
                self.resize_at = Some(Instant::now() + NUDGE);
            }
            let ask = ResizeTerminal { target: self.live.id.clone(), columns, rows };
            self.resizing = Some(Box::pin(self.control.ask(ask, self.origin.clone())));
        }
    }

    fn take(&mut self, typed: &[u8]) {
        let leave = leave_at(typed);
        let keys = &typed[..leave.unwrap_or(typed.len())];
        match self.is_deaf() && self.typed.len() >= MOST_TYPED {
            true => self.ring(),
            false => self.typed.extend_from_slice(keys),
        }
        self.leave_by = leave.map(|_| Instant::now() + LAST_KEYS);
    }

    fn is_deaf(&self) -> bool {
        self.deaf.is_some_and(|(since, _)| since.elapsed() >= DEAF)
    }

    fn sent(&mut self, outcome: Result<InputSent, Error>) {
        let sent = std::mem::take(&mut self.sent);
        match outcome {
            Ok(_) => self.deaf = None,
            // the program does not read
            Err(error) if error.code == Code::LimitReached => {
                let now = Instant::now();
                let since = self.deaf.map_or(now, |(since, _)| since);
                let wait = now.duration_since(since).clamp(RETRY, DEAF);
                self.deaf = Some((since, now + wait));
                let later = std::mem::replace(&mut self.typed, sent);
                self.typed.extend(later);
            }
            // what has ended says so by its output's end
            Err(_) => self.ring(),
        }
    }

    fn ring(&mut self) {
        if self.shown.is_empty() {
            self.shown = Bytes::from_static(BELL);
        }
    }
}

/// The result of a call, if there is one under way. Dropping the future leaves it under way.
async fn done<T>(call: &mut Option<Call<'_, T>>) -> Result<T, Error> {
    let Some(under_way) = call else { return pending().await };
    let result = under_way.as_mut().await;
    *call = None;
    result
}

async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
