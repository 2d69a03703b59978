//! How far a build is: the file `progress` in its directory, written by the build's helper and read by whoever
//! shows it. Replaced as a whole, so a reader finds the old line or the new one. Knows no build tool.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The file, there only while the build goes on: `DONE TOTAL WHAT` and a line feed.
pub const FILE: &str = "progress";

/// More than this is none of ours.
const MAX_BYTES: u64 = 1024;
const MAX_WHAT_BYTES: usize = 240;

/// So many steps of so many are done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub done: u32,
    pub total: u32,
    /// What is being worked on, in one line; may be empty.
    pub what: String,
}

impl Progress {
    /// What the build in `dir` has said last; `None` where it has said nothing, or has ended.
    pub fn load(dir: &Path) -> Option<Progress> {
        let mut text = String::new();
        File::open(dir.join(FILE)).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        let (done, rest) = text.strip_suffix('\n')?.split_once(' ')?;
        let (total, what) = rest.split_once(' ')?;
        Some(Progress { done: done.parse().ok()?, total: total.parse().ok()?, what: one_line(what) })
    }

    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, dir: &Path) -> io::Result<()> {
        let Progress { done, total, what } = self;
        let line = format!("{done} {total} {}\n", one_line(what));
        super::write_atomically(&dir.join(FILE), line.as_bytes())
    }

    /// The build is over. That there is no such file is no error.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(dir: &Path) -> io::Result<()> {
        match fs::remove_file(dir.join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Short, and nothing in it that moves a cursor.
fn one_line(text: &str) -> String {
    let shown = text.chars().filter(|char| !char.is_control());
    let mut bytes = 0;
    shown
        .take_while(|char| {
            bytes += char.len_utf8();
            bytes <= MAX_WHAT_BYTES
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: u32, total: u32, what: &str) -> Progress {
        Progress { done, total, what: what.to_owned() }
    }

    #[test]
    fn what_is_saved_is_loaded_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Progress::load(dir.path()), None);
        for told in
            [progress(0, 1, ""), progress(12, 40, "foo, bar(build)"), progress(u32::MAX, u32::MAX, "x")]
        {
            told.save(dir.path()).unwrap();
            assert_eq!(Progress::load(dir.path()), Some(told));
        }
        Progress::remove(dir.path()).unwrap();
        Progress::remove(dir.path()).unwrap();
        assert_eq!(Progress::load(dir.path()), None);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_moves_a_cursor_or_is_too_long_does_not_get_through() {
        let dir = tempfile::tempdir().unwrap();
        progress(1, 2, &format!("a\n\x1b[2J\r{}", "é".repeat(300))).save(dir.path()).unwrap();
        let loaded = Progress::load(dir.path()).unwrap();
        assert!(loaded.what.starts_with("a[2Jé") && loaded.what.len() <= MAX_WHAT_BYTES, "{loaded:?}");
    }

    #[test]
    fn what_is_no_progress_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let long = format!("1 2 {}\n", "x".repeat(2000));
        for wrong in
            ["", "\n", "1 2 x", "1\n", "1 2\n", "-1 2 x\n", "1 4294967296 x\n", "a b c\n", "\u{0}", &long]
        {
            fs::write(dir.path().join(FILE), wrong).unwrap();
            assert_eq!(Progress::load(dir.path()), None, "{wrong:?}");
        }
        fs::write(dir.path().join(FILE), b"1 2 \xff\n").unwrap();
        assert_eq!(Progress::load(dir.path()), None);
    }

    /// A reader meets whole lines only, however often they are replaced.
    #[test]
    fn a_reader_beside_a_writer_never_misreads() {
        let dir = tempfile::tempdir().unwrap();
        let said = |n: u32| progress(n, 1000, &n.to_string().repeat(n as usize % 50));
        said(0).save(dir.path()).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..1000).for_each(|n| said(n).save(dir.path()).unwrap()));
            let mut before = 0;
            while !writer.is_finished() {
                let seen = Progress::load(dir.path()).unwrap();
                assert_eq!(seen, said(seen.done));
                assert!(seen.done >= before);
                before = seen.done;
            }
        });
    }
}
