//! Names and numbers that label every fact. A report without its label cannot be told from a stale one.

use std::fmt;
use std::sync::Arc;

/// The name of a configured process.
pub type Name = Arc<str>;

/// One execution of a process. Numbers start at 1 and are never used twice.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId {
    pub process: Name,
    pub number: u64,
}

/// One execution of a process's build recipe; counted apart from runs, because crash restarts go
/// on while a build is under way and "the newest run" must stay the one with the highest number.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BuildId {
    pub process: Name,
    pub number: u64,
}

/// An accepted request that waits for its outcome. Given out by the caller, who keeps it unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId(pub u64);

/// Tells a repeated request from a new one. Given out by who asks; outlives the manager.
pub type Key = Arc<str>;

/// The name under which a task is supervised: `t5`. No process can have such a name.
pub fn task_name(number: u64) -> Name {
    format!("t{number}").into()
}

/// The number in a task's name; `None` for every other name.
pub fn task_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix('t')?;
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// Which recipe a run was made with, and which crash rule is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    Dev,
    Release,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Dev => "dev",
            Mode::Release => "release",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.process, self.number)
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#b{}", self.process, self.number)
    }
}
