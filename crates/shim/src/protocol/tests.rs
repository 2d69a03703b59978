//! Every message survives its encoding, in whatever pieces it arrives; no bytes at all make the decoder panic.

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

use super::{
    Decoder, Exit, FrameError, InputKind, InputOutcome, InputStatus, Leader, LogStatus, MAX_FRAME_BYTES,
    MAX_INPUT_BYTES, Message, Phase, Report, Request, SpawnFailure, Stamp, State, Status, Step, Survivor,
    Tier, Usage, Welcome,
};

fn exit(status: Status) -> Exit {
    Exit {
        status,
        at: Stamp { wall_ns: 5, mono_ns: 6 },
        usage: Usage { user_us: 1, system_us: 2, max_rss_kib: 3 },
    }
}

fn reports() -> Vec<Report> {
    let at = Stamp { wall_ns: u64::MAX, mono_ns: 1 };
    let leader = Leader { pid: 77, start_ticks: 1234 };
    let state = State {
        phase: Phase::Leaderless,
        leader: Some(leader),
        started: at,
        exit: Some(exit(Status::Signal { signal: 11, core: true })),
        tier: Tier::Tree { cgroup_errno: Some(13) },
        killing: true,
        log: LogStatus { bytes: 1, lines: 2, lost_bytes: 3, lost_lines: 4, disk_errno: Some(28) },
        input: InputStatus { kind: InputKind::Terminal, open: true, waiting_bytes: 77 },
    };
    vec![
        Report::Welcome(Welcome {
            version: 1,
            shim_pid: 9,
            run_tag: "p/api/7".into(),
            stdout: false,
            stderr: true,
        }),
        Report::State(state),
        Report::State(State {
            phase: Phase::Starting,
            leader: None,
            exit: None,
            tier: Tier::Cgroup,
            input: InputStatus { kind: InputKind::Pipe, ..InputStatus::default() },
            ..state
        }),
        Report::Started { leader, at, tier: Tier::Tree { cgroup_errno: None } },
        Report::SpawnFailed(SpawnFailure { step: Step::Cwd, errno: 2, message: "no `é`".into() }),
        Report::Exited(exit(Status::Code(255))),
        Report::TreeEmpty { at, empty: false },
        Report::Alarm { errno: 28 },
        Report::AlarmCleared,
        Report::Survivors { total: 900, list: vec![Survivor { pid: 3, name: "kworker".into(), state: 'D' }] },
        Report::Input { id: u64::MAX, outcome: InputOutcome::Taken },
        Report::Input { id: 1, outcome: InputOutcome::Full { room: 7 } },
        Report::Input { id: 2, outcome: InputOutcome::NoInput },
        Report::Input { id: 3, outcome: InputOutcome::Closed },
    ]
}

fn requests() -> Vec<Request> {
    vec![
        Request::Hello { version: 7 },
        Request::Status,
        Request::Signal { signal: 15 },
        Request::Kill,
        Request::Survivors,
        Request::Release,
        Request::Resize { rows: 24, columns: 80 },
        Request::Input { id: 7, bytes: vec![0, 3, 255], end: false },
        Request::Input { id: 8, bytes: Vec::new(), end: true },
        Request::Live { on: true },
    ]
}

fn decode_all<M: Message>(decoder: &mut Decoder<M>) -> Result<Vec<M>, FrameError> {
    std::iter::from_fn(|| decoder.next().transpose()).collect()
}

/// The numbers are frozen: a shim of an older version is still running somewhere.
#[test]
fn the_wire_format_does_not_change() {
    assert_eq!(Request::Hello { version: 1 }.frame(), [3, 0, 0, 0, 1, 1, 0]);
    assert_eq!(Request::Signal { signal: 15 }.frame(), [5, 0, 0, 0, 3, 15, 0, 0, 0]);
    let kinds: Vec<u8> = requests().iter().map(|request| request.frame()[4]).collect();
    assert_eq!(kinds, [1, 2, 3, 4, 5, 6, 16, 17, 17, 18]);
    let input = Request::Input { id: 258, bytes: vec![3], end: true }.frame();
    assert_eq!(input, [15, 0, 0, 0, 17, 2, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 3]);
    let kinds: Vec<u8> = reports().iter().map(|report| report.frame()[4]).collect();
    assert_eq!(kinds, [1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10]);
    let exited = Report::Exited(exit(Status::Signal { signal: 9, core: true })).frame();
    assert_eq!(exited[..12], [47, 0, 0, 0, 5, 1, 9, 0, 0, 0, 1, 5]);
}

#[test]
fn unknown_kinds_are_passed_over() {
    let mut decoder = Decoder::<Request>::default();
    decoder.push(&[4, 0, 0, 0, 200, 1, 2, 3]);
    decoder.push(&Request::Kill.frame());
    assert_eq!(decode_all(&mut decoder), Ok(vec![Request::Kill]));
}

/// A shim of version 1 lives on under a manager that knows input.
#[test]
fn a_state_without_input_is_that_of_an_older_shim() {
    let states = reports().into_iter().filter_map(|report| match report {
        Report::State(state) => Some(state),
        _ => None,
    });
    for state in states {
        let mut frame = Report::State(state).frame();
        frame.truncate(frame.len() - 6);
        let len = u32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&len.to_le_bytes());
        let mut decoder = Decoder::default();
        decoder.push(&frame);
        let older = State { input: InputStatus::default(), ..state };
        assert_eq!(decoder.next(), Ok(Some(Report::State(older))));
    }
}

#[test]
fn the_longest_input_fills_a_frame() {
    let longest = Request::Input { id: 1, bytes: vec![9; MAX_INPUT_BYTES], end: true };
    assert_eq!(longest.frame().len(), 4 + MAX_FRAME_BYTES);
    let mut decoder = Decoder::default();
    decoder.push(&longest.frame());
    assert_eq!(decoder.next(), Ok(Some(longest)));
}

#[test]
fn debug_does_not_show_what_is_typed() {
    let shown = format!("{:?}", Request::Input { id: 1, bytes: b"hunter2".to_vec(), end: false });
    assert_eq!(shown, "Input { id: 1, bytes: 7, end: false }");
}

#[test]
fn longer_bodies_than_known_are_fine() {
    for report in reports() {
        let mut frame = report.frame();
        frame.extend([1, 2, 3]);
        let len = u32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&len.to_le_bytes());
        let mut decoder = Decoder::default();
        decoder.push(&frame);
        assert_eq!(decoder.next(), Ok(Some(report)));
    }
}

#[test]
fn a_message_cut_short_is_malformed() {
    for report in reports().into_iter().filter(|report| report.frame().len() > 5) {
        let frame = report.frame();
        let mut cut = frame[..frame.len() - 1].to_vec();
        let len = u32::try_from(cut.len() - 4).unwrap();
        cut[..4].copy_from_slice(&len.to_le_bytes());
        let mut decoder = Decoder::<Report>::default();
        decoder.push(&cut);
        assert_eq!(decoder.next(), Err(FrameError::Malformed(frame[4])));
    }
}

#[test]
fn impossible_lengths_are_refused_at_once() {
    for len in [0, MAX_FRAME_BYTES + 1, u32::MAX as usize] {
        let mut decoder = Decoder::<Request>::default();
        decoder.push(&u32::try_from(len).unwrap().to_le_bytes());
        assert_eq!(decoder.next(), Err(FrameError::Length(len)));
        assert_eq!(decoder.next(), Err(FrameError::Length(len)));
    }
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(1_usize..40, 1..200)
}

proptest! {
    #[test]
    fn pieces_do_not_matter(cuts in cuts()) {
        let stream: Vec<u8> = reports().iter().flat_map(Message::frame).collect();
        let (mut rest, mut decoder, mut seen) = (stream.as_slice(), Decoder::<Report>::default(), Vec::new());
        for cut in cuts.into_iter().chain([stream.len()]) {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            decoder.push(head);
            seen.extend(decode_all(&mut decoder).unwrap());
            rest = tail;
        }
        prop_assert_eq!(seen, reports());
    }

    #[test]
    fn garbage_never_panics_and_is_never_hoarded(pieces in proptest::collection::vec(any::<Vec<u8>>(), 0..20)) {
        let (mut requests, mut reports) = (Decoder::<Request>::default(), Decoder::<Report>::default());
        for piece in &pieces {
            requests.push(piece);
            reports.push(piece);
            let _ = (decode_all(&mut requests), decode_all(&mut reports));
        }
        prop_assert!(requests.buffer.len() <= pieces.iter().map(Vec::len).sum());
    }

    /// Bodies that pass for messages reach every field's parser.
    #[test]
    fn garbage_bodies_never_panic(kind in 0_u8..20, body in any::<Vec<u8>>()) {
        let mut frame = u32::try_from(body.len() + 1).unwrap().to_le_bytes().to_vec();
        frame.push(kind);
        frame.extend(&body);
        let (mut requests, mut reports) = (Decoder::<Request>::default(), Decoder::<Report>::default());
        requests.push(&frame);
        reports.push(&frame);
        let _ = (decode_all(&mut requests), decode_all(&mut reports));
    }
}
