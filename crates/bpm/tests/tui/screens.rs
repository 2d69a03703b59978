//! Whole screens of a real project at three sizes, as snapshots. What differs from run to run is blotted out.

use bpm_api::State;
use insta::assert_snapshot;
use regex_automata::meta::Regex;

use crate::desk::Desk;
use crate::lab::{Lab, shell};
use crate::shown::assert_intact;

/// Where what differs from run to run begins; it goes on to the panel's border.
const DIFFERS: &str = r"(?x) \s* (
    /t\S*                        # the project's directory, however much of it there is room for
    | \bbpm\ \d | \bpid\ | \bfor\ \d | \btook\ | (\bin\ )?[\d.]+\ (s|min|h)\b | \d\d:\d\d
    | \d+% | [\d.]+M\b
)";

/// A project in which something of everything has happened.
fn project(columns: u16, rows: u16) -> Desk {
    let build = "echo compiling src/main.rs; echo 'error: expected `;`, found `}`'; echo ' --> src/main.rs:3:5'; exit 1";
    let app = "echo listening on 8080; for n in 1 2 3; do echo GET /page/$n 200; done; echo POST /form 500; \
               exec sleep 1000";
    let config = [
        "release_crash_backoff_initial_seconds = 3000\nrelease_crash_backoff_max_seconds = 3000\n".to_owned(),
        shell("app", app, ""),
        shell("crash", "echo out of order >&2; exit 3", ""),
        shell("idle", "exec sleep 1000", "autostart = false"),
        shell("build", "exec sleep 1000", &format!("build = {}", serde_json::to_string(build).unwrap())),
    ];
    let lab = Lab::up(&config.concat());
    lab.running("app");
    lab.in_state("crash", State::BackingOff);
    lab.in_state("build", State::BuildFailed);
    assert!(lab.bpm(&["run", "--name", "job", "--", "sleep", "1000"]).status.success());
    let desk = Desk::new(lab, "app", columns, rows);
    desk.until("an output", |output| !output.title.is_empty());
    desk.select("app");
    desk
}

/// The screen without what differs, its panels as wide as they were.
fn blotted(desk: &Desk) -> String {
    let shown = desk.screen.text();
    assert_intact(&shown, desk.columns.into(), shown.lines().count());
    let differs = Regex::new(DIFFERS).unwrap();
    let mut screen = String::new();
    for line in shown.lines() {
        for part in line.split_inclusive(['│', '┃']) {
            let (inside, border) = match part.chars().next_back() {
                Some(border @ ('│' | '┃')) => part.split_at(part.len() - border.len_utf8()),
                _ => (part, ""),
            };
            match differs.find(inside) {
                Some(found) => {
                    let kept = format!("{} ~", &inside[..found.start()]);
                    let columns = inside.chars().count();
                    screen.extend(format!("{kept:columns$}").chars().take(columns));
                }
                None => screen.push_str(inside),
            }
            screen.push_str(border);
        }
        screen.push('\n');
    }
    screen
}

/// What was asked for is there, under that title.
fn answered(desk: &Desk, title: &str) {
    desk.screen.wait(title, |screen| {
        let shown = screen.text();
        (shown.contains(title) && !shown.contains("asking")).then_some(())
    });
}

fn every_screen(columns: u16, rows: u16) {
    let desk = project(columns, rows);
    let size = format!("{columns}x{rows}");
    let snapshot = |name: &str| assert_snapshot!(format!("{name}_{size}"), blotted(&desk));
    desk.until("the last line", |output| output.has("POST /form 500"));
    // the notes of the beginning are cleared, which is done in their panel
    desk.screen.press(&["BTab", "BTab", "c", "Tab", "Tab"]);
    desk.screen.wait_without("connected to");
    desk.screen.wait_for("r restart");
    snapshot("main");

    desk.press("?");
    desk.screen.wait_for("Keys");
    snapshot("help");
    desk.press("?");
    desk.screen.wait_without("Keys");

    desk.press("R");
    answered(&desk, "Runs and builds: app");
    snapshot("runs");
    desk.press("R");
    desk.screen.wait_without("Runs");

    desk.press("/");
    desk.type_line("page/[12]");
    desk.until("a line that was found", |output| output.found.is_some());
    snapshot("search");
    desk.press("Escape");
    desk.until("no search", |output| output.found.is_none());

    desk.press("&");
    desk.type_line("5..$");
    desk.until("one line", |output| output.text() == "POST /form 500");
    snapshot("filter");
    desk.press("Escape");
    desk.until("all lines", |output| output.has("GET /page/3 200"));

    desk.select("idle");
    desk.press("W");
    answered(&desk, "Why: idle");
    snapshot("why");
    desk.press("W");
    desk.screen.wait_without("Why");

    desk.select("build");
    desk.until("the build", |output| output.text().contains("src/main.rs:3:5"));
    desk.screen.wait_without("looking");
    // what is above it is wrapped according to how long times are
    let output = desk.output();
    assert_snapshot!(format!("build_failed_{size}"), format!("{}\n{}", output.title, output.rows.join("\n")));
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_screens_at_80_by_24() {
    every_screen(80, 24);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_screens_at_120_by_40() {
    every_screen(120, 40);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_screens_at_40_by_10() {
    every_screen(40, 10);
}
