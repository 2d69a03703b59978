//! What happened, told: to the journal, to each process's recent events, and to whoever follows.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use bpm_api::{EventLine, Origin};
use bpm_core::fleet::{Change, Note};
use bpm_core::ids::Name;
use tokio::sync::mpsc;

use super::clock;
use crate::exec::watch;
use crate::store::journal::{Entry, Journal};

const RECENT: usize = 20;

/// Notes as they come, for the terminal. Who takes it must keep reading, or drop it.
#[derive(Debug)]
pub struct Feed(pub mpsc::UnboundedReceiver<Note>);

#[derive(Debug)]
pub(super) struct Notes {
    journal: Journal,
    recent: HashMap<Name, VecDeque<EventLine>>,
    feed: Option<mpsc::UnboundedSender<Note>>,
}

impl Notes {
    pub(super) fn open(journal: PathBuf) -> Notes {
        Notes { journal: Journal::open(journal), recent: HashMap::new(), feed: None }
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
    }

    pub(super) fn tell(&mut self, note: &Note, by: Option<&Origin>) {
        let line = EventLine { time: clock::wall_text(), text: in_words(&note.change), by: by.map(who) };
        let process = note.process.as_ref().map(ToString::to_string);
        tracing::info!(process, by = line.by, "{}", line.text);
        if let Some(name) = &note.process {
            let recent = self.recent.entry(name.clone()).or_default();
            if recent.len() == RECENT {
                recent.pop_front();
            }
            recent.push_back(line.clone());
        }
        self.journal.note(&Entry { process, line });
        if self.feed.as_ref().is_some_and(|feed| feed.send(note.clone()).is_err()) {
            self.feed = None;
        }
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

fn who(origin: &Origin) -> String {
    format!("{} {}", origin.face, origin.who)
}

/// One line per event; the same words in the journal, the terminal and the status.
pub(crate) fn in_words(change: &Change) -> String {
    match change {
        Change::Requested { what, .. } => format!("{what} requested"),
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
        Change::Stopping { run, .. } => format!("run {run} is being stopped"),
        Change::Killing { run } => format!("run {run} still lives: it gets KILL"),
        Change::Stuck { run } => format!("run {run} outlived KILL"),
        Change::Ended { run, ending, asked: true } => format!("run {run} ended: {ending}"),
        Change::Ended { run, ending, asked: false } => format!("run {run} ended by itself: {ending}"),
        Change::RestartIn { crash, wait_ms } => {
            let tenths = format!("{:.1}", std::time::Duration::from_millis(*wait_ms).as_secs_f64());
            format!("restart in {} s, crash {crash} in a row", tenths.strip_suffix(".0").unwrap_or(&tenths))
        }
        Change::CrashRestart { run, of } => format!("run {run} restarts run {of} after its crash"),
        Change::Parked { why } => why.clone(),
        Change::SpawnFailed { run, error } => format!("run {run} could not be started: {error}"),
        Change::ModeChanged { to } => format!("the project is in {to} mode now"),
        Change::Closing => "shutting down".to_owned(),
    }
}
