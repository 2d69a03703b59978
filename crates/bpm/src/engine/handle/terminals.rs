//! Signals, the size of a run's terminal, and what it shows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bpm_api::{Code, Done, Error, Origin, Output, Reply, ResizeTerminal, SendSignal};
use bpm_core::fleet::Request;
use bpm_core::ids::Name;
use bpm_core::signals::{nearest_signal, signal_name, signal_names, signal_number};
use bpm_logs::{Follower, ReadError, RunLog};
use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Handle, Message, view};
use crate::control::Chunks;
use crate::engine::facts::LiveRun;
use crate::engine::log_hub::{Ear, LogHub};
use crate::exec::watch::Command;
use crate::modes::Modes;

const SIZES: std::ops::RangeInclusive<u16> = 1..=4096;
/// Bytes that are read from a log at once, and how many times that waits for a slow reader.
const CHUNK_BYTES: usize = 64 << 10;
const CHUNKS: usize = 4;
/// Where it is looked for what a program has set in its terminal: so much of the log's beginning, and so much of its end.
const EARLY_BYTES: u64 = 256 << 10;
const LATE_BYTES: u64 = 16 << 20;
const SCAN_BYTES: usize = 1 << 20;
/// How long a shim may take to write down the line that is begun. One that takes longer is not waited for.
const SETTLING: Duration = Duration::from_millis(250);

impl Handle {
    pub(super) async fn send_signal(&self, op: SendSignal, origin: Origin) -> Result<Done, Error> {
        let signal = signal(&op.signal)?;
        let known = self.resolve(vec![op.target]).await?.pop().ok_or_else(ending)?;
        let what = Request::Signal { process: known.id.clone(), signal };
        match self.carry_out(&known.id, what, origin, None).await {
            Ok(Reply::Done(done)) => {
                let name = signal_name(signal).unwrap_or("it");
                Ok(Done { message: format!("{name} {}", done.message) })
            }
            Ok(_) => Ok(Done { message: "sent".to_owned() }),
            // its name was known a moment ago: a task that has ended
            Err(error) if error.code == Code::UnknownProcess => Err(view::not_running(&known.id)),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn resize_terminal(&self, op: ResizeTerminal) -> Result<Done, Error> {
        for (name, found) in [("columns", op.columns), ("rows", op.rows)] {
            if !SIZES.contains(&found) {
                let message = format!("`{name}` is {found}, expected {} to {}", SIZES.start(), SIZES.end());
                return Err(Error::new(Code::InvalidParameter, message));
            }
        }
        let (id, run) = self.live_run(op.target).await?;
        if !run.pty {
            return Err(no_terminal(&id));
        }
        let (rows, columns) = (op.rows, op.columns);
        run.ear.send(Command::Resize { rows, columns }).map_err(|_| view::not_running(&id))?;
        Ok(Done { message: format!("the terminal of `{id}` has {columns} columns and {rows} rows") })
    }

    /// What the live run prints from now on. It ends with the run, when all of it is given.
    pub(super) async fn output_of(&self, of: Output) -> Result<Chunks, Error> {
        let (id, run) = self.live_run(of.target).await?;
        let dir = self.project().runs(&id).join(run.number.to_string());
        let looking = run.pty.then(|| Looking::at(&run));
        if looking.is_some() {
            settle(&run).await;
        }
        let ear = Arc::<Ear>::default();
        let unreadable = |what: &str, error: &dyn std::fmt::Display| {
            Error::new(
                Code::System,
                format!("the log of `{id}` run {} cannot be {what}: {error}", run.number),
            )
        };
        self.log_hub().listen(&dir, &ear).map_err(|error| unreadable("watched", &error))?;
        let from = dir.clone();
        let begin = tokio::task::spawn_blocking(move || begin(&from, of.modes));
        let begun = begin.await.map_err(|error| unreadable("read", &error))?;
        let (follower, modes) = begun.map_err(|error| unreadable("read", &error))?;
        let (sender, chunks) = mpsc::channel(CHUNKS);
        if of.modes {
            let _ = sender.try_send(Bytes::from(modes.as_set())); // there is room
        }
        let logs = Arc::clone(self.log_hub());
        tokio::spawn(Reading { run, logs, ear, dir, follower, sender, _looking: looking }.run());
        Ok(Chunks(chunks))
    }

    async fn live_run(&self, target: String) -> Result<(Name, LiveRun), Error> {
        let known = self.resolve(vec![target]).await?.pop().ok_or_else(ending)?;
        let (reply, run) = oneshot::channel();
        self.send(Message::LiveRun { process: known.id.clone(), reply })?;
        let run = run.await.map_err(|_| ending())?;
        let run = run.ok_or_else(|| view::not_running(&known.id))?;
        Ok((known.id, run))
    }
}

/// Somebody looks at a run's terminal, until it is dropped.
#[derive(Debug)]
struct Looking(mpsc::UnboundedSender<Command>);

impl Looking {
    fn at(run: &LiveRun) -> Looking {
        let _ = run.ear.send(Command::Live(true));
        Looking(run.ear.clone())
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        let _ = self.0.send(Command::Live(false));
    }
}

/// Waits until the shim has heard what it was told so far: the line that is begun is in the log then, before what is to come.
async fn settle(run: &LiveRun) {
    let (answer, heard) = oneshot::channel();
    let _ = run.ear.send(Command::Survivors(answer));
    let _ = timeout(SETTLING, heard).await;
}

/// Passes on what is printed.
struct Reading {
    run: LiveRun,
    logs: Arc<LogHub>,
    ear: Arc<Ear>,
    dir: PathBuf,
    follower: Follower,
    sender: mpsc::Sender<Bytes>,
    _looking: Option<Looking>,
}

impl Reading {
    async fn run(mut self) {
        loop {
            // looked at before the log is: then nothing more comes
            let over = self.run.ear.is_closed();
            let Some(this) = self.pass_on().await else { return };
            self = this;
            if over {
                break;
            }
            tokio::select! {
                () = self.ear.heard() => drop(self.ear.take()),
                () = self.run.ear.closed() => {}
                () = self.sender.closed() => break,
            }
        }
        self.logs.leave(&self.dir, &self.ear);
    }

    /// Gives all that there is. `None`: nobody reads any more, or nothing can be read.
    async fn pass_on(mut self) -> Option<Reading> {
        loop {
            let read = tokio::task::spawn_blocking(move || {
                let chunk = self.follower.poll(CHUNK_BYTES);
                (self, chunk)
            });
            let (this, chunk) = read.await.ok()?;
            self = this;
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    tracing::warn!("what `{}` shows cannot be read: {error}", self.dir.display());
                    return None;
                }
            };
            let mut bytes = BytesMut::new();
            for piece in chunk.pieces.iter().filter(|piece| !piece.inserted) {
                bytes.extend_from_slice(&piece.bytes);
            }
            if !bytes.is_empty() && self.sender.send(bytes.freeze()).await.is_err() {
                return None;
            }
            if !chunk.more {
                return Some(self);
            }
        }
    }
}

/// At the end of the log; if `modes`, with what the program has set in its terminal up to there.
fn begin(dir: &Path, modes: bool) -> Result<(Follower, Modes), ReadError> {
    let summary = RunLog::open(dir)?.summary()?;
    let end = summary.evicted_bytes + summary.bytes;
    let mut found = Modes::default();
    if modes {
        // programs set their terminals when they start
        let last = end.saturating_sub(LATE_BYTES).max(summary.evicted_bytes);
        follow(&mut found, dir, summary.evicted_bytes, last.min(summary.evicted_bytes + EARLY_BYTES))?;
        follow(&mut found, dir, last, end)?;
    }
    Ok((Follower::from_offset(dir, end), found))
}

fn follow(modes: &mut Modes, dir: &Path, from: u64, to: u64) -> Result<(), ReadError> {
    let mut follower = Follower::from_offset(dir, from);
    while follower.offset() < to {
        let left = usize::try_from(to - follower.offset()).unwrap_or(usize::MAX);
        let chunk = follower.poll(left.min(SCAN_BYTES))?;
        if chunk.pieces.is_empty() && !chunk.more {
            break;
        }
        chunk.pieces.iter().for_each(|piece| modes.printed(&piece.bytes));
    }
    Ok(())
}

fn signal(text: &str) -> Result<i32, Error> {
    signal_number(text).ok_or_else(|| {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
        let names = signal_names().collect::<Vec<_>>().join(", ");
        let error = Error::new(
            Code::InvalidParameter,
            format!("`signal` is `{shown}`, expected one of {names}, or its number"),
        );
        match nearest_signal(text) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        }
    })
}

pub(super) fn no_terminal(id: &str) -> Error {
    let hint = match bpm_core::ids::task_number(id) {
        Some(_) => "`bpm run --pty` gives a command one",
        None => "`pty = true` in its configuration gives it one, from its next start on",
    };
    Error::new(Code::NoTerminal, format!("`{id}` has no terminal")).hint(hint)
}

fn ending() -> Error {
    Error::new(Code::Closing, "the manager is ending")
}
