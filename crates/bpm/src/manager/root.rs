//! Watches whether the project's directory is still there: when it is removed, its programs are stopped.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::inotify;

use crate::readable::Readable;

/// Returns when the directory has been removed. Asleep until something is removed beside it.
///
/// # Errors
/// It cannot be watched.
pub(super) async fn removed(root: &Path) -> io::Result<()> {
    let directory = File::open(root)?;
    let Some(parent) = root.parent() else { return std::future::pending().await };
    let events = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    inotify::add_watch(&events, parent, inotify::WatchFlags::DELETE | inotify::WatchFlags::ONLYDIR)?;
    let events = Arc::new(events);
    let readable = Readable::new(Arc::clone(&events))?;
    while !is_removed(&directory)? {
        readable.wait().await?;
        drain(&events);
    }
    Ok(())
}

/// A removed directory has no name left; a renamed one has.
fn is_removed(directory: &File) -> io::Result<bool> {
    Ok(rustix::fs::fstat(directory)?.st_nlink == 0)
}

fn drain(events: &OwnedFd) {
    let mut buffer = [0; 4096];
    while matches!(rustix::io::read(events, &mut buffer), Ok(1..)) {}
}
