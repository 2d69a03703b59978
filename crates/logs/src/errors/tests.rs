//! Tests of the detector: each kind, what is none, how far a report reaches, what the configuration adds.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

use proptest::prelude::{any, prop, proptest};

use super::{Detector, Extra, Finding, Kind, port_in_use};

fn detector() -> Detector {
    Detector::new(&Extra::default()).unwrap()
}

fn find_with(mut detector: Detector, text: &str) -> Vec<Finding> {
    let mut found: Vec<Finding> =
        (1..).zip(text.lines()).flat_map(|(n, line)| detector.feed(n, line)).collect();
    found.extend(detector.flush());
    found
}

fn find(text: &str) -> Vec<Finding> {
    find_with(detector(), text)
}

/// Kind, range and deciding line of the only report.
fn only(text: &str) -> (Kind, u64, u64, String) {
    let found = find(text);
    let [one] = found.as_slice() else { panic!("{text}\n{found:#?}") };
    (one.kind, one.first, one.last, one.deciding_line().to_owned())
}

#[test]
fn a_mention_is_no_report() {
    let mentions = [
        "0 errors",
        "Finished with 0 errors, 0 warnings",
        "found 0 vulnerabilities, no errors",
        "src/error.rs",
        "   Compiling thiserror v2.0.21",
        "retrying after error: connection reset",
        "errors: 0",
        "no error",
        "loaded error handling middleware",
        "running with --error-on-warnings",
        "level=info msg=\"error rate 0\"",
        "level=warning msg=\"upstream failed, will retry\"",
        "{\"level\":\"info\",\"msg\":\"ERROR handler installed\"}",
        "{\"level\":30,\"msg\":\"request failed before\"}",
        "2026-11-21T07:00:00Z  INFO shop: last error cleared",
        "2026-11-21T07:00:00Z  WARN shop: fatal: not really",
        "INFO:     127.0.0.1:40000 - \"GET /error HTTP/1.1\" 200 OK",
        "127.0.0.1 - - [21/Nov/2026 07:00:00] \"GET /errors/500 HTTP/1.1\" 200 -",
        "test errors::fails_on_error ... ok",
        "test result: ok. 3 passed; 0 failed; 0 ignored",
        "✓ renders an error message",
        "ok 3 - throws TypeError: when empty",
        "Port 5173 is in use, trying another one...",
        "make: [Makefile:2: x] Error 1 (ignored)",
        "warning: unused variable: `error`",
        "x.c:3:4: warning: passing error to fatal",
        "npm warn deprecated error@1.0.0: use another",
        "not ok 4 - later # TODO",
        "Errors are logged to /srv/app/error.log",
        "panicked is a word",
        "the panic: button",
    ];
    for mention in mentions {
        assert_eq!(find(mention), [], "{mention}");
    }
}

#[test]
fn one_line_is_a_report_of_its_kind() {
    let reports = [
        ("npm ERR! code ELIFECYCLE", Kind::PackageManager),
        ("Error: listen EADDRINUSE: address already in use :::3000", Kind::AddressInUse),
        ("nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", Kind::AddressInUse),
        ("bash: line 1: 4242 Segmentation fault      (core dumped) ./a", Kind::Crash),
        ("free(): double free detected in tcache 2", Kind::Crash),
        ("a: a.c:4: main: Assertion `x > 0' failed.", Kind::Crash),
        ("2026-11-21T07:00:00Z ERROR shop::db: pool closed", Kind::Level),
        ("2026-11-21 07:00:00,123 - shop - ERROR - pool closed", Kind::Level),
        ("2026-11-21 07:00:00.123 ERROR 12 --- [main] c.e.Shop : pool closed", Kind::Level),
        ("2026-11-21 07:00:00.123 UTC [12] ERROR:  relation \"x\" does not exist", Kind::Level),
        ("2026/11/21 07:00:00 [crit] 12#12: *1 open() failed", Kind::Level),
        ("ERROR:shop:pool closed", Kind::Level),
        ("ERROR:    Exception in ASGI application", Kind::Level),
        ("time=\"x\" level=error msg=\"retrying\"", Kind::Level),
        ("{\"level\":50,\"time\":1,\"msg\":\"pool closed\"}", Kind::Level),
        ("{\"time\":1,\"level\":\"ERROR\",\"msg\":\"pool closed\"}", Kind::Level),
        ("E1121 07:00:00.000000   12 main.go:12] pool closed", Kind::Level),
        ("ERRO[0001] pool closed", Kind::Level),
        ("[error] pool closed", Kind::Level),
        ("x.c:3:4: error: expected ';'", Kind::Compiler),
        ("src/a.ts(3,4): error TS2322: no", Kind::Compiler),
        ("FAILED tests/test_a.py::test_b - assert 1 == 2", Kind::TestFailure),
        ("test a::b ... FAILED", Kind::TestFailure),
        ("--- FAIL: TestA (0.00s)", Kind::TestFailure),
        ("make: *** [Makefile:2: all] Error 1", Kind::Failure),
        ("fatal: not a git repository", Kind::Failure),
        ("sh: 1: frobnicate: not found", Kind::Failure),
        ("ls: cannot access 'x': No such file or directory", Kind::Failure),
    ];
    for (line, kind) in reports {
        assert_eq!(only(line), (kind, 1, 1, line.to_owned()));
    }
}

#[test]
fn a_traceback_reaches_to_the_line_that_names_the_exception() {
    let text = "up\nTraceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\nValueError: bad\nbye";
    assert_eq!(only(text), (Kind::Traceback, 2, 5, "ValueError: bad".to_owned()));
    let mut detector = detector();
    let lines: Vec<&str> = text.lines().collect();
    for (n, line) in (1..).zip(&lines[..4]) {
        assert_eq!(detector.feed(n, line), []);
    }
    assert!(detector.is_open());
    assert_eq!(detector.feed(5, lines[4]).len(), 1, "whole, without waiting for the next line");
    assert!(!detector.is_open());
}

#[test]
fn a_traceback_of_a_taken_port_is_an_address_in_use() {
    let text = "Traceback (most recent call last):\n  File \"a.py\", line 1\nOSError: [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use";
    let found = find(text);
    assert_eq!((found[0].kind, found[0].port()), (Kind::AddressInUse, Some(8000)));
}

#[test]
fn a_panic_has_its_message_and_its_note() {
    let text = "thread 'main' (12) panicked at src/main.rs:2:5:\nassertion `left == right` failed\n  left: 1\n right: 2\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\nbye";
    assert_eq!(only(text), (Kind::Panic, 1, 5, "assertion `left == right` failed".to_owned()));
    let second = "thread 'main' panicked at src/main.rs:2:5:\nerror: no\nserving";
    assert_eq!(only(second), (Kind::Panic, 1, 2, "error: no".to_owned()));
}

#[test]
fn frames_and_causes_belong_to_the_exception() {
    let node = "Error: listen EADDRINUSE: address already in use :::3000\n    at Server.x (node:net:1:2)\n  at y {\n  code: 'EADDRINUSE',\n  port: 3000\n}\n\nNode.js v20.20.2";
    assert_eq!(only(node).0, Kind::AddressInUse);
    assert_eq!(only(node).2, 6);
    let java = "Exception in thread \"main\" java.lang.IllegalStateException: a\n\tat A.main(A.java:3)\nCaused by: java.io.IOException: b\n\tat A.f(A.java:9)\n\t... 1 more\nbye";
    assert_eq!(
        only(java),
        (Kind::Exception, 1, 5, "Exception in thread \"main\" java.lang.IllegalStateException: a".to_owned())
    );
}

#[test]
fn a_diagnostic_ends_at_the_empty_line() {
    let text = "error[E0308]: mismatched types\n --> src/main.rs:2:18\n  |\n2 |     let x: u32 = \"\";\n  |            ---   ^^ expected `u32`, found `&str`\n\nerror: could not compile `shop`";
    let found = find(text);
    let ranges: Vec<(u64, u64)> = found.iter().map(|f| (f.first, f.last)).collect();
    assert_eq!(ranges, [(1, 5), (7, 7)]);
    let levels = "error: a\nerror: b";
    assert_eq!(find(levels).len(), 2, "the line that ends a report may begin the next");
}

#[test]
fn a_long_report_keeps_its_ends() {
    let mut text = "Traceback (most recent call last):\n".to_owned();
    text.push_str(&"  File \"a.py\", line 1\n".repeat(1_000));
    text.push_str("RecursionError: too deep");
    let found = find(&text);
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.lines.len(), one.left_out, one.last, one.deciding), (48, 954, 1002, 1002));
    assert_eq!(one.deciding_line(), "RecursionError: too deep");
    let endless = "error: a\n".to_owned() + &"  b\n".repeat(5_000);
    assert_eq!(find(&endless)[0].last, 2_001);
}

#[test]
fn the_configuration_adds_and_takes_away() {
    let extra = Extra { matches: vec!["^oops".into(), "😀$".into()], ignore: vec!["harmless".into()] };
    let own = || Detector::new(&extra).unwrap();
    assert_eq!(find_with(own(), "oops\nfine 😀")[1].kind, Kind::Configured);
    assert_eq!(find_with(own(), "oops, harmless\nERROR harmless"), []);
    let text = "Traceback (most recent call last):\n  File \"a.py\"\nValueError: harmless";
    assert_eq!(find_with(own(), text), [], "a report with an ignored line is ignored");
    assert!(!own().can_skip(b"anything"));
}

#[test]
fn a_pattern_that_is_none_is_named_by_its_place() {
    let extra = Extra { matches: vec!["a".into(), "a)|(b".into()], ignore: vec![] };
    let bad = Detector::new(&extra).unwrap_err();
    assert_eq!((bad.list, bad.index), ("match", 1));
    assert!(bad.message.contains("a)|(b"), "{bad}");
    let large = Extra { matches: vec![], ignore: vec!["(?:a{1000}){1000}".into()] };
    assert_eq!(Detector::new(&large).unwrap_err().list, "ignore");
}

#[test]
fn a_clean_chunk_can_be_skipped_and_no_other() {
    let mut detector = detector();
    assert!(detector.can_skip(b"GET / 200\nGET /a 200\n"));
    assert!(!detector.can_skip(b"GET / 200\nE1121 07:00:00.000000 1 a.go:1] x\n"));
    assert!(!detector.can_skip(b"E1121 07:00:00.000000 1 a.go:1] x\n"));
    detector.feed(1, "error: a");
    assert!(!detector.can_skip(b"GET / 200\n"), "what follows may belong to the report");
}

#[test]
fn the_port_is_read_where_it_is_said() {
    let lines = [
        ("Error: listen EADDRINUSE: address already in use :::3000", Some(3000)),
        ("Error: listen EADDRINUSE: address already in use 127.0.0.1:8080", Some(8080)),
        ("Error: Address already in use (os error 98)", None),
        ("bind: Address already in use", None),
        ("07:00:01 bind: Address already in use", None),
        ("listen tcp :8080: bind: address already in use", Some(8080)),
        ("nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", Some(80)),
        ("nginx: [emerg] bind() to [::]:8081 failed (98: Address already in use)", Some(8081)),
        (
            "1:M 21 Nov 2026 07:00:00.123 # Could not create server TCP listening socket *:6379: bind: Address already in use",
            Some(6379),
        ),
        ("OSError: [Errno 98] Address already in use", None),
        (
            "OSError: [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use",
            Some(8000),
        ),
        ("Port 5000 is in use by another program.", Some(5000)),
        ("Error: Port 5173 is already in use", Some(5173)),
        ("  port: 3000", Some(3000)),
        ("address already in use :::99999", None),
    ];
    for (line, port) in lines {
        assert_eq!(port_in_use(line), port, "{line}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_harm(lines in prop::collection::vec(any::<String>(), 0..40)) {
        let mut detector = detector();
        for (n, line) in (1..).zip(&lines) {
            for found in detector.feed(n, line) {
                assert!(found.first <= found.deciding && found.deciding <= found.last && found.last <= n);
            }
        }
    }

    #[test]
    fn text_made_of_the_words_of_reports_is_read_without_harm(
        words in prop::collection::vec(prop::sample::select(&[
            "Traceback (most recent call last):", "error: ", "\n", "  ", "thread 'a' panicked at b:", "panic: ", "é", "E   ", "  + ",
            "Exception Group ", "{", "}", "npm ERR! ", "ValueError: x", "[ERROR]", "| ", "0 errors", "level=", "\"level\":", ":::3",
        ][..]), 0..80),
    ) {
        for found in find(&words.concat()) {
            assert!(!found.deciding_line().is_empty() || !found.lines.is_empty());
            found.port();
        }
    }
}
