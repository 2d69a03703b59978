//! Windows on logs as a face asks for them, and the list of what is kept.

use bpm_api::{Code, Error, LogWindow, ReadFrom, ReadLog, ReadOnly};
use bpm_core::config::ErrorRules;
use bpm_logs::{Limits, Now, Stream, Writer};

use super::Bench;
use crate::logbook::{Filters, What, Whose, runs, window};
use crate::store::asked;

fn ask(from: ReadFrom, lines: u32) -> ReadLog {
    ReadLog {
        target: "api".to_owned(),
        builds: false,
        run: None,
        from,
        lines,
        only: ReadOnly::All,
        max_bytes: None,
        max_line_bytes: None,
    }
}

fn try_read(bench: &Bench, ask: &ReadLog) -> Result<LogWindow, Error> {
    let errors = ErrorRules { matches: vec!["^oops".to_owned()], ignore: Vec::new() };
    let whose = Whose { id: "api".to_owned(), label: ask.target.clone(), errors };
    window(&bench.project, &whose, ask, &Filters::default())
}

fn read(bench: &Bench, ask: &ReadLog) -> LogWindow {
    try_read(bench, ask).unwrap()
}

fn numbers(window: &LogWindow) -> Vec<u64> {
    window.lines.iter().map(|line| line.number).collect()
}

#[test]
fn a_window_says_which_run_it_is_of_and_when_each_line_came() {
    let bench = Bench::new();
    assert_eq!(
        read(&bench, &ask(ReadFrom::End, 5)),
        LogWindow { first_line: 1, next_line: 1, ..LogWindow::default() }
    );
    bench.numbered("api", 1, 0..5).finish(Now::default());
    bench.numbered("api", 3, 0..9).finish(Now::default());
    let newest = read(&bench, &ask(ReadFrom::End, 2));
    assert_eq!((newest.run, newest.newest, newest.first_line, newest.next_line), (3, 3, 1, 10));
    assert_eq!(numbers(&newest), [8, 9]);
    assert_eq!(newest.lines[1].time, "1970-01-01T00:00:09.000Z");
    assert!(!newest.ended, "no shim yet, but one may come");
    let first = read(&bench, &ReadLog { run: Some(1), ..ask(ReadFrom::Before(3), 9) });
    assert_eq!((first.run, first.newest, first.ended), (1, 3, true));
    assert_eq!(numbers(&first), [1, 2]);
    let gone = try_read(&bench, &ReadLog { run: Some(2), ..ask(ReadFrom::End, 1) }).unwrap_err();
    assert_eq!(gone.message, "`api` has no run 2: runs 1, 3 are kept");
    let none =
        try_read(&bench, &ReadLog { builds: true, run: Some(1), ..ask(ReadFrom::End, 1) }).unwrap_err();
    assert_eq!((none.code, none.message.as_str()), (Code::UnknownRun, "`api` has no build yet"));
    bench.writer(What::Builds, "api", 4).finish(Now::default());
    assert_eq!(read(&bench, &ReadLog { builds: true, ..ask(ReadFrom::End, 1) }).run, 4);
}

#[test]
fn text_is_bounded_and_goes_on_where_it_broke_off() {
    let bench = Bench::new();
    bench.numbered("api", 1, 0..2_000).finish(Now::default());
    let mut small = ReadLog { max_bytes: Some(100), ..ask(ReadFrom::After(0), 50) };
    let (mut seen, mut answers) = (Vec::new(), 0);
    while seen.len() < 50 {
        let window = read(&bench, &small);
        assert!(window.lines.iter().map(|line| line.text.len()).sum::<usize>() <= 100);
        seen.extend(numbers(&window));
        let Some(from) = window.broke_off else { break };
        (small.from, small.lines) = (ReadFrom::After(from), 50 - u32::try_from(seen.len()).unwrap());
        answers += 1;
    }
    assert_eq!(seen, (1..=50).collect::<Vec<u64>>());
    assert!(answers > 2);
    let clipped = read(&bench, &ReadLog { max_line_bytes: Some(4), ..ask(ReadFrom::End, 1) });
    assert_eq!((clipped.lines[0].text.as_str(), clipped.lines[0].clipped_bytes), ("line", 5));
    let least = read(&bench, &ReadLog { max_bytes: Some(3), ..ask(ReadFrom::End, 10) });
    assert_eq!((numbers(&least), least.broke_off), (vec![2_000], Some(2_000)));
    assert_eq!((least.lines[0].text.as_str(), least.lines[0].clipped_bytes), ("lin", 6));
}

#[test]
fn what_is_searched_is_what_is_shown_and_errors_are_the_configured_ones_too() {
    let bench = Bench::new();
    let mut writer = bench.writer(What::Runs, "api", 1);
    writer.append(Stream::Stdout, b"\x1b[31mred\x1b[0m alert\n 5%\r10%\noops\n", Now::default());
    writer.append(Stream::Stderr, b"error[E0308]: no\n", Now::default());
    writer.finish(Now::default());
    let only = |only| numbers(&read(&bench, &ReadLog { only, ..ask(ReadFrom::After(0), 9) }));
    assert_eq!(only(ReadOnly::Matching("^red alert$".to_owned())), [1]);
    assert_eq!(only(ReadOnly::Matching("5%".to_owned())), [] as [u64; 0]);
    assert_eq!(only(ReadOnly::Errors), [3, 4]);
    // However the answer will be: also where there is no log.
    let bad = ReadLog { only: ReadOnly::Matching("(".to_owned()), ..ask(ReadFrom::End, 1) };
    for bench in [bench, Bench::new()] {
        let error = try_read(&bench, &bad).unwrap_err();
        assert!(error.detail.as_ref().is_some_and(|detail| detail.contains("unclosed group")), "{error:?}");
    }
}

#[test]
fn what_retention_took_is_counted() {
    let bench = Bench::new();
    let dir = What::Runs.dir(&bench.project, "api").join("1");
    std::fs::create_dir_all(&dir).unwrap();
    let mut writer = Writer::open(&dir, Limits { max_bytes: 1_000, segment_bytes: 300 }).unwrap();
    super::append(&mut writer, 0..500);
    writer.finish(Now::default());
    let window = read(&bench, &ask(ReadFrom::After(0), 3));
    assert!(window.first_line > 300 && window.next_line == 501, "{window:?}");
    assert_eq!((numbers(&window)[0], window.lost_lines), (window.first_line, window.first_line - 1));
    assert!(window.lost_bytes > 2_000);
    assert!(read(&bench, &ask(ReadFrom::Before(window.first_line), 3)).lines.is_empty());
    let kept = runs(&bench.project, "api", |_, _| String::new()).unwrap().runs;
    assert_eq!(kept[0].lines, window.next_line - window.first_line);
    assert!(kept[0].bytes <= 1_000);
}

#[test]
fn a_run_whose_shim_was_killed_is_lost_unless_its_end_was_asked_for() {
    let bench = Bench::new();
    for number in 1..=3 {
        bench.numbered("api", number, 0..number).finish(Now::default());
    }
    // A lock that nobody holds, and no record.
    let dir = |number: u64| What::Runs.dir(&bench.project, "api").join(number.to_string());
    std::fs::write(dir(1).join("run.lock"), "").unwrap();
    std::fs::write(dir(2).join("run.lock"), "").unwrap();
    asked::mark(&dir(2)).unwrap();
    let kept = runs(&bench.project, "api", |_, _| String::new()).unwrap();
    let told: Vec<_> =
        kept.runs.iter().map(|run| (run.number, run.how.as_str(), run.bad, run.lines)).collect();
    assert_eq!(told, [(1, "lost", true, 1), (2, "lost", false, 2), (3, "not started", false, 3)]);
    assert!(kept.runs[0].started.is_some() && kept.runs[2].started.is_none() && kept.builds.is_empty());
    assert!(read(&bench, &ReadLog { run: Some(1), ..ask(ReadFrom::End, 0) }).ended);
}
