//! Terminals that know no colours, or nothing but ASCII.

use crate::lab::{Lab, shell};
use crate::tmux::Screen;

/// Colours in the output, and letters that are not ASCII.
const PRINTS: &str =
    r"printf '\033[31mred\033[0m and \033[1mbold\033[0m, grün, 漢字\nhere\n'; exec sleep 1000";

fn project() -> Lab {
    let stopped = shell("stopped", "exec sleep 1000", "autostart = false");
    Lab::up(&(shell("app", PRINTS, "") + &stopped))
}

/// The whole screen, and what is opened on top of it.
fn screens(screen: &Screen) -> Vec<String> {
    screen.wait_for("here");
    let mut all = vec![screen.styled()];
    for (key, sign) in [("?", "ctrl-"), ("W", "Why"), ("R", "Runs")] {
        screen.press(&[key]);
        screen.wait_for(sign);
        all.push(screen.styled());
        screen.press(&[key]);
        screen.wait_without(sign);
    }
    all
}

/// Sequences that set a colour; bold, dim, underline and reverse are none.
fn colours(styled: &str) -> Vec<&str> {
    let sequences = styled.split('\x1b').skip(1).filter_map(|rest| rest.strip_prefix('[')?.split_once('m'));
    let is_colour = |number: &str| matches!(number.parse(), Ok(30..=38 | 40..=48 | 90..=97 | 100..=107));
    sequences.map(|(numbers, _)| numbers).filter(|numbers| numbers.split([';', ':']).any(is_colour)).collect()
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_colours_are_there_unless_they_are_not_wanted() {
    let lab = project();
    let screen = Screen::tui(&lab, 100, 30, &[]);
    screen.wait_for("here");
    assert!(!colours(&screen.styled()).is_empty());
    let without: [&[&str]; 3] = [&["NO_COLOR=1"], &["TERM=dumb"], &[]];
    for variables in without {
        let bpm = lab.command();
        let program = bpm.get_program().to_str().unwrap();
        let flags: &[&str] = if variables.is_empty() { &["--no-color"] } else { &[] };
        let words = [&["env"], variables, &[program, "tui"], flags].concat();
        let screen = Screen::new(&lab, 100, 30, &words);
        for styled in screens(&screen) {
            assert_eq!(colours(&styled), Vec::<&str>::new(), "{variables:?} {styled:?}");
        }
        screen.press(&["q"]);
        assert_eq!(screen.ended(), 0);
    }
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_ascii_is_ascii() {
    let lab = project();
    let bpm = lab.command();
    let program = bpm.get_program().to_str().unwrap();
    let ways: [&[&str]; 2] = [&[program, "tui", "--ascii"], &["env", "LC_ALL=C", program, "tui"]];
    for words in ways {
        let screen = Screen::new(&lab, 100, 30, words);
        for styled in screens(&screen) {
            assert!(styled.is_ascii(), "{styled}");
        }
    }
}
