//! The two clocks and the boot's id. Knows nothing else.

use bpm_logs::Now;

use crate::protocol::Stamp;

pub(crate) fn stamp() -> Stamp {
    let now = Now::read();
    Stamp { wall_ns: now.wall_ns, mono_ns: now.mono_ns }
}

/// This boot's id, or empty where the kernel does not say.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}
