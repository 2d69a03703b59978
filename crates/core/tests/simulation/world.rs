//! What is truly the case: programs, builds, and the reports about them that are on their way.
//! Performs actions, and refuses those that no shell must ever be asked for.
//!
//! Reports about one run arrive in the order of the facts, as over one shim's socket; those about
//! different runs overtake each other, and any may come again, much later.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bpm_core::fleet::{
    Action, BuildFailure, BuildOutcome, Ending, Event, Signalled, Snapshot, SpawnError, Typed,
};
use bpm_core::ids::{BuildId, Name, OpId, RunId, task_number};
use bpm_core::service::{Artefact, ServiceSnapshot, SnapshotPhase};
use bpm_core::time::Time;

use crate::draw::Draw;

#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Fact(Fact),
    /// Reaches the manager of that life only.
    Report(u64, Event),
    Deed(usize),
    /// The next manager begins.
    Rebirth,
}

#[derive(Clone, Debug)]
pub(crate) enum Fact {
    Starts(RunId),
    StartFails(RunId, SpawnError),
    LeaderEnds(RunId, Ending),
    AllEnd(RunId, Ending),
    ShimDies(RunId),
    BuildEnds(BuildId, BuildOutcome),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Launching,
    Up,
    LeaderGone,
    Gone,
}

#[derive(Clone, Debug)]
struct Program {
    stage: Stage,
    pid: u32,
    started: Time,
    ended: Option<(Ending, Time)>,
    failed: Option<SpawnError>,
    lost: bool,
    artefact: bool,
    manners: Manners,
    termed: bool,
    killed: bool,
}

/// How a program behaves.
#[derive(Clone, Copy, Debug)]
struct Manners {
    lives: Option<Duration>,
    code: i32,
    has_children: bool,
    heeds_term: bool,
    children_heed_term: bool,
    dies_in: Duration,
    /// How long it takes to vanish after KILL.
    vanishes_in: Duration,
}

#[derive(Clone, Debug)]
struct Making {
    /// `None` while it is under way.
    outcome: Option<BuildOutcome>,
    heeds_cancel: bool,
}

#[derive(Debug)]
pub(crate) struct World {
    seed: u64,
    pub(crate) now: Time,
    /// Faults happen.
    rough: bool,
    pub(crate) agenda: BTreeMap<(Time, u64), Happening>,
    programs: BTreeMap<RunId, Program>,
    makings: BTreeMap<BuildId, Making>,
    /// Highest run and build numbers that were ever used, per name.
    runs_used: BTreeMap<Name, u64>,
    builds_used: BTreeMap<Name, u64>,
    /// What was to be begun and never was; who has not yet heard of that may try to end it.
    never_began: BTreeSet<(Name, u64, bool)>,
    /// Runs whose end some manager was told of.
    pub(crate) told_gone: BTreeSet<RunId>,
    last_report: BTreeMap<(Name, u64, bool), Time>,
    /// Which manager listens; `None` while there is none.
    pub(crate) life: Option<u64>,
    sequence: u64,
}

type Checked = Result<(), String>;

impl World {
    pub(crate) fn new(seed: u64, now: Time) -> World {
        World {
            seed,
            now,
            rough: true,
            agenda: BTreeMap::new(),
            programs: BTreeMap::new(),
            makings: BTreeMap::new(),
            runs_used: BTreeMap::new(),
            builds_used: BTreeMap::new(),
            never_began: BTreeSet::new(),
            told_gone: BTreeSet::new(),
            last_report: BTreeMap::new(),
            life: None,
            sequence: 0,
        }
    }

    pub(crate) fn draw(&self, what: &str, process: &str, number: u64) -> Draw {
        let mut numbers: Vec<u64> = process.bytes().map(u64::from).collect();
        numbers.extend([number, u64::from(self.rough)]);
        Draw::new(self.seed, what, &numbers)
    }

    pub(crate) fn plan(&mut self, wait: Duration, what: Happening) {
        self.sequence += 1;
        self.agenda.insert((self.now + wait, self.sequence), what);
    }

    /// No more faults: programs live on and end when told.
    pub(crate) fn calm_down(&mut self) {
        self.rough = false;
        for program in self.programs.values_mut() {
            program.manners.heeds_term = true;
            program.manners.vanishes_in = Duration::ZERO;
        }
    }

    fn fact(&mut self, wait: Duration, fact: Fact) {
        self.plan(wait, Happening::Fact(fact));
    }

    fn report(&mut self, process: &Name, number: u64, is_build: bool, event: Event) {
        let Some(life) = self.life else { return };
        self.sequence += 1;
        let mut draw = self.draw("report", process, self.sequence);
        let delay = if self.rough && draw.percent(10) { draw.millis(3000) } else { draw.millis(20) };
        let key = (process.clone(), number, is_build);
        let at = (self.now + delay).max(self.last_report.get(&key).copied().unwrap_or_default());
        self.last_report.insert(key, at);
        self.agenda.insert((at, self.sequence), Happening::Report(life, event.clone()));
        if self.rough && draw.percent(15) {
            let again = at.after(self.now) + draw.millis(60_000);
            self.plan(again, Happening::Report(life, event));
        }
    }

    /// What a manager finds about what the one before left, told with the usual delay.
    pub(crate) fn found_late(&mut self, event: Event) {
        match &event {
            Event::BuildDone { build, .. } => self.report(&build.process.clone(), build.number, true, event),
            Event::Adopted { run, .. }
            | Event::Exited { run, .. }
            | Event::Lost { run, .. }
            | Event::SpawnFailed { run, .. }
            | Event::NeverStarted { run } => self.report_run(&run.clone(), event),
            _ => {}
        }
    }

    fn report_run(&mut self, run: &RunId, event: Event) {
        self.report(&run.process, run.number, false, event);
    }

    pub(crate) fn perform(&mut self, action: &Action) -> Checked {
        match action {
            Action::Build { build, .. } => self.build(build),
            Action::CancelBuild { build } => self.end_build(build, false),
            Action::KillBuild { build } => self.end_build(build, true),
            Action::Spawn { run, artefact, .. } => self.spawn(run, *artefact),
            Action::Terminate { run, .. } => self.signal(run, false),
            Action::Kill { run } => self.signal(run, true),
            Action::Input { run, op } => self.type_into(run, *op),
            Action::Signal { run, op, signal } => self.send_signal(run, *op, *signal),
            Action::Finish { .. } | Action::Note(_) | Action::Quit => Ok(()),
        }
    }

    /// One that somebody wants, and that ends what it ends.
    fn send_signal(&mut self, run: &RunId, op: OpId, signal: i32) -> Checked {
        let Some(program) = self.programs.get(run) else {
            return Err(format!("{run:?} is sent a signal but was never started"));
        };
        let (manners, up) = (program.manners, matches!(program.stage, Stage::Up | Stage::LeaderGone));
        let outcome = if up { Signalled::Sent { run: run.number } } else { Signalled::NotRunning };
        match signal {
            9 if up => self.fact(manners.vanishes_in, Fact::AllEnd(run.clone(), Ending::Signal(9))),
            1 if up && manners.heeds_term => {
                self.fact(manners.dies_in, Fact::LeaderEnds(run.clone(), Ending::Signal(1)));
            }
            _ => {}
        }
        self.report_run(run, Event::SignalDone { op, outcome });
        Ok(())
    }

    fn type_into(&mut self, run: &RunId, op: OpId) -> Checked {
        let Some(program) = self.programs.get(run) else {
            return Err(format!("{run:?} is typed into but was never started"));
        };
        let outcome = if program.stage == Stage::Up { Typed::Taken } else { Typed::Closed };
        self.report_run(run, Event::InputDone { op, outcome });
        Ok(())
    }

    fn build(&mut self, build: &BuildId) -> Checked {
        let used = self.builds_used.entry(build.process.clone()).or_default();
        if build.number <= *used {
            return Err(format!("build number {build:?} is used twice"));
        }
        *used = build.number;
        let beside = self.makings.iter().find(|(id, it)| id.process == build.process && it.outcome.is_none());
        if let Some((other, _)) = beside {
            return Err(format!("{build:?} begins while {other:?} is under way"));
        }
        let mut draw = self.draw("build", &build.process, build.number);
        let takes = if self.rough && draw.percent(10) { draw.millis(200_000) } else { draw.millis(15_000) };
        let outcome = match draw.below(100) {
            0..20 if self.rough => BuildOutcome::Failed(BuildFailure { reason: "error".to_owned() }),
            20..27 if self.rough => BuildOutcome::Lost,
            27..30 if self.rough => BuildOutcome::Cancelled,
            _ => BuildOutcome::Built { artefact: true },
        };
        let heeds_cancel = !self.rough || draw.percent(70);
        self.makings.insert(build.clone(), Making { outcome: None, heeds_cancel });
        self.fact(takes, Fact::BuildEnds(build.clone(), outcome));
        Ok(())
    }

    fn end_build(&mut self, build: &BuildId, kill: bool) -> Checked {
        let Some(making) = self.makings.get(build) else {
            if self.never_began.contains(&(build.process.clone(), build.number, true)) {
                return Ok(());
            }
            return Err(format!("{build:?} is ended but never began"));
        };
        if kill || making.heeds_cancel {
            let wait = self.draw("cancel", &build.process, build.number).millis(500);
            self.fact(wait, Fact::BuildEnds(build.clone(), BuildOutcome::Cancelled));
        }
        Ok(())
    }

    fn spawn(&mut self, run: &RunId, artefact: Option<Artefact>) -> Checked {
        let used = self.runs_used.entry(run.process.clone()).or_default();
        if run.number <= *used {
            return Err(format!("run number {run:?} is used twice"));
        }
        *used = run.number;
        if let Some(other) = self.alive(&run.process) {
            return Err(format!("{run:?} is started while {other:?} is alive"));
        }
        let is_task = task_number(&run.process).is_some();
        if let Some((before, _)) = self.programs.iter().find(|(id, _)| is_task && id.process == run.process) {
            return Err(format!("{run:?} is started, and {before:?} was: a task is run once"));
        }
        self.check_artefact(run, artefact)?;
        let manners = self.manners(run);
        let mut draw = self.draw("spawn", &run.process, run.number);
        let (wait, chance) = (draw.millis(300), draw.below(100));
        let program = Program {
            stage: Stage::Launching,
            pid: 1000 + u32::try_from(run.number).map_err(|error| error.to_string())?,
            started: self.now,
            ended: None,
            failed: None,
            lost: false,
            artefact: artefact.is_some(),
            manners,
            termed: false,
            killed: false,
        };
        self.programs.insert(run.clone(), program);
        let fails = |permanent| SpawnError { message: "cannot".to_owned(), permanent };
        self.fact(
            wait,
            match chance {
                0..8 if self.rough => Fact::StartFails(run.clone(), fails(false)),
                8..11 if self.rough => Fact::StartFails(run.clone(), fails(true)),
                _ => Fact::Starts(run.clone()),
            },
        );
        Ok(())
    }

    /// A build that was good, or a run that was started with an executable.
    fn check_artefact(&self, run: &RunId, artefact: Option<Artefact>) -> Checked {
        let process = run.process.clone();
        let there = match artefact {
            None => true,
            Some(Artefact::Build(number)) => {
                let making = self.makings.get(&BuildId { process, number });
                matches!(
                    making.and_then(|m| m.outcome.as_ref()),
                    Some(BuildOutcome::Built { artefact: true })
                )
            }
            Some(Artefact::Run(number)) => self
                .programs
                .get(&RunId { process, number })
                .is_some_and(|it| it.artefact && it.failed.is_none()),
        };
        there.then_some(()).ok_or_else(|| format!("{run:?} is to run {artefact:?}, which does not exist"))
    }

    fn manners(&self, run: &RunId) -> Manners {
        let mut draw = self.draw("manners", &run.process, run.number);
        let rough = self.rough;
        let lives = match draw.below(100) {
            0..10 => Some(Duration::ZERO),
            10..45 => Some(draw.millis(25_000)),
            _ => None,
        };
        let wedged = rough && draw.percent(15);
        Manners {
            lives: lives.filter(|_| rough),
            code: i32::from(draw.percent(60)),
            has_children: rough && draw.percent(40),
            heeds_term: !rough || draw.percent(70),
            children_heed_term: draw.percent(60),
            dies_in: draw.millis(3000),
            vanishes_in: if wedged { Duration::from_secs(1) + draw.millis(60_000) } else { draw.millis(50) },
        }
    }

    fn signal(&mut self, run: &RunId, kill: bool) -> Checked {
        if self.told_gone.contains(run) {
            return Err(format!("{run:?} is signalled after its end was reported"));
        }
        let Some(program) = self.programs.get_mut(run) else {
            if self.never_began.contains(&(run.process.clone(), run.number, false)) {
                return Ok(());
            }
            return Err(format!("{run:?} is signalled but was never started"));
        };
        match kill {
            true => program.killed = true,
            false => program.termed = true,
        }
        self.obey(run);
        Ok(())
    }

    /// What signals do to a program that is up.
    fn obey(&mut self, run: &RunId) {
        let Some(program) =
            self.programs.get(run).filter(|it| matches!(it.stage, Stage::Up | Stage::LeaderGone))
        else {
            return;
        };
        let (manners, leader_gone) = (program.manners, program.stage == Stage::LeaderGone);
        if program.killed {
            return self.fact(manners.vanishes_in, Fact::AllEnd(run.clone(), Ending::Signal(9)));
        }
        if !program.termed {
            return;
        }
        let children_go = !manners.has_children || manners.children_heed_term;
        match (leader_gone, manners.heeds_term) {
            (true, _) if children_go => {
                self.fact(manners.dies_in, Fact::AllEnd(run.clone(), Ending::Signal(15)));
            }
            (false, true) => {
                self.fact(manners.dies_in, Fact::LeaderEnds(run.clone(), Ending::Signal(15)));
                if children_go {
                    self.fact(manners.dies_in * 2, Fact::AllEnd(run.clone(), Ending::Signal(15)));
                }
            }
            _ => {}
        }
    }

    pub(crate) fn happens(&mut self, fact: Fact) {
        match fact {
            Fact::Starts(run) => self.starts(&run),
            Fact::StartFails(run, error) => {
                let Some(program) = self.staged(&run, &[Stage::Launching]) else { return };
                (program.stage, program.failed) = (Stage::Gone, Some(error.clone()));
                self.report_run(&run.clone(), Event::SpawnFailed { run, error });
            }
            Fact::LeaderEnds(run, ending) => self.leader_ends(&run, ending),
            Fact::AllEnd(run, ending) => self.all_end(&run, ending),
            Fact::ShimDies(run) => {
                let at = self.now;
                let alive = [Stage::Launching, Stage::Up, Stage::LeaderGone];
                let Some(program) = self.staged(&run, &alive) else { return };
                if program.killed {
                    return; // what cannot be killed cannot be lost either
                }
                (program.stage, program.lost) = (Stage::Gone, true);
                program.ended.get_or_insert((Ending::Lost, at));
                self.report_run(&run.clone(), Event::Lost { run, at });
            }
            Fact::BuildEnds(build, outcome) => {
                let Some(making) = self.makings.get_mut(&build).filter(|it| it.outcome.is_none()) else {
                    return;
                };
                making.outcome = Some(outcome.clone());
                self.report(&build.process.clone(), build.number, true, Event::BuildDone { build, outcome });
            }
        }
    }

    fn staged(&mut self, run: &RunId, stages: &[Stage]) -> Option<&mut Program> {
        self.programs.get_mut(run).filter(|program| stages.contains(&program.stage))
    }

    fn starts(&mut self, run: &RunId) {
        let now = self.now;
        let Some(program) = self.staged(run, &[Stage::Launching]) else { return };
        (program.stage, program.started) = (Stage::Up, now);
        let (pid, manners) = (program.pid, program.manners);
        self.report_run(run, Event::Spawned { run: run.clone(), pid });
        if let Some(life) = manners.lives {
            self.fact(life, Fact::LeaderEnds(run.clone(), Ending::Code(manners.code)));
        }
        self.obey(run);
    }

    fn leader_ends(&mut self, run: &RunId, ending: Ending) {
        let at = self.now;
        let Some(program) = self.staged(run, &[Stage::Up]) else { return };
        program.ended = Some((ending, at));
        let tree_empty = !program.manners.has_children;
        program.stage = if tree_empty { Stage::Gone } else { Stage::LeaderGone };
        // what a task leaves behind may also end by itself
        let mut draw = self.draw("survivors", &run.process, run.number);
        if task_number(&run.process).is_some() && !tree_empty && draw.percent(30) {
            self.fact(draw.millis(60_000), Fact::AllEnd(run.clone(), Ending::Code(0)));
        }
        self.report_run(run, Event::Exited { run: run.clone(), ending, at, tree_empty });
    }

    fn all_end(&mut self, run: &RunId, ending: Ending) {
        let at = self.now;
        let in_one = self.draw("one report", &run.process, run.number).percent(50);
        let Some(program) = self.staged(run, &[Stage::Up, Stage::LeaderGone]) else { return };
        program.stage = Stage::Gone;
        let leader_gone = program.ended.is_some();
        program.ended.get_or_insert((ending, at));
        if !leader_gone {
            self.report_run(run, Event::Exited { run: run.clone(), ending, at, tree_empty: in_one });
        }
        if leader_gone || !in_one {
            self.report_run(run, Event::TreeEmpty { run: run.clone() });
        }
    }

    fn alive(&self, process: &Name) -> Option<&RunId> {
        self.programs
            .iter()
            .find(|(id, it)| id.process == *process && it.stage != Stage::Gone)
            .map(|(id, _)| id)
    }

    pub(crate) fn anything_alive(&self) -> Option<String> {
        let program =
            self.programs.iter().find(|(_, it)| it.stage != Stage::Gone).map(|(id, _)| format!("{id:?}"));
        program.or_else(|| {
            self.makings.iter().find(|(_, it)| it.outcome.is_none()).map(|(id, _)| format!("{id:?}"))
        })
    }

    pub(crate) fn is_up(&self, run: &RunId) -> bool {
        self.programs.get(run).is_some_and(|program| program.stage == Stage::Up)
    }

    /// Programs of a process that are there.
    pub(crate) fn of(&self, process: &str) -> Vec<RunId> {
        let alive = |(id, it): &(&RunId, &Program)| *id.process == *process && it.stage != Stage::Gone;
        self.programs.iter().filter(alive).map(|(id, _)| id.clone()).collect()
    }

    /// The machine goes: nothing is left.
    pub(crate) fn reboot(&mut self) {
        let at = self.now;
        for program in self.programs.values_mut().filter(|it| it.stage != Stage::Gone) {
            program.stage = Stage::Gone;
            program.ended.get_or_insert((Ending::Lost, at));
        }
        for making in self.makings.values_mut() {
            making.outcome.get_or_insert(BuildOutcome::Lost);
        }
    }

    /// What the next manager finds about the runs and builds that the one before wrote down.
    pub(crate) fn recover(&mut self, snapshot: &Snapshot) -> Result<Vec<Event>, String> {
        self.check_all_is_written_down(snapshot)?;
        let mut found = Vec::new();
        for service in &snapshot.services {
            for run in service.live.iter().chain(&service.retiring) {
                if run.phase != SnapshotPhase::Waiting {
                    self.recover_run(RunId { process: service.name.clone(), number: run.number }, &mut found);
                }
            }
            for number in written_builds(service) {
                self.recover_build(BuildId { process: service.name.clone(), number }, &mut found);
            }
        }
        Ok(found)
    }

    fn recover_run(&mut self, run: RunId, found: &mut Vec<Event>) {
        let adopted_whole = self.draw("adopted", &run.process, run.number).percent(50);
        let Some(program) = self.programs.get(&run) else {
            let used = self.runs_used.entry(run.process.clone()).or_default();
            *used = (*used).max(run.number); // its directory may exist
            self.never_began.insert((run.process.clone(), run.number, false));
            return found.push(Event::NeverStarted { run });
        };
        let (pid, started) = (program.pid, program.started);
        let (ending, at) = program.ended.unwrap_or((Ending::Lost, self.now));
        match (program.stage, &program.failed) {
            (Stage::Launching, _) => {} // its shim will tell
            (Stage::Up, _) => found.push(Event::Adopted { run, pid, started }),
            (Stage::Gone, Some(error)) => found.push(Event::SpawnFailed { run, error: error.clone() }),
            (Stage::Gone, None) if program.lost => found.push(Event::Lost { run, at }),
            (stage, _) => {
                if adopted_whole {
                    found.push(Event::Adopted { run: run.clone(), pid, started });
                }
                found.push(Event::Exited { run, ending, at, tree_empty: stage == Stage::Gone });
            }
        }
    }

    fn recover_build(&mut self, build: BuildId, found: &mut Vec<Event>) {
        match self.makings.get(&build).map(|making| making.outcome.clone()) {
            Some(Some(outcome)) => found.push(Event::BuildDone { build, outcome }),
            Some(None) => {} // its shim will tell
            None => {
                let used = self.builds_used.entry(build.process.clone()).or_default();
                *used = (*used).max(build.number);
                self.never_began.insert((build.process.clone(), build.number, true));
                found.push(Event::BuildDone { build, outcome: BuildOutcome::NeverStarted });
            }
        }
    }

    fn check_all_is_written_down(&self, snapshot: &Snapshot) -> Checked {
        let service = |name: &Name| snapshot.services.iter().find(|service| service.name == *name);
        for (run, _) in self.programs.iter().filter(|(_, it)| it.stage != Stage::Gone) {
            let mut written =
                service(&run.process).into_iter().flat_map(|s| s.live.iter().chain(&s.retiring));
            if !written.any(|it| it.number == run.number && it.phase != SnapshotPhase::Waiting) {
                return Err(format!("{run:?} is alive, and the snapshot does not know it"));
            }
        }
        for (build, _) in self.makings.iter().filter(|(_, it)| it.outcome.is_none()) {
            let mut written = service(&build.process).into_iter().flat_map(written_builds);
            if !written.any(|number| number == build.number) {
                return Err(format!("{build:?} is under way, and the snapshot does not know it"));
            }
        }
        Ok(())
    }
}

fn written_builds(service: &ServiceSnapshot) -> Vec<u64> {
    service.next.and_then(|(_, _, build)| build).into_iter().chain(service.cancelling).collect()
}
