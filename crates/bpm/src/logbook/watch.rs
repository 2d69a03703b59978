//! Tells by inotify in which of a few directories something was written or has appeared. Must not know
//! what they hold.

use std::collections::{HashMap, HashSet};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Bytes of events that are taken from the kernel at once.
const BUFFER_BYTES: usize = 16 << 10;

/// The directories that are watched.
#[derive(Debug)]
pub struct Watch {
    inotify: Arc<OwnedFd>,
    targets: HashMap<i32, Target>,
    watched: HashMap<PathBuf, i32>,
}

#[derive(Debug)]
struct Target {
    dir: PathBuf,
    /// Files in it are written; otherwise directories appear in it.
    files: bool,
}

/// What has happened since the last look.
#[derive(Debug, Default)]
pub struct Changes {
    /// Directories in which files were written; `None`: possibly all (events were lost).
    pub written: Option<HashSet<PathBuf>>,
    /// A directory has appeared somewhere.
    pub appeared: bool,
}

impl Watch {
    pub fn new() -> io::Result<Watch> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Watch { inotify: Arc::new(inotify), targets: HashMap::new(), watched: HashMap::new() })
    }

    /// Readable when [`Watch::changes`] has something to tell.
    pub fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.inotify)
    }

    /// Watches a directory, if it is there. Again is no harm.
    pub fn add(&mut self, dir: &Path, files: bool) -> io::Result<()> {
        if self.watched.contains_key(dir) {
            return Ok(());
        }
        let mut flags = WatchFlags::ONLYDIR | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        if files {
            flags |= WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE;
        }
        let number = match inotify::add_watch(&*self.inotify, dir, flags) {
            Ok(number) => number,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.targets.insert(number, Target { dir: dir.to_owned(), files });
        self.watched.insert(dir.to_owned(), number);
        Ok(())
    }

    pub fn remove(&mut self, dir: &Path) {
        if let Some(number) = self.watched.remove(dir) {
            self.targets.remove(&number);
            // Gone by itself if the directory is.
            let _ = inotify::remove_watch(&*self.inotify, number);
        }
    }

    /// Takes all pending events.
    pub fn changes(&mut self) -> io::Result<Changes> {
        let mut changes = Changes { written: Some(HashSet::new()), appeared: false };
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let inotify = Arc::clone(&self.inotify);
        let mut reader = Reader::new(&*inotify, &mut buffer);
        loop {
            let (number, flags) = match reader.next() {
                Ok(event) => (event.wd(), event.events()),
                Err(Errno::AGAIN) => return Ok(changes),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            self.note(number, flags, &mut changes);
        }
    }

    fn note(&mut self, number: i32, flags: ReadFlags, changes: &mut Changes) {
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            *changes = Changes { written: None, appeared: true };
            return;
        }
        if flags.contains(ReadFlags::IGNORED) {
            // The directory is gone; one of the same name would be another.
            if let Some(target) = self.targets.remove(&number) {
                self.watched.remove(&target.dir);
            }
            return;
        }
        match (self.targets.get(&number), &mut changes.written) {
            (Some(Target { dir, files: true }), Some(written)) if !written.contains(dir) => {
                written.insert(dir.clone());
            }
            (Some(Target { files: false, .. }), _) => changes.appeared = true,
            (Some(_) | None, _) => {}
        }
    }
}
