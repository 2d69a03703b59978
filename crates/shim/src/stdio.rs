//! The program's three standard descriptors as its plan wants them: our ends, and its own. Knows nothing of what travels over them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bpm_logs::Stream;
use rustix::io::ioctl_fionbio;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::input::Input;
use crate::output::Output;
use crate::plan::{Plan, Stdin};
use crate::protocol::{SpawnFailure, Step};
use crate::spawn;
use crate::terminal::Terminal;

/// Our ends.
#[derive(Debug)]
pub(crate) struct Ours {
    pub(crate) input: Input,
    pub(crate) stdout: Option<Output>,
    pub(crate) stderr: Option<Output>,
}

/// The program's ends: to be dropped when it has been forked.
#[derive(Debug)]
pub(crate) enum Theirs {
    Separate {
        /// `None`: this process's own, which is `/dev/null`.
        stdin: Option<OwnedFd>,
        stdout: OwnedFd,
        stderr: OwnedFd,
    },
    /// All three, and the controlling terminal.
    Terminal(OwnedFd),
}

impl Theirs {
    pub(crate) fn stdin(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Separate { stdin, .. } => stdin.as_ref().map(AsFd::as_fd),
            Self::Terminal(terminal) => Some(terminal.as_fd()),
        }
    }

    pub(crate) fn stdout(&self) -> BorrowedFd<'_> {
        let (Self::Separate { stdout: fd, .. } | Self::Terminal(fd)) = self;
        fd.as_fd()
    }

    pub(crate) fn stderr(&self) -> BorrowedFd<'_> {
        let (Self::Separate { stderr: fd, .. } | Self::Terminal(fd)) = self;
        fd.as_fd()
    }

    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }
}

/// Opens what the plan asks for.
pub(crate) fn open(plan: &Plan) -> Result<(Ours, Theirs), SpawnFailure> {
    let failed = |what: &str, error: &io::Error| spawn::failure(Step::Prepare, what, error);
    if let Stdin::Terminal { rows, columns } = plan.stdin {
        if plan.stdout_file.is_some() {
            let message = "a plan has either a terminal or a file for stdout, found both".to_owned();
            return Err(SpawnFailure { step: Step::Prepare, errno: 0, message });
        }
        return terminal(rows, columns).map_err(|error| failed("cannot make a terminal", &error));
    }
    let no_pipe = |error: rustix::io::Errno| failed("cannot make a pipe", &error.into());
    let (input, stdin) = if plan.stdin == Stdin::Pipe {
        input_pipe().map(|(ours, theirs)| (ours, Some(theirs))).map_err(no_pipe)?
    } else {
        (Input::null(), None)
    };
    let (stderr, their_stderr) = Output::pipe(Stream::Stderr).map_err(no_pipe)?;
    let (stdout, their_stdout) = match &plan.stdout_file {
        Some(name) => {
            let file = spawn::open_stdout_file(name)
                .map_err(|error| failed("cannot open the file for stdout", &error))?;
            (None, file)
        }
        None => Output::pipe(Stream::Stdout).map(|(ours, theirs)| (Some(ours), theirs)).map_err(no_pipe)?,
    };
    let theirs = Theirs::Separate { stdin, stdout: their_stdout, stderr: their_stderr };
    Ok((Ours { input, stdout, stderr: Some(stderr) }, theirs))
}

/// Our end does not block, the program's does.
fn input_pipe() -> rustix::io::Result<(Input, OwnedFd)> {
    let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
    ioctl_fionbio(&ours, true)?;
    Ok((Input::pipe(ours), theirs))
}

fn terminal(rows: u16, columns: u16) -> io::Result<(Ours, Theirs)> {
    let terminal = Terminal::open(rows, columns)?;
    let stdout = Output::terminal(terminal.clone_master()?);
    let theirs = Theirs::Terminal(terminal.clone_slave()?);
    Ok((Ours { input: Input::terminal(terminal), stdout: Some(stdout), stderr: None }, theirs))
}
