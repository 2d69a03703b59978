//! Standard input through a pipe: what is taken, what is refused, and how it ends.

use std::fs;

use bpm_shim::plan::{Plan, Stdin};
use bpm_shim::protocol::InputOutcome::{Closed, Full, NoInput, Taken};
use bpm_shim::protocol::{InputKind, InputOutcome, InputStatus, MAX_INPUT_BYTES, MAX_WAITING_BYTES, Status};

use crate::support::{Run, assert_quiet, gate, open_gate, wait_for};

fn pipe(plan: &mut Plan) {
    plan.stdin = Stdin::Pipe;
}

/// Writes input until no more is taken. How many bytes that were, and what was said then.
fn fill(run: &mut Run, piece: &[u8]) -> (usize, InputOutcome) {
    let mut taken = 0;
    loop {
        match run.input(piece, false) {
            Taken => taken += piece.len(),
            other => return (taken, other),
        }
    }
}

#[test]
fn a_line_is_read_and_answered() {
    let mut run = Run::start_with("echo exit 4", pipe);
    assert_eq!(run.input(b"hello\n", false), Taken);
    wait_for("the echo", || run.log() == "echo hello\n");
    assert_eq!(run.input_status(), InputStatus { kind: InputKind::Pipe, open: true, waiting_bytes: 0 });
    assert_eq!(run.input(b"again\nand without a line feed", true), Taken);
    assert_eq!(run.status(), Status::Code(4));
    assert_eq!(run.log(), "echo hello\necho again\necho and without a line feed\nend of input\n");
}

#[test]
fn a_program_without_input_says_so() {
    let mut run = Run::start("echo sleep");
    assert_eq!(run.input(b"hello\n", false), NoInput);
    assert_eq!(run.input(b"", true), NoInput);
    assert_eq!(run.input_status(), InputStatus::default());
    wait_for("the end of /dev/null", || run.log() == "end of input\n");
}

#[test]
fn nothing_is_taken_after_the_end() {
    let mut run = Run::start_with("echo sleep", pipe);
    assert_eq!(run.input(b"", true), Taken);
    assert_eq!((run.input(b"more\n", false), run.input(b"", true)), (Closed, Closed));
    wait_for("the end", || run.log() == "end of input\n");
    assert_eq!(run.input_status(), InputStatus { kind: InputKind::Pipe, open: false, waiting_bytes: 0 });
}

#[test]
fn a_program_that_has_closed_its_input_is_found_out_by_the_next_to_write() {
    let mut run = Run::start_with("close-stdin lines 1 sleep", pipe);
    wait_for("the line after", || run.log() == "line 1\n");
    assert_eq!(run.input(b"anybody?\n", false), Closed);
    assert!(!run.input_status().open);
}

#[test]
fn input_to_a_program_that_does_not_read_is_bounded_and_goes_on_when_it_reads() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate(home.path());
    let steps = format!("gate {} count exit 0", gate.display());
    let mut run = Run::start_in(home, "run", &steps, pipe);
    let (large, refused) = fill(&mut run, &[1; 10_000]);
    let Full { room } = refused else { panic!("{refused:?}") };
    assert!(room < 10_000, "{room}");
    // What there is room for is taken to the last byte, and then there is none.
    let (small, refused) = fill(&mut run, &[1]);
    assert_eq!((small, refused), (room as usize, Full { room: 0 }));
    assert_eq!(run.input(b"", false), Taken);
    assert_eq!(run.input_status().waiting_bytes as usize, MAX_WAITING_BYTES);
    assert_quiet(&run);

    assert_eq!(run.input(b"", true), Taken);
    assert_eq!(run.input(b"late", false), Closed);
    assert!(!run.input_status().open);
    open_gate(&gate);
    assert_eq!(run.status(), Status::Code(0));
    assert_eq!(run.log(), format!("read {0} bytes, sum {0}\n", large + small));
    // The pipe itself holds some more; how much depends on how its pages are filled.
    assert!(large > MAX_WAITING_BYTES, "{large}");
}

#[test]
fn a_megabyte_arrives_whole_and_in_order() {
    let mut run = Run::start_with("", |plan| {
        pipe(plan);
        plan.program = "cat".into();
        plan.args = Vec::new();
        plan.log_max_bytes = 64 << 20;
    });
    let text: Vec<u8> = (0..130_000).flat_map(|number| format!("{number:07}\n").into_bytes()).collect();
    for piece in text.chunks(MAX_INPUT_BYTES) {
        wait_for("room", || run.input(piece, false) == Taken);
    }
    assert_eq!(run.input(b"", true), Taken);
    assert_eq!(run.status(), Status::Code(0));
    assert!(run.log_bytes() == text);
}

#[test]
fn more_than_a_frame_holds_is_refused_before_it_is_sent() {
    let mut run = Run::start_with("count exit 0", pipe);
    let request = |len| bpm_shim::protocol::Request::Input { id: 1, bytes: vec![0; len], end: false };
    let refused = run.connection.send(&request(MAX_INPUT_BYTES + 1)).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(run.input(&[0; MAX_INPUT_BYTES], true), Taken);
    assert_eq!(run.status(), Status::Code(0));
    assert_eq!(run.log(), format!("read {MAX_INPUT_BYTES} bytes, sum 0\n"));
}

/// What the program's children hold must not keep its input open, and neither must the shim's own side of it.
#[test]
fn the_program_has_only_its_own_end_of_the_pipe() {
    let mut run = Run::start_with("", |plan| {
        pipe(plan);
        plan.program = "sleep".into();
        plan.args = vec!["60".into()];
    });
    let leader = run.leader();
    wait_for("three pipes and nothing else", || {
        let fds = fs::read_dir(format!("/proc/{leader}/fd")).unwrap().flatten();
        let targets: Vec<_> = fds.filter_map(|fd| fs::read_link(fd.path()).ok()).collect();
        targets.len() == 3 && targets.iter().all(|target| target.to_string_lossy().starts_with("pipe:"))
    });
}

#[test]
fn the_first_and_the_last_line_of_a_short_program_are_there_by_pipe() {
    for _ in 0..200 {
        let mut run = Run::start_with("lines 1 --prefix first lines 1 --prefix last exit 0", pipe);
        run.exited();
        assert_eq!(run.log(), "first1\nlast1\n");
        assert!(run.over());
    }
}
