//! The life of one run: become a shim, start the program, watch it from one poll loop, record its end, leave.
//! Must not know any policy: everything here is obedience or book-keeping.

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::sockopt;
use rustix::process::{getpid, set_child_subreaper, setsid, umask};

use crate::control::Control;
use crate::exit_record::Slot;
use crate::launch::SOCKET_FILE;
use crate::plan::Plan;
use crate::protocol::{self, Report, SpawnFailure, Step, Welcome};
use crate::{spawn, sys};

mod events;
mod life;
use life::Life;

/// What a failed [`become_shim`] exits with: not a shim's process at all.
const EXIT_USAGE: u8 = 2;

/// Becomes the shim of the run directory in `args[1]` (`args[0]` is the name it was started under) and returns when the run
/// is over. To be called first thing in `main`, in a process that [`crate::launch::launch`] made.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let run_dir = args.into_iter().nth(1).unwrap_or_default();
    match become_shim(&run_dir) {
        Ok(inherited) => {
            serve(inherited);
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "{}: not started by bpm: {error}", crate::ARGV0);
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// What a shim is born with. The lock is the lower descriptor: the kernel closes it first when the shim is killed.
struct Inherited {
    lock: OwnedFd,
    control: OwnedFd,
    signals: OwnedFd,
}

fn become_shim(run_dir: &OsStr) -> io::Result<Inherited> {
    sockopt::socket_type(io::stdout())?;
    std::env::set_current_dir(run_dir)?;
    sys::close_inherited();
    let lock = fcntl_dupfd_cloexec(io::stdin(), 3)?;
    let control = fcntl_dupfd_cloexec(io::stdout(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    sys::replace_stdio(null.as_fd())?;
    sys::set_name(c"bpm-shim");
    sys::ignore_signals();
    sys::keep_little_free_memory();
    // Fails only for a process group's leader, which a terminal's job control could have made of us: then we have left the group of
    // the manager already.
    let _ = setsid();
    set_child_subreaper(Some(getpid()))?;
    umask(Mode::from_raw_mode(0o077));
    std::panic::set_hook(Box::new(record_panic));
    let signals = sys::child_signals()?;
    Ok(Inherited { lock, control, signals })
}

/// There is nobody to print to, so a bug leaves its trace in the run directory.
fn record_panic(info: &std::panic::PanicHookInfo<'_>) {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open("shim.panic");
    let _ = file.and_then(|mut file| writeln!(file, "{info}"));
}

fn serve(inherited: Inherited) {
    let Inherited { lock, control, signals } = inherited;
    let mut control = Control::new(control);
    let control = match prepare(&mut control, signals) {
        Ok(life) => life.live(control),
        Err(refusal) => {
            refuse(&mut control, refusal);
            control
        }
    };
    let _ = fs::remove_file(SOCKET_FILE);
    // Before the connections: whoever sees end-of-file finds the lock free.
    drop(lock);
    drop(control);
}

/// A start that failed before there was a child.
struct Refusal {
    run_tag: String,
    failure: SpawnFailure,
    slot: Option<Slot>,
}

fn prepare(control: &mut Control, signals: OwnedFd) -> Result<Life, Refusal> {
    let failed = |what: &str, error: &io::Error| spawn::failure(Step::Prepare, what, error);
    let refusal = |run_tag: &str, failure, slot| Refusal { run_tag: run_tag.to_owned(), failure, slot };
    let slot = Slot::allocate(Path::new("."))
        .map_err(|error| refusal("", failed("cannot make the exit record", &error), None))?;
    let plan = match Plan::read(Path::new(".")) {
        Ok(plan) => plan,
        Err(error) => {
            let failure = SpawnFailure { step: Step::Prepare, errno: 0, message: error.to_string() };
            return Err(refusal("", failure, Some(slot)));
        }
    };
    if let Err(error) = control.listen() {
        return Err(refusal(&plan.run_tag, failed("cannot open the control socket", &error), Some(slot)));
    }
    let run_tag = plan.run_tag.clone();
    Life::new(plan, slot, signals).map_err(|refused| refusal(&run_tag, refused.0, Some(refused.1)))
}

/// Says why to the record and to the first connection, whose `Hello` the launcher has sent.
fn refuse(control: &mut Control, refusal: Refusal) {
    if let Some(slot) = &refusal.slot {
        let _ = slot.write(&life::refused(refusal.failure.clone()));
    }
    control.greet(0, |_| welcome(refusal.run_tag.clone(), false, false), &[]);
    control.push(&Report::SpawnFailed(refusal.failure));
}

fn welcome(run_tag: String, stdout: bool, stderr: bool) -> Report {
    let shim_pid = std::process::id();
    Report::Welcome(Welcome { version: protocol::VERSION, shim_pid, run_tag, stdout, stderr })
}
