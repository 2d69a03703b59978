//! A record is read back as it was written, and only when it is whole.

use std::fs;

use super::{ExitRecord, FILE, Outcome, Recorded, Rest, SPACE_BYTES, Slot, read};
use crate::protocol::{SpawnFailure, Stamp, Status, Step, Usage};

fn record(outcome: Outcome, rest: Rest) -> ExitRecord {
    ExitRecord {
        outcome,
        rest,
        started: Stamp { wall_ns: 1, mono_ns: 2 },
        ended: Stamp { wall_ns: u64::MAX, mono_ns: 4 },
        boot_id: "ce1f9b8e-0000".into(),
        usage: Usage { user_us: 5, system_us: 6, max_rss_kib: 7 },
        log_bytes: 8,
        lost_bytes: 9,
        lost_lines: 10,
    }
}

#[test]
fn every_outcome_is_read_back() {
    let failure = SpawnFailure { step: Step::Exec, errno: 2, message: "program `a b` is not in PATH".into() };
    for outcome in [
        Outcome::Exited(Status::Code(0)),
        Outcome::Exited(Status::Code(255)),
        Outcome::Exited(Status::Signal { signal: 9, core: false }),
        Outcome::Exited(Status::Signal { signal: 11, core: true }),
        Outcome::SpawnFailed(failure),
        Outcome::SpawnFailed(SpawnFailure { step: Step::Prepare, errno: 0, message: String::new() }),
    ] {
        for rest in [Rest::Running, Rest::Empty, Rest::Released] {
            let dir = tempfile::tempdir().unwrap();
            let written = record(outcome.clone(), rest);
            Slot::allocate(dir.path()).unwrap().write(&written).unwrap();
            assert_eq!(read(dir.path()).unwrap(), Recorded::Ended(Box::new(written)));
        }
    }
}

#[test]
fn a_later_record_replaces_the_first_in_the_same_space() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read(dir.path()).unwrap(), Recorded::Absent);
    let slot = Slot::allocate(dir.path()).unwrap();
    assert_eq!(read(dir.path()).unwrap(), Recorded::Pending);
    slot.write(&record(Outcome::Exited(Status::Code(3)), Rest::Running)).unwrap();
    let last = record(Outcome::Exited(Status::Code(3)), Rest::Empty);
    slot.write(&last).unwrap();
    assert_eq!(read(dir.path()).unwrap(), Recorded::Ended(Box::new(last)));
    assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().len(), SPACE_BYTES as u64);
}

#[test]
fn a_half_written_record_is_pending() {
    let dir = tempfile::tempdir().unwrap();
    let slot = Slot::allocate(dir.path()).unwrap();
    slot.write(&record(Outcome::Exited(Status::Code(3)), Rest::Empty)).unwrap();
    let path = dir.path().join(FILE);
    let whole = fs::read(&path).unwrap();
    let text_len = whole.iter().rposition(|byte| !byte.is_ascii_whitespace()).unwrap();
    for cut in 0..=text_len {
        let mut torn = whole.clone();
        torn[cut..=text_len].fill(b' ');
        fs::write(&path, &torn).unwrap();
        assert_eq!(read(dir.path()).unwrap(), Recorded::Pending, "cut at {cut}");
        torn.truncate(cut);
        fs::write(&path, &torn).unwrap();
        assert_eq!(read(dir.path()).unwrap(), Recorded::Pending, "truncated at {cut}");
    }
    let mut changed = whole;
    let digit = changed.iter().position(|byte| *byte == b'3').unwrap();
    changed[digit] = b'0';
    fs::write(&path, &changed).unwrap();
    assert_eq!(read(dir.path()).unwrap(), Recorded::Pending);
}

#[test]
fn a_message_cannot_forge_fields() {
    let message = "x\nrest empty\nchecksum 0\n".to_owned();
    let dir = tempfile::tempdir().unwrap();
    let forged = Outcome::SpawnFailed(SpawnFailure { step: Step::Cwd, errno: 2, message });
    Slot::allocate(dir.path()).unwrap().write(&record(forged, Rest::Released)).unwrap();
    let Recorded::Ended(read) = read(dir.path()).unwrap() else { panic!("not a record") };
    assert_eq!(read.rest, Rest::Released);
}
