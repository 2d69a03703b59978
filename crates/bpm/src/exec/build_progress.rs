//! Hears from a build under way how far it is, by inotify: whoever waits for a build is told, and nothing wakes up
//! while nothing is said. Knows the file that it is in, not who writes it.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::build_report;
use crate::readable::Readable;
use crate::store::build_progress::{FILE, Progress};

/// Bytes of events that are taken from the kernel at once.
const BUFFER_BYTES: usize = 4 << 10;

/// Waits for `over`, and tells meanwhile how far the build in `dir` is: what it has said already, then what is new.
/// Where that cannot be watched, nothing is told.
pub async fn during<T>(over: impl Future<Output = T>, dir: &Path, tell: impl Fn(Progress)) -> T {
    let follow = async {
        if let Err(error) = follow(dir, tell).await {
            tracing::debug!("the progress in {} cannot be watched: {error}", dir.display());
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        outcome = over => outcome,
        () = follow => std::future::pending().await,
    }
}

async fn follow(dir: &Path, tell: impl Fn(Progress)) -> io::Result<()> {
    let inotify = Arc::new(inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?);
    // the file is only ever put in its place as a whole, so of all that is written beside it nothing is heard
    inotify::add_watch(&*inotify, dir, WatchFlags::ONLYDIR | WatchFlags::MOVED_TO)?;
    let readable = Readable::new(Arc::clone(&inotify))?;
    let mut told = None;
    loop {
        let found = build_report::progress(dir);
        if let Some(progress) = found.filter(|found| told.as_ref() != Some(found)) {
            told = Some(progress.clone());
            tell(progress);
        }
        while !is_new(&inotify)? {
            readable.wait().await?;
        }
    }
}

/// Takes all pending events. True: the file may have been put there.
fn is_new(inotify: &OwnedFd) -> io::Result<bool> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
    let mut reader = Reader::new(inotify, &mut buffer);
    let mut is_new = false;
    loop {
        match reader.next() {
            Ok(event) => {
                let is_file = event.file_name().map(CStr::to_bytes) == Some(FILE.as_bytes());
                is_new |= is_file || event.events().contains(ReadFlags::QUEUE_OVERFLOW);
            }
            Err(Errno::AGAIN) => return Ok(is_new),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use tokio::sync::{mpsc, oneshot};
    use tokio::time::timeout;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);

    fn step(done: u32) -> Progress {
        Progress { done, total: 9, what: "foo".to_owned() }
    }

    #[tokio::test]
    async fn what_was_said_is_told_then_what_is_new_and_the_end_is_not_missed() {
        let dir = tempfile::tempdir().unwrap();
        step(3).save(dir.path()).unwrap();
        let (heard, mut hears) = mpsc::unbounded_channel();
        let (end, ends) = oneshot::channel();
        let path = dir.path().to_owned();
        let watching =
            tokio::spawn(
                async move { during(ends, &path, move |progress| heard.send(progress).unwrap()).await },
            );
        let mut next = async || timeout(DEADLINE, hears.recv()).await.unwrap().unwrap();
        assert_eq!(next().await, step(3));
        for done in 4..9 {
            // the same again, and what stands beside it, are no news
            step(done - 1).save(dir.path()).unwrap();
            fs::write(dir.path().join("messages.json"), "x").unwrap();
            fs::rename(dir.path().join("messages.json"), dir.path().join("waiting.json")).unwrap();
            step(done).save(dir.path()).unwrap();
            assert_eq!(next().await, step(done));
        }
        Progress::remove(dir.path()).unwrap();
        end.send("over").unwrap();
        assert_eq!(timeout(DEADLINE, watching).await.unwrap().unwrap(), Ok("over"));
        assert_eq!(hears.recv().await, None);
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_does_not_hold_up_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone");
        let over = during(tokio::task::yield_now(), &gone, |_| panic!("nothing to tell"));
        timeout(DEADLINE, over).await.unwrap();
    }
}
