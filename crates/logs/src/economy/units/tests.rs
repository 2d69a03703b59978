//! Traces and diagnostics as programs print them, among other lines. Must not know folding.

use proptest::prelude::{any, prop, prop_assert_eq, proptest};

use super::Units;

fn units(text: &str) -> Vec<Vec<&str>> {
    let (mut units, mut done) = (Units::default(), Vec::new());
    for line in text.lines() {
        units.push(line, line, &mut done);
    }
    units.finish(&mut done);
    done.into_iter().map(|unit| [vec![unit.first], unit.rest].concat()).collect()
}

/// `trace` is one unit wherever it stands.
fn assert_whole(trace: &str) {
    let trace = trace.trim_matches('\n');
    for (before, after) in [("", ""), ("serving\n", "\nserving"), ("serving\n\n", "\n\nserving\nagain")] {
        let text = format!("{before}{trace}{after}");
        let found = units(&text);
        let lines: Vec<&str> = trace.lines().collect();
        assert!(found.contains(&lines), "{found:#?}");
        assert!(found.iter().all(|unit| unit.len() == 1 || *unit == lines), "{found:#?}");
    }
}

#[test]
fn python_tracebacks_are_whole_also_chained() {
    assert_whole(
        r#"
Traceback (most recent call last):
  File "/srv/app.py", line 12, in load
    return json.loads(text)
           ~~~~~~~~~~^^^^^^
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/app.py", line 20, in <module>
    main()
  File "/srv/app.py", line 15, in main
    raise SystemError("bad config") from error
SystemError: bad config"#,
    );
    assert_whole(
        "ERROR:root:Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 'x'",
    );
}

#[test]
fn rust_panics_are_whole() {
    assert_whole(
        r"
thread 'main' (4242) panicked at src/main.rs:4:5:
assertion `left == right` failed
  left: 1
 right: 2
stack backtrace:
   0: rust_begin_unwind
             at /rustc/abc/library/std/src/panicking.rs:695:5
   1: app::main
             at ./src/main.rs:4:5
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.",
    );
    let old = "thread 'main' panicked at 'boom', src/main.rs:2:5\nnote: run with `RUST_BACKTRACE=1` for a backtrace";
    assert_whole(old);
}

#[test]
fn traces_of_java_javascript_and_go_are_whole() {
    assert_whole(
        r#"
Exception in thread "main" java.lang.IllegalStateException: no database
	at com.example.Db.open(Db.java:41)
	at com.example.Main.main(Main.java:7)
Caused by: java.net.ConnectException: refused
	at java.base/sun.nio.ch.Net.connect0(Native Method)
	... 2 more"#,
    );
    assert_whole(
        "TypeError: Cannot read properties of undefined (reading 'id')\n    at handler (/srv/app.js:12:20)\n    at process.processTicksAndRejections (node:internal/process/task_queues:105:5) {\n  code: 'E_ID'\n}",
    );
    assert_whole(
        "panic: runtime error: index out of range [3] with length 3\n\ngoroutine 1 [running]:\nmain.(*Store).get(0xc000012345, {0x1, 0x2})\n\t/srv/main.go:9 +0x1d\nmain.main()\n\t/srv/main.go:14 +0x3f\nexit status 2",
    );
}

#[test]
fn diagnostics_of_compilers_are_whole() {
    assert_whole(
        r#"
error[E0308]: mismatched types
  --> src/main.rs:2:18
   |
 2 |     let x: u32 = "one";
   |            ---   ^^^^^ expected `u32`, found `&str`
   |            |
   |            expected due to this
   |
   = note: expected type `u32`

help: try this
   |
12 |     let x: u32 = 1;
   |                  ~"#,
    );
    assert_whole(
        "error: failed to run custom build command for `x v0.1.0`\n\nCaused by:\n  process didn't exit successfully: `build-script-build` (exit status: 101)\n  --- stderr\n  no such library",
    );
    assert_whole(
        "main.c: In function 'main':\nmain.c:3:5: error: expected ';' before 'return'\n    3 |     return x\n      |     ^~~~~~\nmain.c:1:5: note: declared here\n    1 | int main\n      |     ^~~~",
    );
}

#[test]
fn ordinary_lines_stay_alone() {
    let text = "   Compiling a v0.1.0\n   Compiling b v0.1.0\nerror: could not compile `b`\n  indented\n\nwarning: `a` generated 1 warning\n    Finished dev\n{\n  \"a\": 1\n}";
    assert_eq!(units(text).iter().filter(|unit| unit.len() > 1).count(), 0, "{:#?}", units(text));
}

#[test]
fn two_diagnostics_are_two_units() {
    let one = "error[E0425]: cannot find value `y`\n --> src/lib.rs:1:1\n  |\n1 | y\n  | ^";
    let text = format!("{one}\n\n{one}\n\nerror: aborting due to 2 previous errors");
    let found = units(&text);
    let sizes: Vec<usize> = found.iter().map(Vec::len).collect();
    assert_eq!(sizes, [5, 1, 5, 1, 1]);
}

proptest! {
    #[test]
    fn every_line_comes_out_once_in_order(
        picks in prop::collection::vec(0_usize..14, 0..80),
        noise in any::<String>(),
    ) {
        let parts = [
            "Traceback (most recent call last):", "  File \"x\", line 1", "ValueError: x", "", "    at x (y:1)",
            "thread 'a' panicked at src/x.rs:1:1:", "boom", "error[E0001]: x", " --> x:1:1", "panic: x",
            "goroutine 1 [running]:", "x.c:1:2: error: y", "note: z", &noise,
        ];
        let lines: Vec<&str> = picks.iter().map(|pick| parts[*pick]).collect();
        let (mut units, mut done) = (Units::default(), Vec::new());
        for (number, text) in lines.iter().enumerate() {
            units.push(text, number, &mut done);
        }
        units.finish(&mut done);
        let out: Vec<usize> = done.into_iter().flat_map(|unit| [vec![unit.first], unit.rest].concat()).collect();
        prop_assert_eq!(out, (0..lines.len()).collect::<Vec<_>>());
    }
}
