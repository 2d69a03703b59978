//! Everything that the screen shows, as data. Holds types of the API and of drawing, nothing that lives.
//! Must not know how it changes, nor how it is drawn.

pub mod history;
pub mod log;

use std::collections::{HashMap, VecDeque};

use bpm_api::{Error, Event, Hello, KeptRun, ProcessStatus, Runs, Status, TaskStatus, WhyAnswer};
use tui_input::Input;

use self::history::History;
use self::log::LogView;
use super::message::Now;

/// A manager that has not answered for so long is said to be silent, in milliseconds.
pub const SILENT_MS: u64 = 5000;
/// How long a note stays at the foot of the screen, in milliseconds.
pub const NOTE_MS: u64 = 8000;
/// How long it stays there whatever else happens, where it answers somebody.
pub const ANSWER_MS: u64 = 4000;
/// Any key puts away a note that has been there for so long.
pub const SEEN_MS: u64 = 500;
/// Notes that are kept; the oldest go first.
pub const MOST_NOTES: usize = 200;
/// Events that are kept for each process and task.
pub const MOST_EVENTS: usize = 50;
/// Deeds that are under way at the same time; more are refused with a note.
pub const MOST_DEEDS: usize = 64;
/// Lines that were typed and can be had again.
pub const MOST_TYPED: usize = 100;

/// How it is to look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Nothing but ASCII: borders, marks, sparklines.
    pub ascii: bool,
    /// `NO_COLOR`, `TERM=dumb` or `--no-color`: bold, reverse and underline only.
    pub plain: bool,
    /// Where times are shown.
    pub offset_seconds: i32,
    /// Home directory, for which `~` stands.
    pub home: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Model {
    pub look: Look,
    pub now: Now,
    /// Size of the terminal in cells.
    pub columns: u16,
    pub rows: u16,
    pub link: Link,
    /// The newest status, and when it came.
    pub status: Option<Status>,
    pub status_at: Now,
    /// Since when no status that was asked for has come.
    pub unanswered: Option<Now>,
    /// A status was asked for and has not come; another is wanted after it.
    pub status_asked: Option<Now>,
    pub status_again: bool,
    /// Processes, then tasks, as they are listed. Kept in step with `status`.
    pub targets: Vec<Target>,
    /// Always one of `targets` unless that is empty.
    pub selected: Option<Target>,
    /// First row of the list that is shown.
    pub list_top: usize,
    pub panel: Panel,
    /// The panel that has the whole screen.
    pub zoomed: bool,
    pub details_top: usize,
    pub notes_top: usize,
    /// The newest last.
    pub notes: VecDeque<Note>,
    /// When a key was pressed last: a note that was there to be read by then is put away.
    pub pressed_at: Now,
    /// What is told now answers somebody.
    pub answering: bool,
    /// When Esc ended something last: who presses it twice does not want to quit.
    pub escaped_at: Option<Now>,
    /// By process or task id; no more than there are targets.
    pub events: HashMap<String, VecDeque<Event>>,
    pub history: History,
    pub log: LogView,
    /// Number that the next question for lines gets.
    pub next_ask: u64,
    /// What is under way, by number: what it is, in words.
    pub deeds: HashMap<u64, Deed>,
    /// In front of everything else.
    pub overlay: Option<Overlay>,
    /// A line that is being typed.
    pub prompt: Option<Prompt>,
    /// Lines typed before, by what they were for; the newest last.
    pub typed: HashMap<PromptKind, VecDeque<String>>,
    pub mouse: bool,
    /// Where the mouse was pressed and is now, in rows of the log view.
    pub drag: Option<(u16, u16)>,
    /// How events call what this program asks for (`tui alice`), where that is known.
    pub by: Option<String>,
    /// Pid of the manager that was there last.
    pub manager_pid: Option<u32>,
    /// Nothing, or the logs and builds that the manager was told to watch.
    pub watched: Option<(Vec<String>, Vec<String>)>,
    /// When the status was asked for last, and how many milliseconds' worth of questions may be asked at once.
    pub status_asked_at: Now,
    pub status_credit_ms: u64,
    /// When CPU and memory were last put down.
    pub sampled_at: Option<Now>,
    /// Whose events, runs and reasons were asked for and have not come.
    pub details_asked: Option<String>,
    pub runs_asked: Option<Target>,
    pub why_asked: Option<Target>,
    /// The selected process's events are to be asked for.
    pub details_wanted: bool,
    /// To be selected once the status has it.
    pub wish: Option<Target>,
    /// What was typed before older lines were recalled.
    pub draft: String,
}

/// The way to the manager.
#[derive(Clone, Debug)]
pub enum Link {
    /// Not there yet, for the first time.
    Connecting {
        label: String,
    },
    Up {
        label: String,
        hello: Option<Hello>,
        manager_pid: Option<u32>,
        since: Now,
    },
    /// It was there. What was known is shown as it was known.
    Down {
        label: String,
        error: Error,
        since: Now,
        next_try: Now,
        tries: u32,
        /// It was told to end: nothing runs any more.
        orderly: bool,
    },
}

impl Link {
    pub fn is_up(&self) -> bool {
        matches!(self, Link::Up { .. })
    }
}

/// Something that runs, or may.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    Process(String),
    /// By its id.
    Task(String),
}

impl Target {
    /// The name that requests call it by.
    pub fn name(&self) -> &str {
        match self {
            Target::Process(name) | Target::Task(name) => name,
        }
    }
}

/// The four panels, in the order of Tab.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Panel {
    /// Bottom left: what runs.
    #[default]
    Processes,
    /// Bottom right: what it prints.
    Output,
    /// Top left: the connection, the mode, what happened.
    Server,
    /// Top right: the one that is selected.
    Details,
}

impl Panel {
    pub const ALL: [Panel; 4] = [Panel::Processes, Panel::Output, Panel::Server, Panel::Details];
}

/// How serious something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    Info,
    Good,
    Warning,
    Bad,
}

/// Something that the user is told, in the server panel; the newest also at the foot of the screen for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub at: Now,
    pub level: Level,
    pub text: String,
    /// Somebody did something, and this is what came of it.
    pub is_answer: bool,
}

/// Something that somebody asked for and that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// `restart api`.
    pub what: String,
    pub target: Option<Target>,
    pub since: Now,
}

#[derive(Clone, Debug)]
pub enum Overlay {
    Help {
        top: usize,
    },
    /// `None` until the answer has come.
    Why {
        target: Target,
        answer: Option<Box<Result<WhyAnswer, Error>>>,
        top: usize,
    },
    Runs {
        target: Target,
        answer: Option<Result<Runs, Error>>,
        selected: usize,
        top: usize,
    },
    /// A long text, such as an error with its detail.
    Text {
        title: String,
        text: String,
        top: usize,
    },
}

/// The rows of [`Overlay::Runs`], in their order: runs, then builds (`true`), the newest first.
pub fn picks(runs: &Runs) -> impl DoubleEndedIterator<Item = (bool, &KeptRun)> {
    let (runs, builds) = (runs.runs.iter().rev(), runs.builds.iter().rev());
    runs.map(|run| (false, run)).chain(builds.map(|build| (true, build)))
}

/// What a line is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PromptKind {
    Search,
    Filter,
    /// For the program's input; Enter sends it with a line feed.
    Input,
    Signal,
    /// A shell line that becomes a task.
    Run,
    /// Answered by y or n.
    Confirm(Question),
}

/// What is asked before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// A process that runs is stopped.
    Stop,
    /// A task is ended.
    End,
    /// A task's log is deleted.
    Forget,
}

#[derive(Clone, Debug)]
pub struct Prompt {
    pub kind: PromptKind,
    pub target: Option<Target>,
    pub input: Input,
    /// Why what was typed cannot be.
    pub error: Option<String>,
    /// Which line of `typed` is shown, counted from the newest.
    pub recalled: Option<usize>,
}

impl Model {
    pub fn new(look: Look, label: String, columns: u16, rows: u16, now: Now) -> Model {
        Model {
            look,
            now,
            columns,
            rows,
            link: Link::Connecting { label },
            status: None,
            status_at: now,
            unanswered: None,
            status_asked: None,
            status_again: false,
            targets: Vec::new(),
            selected: None,
            list_top: 0,
            panel: Panel::default(),
            zoomed: false,
            details_top: 0,
            notes_top: 0,
            notes: VecDeque::new(),
            pressed_at: Now::default(),
            answering: false,
            escaped_at: None,
            events: HashMap::new(),
            history: History::default(),
            log: LogView::default(),
            next_ask: 0,
            deeds: HashMap::new(),
            overlay: None,
            prompt: None,
            typed: HashMap::new(),
            mouse: true,
            drag: None,
            by: None,
            manager_pid: None,
            watched: None,
            status_asked_at: now,
            status_credit_ms: 0,
            sampled_at: None,
            details_asked: None,
            runs_asked: None,
            why_asked: None,
            details_wanted: false,
            wish: None,
            draft: String::new(),
        }
    }

    /// The selected process's status.
    pub fn process(&self) -> Option<&ProcessStatus> {
        let Some(Target::Process(name)) = &self.selected else { return None };
        self.status.as_ref()?.processes.iter().find(|process| process.name == *name)
    }

    /// The selected task's status.
    pub fn task(&self) -> Option<&TaskStatus> {
        let Some(Target::Task(id)) = &self.selected else { return None };
        self.status.as_ref()?.tasks.iter().find(|task| task.task_id == *id)
    }

    /// The manager was told to end, and so nothing of it runs any more.
    pub fn is_shut_down(&self) -> bool {
        matches!(self.link, Link::Down { orderly: true, .. })
    }

    /// The note at the foot of the screen, for a while or until a key puts it away: what happens by itself does not take the
    /// place of an answer at once.
    pub fn note_shown(&self) -> Option<&Note> {
        let since = |earlier: Now, later: Now| later.mono_ms.saturating_sub(earlier.mono_ms);
        let is_shown =
            |note: &&Note| since(note.at, self.now) < NOTE_MS && since(note.at, self.pressed_at) < SEEN_MS;
        let mut shown =
            self.notes.iter().rev().take_while(|note| since(note.at, self.now) < NOTE_MS).filter(is_shown);
        let newest = shown.next()?;
        let mut both = std::iter::once(newest).chain(shown);
        both.find(|note| note.is_answer && since(note.at, self.now) < ANSWER_MS).or(Some(newest))
    }

    /// For how long the manager has not answered, in milliseconds, if that is too long: it is busy, stopped, or out of reach.
    pub fn silent_ms(&self) -> Option<u64> {
        let since = self.unanswered.filter(|_| self.link.is_up())?;
        Some(self.now.mono_ms.saturating_sub(since.mono_ms)).filter(|silent| *silent >= SILENT_MS)
    }

    /// Seconds since the newest status came: what is added to its uptimes, so that they go on between two.
    /// Without a manager nobody knows whether they do.
    pub fn status_age_seconds(&self) -> f64 {
        let until = match &self.link {
            Link::Down { since, .. } => since.mono_ms,
            Link::Up { .. } if self.silent_ms().is_some() => {
                self.unanswered.map_or(self.now.mono_ms, |since| since.mono_ms)
            }
            Link::Connecting { .. } | Link::Up { .. } => self.now.mono_ms,
        };
        until.saturating_sub(self.status_at.mono_ms) as f64 / 1000.0
    }
}
