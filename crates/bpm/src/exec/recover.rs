//! Cleaning up after a shim that was killed: ends what is left of the tree, and appends what is left in
//! the program's pipes to its log. Blocking.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use bpm_logs::{Drained, Limits, Now, Stream, Writer};

use super::watch::Place;

/// How long the rest of a tree may take to vanish.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends what is left of a tree.
pub fn end_tree(place: &Place) {
    let left = bpm_shim::tree::kill_tagged(&place.tag, place.cgroup.as_deref(), PATIENCE);
    for survivor in &left {
        tracing::warn!("{}: pid {} ({}) outlived KILL", place.tag, survivor.pid, survivor.name);
    }
}

/// `pipes`: the duplicates of the read ends that the shim handed out.
pub fn clean_up(place: &Place, pipes: &[(Stream, OwnedFd)]) {
    end_tree(place);
    let mut writer = match Writer::open(&place.dir, Limits::for_max_bytes(place.log_max_bytes)) {
        Ok(writer) => writer,
        Err(error) => {
            tracing::warn!("{}: cannot go on with its log: {error}", place.tag);
            return;
        }
    };
    for (stream, pipe) in pipes {
        while matches!(writer.read_from(*stream, pipe.as_fd(), Now::read()), Drained::More) {}
    }
    writer.finish(Now::read());
}
