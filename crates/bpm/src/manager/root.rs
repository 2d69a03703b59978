//! Watches whether the project's directory is still there: when it is removed, its programs are stopped.
//!
//! A removed directory that somebody holds open (the manager does, for its lock) tells nothing by itself, and
//! its parent may be as busy as `/tmp`. But `rm -r` takes the configuration first, so that file is watched;
//! the parent only while the file is missing.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::inotify::{self, WatchFlags};

use crate::readable::Readable;

/// Returns when the directory has been removed. `file` is in it. Asleep until something happens to that file.
///
/// # Errors
/// They cannot be watched.
pub(super) async fn removed(root: &Path, file: &Path) -> io::Result<()> {
    let directory = File::open(root)?;
    let Some(parent) = root.parent() else { return std::future::pending().await };
    let events = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let events = Arc::new(events);
    let readable = Readable::new(Arc::clone(&events))?;
    loop {
        let watches = watch(&events, parent, root, file)?;
        if is_removed(&directory)? {
            return Ok(());
        }
        readable.wait().await?;
        for watch in watches {
            let _ = inotify::remove_watch(&events, watch); // the kernel may have done so already
        }
        drain(&events); // after that, for each removal is an event too
    }
}

/// The file, or while it is missing: its coming back, and the going of the directory.
fn watch(events: &OwnedFd, parent: &Path, root: &Path, file: &Path) -> io::Result<Vec<i32>> {
    let gone = WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
    if let Ok(watch) = inotify::add_watch(events, file, gone) {
        return Ok(vec![watch]);
    }
    let parent = inotify::add_watch(events, parent, WatchFlags::DELETE | WatchFlags::ONLYDIR)?;
    let root =
        inotify::add_watch(events, root, WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR);
    Ok([Some(parent), root.ok()].into_iter().flatten().collect())
}

/// A removed directory has no name left; a renamed one has.
fn is_removed(directory: &File) -> io::Result<bool> {
    Ok(rustix::fs::fstat(directory)?.st_nlink == 0)
}

fn drain(events: &OwnedFd) {
    let mut buffer = [0; 4096];
    while matches!(rustix::io::read(events, &mut buffer), Ok(1..)) {}
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::removed;

    #[tokio::test]
    async fn a_replaced_configuration_is_no_removal_and_a_removed_directory_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let (root, file) = (dir.path().join("project"), dir.path().join("project/.mcp-run"));
        fs::create_dir(&root).unwrap();
        fs::write(&file, "").unwrap();
        let mut watch = std::pin::pin!(removed(&root, &file));
        assert!(goes_on(watch.as_mut()).await);
        fs::write(root.join("new"), "").unwrap();
        fs::rename(root.join("new"), &file).unwrap();
        assert!(goes_on(watch.as_mut()).await);
        fs::remove_file(&file).unwrap();
        assert!(goes_on(watch.as_mut()).await);
        fs::write(&file, "").unwrap();
        assert!(goes_on(watch.as_mut()).await);
        fs::remove_dir_all(&root).unwrap();
        tokio::time::timeout(Duration::from_secs(20), watch).await.unwrap().unwrap();
    }

    /// Lets it run until it has nothing to do; true while it has not ended.
    async fn goes_on(watch: std::pin::Pin<&mut impl Future<Output = std::io::Result<()>>>) -> bool {
        tokio::time::timeout(Duration::from_millis(20), watch).await.is_err()
    }
}
