//! Plays one plan: the manager's step loop, its deaths and rebirths, and at the end a calm in which
//! all that is wanted must come up, and a shutdown after which nothing is left.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bpm_core::config::Config;
use bpm_core::fleet::{Action, Boot, Ending, Event, Fleet, Request, Snapshot};
use bpm_core::ids::{Key, Name, OpId, RunId, task_name};
use bpm_core::service::{Intent, TaskRules};
use bpm_core::time::Time;

use crate::oracle::Oracle;
use crate::plan::{Deed, Plan, What, configuration};
use crate::support::words;
use crate::tasks::Ledger;
use crate::world::{Fact, Happening, World};

#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) why: String,
    pub(crate) log: Vec<String>,
}

/// The log, if anything is wrong or `verbose`.
pub(crate) fn play(plan: &Plan, verbose: bool) -> Result<Vec<String>, Failure> {
    let mut stage = Stage::new(plan, verbose);
    let played = catch_unwind(AssertUnwindSafe(|| stage.play()));
    let why = match played {
        Ok(Ok(())) => return Ok(stage.log),
        Ok(Err(why)) => why,
        Err(_) => "it panicked".to_owned(),
    };
    Err(Failure { why, log: stage.log })
}

struct Stage<'a> {
    plan: &'a Plan,
    world: World,
    config: Config,
    /// `None` while no manager lives; then what it wrote down last is in `written`.
    manager: Option<(Fleet, Oracle)>,
    written: Snapshot,
    ledger: Ledger,
    doom: Option<Doom>,
    fresh: bool,
    lives: u64,
    ops: u64,
    verbose: bool,
    log: Vec<String>,
}

#[derive(Clone, Copy)]
struct Doom {
    performed: usize,
    down: Duration,
    config: Option<usize>,
}

const START: Time = Time::from_nanos(1_000_000_000_000);
/// Long enough for what is stuck to go, for builds, back-offs and release switches to end.
const CALM: Duration = Duration::from_secs(600);

impl<'a> Stage<'a> {
    fn new(plan: &'a Plan, verbose: bool) -> Stage<'a> {
        Stage {
            plan,
            world: World::new(plan.seed, START),
            config: configuration(usize::try_from(plan.seed % 4).expect("small")),
            manager: None,
            written: Snapshot::empty(START),
            ledger: Ledger::default(),
            doom: None,
            fresh: false,
            lives: 0,
            ops: 0,
            verbose,
            log: Vec::new(),
        }
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.verbose {
            let line = line();
            self.log.push(format!("{:>9.3} {line}", self.world.now.since(START).as_secs_f64()));
        }
    }

    fn play(&mut self) -> Result<(), String> {
        self.world.plan(Duration::ZERO, Happening::Rebirth);
        let mut at = Duration::ZERO;
        for (index, deed) in self.plan.deeds.iter().enumerate() {
            at += deed.after;
            self.world.plan(at, Happening::Deed(index));
        }
        self.run_until(START + at + Duration::from_millis(1))?; // what happens at that instant included
        self.calm_down()?;
        self.check_progress()?;
        self.end()
    }

    /// No more faults: whatever is wanted comes up by itself, or says why not.
    fn calm_down(&mut self) -> Result<(), String> {
        self.world.calm_down();
        self.doom = None;
        self.run_until(self.world.now + CALM)?;
        let Some((fleet, oracle)) = &self.manager else { return Err("no manager came back".to_owned()) };
        for service in fleet.services().iter().filter(|service| service.intent() == Intent::Up) {
            let ready = service
                .live()
                .is_some_and(|run| run.is_ready() && self.world.is_up(&self.id(service.name(), run.number)));
            if !ready && service.rest().is_none() {
                return Err(format!(
                    "{} is wanted and never comes up",
                    words::service(service, self.world.now)
                ));
            }
        }
        match oracle.open() {
            Some(op) => Err(format!("{op:?} never finishes")),
            None => Ok(()),
        }
    }

    fn id(&self, process: &Name, number: u64) -> RunId {
        RunId { process: process.clone(), number }
    }

    /// A restart brings up anything, also what was parked.
    fn check_progress(&mut self) -> Result<(), String> {
        let names: Vec<Name> =
            self.config.processes.iter().map(|process| Name::from(process.name.as_str())).collect();
        for process in names.clone() {
            self.ask(Request::Restart { process, recipe: None })?;
        }
        self.run_until(self.world.now + Duration::from_secs(39))?;
        let Some((fleet, oracle)) = &self.manager else { return Err("the manager left".to_owned()) };
        for name in &names {
            let live = fleet.service(name).and_then(|service| service.live());
            if !live.is_some_and(|run| run.is_ready() && self.world.is_up(&self.id(name, run.number))) {
                return Err(format!("{name} was restarted in calm weather and is not up"));
            }
        }
        match oracle.open() {
            Some(op) => Err(format!("{op:?} never finishes")),
            None => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), String> {
        let life = self.lives;
        self.ask(Request::Shutdown)?;
        let until = self.world.now + Duration::from_secs(60);
        while self.manager.is_some() && self.lives == life && self.world.now < until {
            self.one(until)?;
        }
        match (&self.manager, self.world.anything_alive()) {
            (Some(_), _) => Err("it never ends".to_owned()),
            (None, Some(left)) => Err(format!("it ended and left {left}")),
            (None, None) => Ok(()),
        }
    }

    fn run_until(&mut self, until: Time) -> Result<(), String> {
        while self.world.now < until {
            self.one(until)?;
        }
        Ok(())
    }

    /// The next thing that happens, in the world or because a deadline has come.
    fn one(&mut self, until: Time) -> Result<(), String> {
        let late = self.world.draw("late", "", self.world.now.as_nanos()).millis(20);
        let deadline = self
            .manager
            .as_ref()
            .and_then(|(fleet, _)| fleet.next_deadline())
            .map(|at| at.max(self.world.now) + late);
        let next = self.world.agenda.first_key_value().map(|((at, _), _)| *at);
        let at = deadline.into_iter().chain(next).min().unwrap_or(until);
        if at > until {
            self.world.now = until;
            return Ok(());
        }
        self.world.now = at;
        if next.is_none_or(|next| next > at) {
            return if deadline == Some(at) { self.step(&Event::Tick) } else { Ok(()) };
        }
        match self.world.agenda.pop_first().map(|(_, happening)| happening) {
            Some(Happening::Fact(fact)) => {
                self.tell(|| format!("  world: {fact:?}"));
                self.world.happens(fact);
                Ok(())
            }
            Some(Happening::Report(life, event)) if self.world.life == Some(life) => self.step(&event),
            Some(Happening::Deed(index)) => self.deed(self.plan.deeds[index]),
            Some(Happening::Rebirth) => self.rebirth(),
            Some(Happening::Report(..)) | None => Ok(()),
        }
    }

    fn deed(&mut self, deed: Deed) -> Result<(), String> {
        self.tell(|| format!("deed: {:?}", deed.what));
        match deed.what {
            What::Start(process) => self.ask(Request::Start { process: process.into() }),
            What::Stop(process) => self.ask(Request::Stop { process: process.into() }),
            What::Restart(process, recipe) => self.ask(Request::Restart { process: process.into(), recipe }),
            What::RestartWithKey(process, key) => {
                let what = Request::Restart { process: process.into(), recipe: None };
                self.ask_with_key(Some(format!("restart {key}").into()), what)
            }
            What::RunTask { .. }
            | What::StopTask(_)
            | What::CrashTask(_)
            | What::LoseTask(_)
            | What::Type(..)
            | What::Signal(..) => self.deed_about_tasks(deed.what),
            What::Apply(which) => {
                let config = configuration(which);
                if self.manager.as_ref().is_some_and(|(fleet, _)| !fleet.is_closing()) {
                    self.config = config.clone();
                }
                self.ask(Request::Apply { config: Arc::new(config) })
            }
            What::Shutdown => self.ask(Request::Shutdown),
            What::Activity => self.step(&Event::Activity),
            What::StrayTick => self.step(&Event::Tick),
            What::Die { performed, down, config, fresh } => {
                self.doom = self.manager.is_some().then_some(Doom { performed, down, config });
                self.fresh = fresh;
                Ok(())
            }
            What::Reboot => {
                self.write_down();
                self.world.reboot();
                self.ledger.rebooted();
                self.die(Duration::from_secs(1));
                self.written = self.written.clone().at_rest(self.world.now);
                Ok(())
            }
            What::LoseShims(process) => self.happens_to(process, Fact::ShimDies),
            What::Crash(process) => self.happens_to(process, |run| Fact::LeaderEnds(run, Ending::Signal(11))),
        }
    }

    fn deed_about_tasks(&mut self, what: What) -> Result<(), String> {
        match what {
            What::RunTask { kill_after } => {
                let Some((fleet, _)) = &self.manager else { return Ok(()) };
                let task = task_name(fleet.next_task());
                self.ask(Request::RunTask { task, rules: TaskRules { kill_after } })
            }
            What::StopTask(which) => match self.task(which) {
                Some(process) => self.ask(Request::Stop { process }),
                None => Ok(()),
            },
            What::CrashTask(which) => match self.task(which) {
                Some(process) => self.happens_to(&process, |run| Fact::LeaderEnds(run, Ending::Signal(11))),
                None => Ok(()),
            },
            What::LoseTask(which) => match self.task(which) {
                Some(process) => self.happens_to(&process, Fact::ShimDies),
                None => Ok(()),
            },
            What::Type(process, task, key) => {
                let process = task.and_then(|which| self.task(which)).unwrap_or_else(|| process.into());
                let key = (key > 0).then(|| format!("type {key}").into());
                self.ask_with_key(key, Request::Input { process })
            }
            What::Signal(process, task, key, signal) => {
                let process = task.and_then(|which| self.task(which)).unwrap_or_else(|| process.into());
                let key = (key > 0).then(|| format!("signal {key}").into());
                self.ask_with_key(key, Request::Signal { process, signal })
            }
            _ => Ok(()),
        }
    }

    /// The newest task but so many.
    fn task(&self, which: usize) -> Option<Name> {
        let mut tasks = self.ledger.accepted();
        tasks.sort_by_key(|name| bpm_core::ids::task_number(name));
        tasks.into_iter().rev().nth(which)
    }

    fn happens_to(&mut self, process: &str, fact: impl Fn(RunId) -> Fact) -> Result<(), String> {
        self.world.of(process).into_iter().for_each(|run| self.world.happens(fact(run)));
        Ok(())
    }

    fn ask(&mut self, what: Request) -> Result<(), String> {
        self.ask_with_key(None, what)
    }

    fn ask_with_key(&mut self, key: Option<Key>, what: Request) -> Result<(), String> {
        self.ops += 1;
        let op = OpId(self.ops);
        let Some((_, oracle)) = &mut self.manager else { return Ok(()) };
        oracle.asked(op);
        self.step(&Event::Asked { op, key, what })
    }

    /// One step of the manager; what it wants done is performed after its state was written down.
    fn step(&mut self, event: &Event) -> Result<(), String> {
        let now = self.world.now;
        let Some((fleet, oracle)) = &mut self.manager else { return Ok(()) };
        let actions = fleet.step(event.clone(), now);
        if let Event::TreeEmpty { run }
        | Event::Lost { run, .. }
        | Event::SpawnFailed { run, .. }
        | Event::Exited { run, tree_empty: true, .. } = event
        {
            self.world.told_gone.insert(run.clone());
        }
        let judged = oracle.judge(fleet, event, &actions, now);
        let judged = judged.and_then(|()| self.ledger.judge(fleet, event, &actions));
        if self.verbose {
            let after = words::fleet(fleet, now);
            self.tell(|| format!("{} → {after}; {}", words::event(event), words::actions(&actions)));
        }
        judged?;
        let doom = self.doom.take();
        let leaves = actions.contains(&Action::Quit);
        if doom.is_some() || leaves {
            self.write_down();
        }
        for action in actions.iter().take(doom.map_or(usize::MAX, |doom| doom.performed)) {
            self.world.perform(action)?;
        }
        match doom {
            Some(doom) => {
                self.config = doom.config.map_or_else(|| self.config.clone(), configuration);
                self.die(doom.down);
            }
            None if leaves => self.die(Duration::from_secs(5)),
            None => {}
        }
        Ok(())
    }

    fn write_down(&mut self) {
        if let Some((fleet, _)) = &self.manager {
            self.written = fleet.snapshot();
        }
    }

    fn die(&mut self, down: Duration) {
        if self.manager.take().is_some() {
            self.tell(|| "the manager is gone".to_owned());
            self.world.life = None;
            self.world.plan(down, Happening::Rebirth);
        }
    }

    fn rebirth(&mut self) -> Result<(), String> {
        if self.manager.is_some() {
            return Ok(());
        }
        self.lives += 1;
        let now = self.world.now;
        let found = self.world.recover(&self.written)?;
        let mut snapshot = self.written.clone();
        if snapshot.ended {
            snapshot = snapshot.at_rest(now);
        }
        let life = self.lives;
        self.tell(|| format!("manager {life} begins"));
        let fleet = Fleet::restore(&self.config, snapshot, now);
        self.ledger.reborn(&self.written, &fleet)?;
        let oracle = Oracle::new(&fleet);
        self.manager = Some((fleet, oracle));
        self.world.life = Some(self.lives);
        // the manager does not end itself while somebody may come
        self.step(&Event::Clients { connected: 1 })?;
        let fresh = std::mem::take(&mut self.fresh);
        let boot = Event::Boot(Boot { dev: self.lives.is_multiple_of(5), fresh });
        // shims take their time to answer, and what is asked for meanwhile comes before the boot
        let mut draw = self.world.draw("found", "", life);
        if !draw.percent(40) {
            for event in found {
                self.step(&event)?;
            }
            return self.step(&boot);
        }
        found.into_iter().for_each(|event| self.world.found_late(event));
        self.world.plan(draw.millis(5000), Happening::Report(life, boot));
        Ok(())
    }
}
