//! The core decides and does nothing else: no clock, files, threads, sockets or runtime. Read from
//! its sources and its manifest, so that a slip fails here and not in a review.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

/// What would let a decision depend on anything but its arguments, or act on the world.
const FORBIDDEN: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::net",
    "std::process",
    "std::env",
    "std::io",
    "std::os",
    "std::sync::mpsc",
    "sync::Mutex",
    "sync::RwLock",
    "sync::atomic",
    "Instant",
    "SystemTime",
    "UNIX_EPOCH",
    "RandomState",
    "HashMap",
    "HashSet",
    "println!",
    "eprintln!",
    "dbg!",
    "tokio",
    "async fn",
    ".await",
    "tracing::",
    "log::",
    "rand::",
    "unsafe",
    "static mut",
    "thread_local!",
];

const DEPENDENCIES: &[&str] = &["regex-syntax", "strsim", "toml", "unicode-width"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
}

/// The code of a line; what is said in comments is free.
fn code(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

#[test]
fn the_core_reaches_for_nothing_but_its_arguments() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    assert!(files.len() > 10, "the sources were not found: {files:?}");
    let mut slips = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let found = FORBIDDEN.iter().filter(|word| code(line).contains(**word));
            slips.extend(found.map(|word| format!("{}:{}: `{word}`", file.display(), number + 1)));
        }
    }
    assert!(slips.is_empty(), "{}", slips.join("\n"));
}

#[test]
fn std_modules_that_act_are_not_imported_in_groups_either() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let grouped = text.lines().find(|line| code(line).trim_start().starts_with("use std::{"));
        assert_eq!(
            grouped,
            None,
            "{}: one `use std::module::Name` per line, so that this can read it",
            file.display()
        );
    }
}

#[test]
fn the_core_depends_on_nothing_that_acts() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split("[dependencies]").nth(1).expect("a list of dependencies");
    let lines = section.lines().skip(1).take_while(|line| !line.starts_with('['));
    let names: Vec<&str> =
        lines.filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty()).collect();
    assert_eq!(names, DEPENDENCIES);
}
