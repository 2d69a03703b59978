//! One shim, watched: reads its reports, passes commands on, and finds out what became of the run when
//! the shim is gone. Knows one run; decides nothing about it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bpm_core::fleet::SpawnError;
use bpm_logs::Stream;
use bpm_shim::exit_record::{ExitRecord, Outcome, Rest};
use bpm_shim::launch::Presence;
use bpm_shim::plan::Plan;
use bpm_shim::protocol::{self, Decoder, Exit, InputKind, Phase, Report, Stamp, Status, Welcome};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{recover, refusal};
use crate::readable::Readable;

mod find;
mod requests;

pub use requests::Command;
use requests::Requests;

/// Reports are short, and there may be a thousand watches.
const BUFFER_BYTES: usize = 512;
/// How long a shim that closed its connection may take to be gone.
const LEAVING: Duration = Duration::from_secs(2);

/// Between two tries after an error, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The pid of a run that ended while nobody looked.
pub const ENDED: u32 = 0;

/// What becomes of a run. Each of `Started`, `Exited` and `Gone` is told at most once, in that order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The program runs. `adopted`: it did before this watch began.
    Started {
        pid: u32,
        at_mono_ns: u64,
        adopted: bool,
        cgroup: bool,
        terminal: bool,
    },
    SpawnFailed(SpawnError),
    Exited {
        status: Status,
        at_mono_ns: u64,
        tree_empty: bool,
    },
    TreeEmpty,
    /// The shim was killed. What was left of the tree has been ended, what was in its pipes is in the log.
    Lost,
    /// There never was a shim.
    NeverStarted,
    Alarm {
        errno: Option<i32>,
    },
}

impl Told {
    /// Nothing is told of this run after it.
    pub fn is_last(&self) -> bool {
        match self {
            Told::SpawnFailed(_) | Told::TreeEmpty | Told::Lost | Told::NeverStarted => true,
            Told::Exited { tree_empty, .. } => *tree_empty,
            Told::Started { .. } | Told::Alarm { .. } => false,
        }
    }
}

/// What identifies the run to whoever has to clean up after it.
#[derive(Clone, Debug)]
pub struct Place {
    pub dir: PathBuf,
    pub tag: String,
    pub cgroup: Option<PathBuf>,
    pub log_max_bytes: u64,
}

impl Place {
    /// The same as it was planned by the manager before, which may have been in another cgroup and may have
    /// had another configuration.
    #[must_use]
    pub fn as_planned(self) -> Place {
        match Plan::read(&self.dir) {
            Ok(plan) => Place {
                dir: self.dir,
                tag: plan.run_tag,
                cgroup: plan.cgroup,
                log_max_bytes: plan.log_max_bytes,
            },
            Err(_) => self,
        }
    }
}

/// One run under watch.
#[derive(Debug)]
pub struct Watch<F> {
    place: Place,
    tell: F,
    /// Duplicates of the read ends of the program's pipes, for when the shim is killed.
    pipes: Vec<(Stream, OwnedFd)>,
    adopted: bool,
    /// A shim was there once: what says that there never was one has been tampered with.
    met: bool,
    started: bool,
    exited: bool,
    emptied: bool,
    shim: Option<OwnedFd>,
    requests: Requests,
    /// The program sits at a terminal.
    terminal: bool,
}

impl<F: FnMut(Told) + Send> Watch<F> {
    pub fn new(place: Place, adopted: bool, tell: F) -> Self {
        Self {
            place,
            tell,
            pipes: Vec::new(),
            adopted,
            met: !adopted,
            started: false,
            exited: false,
            emptied: false,
            shim: None,
            requests: Requests::default(),
            terminal: false,
        }
    }

    /// Follows a shim that was just launched, over its first connection, until the run is over.
    pub async fn follow(
        mut self,
        link: std::os::unix::net::UnixStream,
        mut commands: mpsc::UnboundedReceiver<Command>,
    ) {
        let mut link = Some(link);
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(stream) = link.take()
                && let Ok(stream) = into_tokio(stream)
            {
                match self.converse(stream, &mut commands).await {
                    Talk::Over => return,
                    Talk::Broken => self.wait_for_shim().await,
                    Talk::Useless => {
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                }
            }
            match self.look().await {
                Some(again) => link = Some(again),
                None => return,
            }
        }
    }

    /// Finds out what became of a run of the manager before, and follows it if it is alive.
    pub async fn adopt(mut self, commands: mpsc::UnboundedReceiver<Command>) {
        if let Some(link) = self.look().await {
            self.follow(link, commands).await;
        }
    }

    async fn converse(
        &mut self,
        mut stream: UnixStream,
        commands: &mut mpsc::UnboundedReceiver<Command>,
    ) -> Talk {
        let mut decoder = Decoder::<Report>::default();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut fds = Vec::new();
        let (mut open, mut heard) = (true, false);
        self.requests.reconnected();
        if self.send(&mut stream).await.is_err() {
            return Talk::Useless;
        }
        loop {
            let received = tokio::select! {
                command = commands.recv(), if open => {
                    match command {
                        Some(command) => {
                            self.requests.add(command);
                            if self.send(&mut stream).await.is_err() {
                                return Talk::Broken;
                            }
                        }
                        None => open = false,
                    }
                    continue;
                }
                received = receive(&stream, &mut buffer, &mut fds) => received,
            };
            let Ok(count @ 1..) = received else { return if heard { Talk::Broken } else { Talk::Useless } };
            decoder.push(&buffer[..count]);
            let mut batch = Vec::new();
            let sound = loop {
                match decoder.next() {
                    Ok(Some(report)) => batch.push(report),
                    Ok(None) => break true,
                    Err(error) => {
                        tracing::warn!("{}: its shim talks nonsense: {error}", self.place.tag);
                        break false;
                    }
                }
            };
            heard |= !batch.is_empty();
            if let Talk::Over = self.hear_all(batch, &mut fds) {
                return Talk::Over;
            }
            if !sound {
                return Talk::Useless;
            }
        }
    }

    /// Sends what is to be sent; what a broken connection did not take is sent over the next one.
    async fn send(&mut self, stream: &mut UnixStream) -> io::Result<()> {
        stream.write_all(self.requests.unsent()).await?;
        self.requests.sent();
        Ok(())
    }

    /// Reports that arrived together are taken together: an end and an empty tree are one fact.
    fn hear_all(&mut self, batch: Vec<Report>, fds: &mut Vec<OwnedFd>) -> Talk {
        let empty_too = batch.iter().any(|report| matches!(report, Report::TreeEmpty { .. }));
        for report in batch {
            match report {
                Report::Exited(exit) => self.tell_exit(&exit, empty_too),
                Report::TreeEmpty { .. } => {
                    self.tell_empty();
                    return Talk::Over;
                }
                Report::SpawnFailed(failure) => {
                    (self.tell)(Told::SpawnFailed(refusal::of_shim(failure)));
                    return Talk::Over;
                }
                Report::Welcome(welcome) => self.greeted(&welcome, fds),
                other => self.hear(other),
            }
        }
        Talk::Broken
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::State(state) => {
                self.terminal = state.input.kind == InputKind::Terminal;
                if let (Some(leader), false) = (state.leader, state.phase == Phase::Starting) {
                    self.tell_started(
                        leader.pid,
                        state.started,
                        matches!(state.tier, protocol::Tier::Cgroup),
                    );
                }
                if let Some(exit) = state.exit {
                    self.tell_exit(&exit, false);
                }
                if state.log.disk_errno.is_some() {
                    (self.tell)(Told::Alarm { errno: state.log.disk_errno });
                }
            }
            Report::Started { leader, at, tier } => {
                self.tell_started(leader.pid, at, matches!(tier, protocol::Tier::Cgroup));
            }
            Report::Alarm { errno } => (self.tell)(Told::Alarm { errno: Some(errno) }),
            Report::AlarmCleared => (self.tell)(Told::Alarm { errno: None }),
            Report::Survivors { list, .. } => self.requests.survivors(&list),
            Report::Input { id, outcome } => self.requests.typed(id, outcome),
            Report::Welcome(_) | Report::Exited(_) | Report::TreeEmpty { .. } | Report::SpawnFailed(_) => {}
        }
    }

    /// The descriptors came with the greeting's first byte; those of an earlier greeting are of no more use.
    fn greeted(&mut self, welcome: &Welcome, fds: &mut Vec<OwnedFd>) {
        self.shim = pidfd(welcome.shim_pid);
        self.requests.greeted(welcome.version);
        let streams = [(welcome.stdout, Stream::Stdout), (welcome.stderr, Stream::Stderr)];
        let there = streams.into_iter().filter(|(there, _)| *there).map(|(_, stream)| stream);
        self.pipes = there.zip(fds.drain(..)).collect();
    }

    fn tell_started(&mut self, pid: u32, at: Stamp, cgroup: bool) {
        if !std::mem::replace(&mut self.started, true) {
            let (adopted, terminal) = (self.adopted, self.terminal);
            (self.tell)(Told::Started { pid, at_mono_ns: at.mono_ns, adopted, cgroup, terminal });
        }
    }

    fn tell_exit(&mut self, exit: &Exit, tree_empty: bool) {
        if !std::mem::replace(&mut self.exited, true) {
            self.emptied = tree_empty;
            (self.tell)(Told::Exited { status: exit.status, at_mono_ns: exit.at.mono_ns, tree_empty });
        } else if tree_empty {
            self.tell_empty();
        }
    }

    fn tell_empty(&mut self) {
        if !std::mem::replace(&mut self.emptied, true) {
            (self.tell)(Told::TreeEmpty);
        }
    }

    /// The connection is gone; usually so is the shim, in a moment.
    async fn wait_for_shim(&mut self) {
        let Some(pidfd) = self.shim.take() else { return };
        if let Ok(pidfd) = Readable::new(Arc::new(pidfd)) {
            let _ = timeout(LEAVING, pidfd.wait()).await;
        }
    }

    /// What the run directory says. Returns a connection when the shim is alive.
    async fn look(&mut self) -> Option<std::os::unix::net::UnixStream> {
        loop {
            let presence = find::presence(&self.place).await;
            self.met |= presence == Presence::Alive;
            match presence {
                Presence::Alive => match find::reach(&self.place).await {
                    Ok(Some(link)) => return Some(link),
                    Ok(None) => continue, // it ended meanwhile
                    Err(error) => {
                        tracing::warn!("{}: its shim does not answer: {error}", self.place.tag);
                        self.recover().await;
                    }
                },
                Presence::Ended(record) => self.tell_record(&record).await,
                Presence::NeverStarted if !self.met => {
                    self.end_strays().await;
                    (self.tell)(Told::NeverStarted);
                }
                // without its files, such as by somebody who removed the directory, it is lost all the same
                Presence::NeverStarted | Presence::Lost => self.recover().await,
            }
            return None;
        }
    }

    async fn tell_record(&mut self, record: &ExitRecord) {
        match &record.outcome {
            Outcome::SpawnFailed(failure) => {
                (self.tell)(Told::SpawnFailed(refusal::of_shim(failure.clone())));
            }
            Outcome::Exited(status) => {
                let empty = record.rest != Rest::Running;
                if !empty {
                    self.clean_up().await;
                }
                // its pid is of no use any more; when it was started tells how long it had been up
                self.tell_started(ENDED, record.started, false);
                let exit = Exit { status: *status, at: record.ended, usage: record.usage };
                self.tell_exit(&exit, true);
            }
        }
    }

    async fn recover(&mut self) {
        self.clean_up().await;
        (self.tell)(Told::Lost);
    }

    /// A directory without a trace of a shim is one that the manager before died over, or one that somebody removed
    /// while the run was alive. Nothing may be started beside that.
    async fn end_strays(&self) {
        if self.adopted {
            let place = self.place.clone();
            let _ = tokio::task::spawn_blocking(move || recover::end_tree(&place)).await;
        }
    }

    /// Ends what is left of a tree without a shim, and saves what is left in its pipes.
    async fn clean_up(&mut self) {
        let (place, pipes) = (self.place.clone(), std::mem::take(&mut self.pipes));
        let _ = tokio::task::spawn_blocking(move || recover::clean_up(&place, &pipes)).await;
    }
}

/// How a conversation ended.
enum Talk {
    /// The run is over and everything is told.
    Over,
    /// The connection broke, or there is more to hear.
    Broken,
    /// The connection brought nothing that could be understood.
    Useless,
}

fn into_tokio(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

async fn receive(stream: &UnixStream, buffer: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<usize> {
    stream.async_io(Interest::READABLE, || bpm_shim::client::receive(stream.as_fd(), buffer, fds)).await
}

fn pidfd(pid: u32) -> Option<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::NONBLOCK).ok()
}

#[cfg(test)]
mod tests;
