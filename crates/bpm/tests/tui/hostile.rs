//! What programs print must not reach the terminal as anything but text and colours: control sequences, characters of
//! other widths, endless lines, bytes that are no text.

use crate::lab::{Lab, shell};
use crate::shown::{assert_intact, fault};
use crate::tmux::Screen;

/// A program that has printed these bytes, and the screen that shows them.
fn printed(bytes: &[u8], columns: u16, rows: u16) -> (Lab, Screen) {
    let lab = Lab::new(&shell("app", "cat nasty; echo; echo that was all; exec sleep 1000", ""));
    std::fs::write(lab.file("nasty"), bytes).unwrap();
    let mut lab = lab;
    lab.start();
    let screen = Screen::tui(&lab, columns, rows, &[]);
    screen.wait_for("that was all");
    (lab, screen)
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_control_sequences_of_programs_control_nothing() {
    let nasty: &[&[u8]] = &[
        b"\x1b]0;stolen title\x07 title\n",
        b"\x1b]2;stolen title\x1b\\ title\n",
        b"\x1bkstolen name\x1b\\ name\n",
        b"\x1b]52;c;c3RvbGVu\x07 clipboard\n",
        b"\x1b[2J\x1b[H\x1b[3J cleared\n",
        b"\x1b[5;5H\x1b[1000A\x1b[3Dmoved\n",
        b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?2004l modes\n",
        b"\x1bc\x1b#8 reset\n",
        b"\x0e\x1b(0lqqk other letters\x0f\n",
        b"\x9b2J\x9d0;stolen title\x9c\x90q\x9c eight bits\n",
        b"\xc2\x9b2J\xc2\x9d0;stolen title\xc2\x9c eight bits in UTF-8\n",
        b"\x1b[31;7mred, and left so\n",
        b"\x1b[ \x1b[999999999999999999999m \x1b[38;5m \x1b[38;2;1m unfinished\n",
        b"a\rb\x08c\x07d\x0be\x0cf\x00g\x7fh\n",
        b"\xe2\x80\xae turned round \xe2\x80\xac \xe2\x81\xa6 too\n",
        b"\xff\xfe\xc3( no text\n",
        b"an unfinished sequence \x1b[",
    ];
    let (_lab, screen) = printed(&nasty.concat(), 100, 34);
    let shown = screen.text();
    assert_intact(&shown, 100, 34);
    for words in ["cleared", "moved", "other letters", "red, and left so", "no text"] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    let modes = "#{pane_title} #{window_name} #{alternate_on} #{mouse_sgr_flag}";
    assert!(!screen.asked(modes).contains("stolen"), "{}", screen.asked(modes));
    assert!(screen.asked(modes).ends_with("1 1"), "{}", screen.asked(modes));
    assert_eq!(screen.copied(), None);
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_characters_of_any_width_stay_in_their_cells() {
    let text = "\
        漢字かな交じり文のログ\n\
        한국어 로그 메시지\n\
        combining e\u{301} a\u{308}\u{332} Z\u{351}\u{36f}\u{301}\u{316}\n\
        zero\u{200b}width\u{200d}joined\u{feff}\n\
        emoji 🚀 🎉 👍🏽 🇩🇪 👩‍👩‍👧\n\
        signs ⚠️ ✔️ ℹ️ ▶️ ❤️ #️⃣\n\
        \u{301}begins with a mark\n\
        tab\there\tand\tthere\n";
    for columns in [80, 81] {
        let (_lab, screen) = printed(text.as_bytes(), columns, 24);
        assert_intact(&screen.text(), columns.into(), 24);
        assert!(screen.text().contains("漢字かな交じり文のログ"), "{}", screen.text());
        // cut in the middle of them, and scrolled
        screen.press(&["w"]);
        for _ in 0..7 {
            screen.press(&["Right"]);
        }
        screen.resize(43, 18);
        screen.wait("the new size", |screen| (screen.text().lines().count() == 18).then_some(()));
        screen.resize(columns, 24);
        screen.press(&["C-l"]);
        screen.wait("an intact screen", |screen| {
            fault(&screen.text(), columns.into(), 24).is_none().then_some(())
        });
    }
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_a_line_of_five_megabytes_is_a_line() {
    let mut bytes = b"begin ".to_vec();
    bytes.resize(5 << 20, b'x');
    let (_lab, screen) = printed(&bytes, 80, 24);
    assert_intact(&screen.text(), 80, 24);
    screen.press(&["w"]);
    screen.press(&["g"]);
    screen.wait_for("begin xxx");
    screen.press(&["G"]);
    screen.wait_for("that was all");
    assert_intact(&screen.text(), 80, 24);
}
