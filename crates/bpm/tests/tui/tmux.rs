//! A terminal that can be looked at: a tmux server with one window, keys that go in, cells that come out. Waits on
//! conditions, with a deadline; never sleeps for a fixed time. Must not know what is shown.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::lab::{Lab, text};

/// Far beyond what anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(40);

/// Nothing of the user's; what has ended stays to be looked at.
const OPTIONS: &str = "\
set -g status off
set -g remain-on-exit on
set -g remain-on-exit-format ''
set -g default-terminal tmux-256color
set -g history-limit 200
set -g allow-rename off
set -s set-clipboard on
set -s escape-time 0
";

/// Ends with everything that runs in it.
pub struct Screen {
    dir: tempfile::TempDir,
    server: Option<OwnedFd>,
    pane: Option<OwnedFd>,
}

impl Screen {
    /// `bpm tui` in the lab's project, in a terminal of this size.
    pub fn tui(lab: &Lab, columns: u16, rows: u16, args: &[&str]) -> Screen {
        let bpm = lab.command();
        let words = [&[bpm.get_program().to_str().unwrap(), "tui"], args].concat();
        Screen::new(lab, columns, rows, &words)
    }

    /// A shell that somebody sits at, with job control and `$ ` as its prompt.
    pub fn shell(lab: &Lab, columns: u16, rows: u16) -> Screen {
        let screen = Screen::new(lab, columns, rows, &["env", "-u", "ENV", "PS1=$ ", "sh", "-i"]);
        screen.wait_for("$");
        screen
    }

    /// A command, word by word.
    pub fn new(lab: &Lab, columns: u16, rows: u16, command: &[&str]) -> Screen {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("options"), OPTIONS).unwrap();
        let mut screen = Screen { dir, server: None, pane: None };
        let mut tmux = lab.in_project(screen.tmux());
        for name in ["TMUX", "TMUX_PANE", "NO_COLOR", "COLORTERM", "SSH_CONNECTION", "SSH_TTY"] {
            tmux.env_remove(name);
        }
        let (columns, rows) = (columns.to_string(), rows.to_string());
        tmux.args(["new-session", "-d", "-x", &columns, "-y", &rows, "--"]);
        // tmux's own word on how it ended is sometimes lost
        tmux.args(["sh", "-c", "code=$1; shift; \"$@\"; echo $? > \"$code\"", "sh"]).arg(screen.file("code"));
        tmux.args(command);
        must(&mut tmux);
        screen.server = pidfd(&screen.asked("#{pid}"));
        screen.pane = pidfd(&screen.asked("#{pane_pid}"));
        screen
    }

    fn tmux(&self) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.file("socket")).arg("-f").arg(self.file("options"));
        tmux.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        tmux
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> String {
        text(&must(self.tmux().args(args)).stdout)
    }

    /// One of tmux's formats: `#{alternate_on}`, `#{cursor_flag}`, `#{pane_title}` …
    pub fn asked(&self, format: &str) -> String {
        self.run(&["display-message", "-p", format]).trim_end_matches('\n').to_owned()
    }

    /// The command's process.
    pub fn pid(&self) -> u32 {
        let shell = self.asked("#{pane_pid}").parse().unwrap();
        self.wait("the command", |_| child_of(shell))
    }

    /// Keys by tmux's names (`Enter`, `C-u`, `PPage`), or characters.
    pub fn press(&self, keys: &[&str]) {
        self.run(&[&["send-keys", "--"], keys].concat());
    }

    /// Text, character by character.
    pub fn type_text(&self, text: &str) {
        self.run(&["send-keys", "-l", "--", text]);
    }

    /// Text at once, marked as pasted where the program asked for that.
    pub fn paste(&self, text: &str) {
        fs::write(self.file("pasted"), text).unwrap();
        self.run(&["load-buffer", "-b", "pasted", self.file("pasted").to_str().unwrap()]);
        self.run(&["paste-buffer", "-p", "-r", "-d", "-b", "pasted"]);
    }

    /// An event of the mouse in the cell (from 0), as a terminal reports it: `button` 0 left, 32 left and moved, 64 and
    /// 65 the wheel.
    pub fn mouse(&self, button: u8, column: usize, row: usize, pressed: bool) {
        let end = if pressed { 'M' } else { 'm' };
        self.type_text(&format!("\x1b[<{button};{};{}{end}", column + 1, row + 1));
    }

    pub fn click(&self, column: usize, row: usize) {
        self.mouse(0, column, row, true);
        self.mouse(0, column, row, false);
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        self.run(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Many sizes, as fast as tmux takes them.
    pub fn resize_often(&self, sizes: impl IntoIterator<Item = (u16, u16)>) {
        let lines: Vec<String> = sizes
            .into_iter()
            .map(|(columns, rows)| format!("resize-window -x {columns} -y {rows}\n"))
            .collect();
        fs::write(self.file("sizes"), lines.concat()).unwrap();
        self.run(&["source-file", self.file("sizes").to_str().unwrap()]);
    }

    /// What is shown, a line for each row, without blanks at their ends.
    pub fn text(&self) -> String {
        self.run(&["capture-pane", "-p"])
    }

    /// The same with the sequences that make its colours.
    pub fn styled(&self) -> String {
        self.run(&["capture-pane", "-p", "-e"])
    }

    /// What was copied last.
    pub fn copied(&self) -> Option<String> {
        let output = self.tmux().args(["show-buffer"]).output().unwrap();
        output.status.success().then(|| text(&output.stdout))
    }

    /// Where the text is: column and row of its first cell, if there is one and each character takes one.
    pub fn find(&self, wanted: &str) -> Option<(usize, usize)> {
        self.text().lines().enumerate().find_map(|(row, line)| {
            let at = line.find(wanted)?;
            Some((line[..at].chars().count(), row))
        })
    }

    /// Waits until `look` sees something.
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut(&Screen) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(seen) = look(self) {
                return seen;
            }
            assert!(Instant::now() < deadline, "waited in vain: {what}\n{}", self.text());
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(40));
        }
    }

    /// Waits until the text is shown, and gives everything that is.
    pub fn wait_for(&self, wanted: &str) -> String {
        self.wait(wanted, |screen| Some(screen.text()).filter(|text| text.contains(wanted)))
    }

    /// Waits until it is no longer shown.
    pub fn wait_without(&self, unwanted: &str) -> String {
        self.wait(&format!("{unwanted} is gone"), |screen| {
            Some(screen.text()).filter(|text| !text.contains(unwanted))
        })
    }

    /// Waits until the command has ended, and gives its exit code (as shells do: 128 and a signal's number).
    pub fn ended(&self) -> i32 {
        let code = |screen: &Screen| fs::read_to_string(screen.file("code")).ok()?.trim().parse().ok();
        self.wait("the command ends", code)
    }

    pub fn has_ended(&self) -> bool {
        self.file("code").exists()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // a command is hung up when its terminal goes
        for (process, signals) in
            [(&self.server, &[Signal::TERM, Signal::KILL]), (&self.pane, &[Signal::HUP, Signal::KILL])]
        {
            let Some(process) = process else { continue };
            for signal in signals {
                let _ = pidfd_send_signal(process, *signal);
                if ends(process) {
                    break;
                }
            }
        }
    }
}

fn pidfd(pid: &str) -> Option<OwnedFd> {
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// The first of its children.
pub fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next().map(|pid| pid.parse().unwrap())
}

/// Whether it ends soon.
fn ends(process: &OwnedFd) -> bool {
    let timeout = Timespec { tv_sec: 5, tv_nsec: 0 };
    matches!(poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&timeout)), Ok(1))
}

fn must(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("tmux: {error}; `scripts/test` installs it"));
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    output
}
