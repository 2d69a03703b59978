//! Rules of searching, each on logs that were written as a shim writes them.

mod digest;
mod window;

use std::path::PathBuf;

use bpm_api::{Code, Error, LogPage, LogQuery};
use bpm_logs::{Limits, Now, Stream, Writer};
use tempfile::TempDir;

use super::{MAX_PAGE_BYTES, Shape, What, search};
use crate::store::paths::Project;

struct Bench {
    project: Project,
    _dir: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let dir = TempDir::new().unwrap();
        let project =
            Project { root: dir.path().join("shop"), id: "0".repeat(16), state: dir.path().join("state") };
        Bench { project, _dir: dir }
    }

    fn writer(&self, what: What, process: &str, number: u64) -> Writer {
        let dir: PathBuf = what.dir(&self.project, process).join(number.to_string());
        std::fs::create_dir_all(&dir).unwrap();
        Writer::open(&dir, Limits::for_max_bytes(64 << 20)).unwrap()
    }

    /// A line per number, a second apart.
    fn numbered(&self, process: &str, run: u64, numbers: std::ops::Range<u64>) -> Writer {
        let mut writer = self.writer(What::Runs, process, run);
        append(&mut writer, numbers);
        writer
    }

    fn ask(&self, query: &LogQuery) -> Result<LogPage, Error> {
        let known = ["api".to_owned(), "web".to_owned()];
        search(&self.project, What::Runs, &[], query, &known, Shape::BRIEF)
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
    fn page(&self, query: LogQuery) -> LogPage {
        self.ask(&query).unwrap()
    }
}

/// Lines that a page shows, folded or not.
fn stands(page: &LogPage) -> u64 {
    page.lines.iter().map(|line| line.times).sum()
}

fn append(writer: &mut Writer, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let now = Now { wall_ns: (number + 1) * 1_000_000_000, mono_ns: number * 1_000_000_000 };
        writer.append(Stream::Stdout, format!("line {number}\n").as_bytes(), now);
    }
    writer.settle();
}

fn of(process: &str) -> LogQuery {
    LogQuery { process: Some(process.into()), ..LogQuery::default() }
}

fn texts(page: &LogPage) -> Vec<&str> {
    page.lines.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn a_cursor_gives_only_what_came_after() {
    let bench = Bench::new();
    let mut writer = bench.numbered("api", 1, 0..5);
    let first = bench.page(of("api"));
    let again = |cursor: &str| bench.page(LogQuery { cursor: Some(cursor.into()), ..of("api") });
    assert!(again(&first.cursor).lines.is_empty());
    append(&mut writer, 5..8);
    let next = again(&first.cursor);
    assert_eq!(texts(&next), ["line 5", "line 6", "line 7"]);
    assert_eq!(next.cursor, "api:1:8");
}

#[test]
fn a_cursor_stays_in_its_run_and_tells_of_a_newer_one() {
    let bench = Bench::new();
    bench.numbered("api", 1, 0..5);
    let first = bench.page(LogQuery { head: Some(2), ..of("api") });
    assert_eq!(first.cursor, "api:1:2");
    bench.numbered("api", 2, 0..1);
    bench.numbered("api", 3, 0..1);
    let next = bench.page(LogQuery { cursor: Some(first.cursor), ..of("api") });
    assert_eq!(texts(&next), ["line 2", "line 3", "line 4"]);
    assert_eq!(next.source, "api run 1 (run 3 is newer)");
    assert_eq!(bench.page(of("api")).source, "api run 3");
}

#[test]
fn a_cursor_into_a_run_that_is_gone_names_what_is_kept() {
    let bench = Bench::new();
    bench.numbered("api", 4, 0..1);
    bench.numbered("api", 5, 0..1);
    let error = bench.ask(&LogQuery { cursor: Some("api:3:7".into()), ..of("api") }).unwrap_err();
    assert_eq!(error.code, Code::UnknownRun);
    assert_eq!(error.message, "`api` has no run 3: runs 4 to 5 are kept");
    assert_eq!(error.hint.as_deref(), Some("leave `cursor` out to begin with the newest"));
}

#[test]
fn a_cursor_of_something_else_is_refused() {
    let bench = Bench::new();
    bench.numbered("api", 1, 0..5);
    bench.numbered("api", 2, 0..5);
    bench.numbered("web", 1, 0..5);
    let with = |query: LogQuery, cursor: &str| bench.ask(&LogQuery { cursor: Some(cursor.into()), ..query });
    for (query, cursor) in [
        (of("api"), "web:1:2"),
        (of("api"), "api:b1:2"),
        (of("api"), "api:1:2,web:1:2"),
        (LogQuery { run: Some(2), ..of("api") }, "api:1:2"),
        (LogQuery { index: Some(-1), ..of("api") }, "api:1:2"),
        (of("api"), "api"),
    ] {
        let error = with(query, cursor).unwrap_err();
        assert_eq!(error.code, Code::InvalidParameter, "{cursor}");
        assert!(error.message.starts_with("`cursor` "), "{}", error.message);
    }
    assert!(with(LogQuery { run: Some(1), ..of("api") }, "api:1:2").is_ok());
    assert_eq!(with(LogQuery::default(), "nobody:1:2").unwrap_err().code, Code::UnknownProcess);
}

#[test]
fn all_processes_are_merged_by_time_and_go_on_together() {
    let bench = Bench::new();
    let mut api = bench.numbered("api", 7, 0..3);
    bench.numbered("web", 2, 1..3);
    let page = bench.page(LogQuery::default());
    let whose: Vec<_> = page.lines.iter().map(|line| line.process.as_deref().unwrap()).collect();
    assert_eq!(whose, ["api", "api", "web", "api", "web"]);
    assert_eq!(page.source, "api run 7, web run 2");
    assert_eq!(page.cursor, "api:7:3,web:2:2");
    append(&mut api, 3..4);
    bench.numbered("new", 1, 0..1);
    let next = bench.page(LogQuery { cursor: Some(page.cursor), ..LogQuery::default() });
    assert_eq!(next.cursor, "api:7:4,web:2:2,new:1:1");
    assert_eq!(texts(&next), ["line 0", "line 3"]);
}

#[test]
fn head_and_tail_hold_for_the_whole_result() {
    let bench = Bench::new();
    bench.numbered("api", 1, 0..10);
    bench.numbered("web", 1, 0..10);
    let head = bench.page(LogQuery { head: Some(3), ..LogQuery::default() });
    assert_eq!(texts(&head), ["line 0", "line 0", "line 1"]);
    assert_eq!((head.omitted_before, head.omitted_after), (0, 17));
    assert_eq!(head.cursor, "api:1:2,web:1:1");
    let tail = bench.page(LogQuery { tail: Some(3), head: Some(9), ..LogQuery::default() });
    assert_eq!(texts(&tail), ["line 8", "line 9", "line 9"]);
    assert_eq!((tail.omitted_before, tail.omitted_after), (17, 0));
}

#[test]
fn equal_lines_are_folded_and_counted() {
    let bench = Bench::new();
    let mut writer = bench.writer(What::Runs, "api", 1);
    for at in 0..37 {
        writer.append(Stream::Stdout, b"retry\n", Now { wall_ns: at, mono_ns: at });
    }
    writer.append(Stream::Stderr, b"retry\n", Now { wall_ns: 40, mono_ns: 40 });
    writer.settle();
    let page = bench.page(LogQuery { pattern: Some("retry".into()), ..of("api") });
    let folds: Vec<_> = page.lines.iter().map(|line| (line.number, line.times)).collect();
    assert_eq!(folds, [(1, 37), (38, 1)]);
    assert_eq!(page.matches, 38);
    assert_eq!(page.cursor, "api:1:38");
}

#[test]
fn long_lines_are_clipped_with_a_count_and_control_sequences_are_gone() {
    let bench = Bench::new();
    let mut writer = bench.writer(What::Runs, "api", 1);
    let long = format!("\x1b[1mbegin{}\n10%\r100%\n", "x".repeat(200_000));
    writer.append(Stream::Stdout, long.as_bytes(), Now::default());
    writer.settle();
    let page = bench.page(of("api"));
    assert!(page.lines[0].text.starts_with("beginxxx"), "{}", &page.lines[0].text[..20]);
    assert!(page.lines[0].text.len() < 600, "{}", page.lines[0].text.len());
    assert!(page.lines[0].text.contains("199"), "{}", page.lines[0].text);
    assert_eq!(page.lines[1].text, "100%");
}

#[test]
fn a_page_keeps_to_its_size_and_the_asked_end() {
    let bench = Bench::new();
    bench.numbered("api", 1, 0..1000);
    let size = |page: &LogPage| page.lines.iter().map(|line| line.text.len()).sum::<usize>();
    let tail = bench.page(LogQuery { tail: Some(900), max_bytes: Some(512), ..of("api") });
    assert!(size(&tail) <= 512);
    assert_eq!(tail.lines.last().unwrap().text, "line 999");
    assert_eq!(tail.omitted_before + stands(&tail), 1000);
    let head = bench.page(LogQuery { head: Some(900), max_bytes: Some(512), ..of("api") });
    assert!(size(&head) <= 512);
    assert_eq!(head.lines[0].text, "line 0");
    assert_eq!(head.omitted_after + stands(&head), 1000);
    let error = bench.ask(&LogQuery { max_bytes: Some(MAX_PAGE_BYTES + 1), ..of("api") }).unwrap_err();
    assert!(
        error.message.starts_with("`max_bytes` is 1048577, expected at most 1048576"),
        "{}",
        error.message
    );
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let bench = Bench::new();
    let error = bench.ask(&of("ap1")).unwrap_err();
    assert_eq!(error.code, Code::UnknownProcess);
    assert_eq!(error.message, "there is no process `ap1`, known: `api`, `web`");
    assert_eq!(error.hint.as_deref(), Some("did you mean `api`?"));
    assert_eq!(bench.ask(&of("../../etc")).unwrap_err().code, Code::UnknownProcess);
    let error = bench.ask(&of("api")).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (Code::UnknownRun, "`api` has no run yet"));
    let nothing = bench.page(LogQuery::default());
    assert_eq!((nothing.source.as_str(), nothing.cursor.as_str()), ("no run yet", ""));
    bench.numbered("api", 1, 0..1);
    let later = bench.page(LogQuery { cursor: Some(nothing.cursor), ..LogQuery::default() });
    assert_eq!(texts(&later), ["line 0"]);
    let both = bench.ask(&LogQuery { run: Some(1), index: Some(-1), ..of("api") }).unwrap_err();
    assert_eq!(both.message, "`run` and `index` both say which run, expected one of them");
}

#[test]
fn builds_have_cursors_of_their_own() {
    let bench = Bench::new();
    append(&mut bench.writer(What::Builds, "api", 3), 0..2);
    let ask =
        |query: &LogQuery| search(&bench.project, What::Builds, &[], query, &["api".into()], Shape::BRIEF);
    let page = ask(&of("api")).unwrap();
    assert_eq!((page.source.as_str(), page.cursor.as_str()), ("api build 3", "api:b3:2"));
    assert!(ask(&LogQuery { cursor: Some(page.cursor), ..of("api") }).unwrap().lines.is_empty());
}
