//! The bodies of the control protocol's messages, field by field. The numbers here are frozen: only ever add.

use super::sealed::Body;
use super::{
    Exit, InputKind, InputOutcome, InputStatus, Leader, LogStatus, MAX_SURVIVORS, Phase, Report, Request,
    SpawnFailure, Stamp, State, Status, Step, Survivor, Tier, Usage, Welcome,
};
use crate::wire::{Reader, Sink};

const MAX_MESSAGE_BYTES: usize = 1024;
const MAX_NAME_BYTES: usize = 64;

impl Body for Request {
    fn encode(&self) -> (u8, Vec<u8>) {
        let mut out = Sink::default();
        let kind = self.put(&mut out);
        (kind, out.0)
    }

    fn decode(kind: u8, body: &[u8]) -> Option<Option<Self>> {
        Self::get(kind, &mut Reader::new(body))
    }
}

impl Request {
    fn put(&self, out: &mut Sink) -> u8 {
        match self {
            Self::Hello { version } => {
                out.u16(*version);
                1
            }
            Self::Status => 2,
            Self::Signal { signal } => {
                out.i32(*signal);
                3
            }
            Self::Kill => 4,
            Self::Survivors => 5,
            Self::Release => 6,
            Self::Resize { rows, columns } => {
                out.u16(*rows);
                out.u16(*columns);
                16
            }
            Self::Input { id, bytes, end } => {
                out.u64(*id);
                out.bool(*end);
                out.bytes(bytes);
                17
            }
            Self::Live { on } => {
                out.bool(*on);
                18
            }
        }
    }

    fn get(kind: u8, from: &mut Reader<'_>) -> Option<Option<Self>> {
        Some(Some(match kind {
            1 => Self::Hello { version: from.u16()? },
            2 => Self::Status,
            3 => Self::Signal { signal: from.i32()? },
            4 => Self::Kill,
            5 => Self::Survivors,
            6 => Self::Release,
            16 => Self::Resize { rows: from.u16()?, columns: from.u16()? },
            17 => {
                let (id, end) = (from.u64()?, from.bool()?);
                Self::Input { id, end, bytes: from.bytes()?.to_vec() }
            }
            18 => Self::Live { on: from.bool()? },
            _ => return Some(None),
        }))
    }
}

impl Body for Report {
    fn encode(&self) -> (u8, Vec<u8>) {
        let mut out = Sink::default();
        let kind = self.put(&mut out);
        (kind, out.0)
    }

    fn decode(kind: u8, body: &[u8]) -> Option<Option<Self>> {
        Self::get(kind, &mut Reader::new(body))
    }
}

impl Report {
    fn put(&self, out: &mut Sink) -> u8 {
        match self {
            Self::Welcome(welcome) => put_welcome(out, welcome),
            Self::State(state) => put_state(out, state),
            Self::Started { leader, at, tier } => {
                put_leader(out, *leader);
                put_stamp(out, *at);
                put_tier(out, *tier);
                3
            }
            Self::SpawnFailed(failure) => {
                out.u8(step_number(failure.step));
                out.i32(failure.errno);
                out.bytes(clip(failure.message.as_bytes(), MAX_MESSAGE_BYTES));
                4
            }
            Self::Exited(exit) => {
                put_exit(out, *exit);
                5
            }
            Self::TreeEmpty { at, empty } => {
                put_stamp(out, *at);
                out.bool(*empty);
                6
            }
            Self::Alarm { errno } => {
                out.i32(*errno);
                7
            }
            Self::AlarmCleared => 8,
            Self::Survivors { total, list } => put_survivors(out, *total, list),
            Self::Input { id, outcome } => put_input(out, *id, *outcome),
        }
    }

    fn get(kind: u8, from: &mut Reader<'_>) -> Option<Option<Self>> {
        Some(Some(match kind {
            1 => Self::Welcome(Welcome {
                version: from.u16()?,
                shim_pid: from.u32()?,
                run_tag: from.text()?,
                stdout: from.bool()?,
                stderr: from.bool()?,
            }),
            2 => Self::State(get_state(from)?),
            3 => Self::Started { leader: get_leader(from)?, at: get_stamp(from)?, tier: get_tier(from)? },
            4 => Self::SpawnFailed(SpawnFailure {
                step: step_of(from.u8()?)?,
                errno: from.i32()?,
                message: from.text()?,
            }),
            5 => Self::Exited(get_exit(from)?),
            6 => Self::TreeEmpty { at: get_stamp(from)?, empty: from.bool()? },
            7 => Self::Alarm { errno: from.i32()? },
            8 => Self::AlarmCleared,
            9 => get_survivors(from)?,
            10 => get_input(from)?,
            _ => return Some(None),
        }))
    }
}

fn clip(bytes: &[u8], max: usize) -> &[u8] {
    bytes.get(..max).unwrap_or(bytes)
}

fn put_welcome(out: &mut Sink, welcome: &Welcome) -> u8 {
    out.u16(welcome.version);
    out.u32(welcome.shim_pid);
    out.bytes(clip(welcome.run_tag.as_bytes(), MAX_MESSAGE_BYTES));
    out.bool(welcome.stdout);
    out.bool(welcome.stderr);
    1
}

fn put_state(out: &mut Sink, state: &State) -> u8 {
    out.u8(match state.phase {
        Phase::Starting => 0,
        Phase::Running => 1,
        Phase::Leaderless => 2,
        Phase::Done => 3,
    });
    out.option(state.leader, put_leader);
    put_stamp(out, state.started);
    out.option(state.exit, put_exit);
    put_tier(out, state.tier);
    out.bool(state.killing);
    let LogStatus { bytes, lines, lost_bytes, lost_lines, disk_errno } = state.log;
    [bytes, lines, lost_bytes, lost_lines].into_iter().for_each(|count| out.u64(count));
    out.option(disk_errno, Sink::i32);
    let InputStatus { kind, open, waiting_bytes } = state.input;
    out.u8(match kind {
        InputKind::Null => 0,
        InputKind::Pipe => 1,
        InputKind::Terminal => 2,
    });
    out.bool(open);
    out.u32(waiting_bytes);
    2
}

fn get_state(from: &mut Reader<'_>) -> Option<State> {
    Some(State {
        phase: match from.u8()? {
            0 => Phase::Starting,
            1 => Phase::Running,
            2 => Phase::Leaderless,
            3 => Phase::Done,
            _ => return None,
        },
        leader: from.option(get_leader)?,
        started: get_stamp(from)?,
        exit: from.option(get_exit)?,
        tier: get_tier(from)?,
        killing: from.bool()?,
        log: LogStatus {
            bytes: from.u64()?,
            lines: from.u64()?,
            lost_bytes: from.u64()?,
            lost_lines: from.u64()?,
            disk_errno: from.option(Reader::i32)?,
        },
        input: if from.is_empty() { InputStatus::default() } else { get_input_status(from)? },
    })
}

fn get_input_status(from: &mut Reader<'_>) -> Option<InputStatus> {
    Some(InputStatus {
        kind: match from.u8()? {
            0 => InputKind::Null,
            1 => InputKind::Pipe,
            2 => InputKind::Terminal,
            _ => return None,
        },
        open: from.bool()?,
        waiting_bytes: from.u32()?,
    })
}

fn put_leader(out: &mut Sink, leader: Leader) {
    out.u32(leader.pid);
    out.u64(leader.start_ticks);
}

fn get_leader(from: &mut Reader<'_>) -> Option<Leader> {
    Some(Leader { pid: from.u32()?, start_ticks: from.u64()? })
}

fn put_stamp(out: &mut Sink, stamp: Stamp) {
    out.u64(stamp.wall_ns);
    out.u64(stamp.mono_ns);
}

fn get_stamp(from: &mut Reader<'_>) -> Option<Stamp> {
    Some(Stamp { wall_ns: from.u64()?, mono_ns: from.u64()? })
}

fn put_tier(out: &mut Sink, tier: Tier) {
    match tier {
        Tier::Tree { cgroup_errno } => {
            out.u8(0);
            out.option(cgroup_errno, Sink::i32);
        }
        Tier::Cgroup => out.u8(1),
    }
}

fn get_tier(from: &mut Reader<'_>) -> Option<Tier> {
    match from.u8()? {
        0 => Some(Tier::Tree { cgroup_errno: from.option(Reader::i32)? }),
        1 => Some(Tier::Cgroup),
        _ => None,
    }
}

/// Fixed width, so that fields can be added after it in the messages that hold it.
fn put_exit(out: &mut Sink, exit: Exit) {
    let (kind, number, core) = match exit.status {
        Status::Code(code) => (0, code, false),
        Status::Signal { signal, core } => (1, signal, core),
    };
    out.u8(kind);
    out.i32(number);
    out.bool(core);
    put_stamp(out, exit.at);
    out.u64(exit.usage.user_us);
    out.u64(exit.usage.system_us);
    out.u64(exit.usage.max_rss_kib);
}

fn get_exit(from: &mut Reader<'_>) -> Option<Exit> {
    let (kind, number, core) = (from.u8()?, from.i32()?, from.bool()?);
    Some(Exit {
        status: match kind {
            0 => Status::Code(number),
            1 => Status::Signal { signal: number, core },
            _ => return None,
        },
        at: get_stamp(from)?,
        usage: Usage { user_us: from.u64()?, system_us: from.u64()?, max_rss_kib: from.u64()? },
    })
}

fn step_number(step: Step) -> u8 {
    match step {
        Step::Prepare => 0,
        Step::Fork => 1,
        Step::Cwd => 2,
        Step::Exec => 3,
    }
}

fn step_of(number: u8) -> Option<Step> {
    [Step::Prepare, Step::Fork, Step::Cwd, Step::Exec].into_iter().find(|step| step_number(*step) == number)
}

fn put_survivors(out: &mut Sink, total: u32, list: &[Survivor]) -> u8 {
    let shown = &list[..list.len().min(MAX_SURVIVORS)];
    out.u32(total);
    out.u32(u32::try_from(shown.len()).unwrap_or(0));
    for survivor in shown {
        out.u32(survivor.pid);
        out.u32(u32::from(survivor.state));
        out.bytes(clip(survivor.name.as_bytes(), MAX_NAME_BYTES));
    }
    9
}

fn get_survivors(from: &mut Reader<'_>) -> Option<Report> {
    let total = from.u32()?;
    let shown = from.u32()?;
    if shown as usize > MAX_SURVIVORS {
        return None;
    }
    let one = |from: &mut Reader<'_>| {
        Some(Survivor { pid: from.u32()?, state: char::from_u32(from.u32()?)?, name: from.text()? })
    };
    let list = (0..shown).map(|_| one(from)).collect::<Option<_>>()?;
    Some(Report::Survivors { total, list })
}

fn put_input(out: &mut Sink, id: u64, outcome: InputOutcome) -> u8 {
    let (kind, room) = match outcome {
        InputOutcome::Taken => (0, 0),
        InputOutcome::Full { room } => (1, room),
        InputOutcome::NoInput => (2, 0),
        InputOutcome::Closed => (3, 0),
    };
    out.u64(id);
    out.u8(kind);
    out.u32(room);
    10
}

fn get_input(from: &mut Reader<'_>) -> Option<Report> {
    let (id, kind, room) = (from.u64()?, from.u8()?, from.u32()?);
    let outcome = match kind {
        0 => InputOutcome::Taken,
        1 => InputOutcome::Full { room },
        2 => InputOutcome::NoInput,
        3 => InputOutcome::Closed,
        _ => return None,
    };
    Some(Report::Input { id, outcome })
}
