//! The one table of keys: what is pressed goes by it, `?` shows it, and `docs/tui.md` is made from it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Up,
    Down,
    Refresh,
    Restart,
    Start,
    Stop,
    Signal,
    Input,
    Attach,
    Why,
    Run,
    Forget,
    Follow,
    PageUp,
    PageDown,
    HalfUp,
    HalfDown,
    Top,
    Bottom,
    Left,
    Right,
    Search,
    Next,
    Previous,
    Filter,
    NextError,
    PreviousError,
    OlderRun,
    NewerRun,
    Runs,
    Builds,
    Wrap,
    Times,
    Copy,
    Clear,
    NextPanel,
    PreviousPanel,
    Zoom,
    Mouse,
    Redraw,
    Suspend,
    Help,
    Back,
    Quit,
}

/// Under which heading a key is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    Processes,
    Output,
    Screen,
}

impl Group {
    pub const ALL: [Group; 3] = [Group::Processes, Group::Output, Group::Screen];

    pub fn title(self) -> &'static str {
        match self {
            Group::Processes => "Processes and tasks",
            Group::Output => "Output",
            Group::Screen => "Screen",
        }
    }
}

/// A key with what is held down with it. Shift is part of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chord(pub KeyModifiers, pub KeyCode);

#[derive(Clone, Copy, Debug)]
pub struct Binding {
    pub action: Action,
    pub group: Group,
    pub chords: &'static [Chord],
    /// In one line, for people.
    pub does: &'static str,
    /// In one word, where it is offered at the foot of the screen.
    pub word: &'static str,
}

const fn key(code: KeyCode) -> Chord {
    Chord(KeyModifiers::NONE, code)
}

const fn letter(c: char) -> Chord {
    key(KeyCode::Char(c))
}

const fn ctrl(c: char) -> Chord {
    Chord(KeyModifiers::CONTROL, KeyCode::Char(c))
}

const fn bind(
    group: Group,
    action: Action,
    chords: &'static [Chord],
    word: &'static str,
    does: &'static str,
) -> Binding {
    Binding { action, group, chords, does, word }
}

/// Every key, in the order in which they are listed.
pub const KEYS: &[Binding] = &[
    bind(
        Group::Processes,
        Action::Up,
        &[key(KeyCode::Up), letter('k')],
        "up",
        "Select the one above; in a panel with Tab on it: scroll",
    ),
    bind(
        Group::Processes,
        Action::Down,
        &[key(KeyCode::Down), letter('j')],
        "down",
        "Select the one below; in a panel with Tab on it: scroll",
    ),
    bind(Group::Processes, Action::Refresh, &[key(KeyCode::Enter)], "refresh", "Ask for everything anew"),
    bind(
        Group::Processes,
        Action::Restart,
        &[letter('r')],
        "restart",
        "Restart a process: builds first, the old run serves until that has succeeded; run a task's command anew",
    ),
    bind(
        Group::Processes,
        Action::Start,
        &[letter('s')],
        "start",
        "Start a process that is stopped or waits after a crash",
    ),
    bind(
        Group::Processes,
        Action::Stop,
        &[letter('x')],
        "stop",
        "Stop a process, end a task; asks first if it runs",
    ),
    bind(Group::Processes, Action::Signal, &[letter('X')], "signal", "Send a signal to its whole tree"),
    bind(Group::Processes, Action::Input, &[letter('i')], "input", "Type a line into it"),
    bind(
        Group::Processes,
        Action::Attach,
        &[letter('a')],
        "attach",
        "Attach to its terminal; ctrl-] comes back",
    ),
    bind(Group::Processes, Action::Why, &[letter('W')], "why", "Why it is or is not running, with evidence"),
    bind(
        Group::Processes,
        Action::Run,
        &[letter(':'), letter('!')],
        "run",
        "Run a command in the background, as a task",
    ),
    bind(
        Group::Processes,
        Action::Forget,
        &[letter('D')],
        "forget",
        "Forget a task that has ended, with its log; asks first",
    ),
    bind(
        Group::Output,
        Action::Follow,
        &[letter('f'), letter(' ')],
        "follow",
        "Follow what is printed, or pause",
    ),
    bind(Group::Output, Action::PageUp, &[key(KeyCode::PageUp)], "page up", "A page up"),
    bind(Group::Output, Action::PageDown, &[key(KeyCode::PageDown)], "page down", "A page down"),
    bind(Group::Output, Action::HalfUp, &[ctrl('u')], "half up", "Half a page up"),
    bind(Group::Output, Action::HalfDown, &[ctrl('d')], "half down", "Half a page down"),
    bind(Group::Output, Action::Top, &[key(KeyCode::Home), letter('g')], "begin", "To the first line"),
    bind(
        Group::Output,
        Action::Bottom,
        &[key(KeyCode::End), letter('G')],
        "end",
        "To the last line, and follow",
    ),
    bind(
        Group::Output,
        Action::Left,
        &[key(KeyCode::Left), letter('h')],
        "left",
        "Scroll long lines to the left",
    ),
    bind(
        Group::Output,
        Action::Right,
        &[key(KeyCode::Right), letter('l')],
        "right",
        "Scroll long lines to the right",
    ),
    bind(
        Group::Output,
        Action::Search,
        &[letter('/')],
        "search",
        "Find a regex; lower case matches any case",
    ),
    bind(Group::Output, Action::Next, &[letter('n')], "next", "The next line that matches"),
    bind(Group::Output, Action::Previous, &[letter('N')], "previous", "The previous line that matches"),
    bind(
        Group::Output,
        Action::Filter,
        &[letter('&')],
        "filter",
        "Show only lines that match; an empty one shows all",
    ),
    bind(
        Group::Output,
        Action::NextError,
        &[letter('e')],
        "next error",
        "The next error; from the end of the log: the last one",
    ),
    bind(Group::Output, Action::PreviousError, &[letter('E')], "previous error", "The previous error"),
    bind(Group::Output, Action::OlderRun, &[letter('[')], "older run", "The run before (-2, -3 …)"),
    bind(Group::Output, Action::NewerRun, &[letter(']')], "newer run", "The run after it; -1 is the newest"),
    bind(Group::Output, Action::Runs, &[letter('R')], "runs", "Pick a run or a build"),
    bind(
        Group::Output,
        Action::Builds,
        &[letter('b')],
        "build log",
        "The log of the build, or of the run again",
    ),
    bind(Group::Output, Action::Wrap, &[letter('w')], "wrap", "Wrap long lines, or cut them"),
    bind(Group::Output, Action::Times, &[letter('t')], "times", "Show when each line was printed"),
    bind(
        Group::Output,
        Action::Copy,
        &[letter('y')],
        "copy",
        "Copy the lines that are shown; dragging the mouse copies those",
    ),
    bind(Group::Output, Action::Clear, &[letter('c')], "clear", "Clear the panel; the log keeps its lines"),
    bind(Group::Screen, Action::NextPanel, &[key(KeyCode::Tab)], "panel", "To the next panel"),
    bind(Group::Screen, Action::PreviousPanel, &[key(KeyCode::BackTab)], "panel", "To the previous panel"),
    bind(
        Group::Screen,
        Action::Zoom,
        &[letter('z')],
        "zoom",
        "Give the panel the whole screen, or take it back",
    ),
    bind(
        Group::Screen,
        Action::Mouse,
        &[letter('M')],
        "mouse",
        "Leave the mouse to the terminal, for its own selection, or take it back",
    ),
    bind(Group::Screen, Action::Redraw, &[ctrl('l')], "redraw", "Draw everything anew"),
    bind(Group::Screen, Action::Suspend, &[ctrl('z')], "suspend", "Back to the shell; `fg` comes back"),
    bind(Group::Screen, Action::Help, &[letter('?'), key(KeyCode::F(1))], "help", "These keys"),
    bind(
        Group::Screen,
        Action::Back,
        &[key(KeyCode::Esc)],
        "back",
        "Close what is open, end a search or a filter, leave a panel; else quit",
    ),
    bind(
        Group::Screen,
        Action::Quit,
        &[letter('q'), ctrl('c')],
        "quit",
        "Quit, ctrl-c also from a window in front; everything goes on running",
    ),
];

/// What a key does where no line is being typed.
pub fn action(pressed: KeyEvent) -> Option<Action> {
    // terminals differ in whether they report it with a letter
    let held = pressed.modifiers - KeyModifiers::SHIFT;
    let chord = Chord(held, pressed.code);
    KEYS.iter().find(|binding| binding.chords.contains(&chord)).map(|binding| binding.action)
}

/// A chord as people write it: `ctrl-u`, `PgUp`, `↑`.
pub fn shown(chord: Chord, ascii: bool) -> String {
    let name = match (chord.1, ascii) {
        (KeyCode::Up, false) => "↑",
        (KeyCode::Down, false) => "↓",
        (KeyCode::Left, false) => "←",
        (KeyCode::Right, false) => "→",
        (KeyCode::Up, true) => "Up",
        (KeyCode::Down, true) => "Down",
        (KeyCode::Left, true) => "Left",
        (KeyCode::Right, true) => "Right",
        (KeyCode::Enter, _) => "Enter",
        (KeyCode::Esc, _) => "Esc",
        (KeyCode::Tab, _) => "Tab",
        (KeyCode::BackTab, _) => "Shift-Tab",
        (KeyCode::PageUp, _) => "PgUp",
        (KeyCode::PageDown, _) => "PgDn",
        (KeyCode::Home, _) => "Home",
        (KeyCode::End, _) => "End",
        (KeyCode::Char(' '), _) => "Space",
        (KeyCode::F(number), _) => return format!("F{number}"),
        (KeyCode::Char(c), _) if chord.0 == KeyModifiers::CONTROL => return format!("ctrl-{c}"),
        (KeyCode::Char(c), _) => return c.to_string(),
        (other, _) => return other.to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
mod docs;
