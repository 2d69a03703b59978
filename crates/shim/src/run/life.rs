//! The state of a run from the fork to the last process's end, and what each happening does to it. No polling here.

use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use bpm_logs::{Limits, Now, Writer};
use rustix::process::Signal;

use crate::cgroup::{self, Cgroup};
use crate::clock;
use crate::control::Control;
use crate::exit_record::{ExitRecord, Outcome, Rest, Slot};
use crate::input::Input;
use crate::output::{Output, Turn};
use crate::plan::Plan;
use crate::proc::Stat;
use crate::protocol::{
    Exit, Leader, LogStatus, Phase, Report, Request, SpawnFailure, Stamp, State, Status, Step, Tier, Usage,
};
use crate::spawn::{self, Starting};
use crate::stdio::{self, Ours};
use crate::sys::{self, ChildNote, Reap, Reaped};
use crate::tree::{self, Tree};

const FIRST_KILL_PAUSE_NS: u64 = 10_000_000;
const LONGEST_KILL_PAUSE_NS: u64 = 1_000_000_000;
/// About half a minute of looking again by the clock; from then on only when a child ends.
const MAX_KILL_PAUSES: u32 = 36;

/// A run, as its shim sees it.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) plan: Plan,
    slot: Slot,
    pub(super) log: Writer,
    pub(super) signals: OwnedFd,
    pub(super) input: Input,
    pub(super) stdout: Option<Output>,
    pub(super) stderr: Option<Output>,
    cgroup: Option<Cgroup>,
    tier: Tier,
    started: Stamp,
    pid: u32,
    pidfd: Option<OwnedFd>,
    pub(super) starting: Option<Starting>,
    notes: Vec<u8>,
    leader: Option<Leader>,
    outcome: Option<Outcome>,
    exit: Option<Exit>,
    release: bool,
    pub(super) killing: Option<Killing>,
    alarm: Option<i32>,
    over: bool,
}

/// A tree being killed: when to look again, should no child's end say so first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Killing {
    pub(super) next_mono_ns: Option<u64>,
    pause_ns: u64,
    pauses: u32,
}

/// The record of a start that never came to a child.
pub(super) fn refused(failure: SpawnFailure) -> ExitRecord {
    let now = clock::stamp();
    ExitRecord {
        outcome: Outcome::SpawnFailed(failure),
        rest: Rest::Empty,
        started: now,
        ended: now,
        boot_id: clock::boot_id(),
        usage: Usage::default(),
        log_bytes: 0,
        lost_bytes: 0,
        lost_lines: 0,
    }
}

impl Life {
    /// Opens the log and forks the program.
    pub(super) fn new(
        mut plan: Plan,
        slot: Slot,
        signals: OwnedFd,
    ) -> Result<Self, Box<(SpawnFailure, Slot)>> {
        let log = match Writer::open(Path::new("."), Limits::for_max_bytes(plan.log_max_bytes)) {
            Ok(log) => log,
            Err(error) => {
                return Err(Box::new((spawn::failure(Step::Prepare, "cannot open the log", &error), slot)));
            }
        };
        let (cgroup, tier) = make_cgroup(&plan);
        let started = clock::stamp();
        let opened = stdio::open(&plan).and_then(|(ours, theirs)| {
            spawn::start(&plan, &theirs, cgroup.as_ref()).map(|starting| (ours, starting))
        });
        let (Ours { input, stdout, stderr }, starting) = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                cgroup.iter().for_each(|cgroup| cgroup::remove(cgroup.dir()));
                return Err(Box::new((failure, slot)));
            }
        };
        // Easily the largest thing in this process, and of no further use.
        (plan.args, plan.env) = (Vec::new(), Vec::new());
        Ok(Self {
            pid: starting.pid,
            pidfd: tree::pidfd(starting.pid),
            release: plan.leave_behind,
            starting: Some(starting),
            notes: Vec::new(),
            leader: None,
            outcome: None,
            exit: None,
            killing: None,
            alarm: None,
            over: false,
            plan,
            slot,
            log,
            signals,
            input,
            stdout,
            stderr,
            cgroup,
            tier,
            started,
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// One request of connection `index`.
    pub(super) fn obey(&mut self, control: &mut Control, index: usize, request: &Request) {
        match *request {
            Request::Hello { .. } => {
                let outputs = [&self.stdout, &self.stderr];
                let there = outputs.map(Option::is_some);
                let fds: Vec<BorrowedFd<'_>> = outputs.into_iter().flatten().map(Output::fd).collect();
                let tag = self.plan.run_tag.clone();
                control.greet(
                    index,
                    |copies| {
                        let all = copies.len() == fds.len();
                        super::welcome(tag, all && there[0], all && there[1])
                    },
                    &fds,
                );
                control.send(index, &Report::State(self.state()));
            }
            Request::Status => control.send(index, &Report::State(self.state())),
            Request::Signal { signal } => {
                if let Some(signal) = Signal::from_named_raw(signal) {
                    self.tree().signal(signal);
                }
            }
            Request::Kill => {
                self.killing = Some(Killing { next_mono_ns: None, pause_ns: FIRST_KILL_PAUSE_NS, pauses: 0 });
                self.kill_round();
            }
            Request::Survivors => {
                let (total, list) = self.tree().survivors();
                control.send(index, &Report::Survivors { total, list });
            }
            Request::Release => self.release = true,
            Request::Resize { rows, columns } => self.input.resize(rows, columns),
            Request::Input { id, ref bytes, end } => {
                let outcome = self.input.take(bytes, end);
                control.send(index, &Report::Input { id, outcome });
            }
            Request::Live { on } => {
                control.set_live(index, on);
                self.hurry(control);
            }
        }
    }

    /// What is printed at a terminal is readable at once while somebody looks at it; there is no other stream that it could cut.
    pub(super) fn hurry(&mut self, control: &Control) {
        self.log.hurry(self.input.is_terminal() && control.is_live(), Now::read());
        self.log.settle();
    }

    fn tree(&self) -> Tree<'_> {
        Tree { root: std::process::id(), cgroup: self.cgroup.as_ref().map(Cgroup::dir) }
    }

    /// KILL to everybody there is now; what forks meanwhile, or cannot die yet, is met at the next look.
    pub(super) fn kill_round(&mut self) {
        let Some(mut killing) = self.killing else { return };
        // The one signal that a fork cannot outrun, for those who stayed in the leader's group.
        if let Some(leader) = &self.pidfd {
            let _ = sys::kill_group(leader.as_fd());
        }
        self.tree().kill_round();
        killing.next_mono_ns =
            (killing.pauses < MAX_KILL_PAUSES).then(|| Now::read().mono_ns + killing.pause_ns);
        killing.pauses += 1;
        killing.pause_ns = (killing.pause_ns * 2).min(LONGEST_KILL_PAUSE_NS);
        self.killing = Some(killing);
    }

    /// Takes a turn at both outputs. Whether there is probably more already.
    pub(super) fn read_outputs(&mut self, control: &mut Control, ready: [bool; 2]) -> bool {
        let now = Now::read();
        let mut busy = false;
        for (output, ready) in [&mut self.stdout, &mut self.stderr].into_iter().zip(ready) {
            let turn = match output {
                Some(output) if ready => output.turn(&mut self.log, now),
                _ => continue,
            };
            busy |= turn == Turn::Busy;
            if turn == Turn::Ended {
                *output = None;
            }
        }
        self.check_disk(control);
        busy
    }

    /// Tells everybody when the log stops being written, and when it goes on.
    pub(super) fn check_disk(&mut self, control: &mut Control) {
        let found = self.log.status().disk_error;
        if mem::replace(&mut self.alarm, found) != found {
            control.push(&found.map_or(Report::AlarmCleared, |errno| Report::Alarm { errno }));
        }
    }

    /// Hears what the child says before exec; its end-of-file means that the program runs.
    pub(super) fn read_notes(&mut self, control: &mut Control) {
        let Some(starting) = &self.starting else { return };
        let mut buffer = [0; 8 * ChildNote::BYTES];
        match rustix::io::read(&starting.notes, &mut buffer) {
            Ok(0) => {}
            Ok(len) => {
                self.notes.extend_from_slice(&buffer[..len]);
                return self.read_notes(control);
            }
            Err(_) => return,
        }
        self.starting = None;
        let notes = mem::take(&mut self.notes);
        for note in notes.as_chunks().0.iter().filter_map(|bytes| ChildNote::decode(*bytes)) {
            if let ChildNote::Cgroup(errno) = note {
                self.cgroup.take().iter().for_each(|cgroup| cgroup::remove(cgroup.dir()));
                self.tier = Tier::Tree { cgroup_errno: Some(errno) };
            }
            if let Some(failure) = spawn::explain(&self.plan, note) {
                self.outcome = Some(Outcome::SpawnFailed(failure));
                return;
            }
        }
        let start_ticks = Stat::read(self.pid).map_or(0, |stat| stat.start_ticks);
        let leader = Leader { pid: self.pid, start_ticks };
        self.leader = Some(leader);
        control.push(&Report::Started { leader, at: self.started, tier: self.tier });
        sys::trim_heap();
    }

    /// Reaps whoever ended, and draws the conclusions.
    pub(super) fn children_changed(&mut self, control: &mut Control) {
        self.read_notes(control);
        let mut leader = None;
        let childless = loop {
            match sys::reap() {
                Reap::One(reaped) if reaped.pid == self.pid => leader = Some(reaped),
                Reap::One(_) => {}
                Reap::Waiting => break false,
                Reap::Childless => break true,
            }
        };
        // A child that ended between the look at its notes and the reaping has said its last word by now.
        self.read_notes(control);
        if let Some(reaped) = leader {
            self.leader_ended(control, reaped, childless);
        }
        if childless {
            self.end(control, Rest::Empty);
        } else if self.killing.is_some() {
            self.kill_round();
        }
    }

    /// Once all that the leader wrote is on disk, its end is made known.
    fn leader_ended(&mut self, control: &mut Control, reaped: Reaped, childless: bool) {
        if self.outcome.is_some() {
            return;
        }
        let exit = Exit { status: reaped.status, at: clock::stamp(), usage: reaped.usage };
        self.drain();
        self.check_disk(control);
        self.outcome = Some(Outcome::Exited(exit.status));
        self.exit = Some(exit);
        self.record(if childless { Rest::Empty } else { Rest::Running });
        control.push(&Report::Exited(exit));
    }

    /// Leaves the rest of the tree, if it is to be left and the leader is gone.
    pub(super) fn release_if_asked(&mut self, control: &mut Control) {
        if self.release && !self.over && self.exit.is_some() {
            self.end(control, Rest::Released);
        }
    }

    fn end(&mut self, control: &mut Control, rest: Rest) {
        self.drain();
        self.check_disk(control);
        self.record(rest);
        self.over = true;
        if let Some(Outcome::SpawnFailed(failure)) = &self.outcome {
            control.push(&Report::SpawnFailed(failure.clone()));
        }
        // Where somebody lives on in it, it stays.
        self.cgroup.take().iter().for_each(|cgroup| cgroup::remove(cgroup.dir()));
        control.push(&Report::TreeEmpty { at: clock::stamp(), empty: rest == Rest::Empty });
    }

    fn drain(&mut self) {
        let now = Now::read();
        for output in [&mut self.stdout, &mut self.stderr].into_iter().flatten() {
            output.drain(&mut self.log, now);
        }
        // Half a line that somebody who lives on may yet complete is worth less than its being there now.
        self.log.finish(now);
    }

    fn record(&self, rest: Rest) {
        let log = self.log.status();
        let unknown = Outcome::Exited(Status::Code(-1));
        // Nothing more can be done about a failure: the space was there, so it is the disk itself.
        let _ = self.slot.write(&ExitRecord {
            outcome: self.outcome.clone().unwrap_or(unknown),
            rest,
            started: self.started,
            ended: self.exit.map_or_else(clock::stamp, |exit| exit.at),
            boot_id: clock::boot_id(),
            usage: self.exit.map(|exit| exit.usage).unwrap_or_default(),
            log_bytes: log.bytes,
            lost_bytes: log.lost_bytes,
            lost_lines: log.lost_lines,
        });
    }

    fn state(&self) -> State {
        let log = self.log.status();
        State {
            phase: match (&self.starting, self.exit) {
                _ if self.over => Phase::Done,
                (Some(_), _) => Phase::Starting,
                (None, Some(_)) => Phase::Leaderless,
                (None, None) => Phase::Running,
            },
            leader: self.leader,
            started: self.started,
            exit: self.exit,
            tier: self.tier,
            killing: self.killing.is_some(),
            log: LogStatus {
                bytes: log.bytes,
                lines: log.lines,
                lost_bytes: log.lost_bytes,
                lost_lines: log.lost_lines,
                disk_errno: log.disk_error,
            },
            input: self.input.status(),
        }
    }
}

/// The plan's cgroup, or why it cannot be had.
fn make_cgroup(plan: &Plan) -> (Option<Cgroup>, Tier) {
    match plan.cgroup.as_deref().map(Cgroup::create) {
        None => (None, Tier::Tree { cgroup_errno: None }),
        Some(Ok(cgroup)) => (Some(cgroup), Tier::Cgroup),
        Some(Err(error)) => (None, Tier::Tree { cgroup_errno: Some(error.raw_os_error().unwrap_or(0)) }),
    }
}
