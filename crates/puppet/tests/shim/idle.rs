//! A shim with nothing to do does nothing.

use crate::support::{Run, proc_status};

/// Another run from start to end is the clock: a shim that wakes up by itself would have been seen in that time.
#[test]
fn an_idle_shim_is_never_woken() {
    let mut idle = Run::start("lines 1 sleep");
    idle.leader();
    let awake = |run: &Run| {
        let of = |field| proc_status(run.shim(), field).unwrap().parse::<u64>().unwrap();
        of("voluntary_ctxt_switches") + of("nonvoluntary_ctxt_switches")
    };
    let second = || {
        let mut other = Run::start("sleep --ms 600 exit 0");
        assert!(other.over());
    };
    second();
    let before = awake(&idle);
    second();
    assert_eq!(awake(&idle) - before, 0);
}
