//! The terminal: taken, drawn on, and always given back as it was: at the end, on a panic, while something else has
//! it. Must not know what is drawn.

use std::fmt;
use std::io::{self, IsTerminal, Stdout, Write, stdout};
use std::mem::ManuallyDrop;
use std::sync::Once;

use bpm_api::{Code, Error};
use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::style::{Print, ResetColor};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use rustix::process::{Signal, getpid, kill_current_process_group, kill_process};
use rustix::termios::tcgetwinsize;

use super::frames::Frames;

/// Presses, releases, the wheel, and movement while a button is down, in the encoding without limits. Not every
/// movement, as crossterm's own command asks for: each would wake the program up.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// No screen is larger; one that says so is drawn on as far as this, in cells.
const MOST_COLUMNS: u16 = 1500;
const MOST_ROWS: u16 = 600;

/// The terminal while it is ours. Dropped, it is given back.
pub(super) struct Screen {
    /// Never dropped: it would write to a terminal that may have gone, and panic over that.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    mouse: bool,
    pub(super) frames: Frames,
}

/// Says what is wrong where input or output is no terminal.
///
/// # Errors
/// It says which of the two, and what to use instead.
pub fn check_terminal() -> Result<(), Error> {
    let what = match (io::stdin().is_terminal(), stdout().is_terminal()) {
        (true, true) => return Ok(()),
        (false, _) => "standard input",
        (true, false) => "standard output",
    };
    Err(Error::new(Code::InvalidParameter, format!("{what} is no terminal, and this needs one"))
        .hint("without one: `bpm status`, `bpm logs -f`, or `--json` with either"))
}

impl Screen {
    pub(super) fn enter(mouse: bool) -> io::Result<Screen> {
        give_back_on_panic();
        take(mouse)?;
        let terminal = whole().and_then(|area| {
            let options = TerminalOptions { viewport: Viewport::Fixed(area) };
            Terminal::with_options(CrosstermBackend::new(stdout()), options)
        });
        let terminal = ManuallyDrop::new(terminal.inspect_err(|_| give_back())?);
        Ok(Screen { terminal, mouse, frames: Frames::default() })
    }

    /// Columns and rows; what is not known is nothing.
    pub(super) fn size(&mut self) -> io::Result<(u16, u16)> {
        let area = whole()?;
        if area != self.terminal.get_frame().area() {
            self.terminal.resize(area)?;
            self.frames.at_once();
        }
        Ok((area.width, area.height))
    }

    /// What changed since the last time is written, and appears at once, if it is time for that.
    pub(super) fn draw_if_due(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !self.frames.is_due() {
            return Ok(());
        }
        self.frames.drawn();
        queue!(stdout(), BeginSynchronizedUpdate)?;
        let drawn = self.terminal.draw(view).map(|_| ());
        drawn.and(execute!(stdout(), EndSynchronizedUpdate))
    }

    /// The next frame is drawn whole.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        // `Terminal::clear` asks where the cursor is, and would wait for an answer that our own reading takes
        let whole = self.terminal.size()?.into();
        self.frames.at_once();
        self.terminal.resize(whole)
    }

    pub(super) fn capture_mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        execute!(stdout(), Print(if on { MOUSE_ON } else { MOUSE_OFF }))
    }

    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(stdout(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Gives the terminal to somebody else.
    pub(super) fn leave(&mut self) {
        give_back();
    }

    pub(super) fn enter_again(&mut self) -> io::Result<()> {
        take(self.mouse)?;
        self.clear()
    }

    /// Stops this program, and whoever was started with it, until the shell continues it. By a signal that cannot be
    /// listened to: the usual one is.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        kill_current_process_group(Signal::STOP)?;
        self.enter_again()
    }

    /// Takes the terminal again after something else had it without our knowledge.
    pub(super) fn take_again(&mut self) -> io::Result<()> {
        let _ = disable_raw_mode();
        self.enter_again()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("mouse", &self.mouse).finish_non_exhaustive()
    }
}

fn whole() -> io::Result<Rect> {
    let size = tcgetwinsize(stdout())?;
    let (columns, rows) = (size.ws_col, size.ws_row);
    Ok(Rect::new(0, 0, columns.min(MOST_COLUMNS), rows.min(MOST_ROWS)))
}

fn take(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    let mouse = if mouse { MOUSE_ON } else { "" };
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, Print(mouse)).inspect_err(|_| give_back())
}

/// As far as the terminal is still there.
fn give_back() {
    let mut out = stdout();
    let _ = queue!(out, EndSynchronizedUpdate, Print(MOUSE_OFF), DisableBracketedPaste, ResetColor);
    let _ = execute!(out, LeaveAlternateScreen, Show);
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// So that its message can be read.
fn give_back_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
            // on whatever thread it was: nobody goes on drawing on what was given back
            let _ = kill_process(getpid(), Signal::TERM);
        }));
    });
}
