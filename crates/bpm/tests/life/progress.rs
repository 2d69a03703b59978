//! How far a build is, from cargo's own words to whoever waits: the status, the next manager, a terminal.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::lab::Lab;

const CONFIG: &str = "[process.app]\ntype = 'rust'\nprofile = 'dev'\n";

/// A project whose build stands still in its build script, the second of three steps, until it is let go on.
struct Held {
    lab: Lab,
    gate: PathBuf,
}

impl Held {
    fn new() -> Held {
        let lab = Lab::new(CONFIG);
        let gate = lab.project().with_file_name("gate");
        mkfifoat(CWD, &gate, Mode::RUSR | Mode::WUSR).unwrap();
        std::fs::create_dir_all(lab.file("src")).unwrap();
        lab.write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        lab.write("build.rs", &format!("fn main() {{ std::fs::read({gate:?}).unwrap(); }}\n"));
        lab.write("src/main.rs", "fn main() { loop { std::thread::park() } }\n");
        Held { lab, gate }
    }

    fn is_held(&self) -> bpm_api::BuildStatus {
        self.lab.wait_for("the build script is shown", |lab| {
            let building = lab.process("app").building?;
            let progress = building.progress.as_ref()?;
            (progress.what == "app(build)").then_some(building)
        })
    }

    /// Once the script is there, and not only about to be.
    fn let_go_on(&self) {
        self.lab.wait_for("the build script waits", |_| {
            let mut options = OpenOptions::new();
            options.write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&self.gate).ok()
        });
    }
}

#[test]
fn a_build_shows_its_steps_while_it_goes_on_also_to_the_next_manager() {
    let mut held = Held::new();
    held.lab.start();
    let building = held.is_held();
    let progress = building.progress.clone().unwrap();
    assert_eq!((building.build, progress.done, progress.total), (1, 1, 3));
    let shown = crate::lab::text(&held.lab.bpm(&["status"]).stdout);
    assert!(
        shown.contains("build 1 (release) is under way for ") && shown.contains(", 1/3 (app(build))"),
        "{shown}"
    );

    held.lab.kill_manager();
    held.lab.start();
    let adopted = held.is_held();
    assert!(adopted.took_seconds >= building.took_seconds, "{adopted:?} {building:?}");

    held.let_go_on();
    let running = held.lab.running("app");
    assert_eq!(running.building, None);
    let last = running.last_build.unwrap();
    assert_eq!((last.ok, &last.progress), (Some(true), &None));
    assert!(last.took_seconds >= adopted.took_seconds && last.ago_seconds.is_some(), "{last:?}");
    let log = crate::lab::text(&held.lab.bpm(&["build-log", "app"]).stdout);
    assert!(log.contains("Compiling app") && !log.contains("Building"), "{log}");
}

#[test]
fn who_waits_at_a_terminal_sees_the_steps() {
    let mut held = Held::new();
    held.lab.start();
    held.is_held();
    held.let_go_on();
    held.lab.running("app");
    held.lab.write("src/main.rs", "fn main() { loop { std::thread::park() } } // changed\n");

    let (mut master, slave) = terminal();
    let mut restart = held.lab.command();
    let mut restart = restart.args(["restart", "app"]).stderr(slave).spawn().unwrap();
    let mut shown = String::new();
    let mut buffer = [0; 4096];
    while !shown.contains("building app 1/3: app(build)") {
        let count = master.read(&mut buffer).unwrap();
        shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    held.let_go_on();
    assert!(restart.wait().unwrap().success());
}

/// A terminal of 80 columns: what is shown on it, and the side that a program gets.
fn terminal() -> (File, std::os::fd::OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    (File::from(master), slave)
}
