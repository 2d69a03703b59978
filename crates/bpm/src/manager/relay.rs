//! Passes what programs and builds print on to the manager's own terminal, prefixed with `[NAME] ` and
//! `[build] `. Reads the logs from disk on a thread of its own, so a terminal that blocks delays nothing
//! but this; goes on where the manager before stopped.

mod terminal;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use bpm_core::fleet::{Change, Note};
use bpm_logs::Follower;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify;
use rustix::pipe::{self, PipeFlags};
use tokio::sync::oneshot;

use terminal::Terminal;

use crate::engine::Feed;
use crate::store::paths::Project;

/// Writes that come within this time are read together.
const GATHER: Duration = Duration::from_millis(5);
const PIECE_BYTES: usize = 256 << 10;
/// As many runs may begin and end while the terminal is blocked.
const ORDERS: usize = 8192;
const POSITION: &str = "relayed";

/// Starts the relay. It ends with the feed, and the returned receiver resolves when the last line is out.
pub(super) fn start(project: Project, mut feed: Feed) -> io::Result<oneshot::Receiver<()>> {
    let (done, all_out) = oneshot::channel();
    if goes_nowhere() {
        return Ok(all_out);
    }
    let (sender, orders) = mpsc::sync_channel(ORDERS);
    let (wake_read, wake_write) = pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let relay = Relay::new(wake_read)?;
    std::thread::Builder::new().name("relay".into()).spawn(move || {
        relay.run(&orders);
        let _ = done.send(());
    })?;
    tokio::spawn(async move {
        while let Some(note) = feed.0.recv().await {
            for order in orders_of(&project, &note) {
                // a terminal that has been blocked for so long misses some
                let _ = sender.try_send(order);
                let _ = rustix::io::write(&wake_write, &[1]);
            }
        }
    });
    Ok(all_out)
}

/// Nobody can see what goes to `/dev/null`.
fn goes_nowhere() -> bool {
    let null = rustix::fs::stat("/dev/null").map(|stat| stat.st_rdev);
    let is_null =
        |stat: rustix::io::Result<rustix::fs::Stat>| stat.is_ok_and(|stat| Ok(stat.st_rdev) == null);
    is_null(rustix::fs::fstat(io::stdout())) && is_null(rustix::fs::fstat(io::stderr()))
}

#[derive(Debug)]
enum Order {
    Follow {
        dir: PathBuf,
        what: Printer,
    },
    /// Everything of it is on disk.
    Finish {
        dir: PathBuf,
    },
    /// A word of the manager's own.
    Say(String),
}

fn orders_of(project: &Project, note: &Note) -> Vec<Order> {
    let words = || crate::engine::in_words(&note.change);
    let Some(name) = note.process.as_deref() else {
        return match &note.change {
            Change::ModeChanged { .. } => vec![Order::Say(format!("bpm: {}", words()))],
            Change::Closing => {
                vec![Order::Say(format!("bpm: {}; a second Ctrl-C ends all at once", words()))]
            }
            _ => Vec::new(),
        };
    };
    let say = || Order::Say(format!("[{name}] ({})", words()));
    let run = |number: u64| project.runs(name).join(number.to_string());
    let build = |number: u64| project.builds(name).join(number.to_string());
    let follow_run = |number| Order::Follow { dir: run(number), what: Printer::Run(name.to_owned()) };
    match &note.change {
        Change::Started { run, .. } => vec![follow_run(*run)],
        Change::Adopted { run, .. } => vec![say(), follow_run(*run)],
        Change::BuildStarted { build: number, .. } => {
            vec![Order::Follow { dir: build(*number), what: Printer::Build(name.to_owned()) }]
        }
        Change::BuildSucceeded { build: number, .. } | Change::BuildCancelled { build: number } => {
            vec![Order::Finish { dir: build(*number) }]
        }
        Change::BuildFailed { build: number, .. } => vec![Order::Finish { dir: build(*number) }],
        Change::Ended { run: number, asked: true, .. } => vec![Order::Finish { dir: run(*number) }],
        Change::Ended { run: number, asked: false, .. } => {
            vec![Order::Finish { dir: run(*number) }, say()]
        }
        // that it is parked comes next, and says the same
        Change::SpawnFailed { error, .. } if error.permanent => Vec::new(),
        Change::RestartIn { .. }
        | Change::Parked { .. }
        | Change::SpawnFailed { .. }
        | Change::Killing { .. }
        | Change::Stuck { .. } => vec![say()],
        _ => Vec::new(),
    }
}

/// Whose lines they are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Printer {
    Run(String),
    Build(String),
}

impl Printer {
    /// A build is named only where there are others to confuse it with.
    fn prefix(&self, builds: usize) -> String {
        match self {
            Printer::Run(name) => format!("[{name}] "),
            Printer::Build(name) if builds > 1 => format!("[build {name}] "),
            Printer::Build(_) => "[build] ".to_owned(),
        }
    }
}

struct Followed {
    follower: Follower,
    dir: PathBuf,
    what: Printer,
    finished: bool,
}

struct Relay {
    events: OwnedFd,
    wake: OwnedFd,
    followed: HashMap<i32, Followed>,
    /// Announced, but their directories are not there yet.
    awaited: Vec<(PathBuf, Printer)>,
    terminal: Terminal<io::Stdout, io::Stderr>,
}

impl Relay {
    fn new(wake: OwnedFd) -> io::Result<Relay> {
        let events = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        Ok(Relay {
            events,
            wake,
            followed: HashMap::new(),
            awaited: Vec::new(),
            terminal: Terminal::new(io::stdout(), io::stderr()),
        })
    }

    fn run(mut self, orders: &mpsc::Receiver<Order>) {
        loop {
            let mut fds = [PollFd::new(&self.events, PollFlags::IN), PollFd::new(&self.wake, PollFlags::IN)];
            if poll(&mut fds, None).is_err_and(|error| error != rustix::io::Errno::INTR) {
                return;
            }
            let closed = fds[1].revents().contains(PollFlags::HUP);
            std::thread::sleep(GATHER);
            drain(&self.wake);
            drain(&self.events);
            let obeyed = std::iter::from_fn(|| orders.try_recv().ok()).try_for_each(|order| self.obey(order));
            if obeyed.and_then(|()| self.pass_on()).is_err() || closed {
                return; // nobody reads any more
            }
        }
    }

    fn obey(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Follow { dir, what } => {
                let over = |followed: &Followed| followed.finished && followed.what == what;
                if self.followed.values().any(over) {
                    self.pass_on()?; // its last lines, which may have come with its end
                    for (watch, _) in self.followed.extract_if(|_, followed| over(followed)) {
                        let _ = inotify::remove_watch(&self.events, watch);
                    }
                }
                self.follow(dir, what);
            }
            Order::Finish { dir } => {
                self.followed
                    .values_mut()
                    .filter(|f| f.dir == dir)
                    .for_each(|followed| followed.finished = true);
                self.awaited.retain(|(awaited, _)| *awaited != dir);
            }
            Order::Say(line) => {
                // it is about what they have printed
                self.pass_on()?;
                self.terminal.say(&line)?;
            }
        }
        Ok(())
    }

    fn follow(&mut self, dir: PathBuf, what: Printer) {
        let mask = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE;
        match inotify::add_watch(&self.events, &dir, mask) {
            Ok(watch) => {
                let follower = Follower::from_offset(&dir, position(&dir));
                self.followed.insert(watch, Followed { follower, dir, what, finished: false });
            }
            // it is made a moment later, or after an `.envrc` has been evaluated: its parent tells when
            Err(_) => {
                if let Some(parent) = dir.parent()
                    && fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).is_ok()
                    && inotify::add_watch(&self.events, parent, inotify::WatchFlags::CREATE).is_ok()
                {
                    self.awaited.push((dir, what));
                }
            }
        }
    }

    /// Prints what is new, of all that are followed in turn.
    fn pass_on(&mut self) -> io::Result<()> {
        let (there, awaited) =
            std::mem::take(&mut self.awaited).into_iter().partition(|(dir, _)| dir.exists());
        self.awaited = awaited;
        let there: Vec<(PathBuf, Printer)> = there;
        there.into_iter().for_each(|(dir, what)| self.follow(dir, what));
        let mut watches: Vec<i32> = self.followed.keys().copied().collect();
        watches.sort_unstable();
        for watch in watches {
            let Some(mut followed) = self.followed.remove(&watch) else { continue };
            let passed = self.pass_on_one(watch, &mut followed);
            self.followed.insert(watch, followed);
            passed?;
        }
        Ok(())
    }

    fn pass_on_one(&mut self, watch: i32, followed: &mut Followed) -> io::Result<()> {
        let other = |other: &&Followed| !other.finished && matches!(other.what, Printer::Build(_));
        let prefix = followed.what.prefix(self.followed.values().filter(other).count() + 1);
        loop {
            // what cannot be read now may be readable at the next event
            let Ok(chunk) = followed.follower.poll(PIECE_BYTES) else { return Ok(()) };
            if let Some(skipped) = chunk.skipped {
                self.terminal.say(&format!("{prefix}({} lines are no longer kept)", skipped.lines))?;
            }
            for piece in &chunk.pieces {
                self.terminal.print(watch, &prefix, piece.stream, &piece.bytes)?;
            }
            if !chunk.pieces.is_empty() {
                let _ = note_position(&followed.dir, followed.follower.offset());
            }
            if !chunk.more {
                return Ok(());
            }
        }
    }
}

/// Written over in one piece and never cut, so that a manager killed here leaves the old number or the new one.
fn note_position(dir: &Path, offset: u64) -> io::Result<()> {
    let mut file = fs::OpenOptions::new();
    let file = file.write(true).create(true).truncate(false).mode(0o600).open(dir.join(POSITION))?;
    file.write_all_at(format!("{offset:020}\n").as_bytes(), 0)
}

/// Where the manager before stopped, in bytes of the run's output.
fn position(dir: &Path) -> u64 {
    let read = fs::read_to_string(dir.join(POSITION)).ok();
    read.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn drain(fd: &OwnedFd) {
    let mut buffer = [0; 4096];
    while matches!(rustix::io::read(fd, &mut buffer), Ok(1..)) {}
}

/// A socket address that is too long for the kernel is reached through the directory's descriptor.
#[must_use]
pub(super) fn fits_into_a_socket_address(path: &Path) -> bool {
    path.as_os_str().as_bytes().len() <= 107
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written_last() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(position(dir.path()), 0);
        for offset in [12_345_678, 7, u64::MAX, 0] {
            note_position(dir.path(), offset).unwrap();
            assert_eq!(position(dir.path()), offset);
        }
    }

    #[test]
    fn a_build_is_named_where_there_are_others() {
        let build = Printer::Build("api".to_owned());
        assert_eq!((build.prefix(1).as_str(), build.prefix(2).as_str()), ("[build] ", "[build api] "));
        assert_eq!(Printer::Run("api".to_owned()).prefix(2), "[api] ");
    }
}
