//! The picture in the README is made by a script from a real run; it must go on working.

use std::process::Command;

use crate::lab::{Lab, text};

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_the_picture_of_the_readme_can_be_made() {
    let lab = Lab::new("");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/picture");
    let mut picture = lab.in_project(Command::new("python3"));
    picture.args([script, "--seconds", "0", "--bpm", env!("CARGO_BIN_EXE_bpm"), "--output", "tui.svg"]);
    let ran = picture.output().unwrap();
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let picture = std::fs::read_to_string(lab.file("tui.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    for words in [">Processes<", ">worker<", "E0308"] {
        assert!(picture.contains(words), "{words}\n{picture}");
    }
}
