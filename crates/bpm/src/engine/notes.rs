//! What happened, told: to the journal, to each process's recent events, and to whoever follows.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bpm_api::{EventKind, EventLine, Origin};
use bpm_core::fleet::{Change, Note};
use bpm_core::ids::{BuildId, Name, task_number};
use bpm_core::service::{Cause, StopReason};
use bpm_core::signals::signal_name;
use tokio::sync::mpsc;

use super::clock;
use super::hub::{Draft, Hub};
use crate::exec::watch;
use crate::store::build_progress::Progress;
use crate::store::journal::{Entry, Journal};

const RECENT: usize = 20;
/// Input of the same origin with shorter pauses than this, and nothing else between, is told once: somebody types.
const TYPING: Duration = Duration::from_secs(10);

/// Notes as they come, for the terminal. Who takes it must keep reading, or drop it.
#[derive(Debug)]
pub struct Feed(pub mpsc::UnboundedReceiver<Note>);

#[derive(Debug)]
pub(super) struct Notes {
    journal: Journal,
    recent: HashMap<Name, VecDeque<EventLine>>,
    /// Who typed last, and when, where nothing else has happened since.
    typing: HashMap<Name, (String, Instant)>,
    feed: Option<mpsc::UnboundedSender<Note>>,
    hub: Arc<Hub>,
}

impl Notes {
    pub(super) fn open(journal: PathBuf, hub: Arc<Hub>) -> Notes {
        let (recent, typing) = (HashMap::new(), HashMap::new());
        Notes { journal: Journal::open(journal), recent, typing, feed: None, hub }
    }

    /// Takes the place of the feed before.
    pub(super) fn feed(&mut self) -> Feed {
        let (feed, follower) = mpsc::unbounded_channel();
        self.feed = Some(feed);
        Feed(follower)
    }

    /// Forgets what happened to processes that are not there any more.
    pub(super) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.recent.retain(|name, _| is_there(name));
        self.typing.retain(|name, _| is_there(name));
    }

    pub(super) fn tell(&mut self, note: &Note, by: Option<&Origin>) {
        if self.goes_on_typing(note, by) {
            return;
        }
        let is_task = note.process.as_deref().and_then(task_number).is_some();
        let session = by.and_then(|origin| origin.session.clone());
        let (kind, run) = (kind_of(&note.change, is_task), run_of(&note.change));
        let rule = rule_of(&note.change).map(|rule| Origin::new("rule:", rule));
        self.say(note.process.as_ref(), kind, in_words(&note.change), by.or(rule.as_ref()), session, run);
        if self.feed.as_ref().is_some_and(|feed| feed.send(note.clone()).is_err()) {
            self.feed = None;
        }
    }

    fn goes_on_typing(&mut self, note: &Note, by: Option<&Origin>) -> bool {
        let Some(process) = &note.process else { return false };
        let before = self.typing.remove(process);
        let (Change::Requested { what: "input", .. }, Some(by)) = (&note.change, by) else { return false };
        let (by, now) = (who(by), Instant::now());
        let goes_on = before.is_some_and(|(who, at)| who == by && now.duration_since(at) < TYPING);
        self.typing.insert(process.clone(), (by, now));
        goes_on
    }

    /// Something that the core does not know of.
    pub(super) fn say(
        &mut self,
        process: Option<&Name>,
        kind: EventKind,
        text: String,
        by: Option<&Origin>,
        session: Option<String>,
        run: Option<u64>,
    ) {
        let line = EventLine { time: clock::wall_text(), text, by: by.map(who) };
        let name = process.map(ToString::to_string);
        tracing::info!(process = name, by = line.by, "{}", line.text);
        if let Some(process) = process {
            let recent = self.recent.entry(process.clone()).or_default();
            if recent.len() == RECENT {
                recent.pop_front();
            }
            recent.push_back(line.clone());
        }
        self.hub.publish(Draft {
            process: name.clone(),
            kind,
            text: line.text.clone(),
            time: line.time.clone(),
            by: line.by.clone(),
            session,
            run,
            steps: None,
        });
        self.journal.note(&Entry { process: name, line });
    }

    /// A step of a build: for who follows now, not for the journal.
    pub(super) fn step(&self, build: &BuildId, progress: &Progress) {
        let Progress { done, total, what } = progress;
        self.hub.publish(Draft {
            process: Some(build.process.to_string()),
            kind: EventKind::BuildProgress,
            text: format!("build {} {done}/{total} {what}", build.number).trim_end().to_owned(),
            time: clock::wall_text(),
            by: None,
            session: None,
            run: None,
            steps: Some((*done, *total)),
        });
    }

    /// The newest last.
    pub(super) fn recent(&self, process: &Name, most: usize) -> Vec<EventLine> {
        let Some(recent) = self.recent.get(process) else { return Vec::new() };
        recent.iter().skip(recent.len().saturating_sub(most)).cloned().collect()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.journal.dropped()
    }
}

pub(super) fn who(origin: &Origin) -> String {
    format!("{} {}", origin.face, origin.who)
}

/// What asked for it where nobody did.
fn rule_of(change: &Change) -> Option<&'static str> {
    match change {
        Change::CrashRestart { .. } => Some("crash"),
        Change::BuildStarted { cause: Cause::ReleaseSwitch, .. } => Some("release switch"),
        Change::Promoted { cause: Cause::ReleaseSwitch, .. } => Some("release switch"),
        Change::BuildStarted { cause: Cause::Boot, .. } | Change::Promoted { cause: Cause::Boot, .. } => {
            Some("start-up")
        }
        Change::Stopping { reason: StopReason::TimeLimit, .. } => Some("time limit"),
        Change::Stopping { reason: StopReason::Shutdown, .. } => Some("shutdown"),
        _ => None,
    }
}

fn kind_of(change: &Change, is_task: bool) -> EventKind {
    match change {
        Change::Requested { what: "input", .. } => EventKind::Input,
        Change::Requested { .. } | Change::Signalled { .. } => EventKind::Requested,
        Change::BuildStarted { .. } => EventKind::BuildStarted,
        Change::BuildSucceeded { .. } => EventKind::BuildSucceeded,
        Change::BuildFailed { .. } => EventKind::BuildFailed,
        Change::Started { .. } | Change::Adopted { .. } => EventKind::Started,
        Change::Stopping { .. } | Change::Killing { .. } => EventKind::Stopping,
        Change::Ended { .. } | Change::SpawnFailed { .. } if is_task => EventKind::TaskEnded,
        Change::Ended { asked: true, .. } => EventKind::Stopped,
        Change::Ended { asked: false, .. } => EventKind::Crashed,
        Change::SpawnFailed { .. } | Change::Parked { .. } | Change::Stuck { .. } => EventKind::Down,
        Change::ModeChanged { .. } => EventKind::Mode,
        Change::BuildCancelled { .. }
        | Change::Promoted { .. }
        | Change::RestartIn { .. }
        | Change::CrashRestart { .. }
        | Change::Closing => EventKind::Other,
    }
}

fn run_of(change: &Change) -> Option<u64> {
    match change {
        Change::Started { run, .. }
        | Change::Adopted { run, .. }
        | Change::Stopping { run, .. }
        | Change::Ended { run, .. }
        | Change::Signalled { run, .. }
        | Change::SpawnFailed { run, .. } => Some(*run),
        _ => None,
    }
}

/// One line per event; the same words in the journal, the terminal and the status.
pub(crate) fn in_words(change: &Change) -> String {
    match change {
        Change::Requested { what, .. } => format!("{what} requested"),
        Change::Signalled { run, signal, .. } => {
            let name = signal_name(*signal).map_or_else(|| format!("signal {signal}"), str::to_owned);
            format!("{name} sent to run {run}")
        }
        Change::BuildStarted { build, recipe, cause } => {
            format!("{recipe} build {build} begins ({})", cause.as_str())
        }
        Change::BuildSucceeded { build, .. } => format!("build {build} succeeded"),
        Change::BuildFailed { build, failure, still_up: Some(run) } => {
            format!("build {build} failed, run {run} goes on: {failure}")
        }
        Change::BuildFailed { build, failure, still_up: None } => format!("build {build} failed: {failure}"),
        Change::BuildCancelled { build } => format!("build {build} is cancelled"),
        Change::Promoted { run, over: Some(old), cause } => {
            format!("run {run} takes the place of run {old} ({})", cause.as_str())
        }
        Change::Promoted { run, over: None, cause } => format!("run {run} is next ({})", cause.as_str()),
        Change::Started { run, pid, recipe } => format!("run {run} started, pid {pid} ({recipe})"),
        Change::Adopted { run, pid: watch::ENDED } => format!("run {run} ended while no manager ran"),
        Change::Adopted { run, pid } => format!("run {run} adopted, pid {pid}"),
        Change::Stopping { run, reason: StopReason::TimeLimit } => {
            format!("run {run} has had its time (`kill_after_seconds`) and is being stopped")
        }
        Change::Stopping { run, .. } => format!("run {run} is being stopped"),
        Change::Killing { run } => format!("run {run} still lives: it gets KILL"),
        Change::Stuck { run } => format!("run {run} outlived KILL"),
        Change::Ended { run, ending, asked: true } => format!("run {run} ended: {ending}"),
        Change::Ended { run, ending, asked: false } => format!("run {run} ended by itself: {ending}"),
        Change::RestartIn { crash, wait_ms } => {
            let tenths = format!("{:.1}", Duration::from_millis(*wait_ms).as_secs_f64());
            format!("restart in {} s, crash {crash} in a row", tenths.strip_suffix(".0").unwrap_or(&tenths))
        }
        Change::CrashRestart { run, of } => format!("run {run} restarts run {of} after its crash"),
        Change::Parked { why } => why.clone(),
        Change::SpawnFailed { run, error } => format!("run {run} could not be started: {error}"),
        Change::ModeChanged { to } => format!("the project is in {to} mode now"),
        Change::Closing => "shutting down".to_owned(),
    }
}
