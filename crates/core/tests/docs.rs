//! The documentation of the configuration says what the code does: the reference is written from the
//! table of keys, and every example in it is a configuration. `UPDATE_DOCS=1` writes it anew.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bpm_core::config::{KEYS, LATER, Source, parse};

const REFERENCE: &str = "docs/configuration.md";
const KEYS_BEGIN: &str = "<!-- keys: written by the test `the_reference_lists_every_key`, from crates/core/src/config/keys.rs -->\n";
const KEYS_END: &str = "<!-- end of keys -->";
const LATER_BEGIN: &str = "<!-- later: written by the same test -->\n";
const LATER_END: &str = "<!-- end of later -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text with what stands between two marks replaced.
fn with(text: &str, begin: &str, end: &str, between: &str) -> String {
    let (before, rest) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin:?} in {REFERENCE}"));
    let (_, after) = rest.split_once(end).unwrap_or_else(|| panic!("no {end:?} in {REFERENCE}"));
    format!("{before}{begin}{between}{end}{after}")
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn table() -> String {
    let mut table = "\n| key | value | default | meaning |\n|---|---|---|---|\n".to_owned();
    for key in KEYS {
        let default = match key.default {
            "none" => String::new(),
            default => format!("`{}`", cell(default)),
        };
        let _ =
            writeln!(table, "| `{}` | {} | {default} | {} |", key.name, cell(key.form), cell(key.meaning));
    }
    table.push('\n');
    table
}

fn later() -> String {
    let names: Vec<_> = LATER.iter().map(|name| format!("`{}`", name.replace("process.NAME.", ""))).collect();
    format!("{}.\n", names.join(", "))
}

#[test]
fn the_reference_lists_every_key() {
    let found = read(REFERENCE);
    let expected = with(&found, KEYS_BEGIN, KEYS_END, &table());
    let expected = with(&expected, LATER_BEGIN, LATER_END, &later());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join(REFERENCE), &expected).unwrap();
        return;
    }
    assert!(
        found == expected,
        "{REFERENCE} is not what the table of keys says; `UPDATE_DOCS=1 cargo test -p bpm-core --test docs` writes it"
    );
}

/// What stands in blocks that are marked as TOML.
fn toml_blocks(text: &str) -> Vec<&str> {
    text.split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(block, _)| block)
        .collect()
}

#[test]
fn every_example_in_the_documentation_is_a_configuration() {
    for (path, at_least) in [(REFERENCE, 2), ("README.md", 1)] {
        let text = read(path);
        let blocks = toml_blocks(&text);
        assert!(blocks.len() >= at_least, "{path} has {} examples", blocks.len());
        for block in blocks {
            let is_local = block.starts_with("# .mcp-run.local");
            // an override is nothing by itself
            let main = if is_local { "[process.api]\ntype = \"rust\"\n" } else { block };
            let local = is_local.then_some(Source { path: ".mcp-run.local", text: block });
            if let Err(faults) = parse(Source { path: ".mcp-run", text: main }, local) {
                panic!("in {path}:\n{}", faults.render(false));
            }
        }
    }
}

#[test]
fn the_examples_are_configured_without_fault_or_remark() {
    for example in ["hello", "web-npm", "workspace"] {
        let path = format!("examples/{example}/.mcp-run");
        let text = read(&path);
        match parse(Source { path: &path, text: &text }, None) {
            Ok(config) => assert_eq!(config.notes, [], "{path}"),
            Err(faults) => panic!("{}", faults.render(false)),
        }
    }
}
