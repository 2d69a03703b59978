//! A plan is read back as it was written, byte for byte, and nothing else passes for one.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{FILE, Plan, PlanError, Stdin};

fn odd() -> OsString {
    OsString::from_vec(vec![b'a', 0xff, b'\n', b' ', 0xfe])
}

fn plan() -> Plan {
    Plan {
        argv0: Some(odd()),
        args: vec![odd(), OsString::new(), "b".into()],
        env: vec![("TOKEN".into(), "hunter2".into()), (odd(), odd())],
        umask: Some(0o027),
        stdout_file: Some("messages.json".into()),
        cgroup: Some(odd().into()),
        leave_behind: true,
        log_max_bytes: 12345,
        stdin: Stdin::Terminal { rows: 24, columns: 132 },
        ..Plan::new("p/api/7", odd(), odd())
    }
}

#[test]
fn it_is_read_back_as_written_and_nobody_else_may_read_it() {
    let dir = tempfile::tempdir().unwrap();
    for plan in [plan(), Plan::new("", "true", "/"), Plan { stdin: Stdin::Pipe, ..plan() }] {
        plan.write(dir.path()).unwrap();
        assert_eq!(Plan::read(dir.path()).unwrap(), plan);
    }
    assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn debug_shows_names_and_no_values() {
    let shown = format!("{:?}", plan());
    assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn every_truncation_and_every_flipped_bit_is_noticed() {
    let bytes = plan().encode();
    for len in 0..bytes.len() {
        assert!(matches!(Plan::decode(&bytes[..len]), Err(PlanError::Damaged)), "{len}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert!(Plan::decode(&changed).is_err(), "{at}");
    }
}

/// A manager of an older version wrote it; this one adopts the run.
#[test]
fn a_plan_without_stdin_is_an_older_one() {
    let older = Plan { stdin: Stdin::Null, ..plan() };
    let mut bytes = older.encode();
    bytes.truncate(bytes.len() - 9);
    let sum = crate::wire::checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    assert_eq!(Plan::decode(&bytes).unwrap(), older);
}

#[test]
fn another_version_is_named() {
    let mut bytes = plan().encode();
    bytes[8] = 9;
    bytes.truncate(bytes.len() - 8);
    let sum = crate::wire::checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    let error = Plan::decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "the plan has version 9, this program reads 1");
}

proptest! {
    /// With a right checksum the field parsers themselves meet the garbage (huge counts included) and must stay frugal.
    #[test]
    fn garbage_never_panics(garbage in any::<Vec<u8>>()) {
        let mut bytes = b"bpm-plan\x01\x00".to_vec();
        bytes.extend(garbage);
        let sum = crate::wire::checksum(&bytes);
        bytes.extend(sum.to_le_bytes());
        let _ = Plan::decode(&bytes);
    }

    #[test]
    fn any_bytes_travel(tag in "[a-z/0-9]{0,20}", args in any::<Vec<Vec<u8>>>()) {
        let args: Vec<OsString> = args.into_iter().map(OsString::from_vec).collect();
        let plan = Plan { args, ..Plan::new(tag, "x", "/") };
        let read = Plan::decode(&plan.encode());
        prop_assert!(read.is_ok());
        prop_assert_eq!(read.unwrap(), plan);
    }
}
