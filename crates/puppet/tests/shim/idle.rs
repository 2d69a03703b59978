//! A shim with nothing to do does nothing.

use crate::support::{Run, assert_quiet};

#[test]
fn an_idle_shim_is_never_woken() {
    let mut idle = Run::start("lines 1 sleep");
    idle.leader();
    assert_quiet(&idle);
}
