//! Starts the program of a plan and says in words why it could not be started. Knows nothing of what happens afterwards.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::pipe::{PipeFlags, pipe_with};

use crate::cgroup::Cgroup;
use crate::plan::{Plan, Stdin};
use crate::protocol::{SpawnFailure, Step};
use crate::stdio::Theirs;
use crate::sys::{self, ChildFds, ChildNote, Image};

const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const DEFAULT_UMASK: u32 = 0o022;
/// What every terminal description database has, and nearly every reader of our logs understands.
const DEFAULT_TERM: &str = "xterm-256color";

/// A forked child that has yet to execute its program.
#[derive(Debug)]
pub(crate) struct Starting {
    pub(crate) pid: u32,
    /// The child's [`ChildNote`]s, then end-of-file. Does not block.
    pub(crate) notes: OwnedFd,
}

/// Forks the plan's program.
pub(crate) fn start(plan: &Plan, stdio: &Theirs, cgroup: Option<&Cgroup>) -> Result<Starting, SpawnFailure> {
    let image = image(plan)?;
    let (notes, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
        .map_err(|error| failure(Step::Prepare, "cannot make a pipe", &error.into()))?;
    let fds = ChildFds {
        stdin: stdio.stdin(),
        stdout: stdio.stdout(),
        stderr: stdio.stderr(),
        terminal: stdio.is_terminal(),
        cgroup: cgroup.map(Cgroup::fds),
        notes: theirs.as_fd(),
    };
    let pid =
        sys::fork_exec(&image, &fds).map_err(|error| failure(Step::Fork, "cannot make a process", &error))?;
    Ok(Starting { pid, notes })
}

/// Opens a plan's `stdout_file` in the run directory.
pub(crate) fn open_stdout_file(name: &str) -> io::Result<OwnedFd> {
    if name.contains('/') || name.is_empty() || name == ".." {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{name}` is not a plain file name"),
        ));
    }
    let file =
        OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(name)?;
    Ok(file.into())
}

fn image(plan: &Plan) -> Result<Image, SpawnFailure> {
    let tag = (OsString::from(crate::RUN_TAG_VARIABLE), OsString::from(&plan.run_tag));
    let term = (OsString::from("TERM"), OsString::from(DEFAULT_TERM));
    let wants_term =
        matches!(plan.stdin, Stdin::Terminal { .. }) && plan.env.iter().all(|(name, _)| *name != term.0);
    let added = wants_term.then_some(&term).into_iter().chain([&tag]);
    let env = plan.env.iter().filter(|(name, _)| *name != tag.0).chain(added);
    let argv0 = plan.argv0.as_ref().unwrap_or(&plan.program);
    Ok(Image {
        candidates: candidates(plan).iter().map(|path| c_string(path)).collect::<Result<_, _>>()?,
        argv: [argv0].into_iter().chain(&plan.args).map(|arg| c_string(arg)).collect::<Result<_, _>>()?,
        env: env
            .map(|(name, value)| {
                let mut entry = name.clone();
                entry.push("=");
                entry.push(value);
                c_string(&entry)
            })
            .collect::<Result<_, _>>()?,
        cwd: c_string(plan.cwd.as_os_str())?,
        umask: plan.umask.unwrap_or(DEFAULT_UMASK),
        open_files: plan.open_files,
    })
}

fn c_string(text: &OsStr) -> Result<CString, SpawnFailure> {
    CString::new(text.as_bytes()).map_err(|_| SpawnFailure {
        step: Step::Exec,
        errno: libc::EINVAL,
        message: "a program, argument, variable or directory contains a NUL byte".to_owned(),
    })
}

/// The paths to try, in order. Relative ones are relative to the program's own directory, as `execvp` would have it.
fn candidates(plan: &Plan) -> Vec<OsString> {
    let name = &plan.program;
    if name.as_bytes().contains(&b'/') || name.is_empty() {
        return vec![name.clone()];
    }
    let path = plan
        .env
        .iter()
        .rev()
        .find(|(key, _)| key == "PATH")
        .map_or(OsStr::new(DEFAULT_PATH), |(_, value)| value);
    path.as_bytes()
        .split(|byte| *byte == b':')
        .map(|dir| Path::new(OsStr::from_bytes(dir)).join(name).into())
        .collect()
}

pub(crate) fn failure(step: Step, what: &str, error: &io::Error) -> SpawnFailure {
    SpawnFailure {
        step,
        errno: error.raw_os_error().unwrap_or(0),
        message: format!("{what}: {}", words(error)),
    }
}

/// The failure that a child's note stands for; `None` for a note that is not fatal.
pub(crate) fn explain(plan: &Plan, note: ChildNote) -> Option<SpawnFailure> {
    let (step, errno, message) = match note {
        ChildNote::Cgroup(_) => return None,
        ChildNote::Terminal(errno) => {
            let message = format!("cannot make the terminal the program's own: {}", os_words(errno));
            (Step::Prepare, errno, message)
        }
        ChildNote::Cwd(errno) => {
            let cwd = plan.cwd.display();
            let message = match errno {
                libc::ENOENT => format!("working directory `{cwd}` does not exist"),
                libc::ENOTDIR => format!("working directory `{cwd}` is not a directory"),
                _ => format!("cannot enter working directory `{cwd}`: {}", os_words(errno)),
            };
            (Step::Cwd, errno, message)
        }
        ChildNote::Exec(errno) => (Step::Exec, errno, explain_exec(plan, errno)),
    };
    Some(SpawnFailure { step, errno, message })
}

fn explain_exec(plan: &Plan, errno: i32) -> String {
    let name = plan.program.display();
    let path = plan.cwd.join(&plan.program);
    let is_path = plan.program.as_bytes().contains(&b'/');
    match errno {
        libc::ENOENT if !is_path => format!("program `{name}` is not in PATH"),
        libc::ENOENT if fs::metadata(&path).is_ok() => {
            format!(
                "program `{name}` exists, the interpreter that its `#!` line or ELF header names does not"
            )
        }
        libc::ENOENT | libc::ENOTDIR => format!("program `{name}` does not exist"),
        libc::EACCES if is_path && fs::metadata(&path).is_ok_and(|found| found.is_dir()) => {
            format!("program `{name}` is a directory")
        }
        libc::EACCES => format!("program `{name}` may not be executed: permission denied"),
        libc::ENOEXEC => {
            format!("program `{name}` is neither a binary of this machine nor a script with a `#!` line")
        }
        libc::E2BIG => format!("arguments and environment of `{name}` are too long for the system"),
        _ => format!("cannot execute `{name}`: {}", os_words(errno)),
    }
}

fn os_words(errno: i32) -> String {
    words(&io::Error::from_raw_os_error(errno))
}

/// The system's words as a lowercase fragment without the `(os error N)` that std appends.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
