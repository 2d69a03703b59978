//! The `exit` file of a run directory: how the run ended, for whoever comes later. Its space is allocated before the program
//! starts and overwritten in place, so a full disk cannot lose it; a checksum tells a half-written one from a whole one.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::protocol::{SpawnFailure, Stamp, Status, Step, Usage};
use crate::wire::checksum;

pub(crate) const FILE: &str = "exit";
const HEADER: &str = "bpm-exit 1";
const SPACE_BYTES: usize = 4096;
const MAX_MESSAGE_CHARS: usize = 512;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitRecord {
    /// What became of the program.
    pub outcome: Outcome,
    /// What became of the rest of its tree.
    pub rest: Rest,
    /// When the program was forked.
    pub started: Stamp,
    /// When its end was seen.
    pub ended: Stamp,
    /// The kernel's id of this boot: `mono_ns` and pids mean nothing in another.
    pub boot_id: String,
    /// What the leader used.
    pub usage: Usage,
    /// Bytes of output read.
    pub log_bytes: u64,
    /// Bytes of output that could not be written to the log.
    pub lost_bytes: u64,
    /// Line feeds among those.
    pub lost_lines: u64,
}

/// What became of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran and ended.
    Exited(Status),
    /// It could not be started.
    SpawnFailed(SpawnFailure),
}

/// What became of the rest of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// When this was written processes were left, and the shim was there to watch them.
    Running,
    /// Nothing was left.
    Empty,
    /// What was left was let go.
    Released,
}

/// What a run directory says of its run's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// There is no `exit` file: no shim came far enough to make one.
    Absent,
    /// The space is there, a whole record is not.
    Pending,
    /// The record.
    Ended(Box<ExitRecord>),
}

/// Reads the exit record of a run directory.
///
/// # Errors
/// The file is there and cannot be read.
pub fn read(run_dir: &Path) -> io::Result<Recorded> {
    let mut text = Vec::new();
    match File::open(run_dir.join(FILE)) {
        Ok(file) => file.take(SPACE_BYTES as u64).read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Recorded::Absent),
        Err(error) => return Err(error),
    };
    Ok(parse(&text).map_or(Recorded::Pending, |record| Recorded::Ended(Box::new(record))))
}

/// The allocated space that the record goes into.
#[derive(Debug)]
pub(crate) struct Slot {
    file: File,
}

impl Slot {
    /// Makes the file and fills it, so that writing the record needs no space.
    pub(crate) fn allocate(run_dir: &Path) -> io::Result<Self> {
        let path = run_dir.join(FILE);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let blank = block("pending\n");
        if let Err(error) = file.write_all_at(&blank, 0) {
            // A short file would be read as a record in the making.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Self { file })
    }

    /// Overwrites the space with the record. May be called again with a later truth.
    pub(crate) fn write(&self, record: &ExitRecord) -> io::Result<()> {
        self.file.write_all_at(&block(&render(record)), 0)
    }
}

/// Spaces and a line feed up to the full size: `cat` shows the record and nothing else.
fn block(text: &str) -> [u8; SPACE_BYTES] {
    let mut block = [b' '; SPACE_BYTES];
    let len = text.len().min(SPACE_BYTES - 1);
    block[..len].copy_from_slice(&text.as_bytes()[..len]);
    block[SPACE_BYTES - 1] = b'\n';
    block
}

fn render(record: &ExitRecord) -> String {
    let mut out = String::with_capacity(1024);
    let outcome = match &record.outcome {
        Outcome::Exited(Status::Code(code)) => format!("code {code}"),
        Outcome::Exited(Status::Signal { signal, core }) => {
            format!("signal {signal}{}", if *core { " core" } else { "" })
        }
        Outcome::SpawnFailed(failure) => {
            let message: String =
                failure.message.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect();
            format!("spawn-failed {} {} {message}", step_name(failure.step), failure.errno)
        }
    };
    let fields: [(&str, &dyn std::fmt::Display); 14] = [
        ("outcome", &outcome),
        ("rest", &rest_name(record.rest)),
        ("started_wall_ns", &record.started.wall_ns),
        ("started_mono_ns", &record.started.mono_ns),
        ("ended_wall_ns", &record.ended.wall_ns),
        ("ended_mono_ns", &record.ended.mono_ns),
        ("boot_id", &record.boot_id),
        ("user_us", &record.usage.user_us),
        ("system_us", &record.usage.system_us),
        ("max_rss_kib", &record.usage.max_rss_kib),
        ("log_bytes", &record.log_bytes),
        ("lost_bytes", &record.lost_bytes),
        ("lost_lines", &record.lost_lines),
        ("end", &"of record"),
    ];
    let _ = writeln!(out, "{HEADER}");
    for (name, value) in fields {
        let _ = writeln!(out, "{name} {value}");
    }
    let sum = checksum(out.as_bytes());
    let _ = writeln!(out, "checksum {sum:016x}");
    out
}

fn parse(bytes: &[u8]) -> Option<ExitRecord> {
    let text = str::from_utf8(bytes).ok()?;
    let (body, rest) = text.rsplit_once("checksum ")?;
    let sum = u64::from_str_radix(rest.lines().next()?.trim_end(), 16).ok()?;
    if sum != checksum(body.as_bytes()) || body.lines().next()? != HEADER {
        return None;
    }
    let field = |name: &str| body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let number = |name: &str| field(name)?.parse::<u64>().ok();
    Some(ExitRecord {
        outcome: outcome_of(field("outcome")?)?,
        rest: [Rest::Running, Rest::Empty, Rest::Released]
            .into_iter()
            .find(|rest| field("rest") == Some(rest_name(*rest)))?,
        started: Stamp { wall_ns: number("started_wall_ns")?, mono_ns: number("started_mono_ns")? },
        ended: Stamp { wall_ns: number("ended_wall_ns")?, mono_ns: number("ended_mono_ns")? },
        boot_id: field("boot_id")?.to_owned(),
        usage: Usage {
            user_us: number("user_us")?,
            system_us: number("system_us")?,
            max_rss_kib: number("max_rss_kib")?,
        },
        log_bytes: number("log_bytes")?,
        lost_bytes: number("lost_bytes")?,
        lost_lines: number("lost_lines")?,
    })
}

fn outcome_of(text: &str) -> Option<Outcome> {
    let (kind, rest) = text.split_once(' ')?;
    match kind {
        "code" => Some(Outcome::Exited(Status::Code(rest.parse().ok()?))),
        "signal" => {
            let (signal, core) = rest.strip_suffix(" core").map_or((rest, false), |signal| (signal, true));
            Some(Outcome::Exited(Status::Signal { signal: signal.parse().ok()?, core }))
        }
        "spawn-failed" => {
            let mut words = rest.splitn(3, ' ');
            let step = words.next()?;
            Some(Outcome::SpawnFailed(SpawnFailure {
                step: STEPS.into_iter().find(|known| step_name(*known) == step)?,
                errno: words.next()?.parse().ok()?,
                message: words.next()?.to_owned(),
            }))
        }
        _ => None,
    }
}

const STEPS: [Step; 4] = [Step::Prepare, Step::Fork, Step::Cwd, Step::Exec];

fn step_name(step: Step) -> &'static str {
    match step {
        Step::Prepare => "prepare",
        Step::Fork => "fork",
        Step::Cwd => "cwd",
        Step::Exec => "exec",
    }
}

fn rest_name(rest: Rest) -> &'static str {
    match rest {
        Rest::Running => "running",
        Rest::Empty => "empty",
        Rest::Released => "released",
    }
}

#[cfg(test)]
mod tests;
