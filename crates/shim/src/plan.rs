//! What a shim is to start: the `plan` file of a run directory. Knows how to write and read it, not how to start it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{fmt, str};

use crate::wire::{Reader, Sink, checksum};

pub(crate) const FILE: &str = "plan";
const MAGIC: &[u8; 8] = b"bpm-plan";
const VERSION: u16 = 1;
/// Far above what the kernel lets through `execve` (argument and environment bytes).
const MAX_FILE_BYTES: u64 = 16 << 20;

/// One program to run, completely described: the shim adds nothing but the run tag.
#[derive(Clone, PartialEq, Eq)]
pub struct Plan {
    /// Identifies the run on this machine; in the program's environment as `BPM_RUN`, so that what escapes its shim can be found.
    pub run_tag: String,
    /// A path (with a slash: relative to `cwd`) or a name to be looked up in the plan's own `PATH`.
    pub program: OsString,
    /// `argv[0]` when it is to differ from `program`.
    pub argv0: Option<OsString>,
    /// The arguments after `argv[0]`.
    pub args: Vec<OsString>,
    /// The whole environment; nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The program's working directory.
    pub cwd: PathBuf,
    /// The program's file mode creation mask; `None` keeps 022.
    pub umask: Option<u32>,
    /// A file name in the run directory that takes stdout (appended) instead of the log.
    pub stdout_file: Option<String>,
    /// A cgroup v2 directory to create and put the program in. When that fails the run goes on without it, and says so.
    pub cgroup: Option<PathBuf>,
    /// When the leader has exited, let the rest of its tree go instead of waiting for it (builds leave servers behind).
    pub leave_behind: bool,
    /// Bytes of log kept for this run.
    pub log_max_bytes: u64,
    /// The program's soft limit of open files; `None`: whatever the shim was started with.
    pub open_files: Option<u64>,
    /// What the program reads from.
    pub stdin: Stdin,
}

/// What a program's standard input is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdin {
    /// `/dev/null`.
    #[default]
    Null,
    /// A pipe, fed by [`Request::Input`](crate::protocol::Request::Input).
    Pipe,
    /// A terminal, which is stdin, stdout and stderr in one and the program's controlling terminal; all that it prints counts as
    /// stdout. `TERM` is set to `xterm-256color` where the plan's environment has none. Not together with
    /// [`stdout_file`](Plan::stdout_file).
    Terminal {
        /// Lines.
        rows: u16,
        /// Characters in a line.
        columns: u16,
    },
}

impl Plan {
    /// A plan with an empty environment and everything else at its default.
    #[must_use]
    pub fn new(run_tag: impl Into<String>, program: impl Into<OsString>, cwd: impl Into<PathBuf>) -> Self {
        Self {
            run_tag: run_tag.into(),
            program: program.into(),
            argv0: None,
            args: Vec::new(),
            env: Vec::new(),
            cwd: cwd.into(),
            umask: None,
            stdout_file: None,
            cgroup: None,
            leave_behind: false,
            log_max_bytes: 64 << 20,
            open_files: None,
            stdin: Stdin::Null,
        }
    }

    /// Writes the plan into a run directory, whole or not at all, readable by the owner only.
    ///
    /// # Errors
    /// Any failure to create, write or rename the file.
    pub fn write(&self, run_dir: &Path) -> io::Result<()> {
        let unfinished = run_dir.join("plan.new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&self.encode())?;
        fs::rename(unfinished, run_dir.join(FILE))
    }

    /// Reads the plan of a run directory.
    ///
    /// # Errors
    /// [`PlanError`]: the file cannot be read, or is not a whole plan of a known version.
    pub fn read(run_dir: &Path) -> Result<Self, PlanError> {
        let mut bytes = Vec::new();
        File::open(run_dir.join(FILE))?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(PlanError::TooLarge);
        }
        Self::decode(&bytes)
    }

    /// The plan as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Sink(MAGIC.to_vec());
        out.u16(VERSION);
        out.bytes(self.run_tag.as_bytes());
        out.os(&self.program);
        out.option(self.argv0.as_ref(), Sink::os);
        out.u32(u32::try_from(self.args.len()).unwrap_or(u32::MAX));
        self.args.iter().for_each(|arg| out.os(arg));
        out.u32(u32::try_from(self.env.len()).unwrap_or(u32::MAX));
        for (name, value) in &self.env {
            out.os(name);
            out.os(value);
        }
        out.os(&self.cwd);
        out.option(self.umask, Sink::u32);
        out.option(self.stdout_file.as_ref(), |out, name| out.bytes(name.as_bytes()));
        out.option(self.cgroup.as_ref(), Sink::os);
        out.bool(self.leave_behind);
        out.u64(self.log_max_bytes);
        out.option(self.open_files, Sink::u64);
        put_stdin(&mut out, self.stdin);
        let sum = checksum(&out.0);
        out.u64(sum);
        out.0
    }

    /// The plan in these bytes.
    ///
    /// # Errors
    /// [`PlanError`] for anything but a whole plan of a known version.
    pub fn decode(bytes: &[u8]) -> Result<Self, PlanError> {
        let (body, sum) = bytes.split_last_chunk::<8>().ok_or(PlanError::Damaged)?;
        if u64::from_le_bytes(*sum) != checksum(body) {
            return Err(PlanError::Damaged);
        }
        let mut from = Reader::new(body);
        if from.take(MAGIC.len()) != Some(MAGIC) {
            return Err(PlanError::Damaged);
        }
        match from.u16() {
            Some(VERSION) => {}
            Some(found) => return Err(PlanError::Version { found }),
            None => return Err(PlanError::Damaged),
        }
        Self::fields(&mut from).ok_or(PlanError::Damaged)
    }

    fn fields(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            run_tag: str::from_utf8(from.bytes()?).ok()?.to_owned(),
            program: from.os()?,
            argv0: from.option(Reader::os)?,
            args: (0..from.u32()?).map(|_| from.os()).collect::<Option<_>>()?,
            env: (0..from.u32()?).map(|_| Some((from.os()?, from.os()?))).collect::<Option<_>>()?,
            cwd: from.os()?.into(),
            umask: from.option(Reader::u32)?,
            stdout_file: from.option(Reader::text)?,
            cgroup: from.option(Reader::os)?.map(PathBuf::from),
            leave_behind: from.bool()?,
            log_max_bytes: from.u64()?,
            open_files: from.option(Reader::u64)?,
            // Plans that were written before there was anything else end here.
            stdin: if from.is_empty() { Stdin::Null } else { get_stdin(from)? },
        })
    }
}

fn put_stdin(out: &mut Sink, stdin: Stdin) {
    match stdin {
        Stdin::Null => out.u8(0),
        Stdin::Pipe => out.u8(1),
        Stdin::Terminal { rows, columns } => {
            out.u8(2);
            out.u16(rows);
            out.u16(columns);
        }
    }
}

fn get_stdin(from: &mut Reader<'_>) -> Option<Stdin> {
    Some(match from.u8()? {
        0 => Stdin::Null,
        1 => Stdin::Pipe,
        2 => Stdin::Terminal { rows: from.u16()?, columns: from.u16()? },
        _ => return None,
    })
}

/// Values of the environment may be secrets: only the names are shown.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("Plan")
            .field("run_tag", &self.run_tag)
            .field("program", &self.program)
            .field("argv0", &self.argv0)
            .field("args", &self.args)
            .field("env_names", &names)
            .field("cwd", &self.cwd)
            .field("umask", &self.umask)
            .field("stdout_file", &self.stdout_file)
            .field("cgroup", &self.cgroup)
            .field("leave_behind", &self.leave_behind)
            .field("log_max_bytes", &self.log_max_bytes)
            .field("open_files", &self.open_files)
            .field("stdin", &self.stdin)
            .finish()
    }
}

/// Why a plan cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file could not be read.
    #[error("cannot read the plan: {0}")]
    Io(#[from] io::Error),
    /// Written by another version of the program.
    #[error("the plan has version {found}, this program reads {VERSION}")]
    Version {
        /// The version in the file.
        found: u16,
    },
    /// Torn, truncated or not a plan.
    #[error("the plan is damaged")]
    Damaged,
    /// Larger than any plan that could be executed.
    #[error("the plan is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge,
}

#[cfg(test)]
mod tests;
