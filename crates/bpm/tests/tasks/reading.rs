//! Logs line by line, as a face reads them that scrolls.

use bpm_api::{Code, LogWindow, ReadFrom, ReadLog, ReadOnly, Stream};

use crate::agent::{Agent, argv, named, shell};
use crate::lab::{self, Lab, puppet};

pub fn read(target: &str, from: ReadFrom, lines: u32) -> ReadLog {
    ReadLog {
        target: target.to_owned(),
        builds: false,
        run: None,
        from,
        lines,
        only: ReadOnly::All,
        max_bytes: None,
        max_line_bytes: None,
    }
}

fn matching(target: &str, from: ReadFrom, lines: u32, pattern: &str) -> ReadLog {
    ReadLog { only: ReadOnly::Matching(pattern.to_owned()), ..read(target, from, lines) }
}

pub fn texts(window: &LogWindow) -> Vec<&str> {
    window.lines.iter().map(|line| line.text.as_str()).collect()
}

/// Numbers and texts are those of `puppet lines`.
fn assert_lines(window: &LogWindow, first: u64) {
    for (number, line) in (first..).zip(&window.lines) {
        assert_eq!((line.number, line.text.as_str()), (number, format!("line {number}").as_str()));
        assert!(!line.open && line.clipped_bytes == 0);
    }
}

/// Asks until `look` likes what it sees.
pub async fn until(agent: &Agent, ask: &ReadLog, look: impl Fn(&LogWindow) -> bool) -> LogWindow {
    let looking = async {
        loop {
            let window = agent.ask(ask.clone()).await;
            if look(&window) {
                return window;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let patience = std::time::Duration::from_secs_f64(crate::agent::PATIENCE);
    tokio::time::timeout(patience, looking).await.expect("what was waited for")
}

#[tokio::test]
async fn every_line_of_a_flood_can_be_read_while_it_is_printed_and_after_it() {
    const LINES: u64 = 200_000;
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    agent.ask(named("flood", argv(&[&puppet(), "lines", &LINES.to_string()]))).await;
    let (mut after, mut last_seen) = (0, 0);
    loop {
        let end = agent.ask(read("flood", ReadFrom::End, 100)).await;
        let first = end.lines.first().map_or(1, |line| line.number);
        assert_lines(&end, first);
        assert!(end.next_line >= last_seen && end.next_line == first + end.lines.len() as u64);
        last_seen = end.next_line;
        if let Some(before) = first.checked_sub(1).filter(|before| *before > 0) {
            let before = agent.ask(read("flood", ReadFrom::Before(before), 10)).await;
            assert_lines(&before, first - 1 - before.lines.len() as u64);
        }
        // All of it, in order, with none twice.
        let next = agent.ask(read("t1", ReadFrom::After(after), 10_000)).await;
        assert_lines(&next, after + 1);
        after += next.lines.len() as u64;
        if next.ended && after + 1 == next.next_line {
            assert_eq!(after, LINES, "{} lines are lost", next.lost_lines);
            break;
        }
    }
    let found = agent.ask(matching("flood", ReadFrom::After(10), 3, "9999$")).await;
    assert_eq!(texts(&found), ["line 9999", "line 19999", "line 29999"]);
    let found = agent.ask(matching("flood", ReadFrom::Before(LINES - 1), 1, "^line 1?9999$")).await;
    assert_eq!((texts(&found), found.broke_off), (vec!["line 19999"], None));
    let numbers = agent.ask(read("flood", ReadFrom::End, 0)).await;
    assert_eq!((numbers.first_line, numbers.next_line, numbers.lines.len()), (1, LINES + 1, 0));
    assert!(numbers.ended && numbers.run == 1 && numbers.newest == 1);
}

#[tokio::test]
async fn a_line_is_as_a_terminal_would_have_left_it_and_says_whose_it_is() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let line = r"printf '\033[1;31mred\033[0m and \033]0;title\007plain\n 10%%\r100%%\n'; echo oops >&2; \
        printf 'prompt> '; exec sleep 600";
    agent.ask(named("app", shell(line))).await;
    let window = until(&agent, &read("app", ReadFrom::End, 9), |window| window.lines.len() == 4).await;
    assert_eq!(texts(&window), ["\x1b[1;31mred\x1b[0m and plain", "100%", "oops", "prompt> "]);
    assert_eq!(window.lines[2].stream, Stream::Stderr);
    assert!(window.lines[3].open && !window.lines[2].open && !window.ended);
    assert_eq!((window.next_line, window.lines[3].number), (4, 4));
    let found = agent.ask(matching("app", ReadFrom::After(0), 9, "^(red and|100%$|prompt)")).await;
    assert_eq!(found.lines.len(), 3, "what is seen is searched: {found:?}");
    agent.end("app").await;
    assert!(agent.ask(read("app", ReadFrom::End, 0)).await.ended);
}

#[tokio::test]
async fn errors_are_found_with_what_the_configuration_says_of_them() {
    let lines = "echo starting; echo 'thread main panicked'; echo 'ERROR harmless'; echo 'oops 7'; \
        echo 'Traceback (most recent call last):'; echo '  File \"a.py\", line 1'; echo 'ValueError: no'; \
        echo ready; exec sleep 600";
    let lab = Lab::up(&lab::shell("app", lines, "errors = { match = ['^oops \\d'], ignore = ['harmless'] }"));
    let agent = Agent::of(&lab).await;
    until(&agent, &read("app", ReadFrom::End, 0), |window| window.next_line == 9).await;
    let errors = |from, lines| ReadLog { only: ReadOnly::Errors, ..read("app", from, lines) };
    assert_eq!(texts(&agent.ask(errors(ReadFrom::End, 9)).await), ["oops 7", "ValueError: no"]);
    assert_eq!(texts(&agent.ask(errors(ReadFrom::Before(7), 9)).await), ["oops 7"]);
    assert_eq!(texts(&agent.ask(errors(ReadFrom::After(5), 9)).await), ["ValueError: no"]);
}

#[tokio::test]
async fn each_run_is_read_by_its_number_and_the_newest_without() {
    let lab =
        Lab::up(&lab::shell("app", "echo $$; exec sleep 600", "autostart = false\nlogs = { keep_runs = 2 }"));
    let agent = Agent::of(&lab).await;
    let none = agent.ask(read("app", ReadFrom::End, 10)).await;
    assert_eq!((none.run, none.newest, none.lines.len(), none.ended), (0, 0, 0, false), "{none:?}");
    for run in 1..=3 {
        assert!(lab.bpm(&["restart", "app"]).status.success());
        let window = until(&agent, &read("app", ReadFrom::End, 10), |window| window.lines.len() == 1).await;
        assert_eq!((window.run, window.newest, window.ended), (run, run, false));
    }
    let second = agent.ask(ReadLog { run: Some(2), ..read("app", ReadFrom::After(0), 10) }).await;
    assert_eq!((second.run, second.newest, second.ended, second.lines.len()), (2, 3, true, 1));
    let gone = agent.try_ask(ReadLog { run: Some(9), ..read("app", ReadFrom::End, 1) }).await.unwrap_err();
    assert!(gone.code == Code::UnknownRun && gone.message.contains("`app` has no run 9"), "{gone}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_name() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    agent.run_to_end("echo hello").await;
    let refused = async |ask: ReadLog| agent.try_ask(ask).await.unwrap_err();
    let error = refused(read("nobody", ReadFrom::End, 1)).await;
    assert_eq!(error.code, Code::UnknownProcess);
    assert_eq!(refused(read("t99", ReadFrom::End, 1)).await.code, Code::UnknownTask);
    assert_eq!(refused(read("../t1", ReadFrom::End, 1)).await.code, Code::UnknownProcess);
    let error = refused(read("t1", ReadFrom::End, 10_001)).await;
    assert!(error.code == Code::InvalidParameter && error.message.contains("`lines` is 10001"), "{error}");
    let error = refused(ReadLog { max_bytes: Some(1 << 21), ..read("t1", ReadFrom::End, 1) }).await;
    assert!(error.message.contains("`max_bytes` is 2097152, expected at most 1048576"), "{error}");
    let error = refused(matching("t1", ReadFrom::End, 1, "a(b")).await;
    assert!(error.code == Code::InvalidParameter && error.message.contains("unclosed group"), "{error}");
}

#[tokio::test]
async fn a_line_of_five_megabytes_is_clipped_and_what_follows_is_there() {
    let lab = Lab::up("");
    let agent = Agent::of(&lab).await;
    let line = "head -c 5000000 /dev/zero | tr '\\0' x; echo; echo after";
    agent.run_to_end(line).await;
    let window = agent.ask(read("t1", ReadFrom::End, 10)).await;
    let short: Vec<_> = window.lines.iter().map(|line| (line.text.len(), line.clipped_bytes)).collect();
    assert_eq!(short, [(65_536, 5_000_000 - 65_536), (5, 0)]);
    let window = agent.ask(ReadLog { max_line_bytes: Some(7), ..read("t1", ReadFrom::After(0), 10) }).await;
    assert_eq!((window.lines[0].text.as_str(), window.lines[0].clipped_bytes), ("xxxxxxx", 4_999_993));
}

#[tokio::test]
async fn what_retention_took_is_counted_and_a_search_of_much_breaks_off_and_goes_on() {
    const LINES: u64 = 2_000_000;
    let flood = format!(
        "{} lines {LINES} --prefix 'a rather long line, so that there are many bytes of them '",
        puppet()
    );
    let config = format!(
        "{}{}",
        lab::shell("small", &flood, "logs = { max_bytes = '1M' }"),
        lab::shell("large", &flood, "logs = { max_bytes = '1G' }"),
    );
    let lab = Lab::up(&config);
    let agent = Agent::of(&lab).await;
    let small = until(&agent, &ReadLog { run: Some(1), ..read("small", ReadFrom::End, 1) }, |window| {
        window.ended && window.next_line > LINES
    })
    .await;
    assert_eq!(small.lost_lines, small.first_line - 1);
    assert!(small.first_line > LINES / 2 && small.lost_bytes > 1 << 20, "{small:?}");
    let ask = |from| ReadLog { run: Some(1), ..read("small", from, 2) };
    let first = agent.ask(ask(ReadFrom::After(0))).await;
    assert_eq!(first.lines[0].number, first.first_line);
    assert!(agent.ask(ask(ReadFrom::Before(first.first_line))).await.lines.is_empty());
    // Its first line is 120 MB back.
    let ask = ReadLog { run: Some(1), ..read("large", ReadFrom::End, 0) };
    until(&agent, &ask, |window| window.ended && window.next_line > LINES).await;
    let mut ask = ReadLog { run: Some(1), ..matching("large", ReadFrom::End, 1, "of them 1$") };
    let mut pieces = 0;
    let found = loop {
        let found = agent.ask(ask.clone()).await;
        let Some(from) = found.broke_off else { break found };
        assert!(found.lines.is_empty());
        (ask.from, pieces) = (ReadFrom::Before(from), pieces + 1);
    };
    assert!(found.lines.len() == 1 && found.lines[0].number == 1 && pieces > 0, "{pieces} {found:?}");
}
