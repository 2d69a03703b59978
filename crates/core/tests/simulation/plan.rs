//! What people, agents and fate do to the project in one simulation, and how to shorten that list.

use std::time::Duration;

use bpm_core::config::{Config, GiveUp, Process, RestartPolicy};
use bpm_core::ids::Mode;

use crate::draw::Draw;
use crate::support::{command, config, rust, secs};

pub(crate) const NAMES: [&str; 4] = ["api", "web", "job", "cron"];

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) deeds: Vec<Deed>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Deed {
    pub(crate) after: Duration,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    Start(&'static str),
    Stop(&'static str),
    Restart(&'static str, Option<Mode>),
    /// The same under a key that others use, too.
    RestartWithKey(&'static str, u64),
    RunTask {
        kill_after: Option<Duration>,
    },
    /// The newest task but so many.
    StopTask(usize),
    CrashTask(usize),
    LoseTask(usize),
    /// Into a process, or with a number into the newest task but so many.
    Type(&'static str, Option<usize>, u64),
    /// The same with a key and a signal.
    Signal(&'static str, Option<usize>, u64, i32),
    Apply(usize),
    Shutdown,
    Activity,
    /// A tick that nothing asked for.
    StrayTick,
    /// The manager is killed after its next step, when so many of the step's actions were performed;
    /// the next one comes `down` later and may find another configuration.
    Die {
        performed: usize,
        down: Duration,
        config: Option<usize>,
        fresh: bool,
    },
    /// The whole machine goes, and comes back.
    Reboot,
    /// The shims of a process are killed.
    LoseShims(&'static str),
    /// Every program of a process ends.
    Crash(&'static str),
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Plan {
        let mut draw = Draw::new(seed, "plan", &[]);
        let mut deeds = Vec::new();
        for _ in 0..8 + draw.below(30) {
            let after = if draw.percent(40) { draw.millis(50) } else { draw.millis(12_000) };
            deeds.push(Deed { after, what: what(&mut draw) });
        }
        Plan { seed, deeds }
    }

    /// Leaves out deeds, in smaller and smaller pieces, as long as `fails`.
    pub(crate) fn shrink(&self, fails: impl Fn(&Plan) -> bool) -> Plan {
        let mut best = self.clone();
        let mut piece = best.deeds.len();
        while piece > 0 {
            let mut start = 0;
            while start < best.deeds.len() {
                let mut shorter = best.clone();
                let end = (start + piece).min(shorter.deeds.len());
                shorter.deeds.drain(start..end);
                match fails(&shorter) {
                    true => best = shorter,
                    false => start += piece,
                }
            }
            piece /= 2;
        }
        best
    }
}

fn what(draw: &mut Draw) -> What {
    let name = *draw.pick(&NAMES);
    let few = |draw: &mut Draw, bound| usize::try_from(draw.below(bound)).expect("few");
    match draw.below(130) {
        0..12 => What::Start(name),
        12..24 => What::Stop(name),
        24..45 => What::Restart(name, *draw.pick(&[None, None, Some(Mode::Dev), Some(Mode::Release)])),
        45..50 => What::RestartWithKey(name, draw.below(3)),
        50..58 => What::Apply(few(draw, 5)),
        58..62 => What::Shutdown,
        62..66 => What::Activity,
        66..69 => What::StrayTick,
        69..85 => What::Die {
            performed: *draw.pick(&[0, 0, 1, 2, 3, 100]),
            down: if draw.percent(70) { draw.millis(100) } else { draw.millis(90_000) },
            config: draw.percent(20).then(|| few(draw, 5)),
            fresh: draw.percent(20),
        },
        85..87 => What::Reboot,
        87..93 => What::LoseShims(name),
        93..100 => What::Crash(name),
        100..114 => {
            let limit = draw.millis(20_000) + Duration::from_millis(1);
            What::RunTask { kill_after: draw.percent(40).then_some(limit) }
        }
        114..120 => What::StopTask(few(draw, 3)),
        120..122 => What::CrashTask(few(draw, 3)),
        122..124 => What::LoseTask(few(draw, 3)),
        _ => {
            let task = draw.percent(60).then(|| few(draw, 3));
            match draw.percent(30) {
                true => What::Signal(name, task, draw.below(4), *draw.pick(&[1, 9, 28])),
                false => What::Type(name, task, draw.below(4)),
            }
        }
    }
}

/// The configurations that are put into force.
pub(crate) fn configuration(which: usize) -> Config {
    let give_up = Some(GiveUp { crashes: 4, within: secs(30.0) });
    let mut hasty = rust("web");
    hasty.stop.grace = secs(0.0);
    let once = Process { restart: RestartPolicy::OnFailure, ..command("job") };
    let processes = match which {
        0 => vec![rust("api"), rust("web"), once],
        1 => vec![Process { give_up, ..rust("api") }, hasty, command("cron")],
        2 => vec![Process { autostart: false, ..rust("cron") }, command("web")],
        3 => vec![Process { restart: RestartPolicy::Never, ..rust("job") }, rust("api")],
        _ => vec![],
    };
    let mut config = config(processes);
    config.timing.dev_timeout = secs(40.0);
    config.timing.dev_crash_wait = secs(5.0);
    config.timing.backoff_max = secs(30.0);
    if which == 3 {
        config.timing.backoff_initial = Duration::ZERO;
    }
    config
}
