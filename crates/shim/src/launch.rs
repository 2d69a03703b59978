//! The manager's side of a shim's life: start one, ask whether one is there, reach it. Blocking, each call about a millisecond.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use crate::exit_record::{self, ExitRecord, Recorded};
use crate::plan::Plan;
use crate::protocol::{self, Message, Request};

pub(crate) const LOCK_FILE: &str = "run.lock";
pub(crate) const SOCKET_FILE: &str = "s";

/// What a shim keeps of the manager's environment: where the state is that it belongs to, for whoever looks at processes.
const STATE_VARIABLES: [&str; 2] = ["BPM_STATE_DIR", "XDG_STATE_HOME"];

/// A shim that was just started.
#[derive(Debug)]
pub struct Launched {
    /// The shim's process, to be waited for by whoever started it (it leaves by itself).
    pub child: Child,
    /// Its first control connection. `Hello` has been sent on it: `Welcome` and `State` are the first to come.
    pub control: UnixStream,
    /// The shim's process id.
    pub shim_pid: u32,
}

/// What a run directory says of its shim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// `run.lock` is locked: a shim is alive, or on its way. Its socket may be a millisecond away: retry `connect`.
    Alive,
    /// The shim is gone and left a record.
    Ended(Box<ExitRecord>),
    /// The shim is gone and left no record: it was killed.
    Lost,
    /// No shim was ever started here.
    NeverStarted,
}

/// Starts a shim for this plan in an existing, fresh run directory.
///
/// `exe` is the program that calls [`crate::main`] when started as [`crate::ARGV0`]: `/proc/self/exe`. The three descriptors a
/// shim needs are its stdio, so nothing is inheritable at any time and no code runs between fork and exec.
///
/// # Errors
/// The plan or the lock cannot be written (`AlreadyExists`: the directory is not fresh), or the shim cannot be spawned.
pub fn launch(exe: &Path, run_dir: &Path, plan: &Plan) -> io::Result<Launched> {
    plan.write(run_dir)?;
    let lock = make_lock(run_dir)?;
    let (mut control, theirs) = UnixStream::pair()?;
    control.write_all(&Request::Hello { version: protocol::VERSION }.frame())?;
    let spawned = Command::new(exe)
        .arg0(crate::ARGV0)
        .arg(fs::canonicalize(run_dir)?)
        .env_clear()
        .envs(STATE_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .stdin(Stdio::from(lock))
        .stdout(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::null())
        .spawn();
    match spawned {
        Ok(child) => Ok(Launched { shim_pid: child.id(), child, control }),
        Err(error) => {
            // Nobody ever held it for a shim: without the file the directory says `NeverStarted`.
            let _ = fs::remove_file(run_dir.join(LOCK_FILE));
            Err(error)
        }
    }
}

/// Makes `run.lock`, which appears under its name only when it is locked.
fn make_lock(run_dir: &Path) -> io::Result<File> {
    let path = run_dir.join(LOCK_FILE);
    if path.try_exists()? {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("`{}` has had a shim before", run_dir.display()),
        ));
    }
    let unfinished = run_dir.join("run.lock.new");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    flock(&file, FlockOperation::LockExclusive)?;
    fs::rename(unfinished, path)?;
    Ok(file)
}

/// Whether a run directory's shim is alive, and if not, how it ended.
///
/// The lock is tried shared and without waiting, and given back at once. A shim holds it exclusively from before it is visible, so a
/// try never stands in a shim's way; any number of tries at the same time do not see each other.
///
/// # Errors
/// The lock or the record is there and cannot be read.
pub fn presence(run_dir: &Path) -> io::Result<Presence> {
    let lock = match File::open(run_dir.join(LOCK_FILE)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Presence::NeverStarted),
        Err(error) => return Err(error),
    };
    match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(Presence::Alive),
        Err(error) => return Err(error.into()),
    }
    Ok(match exit_record::read(run_dir)? {
        Recorded::Ended(record) => Presence::Ended(record),
        Recorded::Absent | Recorded::Pending => Presence::Lost,
    })
}

/// When a shim was launched in a run directory, by the wall clock; `None` where none ever was.
///
/// # Errors
/// The lock is there and cannot be looked at.
pub fn launched(run_dir: &Path) -> io::Result<Option<SystemTime>> {
    // Nothing is ever written to it.
    match fs::metadata(run_dir.join(LOCK_FILE)) {
        Ok(lock) => lock.modified().map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a control connection to the shim of a run directory. Works for paths of any length.
///
/// # Errors
/// `NotFound` or `ConnectionRefused`: the shim is not there yet, or is gone; [`presence`] tells which.
pub fn connect(run_dir: &Path) -> io::Result<UnixStream> {
    // A socket's address holds 107 bytes; through the directory's descriptor any path fits.
    let dir = rustix::fs::open(run_dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    UnixStream::connect(format!("/proc/self/fd/{}/{SOCKET_FILE}", dir.as_raw_fd()))
}
