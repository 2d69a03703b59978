//! A place in front of a terminal of one's own: types, and reads what is shown.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

const END: &str = "<the end of what was shown>";
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Seat {
    keyboard: File,
    /// The side of the programs, which stays open here: its settings can be looked at when they have gone.
    terminal: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
    before: String,
    child: Child,
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn settings(of: &Termios) -> String {
    format!("{of:?}")
}

impl Seat {
    /// Runs a command there; 80 columns, 24 rows.
    pub fn of(mut command: Command) -> Seat {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, size(80, 24)).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let terminal = open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let before = settings(&tcgetattr(&terminal).unwrap());
        let side = || terminal.try_clone().unwrap();
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
        let keyboard = File::from(master);
        let (mut screen, shown) = (keyboard.try_clone().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
        let seen = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut buffer = [0; 64 << 10];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                // held where nothing is to be taken
                seen.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Seat { keyboard, terminal, shown, before, child }
    }

    pub fn side(&self) -> OwnedFd {
        self.terminal.try_clone().unwrap()
    }

    pub fn keys(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).unwrap();
    }

    /// Nothing of what is shown is taken while `act` goes on, but for what was on its way.
    pub fn while_it_takes_nothing<T>(&mut self, act: impl FnOnce(&mut File, u32) -> T) -> T {
        let shown = Arc::clone(&self.shown);
        let _held = shown.lock().unwrap();
        act(&mut self.keyboard, self.child.id())
    }

    pub fn raw(&self) -> Vec<u8> {
        self.shown.lock().unwrap().clone()
    }

    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.raw()).into_owned()
    }

    #[track_caller]
    pub fn sees(&self, wanted: &str) {
        self.until(wanted, |seat| seat.shown().contains(wanted));
    }

    #[track_caller]
    pub fn until(&self, what: &str, look: impl Fn(&Seat) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !look(self) {
            assert!(Instant::now() < deadline, "waited in vain for {what:?}: {:?}", tail(&self.shown()));
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Every key comes as it is typed.
    pub fn is_raw(&self) -> bool {
        settings(&tcgetattr(&self.terminal).unwrap()) != self.before
    }

    /// The window has another size. (Nobody's controlling terminal tells nobody, so it is told here.)
    pub fn resize(&self, columns: u16, rows: u16) {
        tcsetwinsize(&self.keyboard, size(columns, rows)).unwrap();
        self.signal(Signal::WINCH);
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the command's end: its exit code, with the terminal's settings as they were.
    #[track_caller]
    pub fn ends(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end: {:?}", tail(&self.shown()));
            std::thread::sleep(Duration::from_millis(2));
        };
        assert_eq!(settings(&tcgetattr(&self.terminal).unwrap()), self.before);
        // what it showed last has been read when this has
        rustix::io::write(&self.terminal, END.as_bytes()).unwrap();
        self.until("all that was shown", |seat| seat.raw().ends_with(END.as_bytes()));
        let mut shown = self.shown.lock().unwrap();
        let length = shown.len() - END.len();
        shown.truncate(length);
        status.code()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(text: &str) -> String {
    let from = text.char_indices().rev().nth(2000).map_or(0, |(place, _)| place);
    text[from..].to_owned()
}
