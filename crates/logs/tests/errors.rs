//! Measures the detector of errors on captured outputs of real tools (`outputs/index.toml` says which), and
//! its speed on a flood. Knows nothing of how it decides.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]
#![allow(clippy::print_stdout, reason = "the table is to be seen")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bpm_logs::economy::plain_text;
use bpm_logs::errors::{Detector, Extra, Finding, Kind};
use toml::de::{DeTable, DeValue};

/// In 1/1000, on all outputs, by line and by file. Raise them when the rules get better.
const FLOORS: Floors = Floors { precision: 970, recall: 930, files_precision: 960, files_recall: 980 };

#[derive(Debug)]
struct Floors {
    precision: usize,
    recall: usize,
    files_precision: usize,
    files_recall: usize,
}

/// One captured output, and what a reader says of it.
#[derive(Debug)]
struct Output {
    file: String,
    held_out: bool,
    deciding: Option<u64>,
    reports: Vec<u64>,
    found: Vec<Finding>,
}

fn outputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outputs")
}

fn find(bytes: &[u8]) -> Vec<Finding> {
    let mut detector = Detector::new(&Extra::default()).unwrap();
    let lines = bytes.split(|b| *b == b'\n').map(plain_text);
    let mut found: Vec<Finding> = (1..).zip(lines).flat_map(|(n, line)| detector.feed(n, &line)).collect();
    found.extend(detector.flush());
    found
}

fn number(value: &DeValue<'_>) -> u64 {
    value.as_integer().unwrap().as_str().parse().unwrap()
}

fn read() -> Vec<Output> {
    let text = fs::read_to_string(outputs().join("index.toml")).unwrap();
    let table = DeTable::parse(&text).unwrap().into_inner();
    let all = table.get("output").unwrap().get_ref().as_array().unwrap();
    let read_one = |value: &DeValue<'_>| {
        let entry = value.as_table().unwrap();
        let text = |key: &str| entry.get(key).unwrap().get_ref().as_str().unwrap();
        let numbers =
            |value: &DeValue<'_>| value.as_array().unwrap().iter().map(|n| number(n.get_ref())).collect();
        let bytes = fs::read(outputs().join(text("file"))).unwrap();
        assert!(bytes.len() <= 8 << 10 && !text("command").is_empty(), "{}", text("file"));
        Output {
            file: text("file").to_owned(),
            held_out: text("part") == "hold-out",
            deciding: entry.get("deciding").map(|n| number(n.get_ref())),
            reports: entry.get("reports").map(|list| numbers(list.get_ref())).unwrap_or_default(),
            found: find(&bytes),
        }
    };
    all.iter().map(|value| read_one(value.get_ref())).collect()
}

impl Output {
    fn is_error(&self) -> bool {
        self.file.starts_with("error/")
    }

    /// A finding is right if a reader calls its deciding line a report.
    fn right(&self) -> usize {
        self.found.iter().filter(|found| self.reports.contains(&found.deciding)).count()
    }

    fn is_told(&self, line: u64) -> bool {
        self.found.iter().any(|found| (found.first..=found.last).contains(&line))
    }

    fn told(&self) -> usize {
        self.reports.iter().filter(|line| self.is_told(**line)).count()
    }

    /// The file counts as known to be an error where its cause is among what was found.
    fn is_known(&self) -> bool {
        self.deciding.is_some_and(|line| self.is_told(line))
    }

    fn slips(&self) -> Vec<String> {
        let wrong = self.found.iter().filter(|found| !self.reports.contains(&found.deciding));
        let wrong =
            wrong.map(|f| format!("  wrong  {}:{} {}: {}", self.file, f.deciding, f.kind, f.deciding_line()));
        let missed = self.reports.iter().filter(|line| !self.is_told(**line));
        wrong.chain(missed.map(|line| format!("  missed {}:{line}", self.file))).collect()
    }
}

/// Thousandths; all of nothing is all.
fn share(part: usize, whole: usize) -> usize {
    (part * 1_000).checked_div(whole).unwrap_or(1_000)
}

/// Prints a row and returns precision and recall, by line and by file.
fn row(name: &str, outputs: &[&Output]) -> Floors {
    let sum = |of: fn(&Output) -> usize| outputs.iter().map(|o| of(o)).sum::<usize>();
    let count = |of: fn(&Output) -> bool| outputs.iter().filter(|o| of(o)).count();
    let (right, found) = (sum(Output::right), sum(|o| o.found.len()));
    let (told, reports) = (sum(Output::told), sum(|o| o.reports.len()));
    let (known, errors) = (count(|o| o.is_error() && o.is_known()), count(Output::is_error));
    let alarms = count(|o| !o.is_error() && !o.found.is_empty());
    let measured = Floors {
        precision: share(right, found),
        recall: share(told, reports),
        files_precision: share(known, known + alarms),
        files_recall: share(known, errors),
    };
    println!(
        "{name:9} lines: precision {right}/{found} ({}‰), recall {told}/{reports} ({}‰); files: {known}/{errors} errors known ({}‰), {alarms}/{} clean ones taken for errors",
        measured.precision,
        measured.recall,
        measured.files_recall,
        outputs.len() - errors,
    );
    measured
}

#[test]
fn errors_are_known_in_the_output_of_real_tools() {
    let all = read();
    let clean = all.iter().filter(|o| !o.is_error()).count();
    assert!(all.len() >= 60 && clean >= 30, "{} outputs, {clean} clean", all.len());
    for output in &all {
        assert_eq!(output.is_error(), output.deciding.is_some(), "{}", output.file);
    }
    let part = |held_out: bool| all.iter().filter(|o| o.held_out == held_out).collect::<Vec<_>>();
    row("tune", &part(false));
    row("hold-out", &part(true));
    let measured = row("all", &all.iter().collect::<Vec<_>>());
    let only = std::env::var("SLIPS_OF").unwrap_or_default();
    let slips =
        all.iter().filter(|o| only.is_empty() || o.held_out == (only == "hold-out")).flat_map(Output::slips);
    println!("{}", slips.collect::<Vec<_>>().join("\n"));
    assert!(measured.precision >= FLOORS.precision, "{measured:?}");
    assert!(measured.recall >= FLOORS.recall, "{measured:?}");
    assert!(measured.files_precision >= FLOORS.files_precision, "{measured:?}");
    assert!(measured.files_recall >= FLOORS.files_recall, "{measured:?}");
}

#[test]
fn every_output_is_in_the_index() {
    let listed: Vec<String> = read().into_iter().map(|output| output.file).collect();
    for kind in ["error", "clean"] {
        for entry in fs::read_dir(outputs().join(kind)).unwrap() {
            let name = format!("{kind}/{}", entry.unwrap().file_name().to_str().unwrap());
            assert!(listed.contains(&name), "{name}");
        }
    }
}

#[test]
fn a_taken_address_is_known_with_its_port() {
    let all = read();
    let taken: Vec<&Output> =
        all.iter().filter(|o| o.file.contains("_port_taken") || o.file.contains("strict_port")).collect();
    assert!(taken.len() >= 8, "{}", taken.len());
    for output in taken {
        let found: Vec<&Finding> = output.found.iter().filter(|f| f.kind == Kind::AddressInUse).collect();
        assert!(!found.is_empty(), "{}", output.file);
        let port = found.iter().find_map(|f| f.port());
        // What `http.server` and Rust's standard library print has no port in it.
        let says_it = !output.file.contains("python_http") && !output.file.contains("rust_");
        assert_eq!(port.is_some(), says_it, "{}: {port:?}", output.file);
        assert!(port.is_none_or(|port| (41_800..41_830).contains(&port)), "{}: {port:?}", output.file);
    }
}

/// The speed in earnest: `FLOOD_MB=100 cargo test --release -p bpm-logs --test errors flood -- --nocapture`
#[test]
fn a_clean_flood_has_no_errors() {
    let megabytes = std::env::var("FLOOD_MB").map_or(2, |text| text.parse().unwrap());
    let size = megabytes << 20;
    let mut flood = String::with_capacity(size + 200);
    for n in 0_u32.. {
        if flood.len() >= size {
            break;
        }
        flood.push_str(&format!(
            "10.0.{}.7 - - [21/Nov/2026:07:00:00 +0000] \"GET /assets/app-{n}.js HTTP/1.1\" 200 {n}\n",
            n % 256
        ));
    }
    let mut detector = Detector::new(&Extra::default()).unwrap();
    let megabytes = flood.len() as f64 / 1e6;
    let start = Instant::now();
    assert!(flood.as_bytes().chunks(64 << 10).all(|chunk| detector.can_skip(chunk)));
    println!("by chunk of 64 KiB: {:.0} MB/s", megabytes / start.elapsed().as_secs_f64());
    let start = Instant::now();
    assert!((1..).zip(flood.lines()).all(|(n, line)| detector.feed(n, line).is_empty()));
    println!("line by line:       {:.0} MB/s", megabytes / start.elapsed().as_secs_f64());
    let logged = flood.replace("\"GET", "INFO no errors \"GET");
    let start = Instant::now();
    assert!((1..).zip(logged.lines()).all(|(n, line)| detector.feed(n, line).is_empty()));
    let megabytes = logged.len() as f64 / 1e6;
    println!("a mention in every line: {:.0} MB/s", megabytes / start.elapsed().as_secs_f64());
}
