//! Passes what programs and builds print on to the manager's own terminal, prefixed with `[NAME] ` and
//! `[build] `. Reads the logs from disk on a thread of its own, so a terminal that blocks delays nothing
//! but this; goes on where the manager before stopped.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use bpm_core::fleet::{Change, Note};
use bpm_logs::{Follower, Piece, Stream};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify;

use crate::engine::Feed;
use crate::store::paths::Project;

/// Writes that come within this time are read together.
const GATHER: Duration = Duration::from_millis(5);
const PIECE_BYTES: usize = 256 << 10;
const POSITION: &str = "relayed";

/// Starts the relay. It ends with the feed.
pub(super) fn start(project: Project, mut feed: Feed) -> io::Result<()> {
    if goes_nowhere() {
        return Ok(());
    }
    let (sender, orders) = mpsc::channel();
    let (wake_read, wake_write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK)?;
    let relay = Relay::new(wake_read)?;
    std::thread::Builder::new().name("relay".into()).spawn(move || relay.run(&orders))?;
    tokio::spawn(async move {
        loop {
            let orders = match feed.0.recv().await {
                Ok(note) => order_of(&project, &note),
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => None,
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            };
            if let Some(order) = orders {
                let _ = sender.send(order);
                let _ = rustix::io::write(&wake_write, &[1]);
            }
        }
    });
    Ok(())
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
        prefix: String,
    },
    /// Everything of it is on disk.
    Finish {
        dir: PathBuf,
    },
    /// A word of the manager's own.
    Say(String),
}

fn order_of(project: &Project, note: &Note) -> Option<Order> {
    let name = note.process.as_deref()?;
    let run = |number: u64| project.runs(name).join(number.to_string());
    let build = |number: u64| project.builds(name).join(number.to_string());
    Some(match &note.change {
        Change::Started { run: number, .. } | Change::Adopted { run: number, .. } => {
            Order::Follow { dir: run(*number), prefix: format!("[{name}] ") }
        }
        Change::BuildStarted { build: number, .. } => {
            Order::Follow { dir: build(*number), prefix: "[build] ".to_owned() }
        }
        Change::BuildSucceeded { build: number, .. } | Change::BuildCancelled { build: number } => {
            Order::Finish { dir: build(*number) }
        }
        Change::BuildFailed { build: number, .. } => Order::Finish { dir: build(*number) },
        Change::Ended { run: number, .. } => Order::Finish { dir: run(*number) },
        Change::RestartIn { .. } | Change::Parked { .. } | Change::SpawnFailed { .. } => {
            Order::Say(format!("[{name}] ({})", crate::engine::in_words(&note.change)))
        }
        _ => return None,
    })
}

struct Followed {
    follower: Follower,
    dir: PathBuf,
    prefix: String,
    finished: bool,
}

struct Relay {
    events: OwnedFd,
    wake: OwnedFd,
    followed: HashMap<i32, Followed>,
    /// Whose line is unfinished on the terminal.
    unfinished: Option<(i32, Stream)>,
}

impl Relay {
    fn new(wake: OwnedFd) -> io::Result<Relay> {
        let events = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        Ok(Relay { events, wake, followed: HashMap::new(), unfinished: None })
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
            while let Ok(order) = orders.try_recv() {
                self.obey(order);
            }
            if self.pass_on().is_err() || closed {
                return; // nobody reads any more
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Follow { dir, prefix } => {
                self.followed.retain(|_, followed| !followed.finished || followed.prefix != prefix);
                let mask = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE;
                let Ok(watch) = inotify::add_watch(&self.events, &dir, mask) else { return };
                let follower = Follower::from_offset(&dir, position(&dir));
                self.followed.insert(watch, Followed { follower, dir, prefix, finished: false });
            }
            Order::Finish { dir } => {
                self.followed
                    .values_mut()
                    .filter(|f| f.dir == dir)
                    .for_each(|followed| followed.finished = true);
            }
            Order::Say(line) => {
                let _ = self.finish_line(&mut io::stderr().lock());
                let _ = writeln!(io::stderr().lock(), "{line}");
            }
        }
    }

    /// Prints what is new, of all that are followed in turn.
    fn pass_on(&mut self) -> io::Result<()> {
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
        loop {
            // what cannot be read now may be readable at the next event
            let Ok(chunk) = followed.follower.poll(PIECE_BYTES) else { return Ok(()) };
            if let Some(skipped) = chunk.skipped {
                let lost = format!("{}({} lines are no longer kept)\n", followed.prefix, skipped.lines);
                io::stderr().lock().write_all(lost.as_bytes())?;
            }
            for piece in &chunk.pieces {
                print_piece(&mut self.unfinished, watch, &followed.prefix, piece)?;
            }
            if !chunk.pieces.is_empty() {
                let _ = fs::write(followed.dir.join(POSITION), followed.follower.offset().to_string());
            }
            if !chunk.more {
                return Ok(());
            }
        }
    }

    fn finish_line(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.unfinished.take().is_some() {
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// Prints bytes of one stream, with the prefix at the start of each line.
fn print_piece(
    unfinished: &mut Option<(i32, Stream)>,
    watch: i32,
    prefix: &str,
    piece: &Piece,
) -> io::Result<()> {
    let mut text = Vec::with_capacity(piece.bytes.len() + piece.bytes.len() / 8);
    let mut at_start = match unfinished {
        Some(of) if *of == (watch, piece.stream) => false,
        Some(_) => {
            text.push(b'\n');
            true
        }
        None => true,
    };
    for line in piece.bytes.split_inclusive(|byte| *byte == b'\n') {
        if at_start {
            text.extend_from_slice(prefix.as_bytes());
        }
        text.extend_from_slice(line);
        at_start = line.ends_with(b"\n");
    }
    *unfinished = (!at_start).then_some((watch, piece.stream));
    match piece.stream {
        Stream::Stdout => write_all(io::stdout().lock(), &text),
        Stream::Stderr => write_all(io::stderr().lock(), &text),
    }
}

fn write_all(mut out: impl Write, text: &[u8]) -> io::Result<()> {
    out.write_all(text)?;
    out.flush()
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
