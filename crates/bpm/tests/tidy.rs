//! The house rules that no compiler checks: who uses whom, what a file says of itself, how long it is.
//! Reads the repository as text.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a source file, its tests apart.
const MOST_LINES: usize = 500;
/// What is not ours.
const NOT_OURS: [&str; 4] = ["target", ".git", "node_modules", ".cache"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below `directory`, relative to the root, in order.
fn files(directory: &str) -> Vec<String> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !NOT_OURS.contains(&name) {
                walk(&path, found);
            } else if path.is_file() {
                found.push(path);
            }
        }
    }
    let (root, mut found) = (root(), Vec::new());
    walk(&root.join(directory), &mut found);
    let mut names: Vec<String> =
        found.iter().map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    assert!(!names.is_empty(), "nothing in {directory}");
    names
}

fn sources() -> Vec<String> {
    files("crates").into_iter().chain(files("examples")).filter(|name| name.ends_with(".rs")).collect()
}

fn report(slips: &[String]) {
    assert!(slips.is_empty(), "\n{}", slips.join("\n"));
}

/// The code of a line; what is said in comments is free.
fn code(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

// --- who uses whom ---------------------------------------------------------------------------------

/// What a module uses: its siblings (as `module` or `module::Item`), and our crates.
#[derive(Debug, Default, PartialEq, Eq)]
struct Uses {
    modules: BTreeSet<String>,
    crates: BTreeSet<String>,
}

const CRATES: [&str; 4] = ["api", "core", "logs", "shim"];

/// The words in backticks.
fn ticked(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn allowed() -> BTreeMap<String, Uses> {
    let page = read("ARCHITECTURE.md");
    let (_, rest) = page.split_once("<!-- uses -->").expect("the table of uses");
    let (table, _) = rest.split_once("<!-- end -->").expect("the end of the table of uses");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let mut allowed = BTreeMap::new();
    for row in rows {
        let [_, module, modules, crates, _] = row.split('|').collect::<Vec<_>>()[..] else {
            panic!("a row of three cells was expected, found {row}");
        };
        let module = ticked(module).pop_first().expect("a module's name");
        allowed.insert(module, Uses { modules: ticked(modules), crates: ticked(crates) });
    }
    allowed
}

/// The identifiers that follow `start` in a line of code, each with the next one after a `::`.
fn after<'l>(line: &'l str, start: &str) -> Vec<(&'l str, Option<&'l str>)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let word = |text: &'l str| {
        let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
        (!text[..end].is_empty()).then_some((&text[..end], &text[end..]))
    };
    let mut found = Vec::new();
    for (at, _) in line.match_indices(start) {
        if line[..at].ends_with(is_word) {
            continue;
        }
        let Some((first, rest)) = word(&line[at + start.len()..]) else { continue };
        found.push((first, rest.strip_prefix("::").and_then(word).map(|(second, _)| second)));
    }
    found
}

/// What the code uses. `items`: modules of which single items are allowed, so that these are named.
fn used(items: &BTreeSet<(String, String)>) -> BTreeMap<String, Uses> {
    const SRC: &str = "crates/bpm/src/";
    let mut used: BTreeMap<String, Uses> = BTreeMap::new();
    let names = files(SRC).into_iter().filter(|name| name.ends_with(".rs") && !name.contains("/bin/"));
    for name in names.filter(|name| !name.ends_with("src/lib.rs")) {
        let text = read(&name);
        let module = name[SRC.len()..].split(['/', '.']).next().unwrap().to_owned();
        let start = if module == "main" { "bpm::" } else { "crate::" };
        let uses = used.entry(module.clone()).or_default();
        for line in text.lines().map(code) {
            for (other, item) in after(line, start) {
                let by_item = items.contains(&(module.clone(), other.to_owned()));
                let shown = match item {
                    Some(item) if by_item => format!("{other}::{item}"),
                    Some(_) | None => other.to_owned(),
                };
                uses.modules.insert(shown);
            }
            // Several modules in one line would be read as none.
            if line.contains(&format!("{start}{{")) {
                uses.modules.insert(format!("{start}{{…}}"));
            }
            for (ours, _) in after(line, "bpm_").into_iter().filter(|(ours, _)| CRATES.contains(ours)) {
                uses.crates.insert(ours.to_owned());
            }
        }
        uses.modules.remove(&module);
    }
    used
}

#[test]
fn modules_use_what_the_architecture_says_and_nothing_else() {
    let allowed = allowed();
    let mut items = BTreeSet::new();
    for (module, uses) in &allowed {
        let split = uses.modules.iter().filter_map(|other| other.split_once("::"));
        items.extend(split.map(|(other, _)| (module.clone(), other.to_owned())));
    }
    let used = used(&items);
    let mut slips = Vec::new();
    let modules: BTreeSet<&String> = allowed.keys().chain(used.keys()).collect();
    for module in modules {
        let none = Uses::default();
        let (may, does) = (allowed.get(module).unwrap_or(&none), used.get(module).unwrap_or(&none));
        let sorts = [("", &may.modules, &does.modules), ("crate ", &may.crates, &does.crates)];
        for (sort, may, does) in sorts {
            let extra =
                does.difference(may).map(|other| format!("`{module}` uses {sort}`{other}` and may not"));
            slips.extend(extra);
            let stale = may.difference(does).map(|other| format!("`{module}` does not use {sort}`{other}`"));
            slips.extend(stale.map(|slip| slip + ": take it out of the table in ARCHITECTURE.md"));
        }
    }
    report(&slips);
}

/// The names in a section of a manifest.
fn section<'t>(manifest: &'t str, header: &str) -> Vec<&'t str> {
    let Some((_, rest)) = manifest.split_once(&format!("\n[{header}]\n")) else { return Vec::new() };
    let lines = rest.lines().take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty()).collect()
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let expected: [(&str, &[&str]); 6] = [
        ("api", &[]),
        ("bpm", &["bpm-api", "bpm-core", "bpm-logs", "bpm-shim"]),
        ("core", &[]),
        ("logs", &[]),
        ("puppet", &["bpm-shim"]),
        ("shim", &["bpm-logs"]),
    ];
    for (name, ours) in expected {
        let manifest = read(&format!("crates/{name}/Cargo.toml"));
        let names = section(&manifest, "dependencies");
        let found: Vec<&str> = names.iter().copied().filter(|name| name.starts_with("bpm-")).collect();
        assert_eq!(found, ours, "crates/{name}");
        if name != "bpm" {
            let runtime = names.iter().find(|name| name.starts_with("tokio") || **name == "hyper");
            assert_eq!(runtime, None, "crates/{name}");
        }
        for line in ["rust-version.workspace = true", "edition.workspace = true", "license.workspace = true"]
        {
            assert!(manifest.contains(line), "crates/{name}/Cargo.toml has no `{line}`");
        }
        assert!(manifest.contains("[lints]\nworkspace = true\n"), "crates/{name} has lints of its own");
    }
}

// --- what a file says, and how long it is ------------------------------------------------------------

#[test]
fn every_file_begins_with_what_it_owns() {
    let bare = sources().into_iter().filter(|name| !read(name).starts_with("//! "));
    report(&bare.map(|name| format!("{name} does not begin with `//! `")).collect::<Vec<_>>());
}

/// Lines before the tests at the end of a file.
fn length(text: &str) -> usize {
    let tests = ["\n#[cfg(test)]\nmod tests {", "\n#[cfg(test)]\nmod test {"];
    let end = tests.iter().filter_map(|start| text.find(start)).min().unwrap_or(text.len());
    text[..end].lines().count()
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let code = sources().into_iter().filter(|name| !name.contains("/tests/") && !name.ends_with("/tests.rs"));
    let mut slips = Vec::new();
    for name in code {
        let lines = length(&read(&name));
        if lines > MOST_LINES {
            slips.push(format!("{name} has {lines} lines without its tests, expected at most {MOST_LINES}"));
        }
    }
    report(&slips);
}

#[test]
fn nothing_depends_on_one_machine() {
    let words = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    let kinds =
        [".rs", ".toml", ".md", ".service", ".snap", ".js", ".json", ".lock", "/test", "/run", "/.mcp-run"];
    let mut slips = Vec::new();
    for name in files("").into_iter().filter(|name| kinds.iter().any(|kind| name.ends_with(kind))) {
        let Ok(text) = fs::read_to_string(root().join(&name)) else { continue };
        for (number, line) in text.lines().enumerate() {
            let found = words.iter().filter(|word| line.contains(**word));
            slips.extend(found.map(|word| format!("{name}:{}: `{word}`", number + 1)));
        }
    }
    report(&slips);
}

// --- tests and documentation -------------------------------------------------------------------------

/// `scripts/test` runs what is called so, and everybody else's `cargo test` must not.
#[test]
fn tests_that_need_a_tool_are_named_and_marked() {
    let mut slips = Vec::new();
    for name in sources() {
        let text = read(&name);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            let above = |line: &&&str| line.is_empty() || line.starts_with("#[") || line.starts_with("//");
            let attributes: Vec<&&str> = lines[..number].iter().rev().take_while(above).collect();
            let is_test = attributes.iter().any(|line| line.contains("test]") || line.contains("test("));
            let is_marked = attributes.iter().any(|line| line.starts_with("#[ignore = \"needs "));
            // What takes long is a command of its own.
            let is_campaign = attributes.iter().any(|line| line.starts_with("#[ignore = \"campaign"));
            let is_ignored = !is_campaign && attributes.iter().any(|line| line.starts_with("#[ignore"));
            let is_named = line.starts_with("fn needs_") || line.starts_with("async fn needs_");
            if is_test && (is_marked != is_named || is_ignored != is_named) {
                slips.push(format!(
                    "{name}:{}: a test that needs a tool is called `needs_…` and has `#[ignore = \"needs …\"]`, both or neither",
                    number + 1
                ));
            }
        }
    }
    report(&slips);
}

#[test]
fn links_between_pages_lead_somewhere() {
    let pages = files("").into_iter().filter(|name| name.ends_with(".md"));
    let mut slips = Vec::new();
    for page in pages {
        let text = read(&page);
        for (_, rest) in text.match_indices("](").map(|(at, _)| text[at..].split_at(2)) {
            let target = rest.split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            let local = !target.is_empty() && !target.contains("://");
            if local && !root().join(&page).parent().unwrap().join(target).exists() {
                slips.push(format!("{page}: there is no `{target}`"));
            }
        }
    }
    report(&slips);
}

#[test]
fn the_readme_lists_every_command() {
    let help = Command::new(env!("CARGO_BIN_EXE_bpm")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, commands) = help.split_once("Commands:\n").expect("a list of commands");
    let verbs: Vec<&str> = commands
        .lines()
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.len() > 5, "{help}");
    let readme = read("README.md");
    let (_, table) = readme.split_once("\n## Commands\n").expect("a chapter on commands");
    let (table, _) = table.split_once("\n## ").expect("a next chapter");
    let missing = verbs.iter().filter(|verb| {
        let forms = [format!("`bpm {verb}`"), format!("`bpm {verb} "), format!("`{verb}`")];
        !forms.iter().any(|form| table.contains(form.as_str()))
    });
    report(&missing.map(|verb| format!("README.md does not say what `bpm {verb}` does")).collect::<Vec<_>>());
}
