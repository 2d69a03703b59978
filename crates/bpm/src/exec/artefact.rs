//! Keeps the executable that a build made, so that a crash restart can run it after the tree moved on.
//! Owns the copy and the question which file to execute; knows nothing of builds, runs or restarts.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// How often a copy is begun anew because the file changed under it.
const ATTEMPTS: u32 = 3;

/// What tells one version of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    dev: u64,
    inode: u64,
    mtime_ns: i128,
    size_bytes: u64,
}

impl Identity {
    fn of(meta: &fs::Metadata) -> Self {
        Self {
            dev: meta.dev(),
            inode: meta.ino(),
            mtime_ns: i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()),
            size_bytes: meta.size(),
        }
    }

    /// The identity of the file at `path` now.
    ///
    /// # Errors
    /// The file cannot be examined.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&path.metadata()?))
    }
}

/// An executable as it was when it was built, and where a copy of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artefact {
    /// Where the build put it.
    pub executable: PathBuf,
    /// What stood there when the build ended.
    pub identity: Identity,
    /// Our own copy, where one could be made.
    pub kept: Option<PathBuf>,
}

/// Why no copy is kept. The build still counts; a crash restart may run a changed file.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// No room.
    #[error("no space left to keep `{}` ({size_bytes} bytes) in `{}`: a crash restart may run a changed file", executable.display(), dir.display())]
    Full {
        /// The executable.
        executable: PathBuf,
        /// Its size.
        size_bytes: u64,
        /// Where the copy should have gone.
        dir: PathBuf,
    },
    /// Somebody rewrote the file again and again while it was copied.
    #[error("`{}` changed while it was copied: a crash restart may run a changed file", executable.display())]
    Changing {
        /// The executable.
        executable: PathBuf,
    },
    /// Anything else.
    #[error("cannot keep `{}` in `{}`: {source}", executable.display(), dir.display())]
    Io {
        /// The executable.
        executable: PathBuf,
        /// Where the copy should have gone.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Copies `executable` into `dir` (made if missing) under its own name, by reflink where the file
/// system has it. Never a hard link: a linker may rewrite the inode. If `previous` was made of this
/// very file its copy is hard-linked instead, for our copies are never written again.
///
/// # Errors
/// See [`KeepError`]; nothing partial is left behind.
pub fn keep(executable: &Path, dir: &Path, previous: Option<&Artefact>) -> Result<Artefact, KeepError> {
    let io_error =
        |source: io::Error| KeepError::Io { executable: executable.to_owned(), dir: dir.to_owned(), source };
    let name = executable.file_name().ok_or_else(|| io_error(io::ErrorKind::InvalidInput.into()))?;
    fs::create_dir_all(dir).map_err(io_error)?;
    let target = dir.join(name);
    for _ in 0..ATTEMPTS {
        let source = File::open(executable).map_err(io_error)?;
        let before = source.metadata().map_err(io_error)?;
        let identity = Identity::of(&before);
        let artefact = Artefact { executable: executable.to_owned(), identity, kept: Some(target.clone()) };
        if reuse(previous, identity, &target) {
            return Ok(artefact);
        }
        if let Err(error) = copy(&source, &before, &target) {
            let _ = fs::remove_file(&target);
            return Err(match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => KeepError::Full {
                    executable: executable.to_owned(),
                    size_bytes: before.size(),
                    dir: dir.to_owned(),
                },
                _ => io_error(error),
            });
        }
        let unchanged =
            |meta: io::Result<fs::Metadata>| meta.is_ok_and(|meta| Identity::of(&meta) == identity);
        if unchanged(source.metadata()) {
            return Ok(artefact);
        }
    }
    let _ = fs::remove_file(&target);
    Err(KeepError::Changing { executable: executable.to_owned() })
}

fn reuse(previous: Option<&Artefact>, identity: Identity, target: &Path) -> bool {
    let same = previous.filter(|previous| previous.identity == identity);
    let kept = same.and_then(|previous| previous.kept.as_deref());
    kept.is_some_and(|kept| link(kept, target).is_ok())
}

fn copy(source: &File, meta: &fs::Metadata, target: &Path) -> io::Result<()> {
    remove_if_there(target)?;
    let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target)?;
    // Reflink: no data moves and no space is used. Elsewhere `io::copy` uses `copy_file_range`.
    if !reflink(source, &made) {
        io::copy(&mut &*source, &mut made)?;
    }
    made.set_permissions(fs::Permissions::from_mode(meta.mode() & 0o777))
}

#[cfg(target_os = "linux")]
fn reflink(source: &File, made: &File) -> bool {
    rustix::fs::ioctl_ficlone(made, source).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn reflink(_source: &File, _made: &File) -> bool {
    false
}

/// Gives a kept copy a second name, `to`: a hard link, or a copy where links are refused. For files
/// made by [`keep`] only. An older file at `to` is replaced.
///
/// # Errors
/// Neither a link nor a copy could be made.
pub fn link(kept: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    if let (Ok(one), Ok(other)) = (Identity::at(kept), Identity::at(to))
        && one == other
    {
        return Ok(());
    }
    remove_if_there(to)?;
    match fs::hard_link(kept, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(_) => {
            let source = File::open(kept)?;
            let copied = copy(&source, &source.metadata()?, to);
            copied.inspect_err(|_| drop(fs::remove_file(to)))
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Which file stands for an artefact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The build's own file, unchanged since.
    Original,
    /// Our copy: the build's file changed or went.
    Kept,
    /// The build's file although it changed, because there is no copy: say so.
    Changed,
}

/// What to execute for an artefact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The file.
    pub path: PathBuf,
    /// `argv[0]`: always the path the build gave.
    pub argv0: PathBuf,
    /// Which file it is.
    pub source: Source,
}

/// The file to execute: the build's own as long as it is what was built (debuggers, `$ORIGIN` and
/// `current_exe` then see the usual path), else the kept copy.
#[must_use]
pub fn choose(artefact: &Artefact) -> Choice {
    let unchanged = Identity::at(&artefact.executable).is_ok_and(|now| now == artefact.identity);
    let kept = artefact.kept.as_deref().filter(|kept| kept.is_file());
    let (path, source) = match kept {
        _ if unchanged => (artefact.executable.as_path(), Source::Original),
        Some(kept) => (kept, Source::Kept),
        None => (artefact.executable.as_path(), Source::Changed),
    };
    Choice { path: path.to_owned(), argv0: artefact.executable.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        _dir: tempfile::TempDir,
        exe: PathBuf,
        kept: PathBuf,
    }

    fn world() -> World {
        let dir = tempfile::tempdir().unwrap();
        let exe = dir.path().join("target").join("my-app");
        fs::create_dir(dir.path().join("target")).unwrap();
        fs::write(&exe, "one").unwrap();
        fs::set_permissions(&exe, fs::Permissions::from_mode(0o750)).unwrap();
        World { kept: dir.path().join("build"), exe, _dir: dir }
    }

    #[test]
    fn a_copy_has_its_own_inode_the_name_and_the_mode() {
        let w = world();
        let kept = keep(&w.exe, &w.kept, None).unwrap().kept.unwrap();
        assert_eq!(kept, w.kept.join("my-app"));
        let meta = kept.metadata().unwrap();
        assert_eq!(meta.mode() & 0o777, 0o750);
        assert_ne!(meta.ino(), w.exe.metadata().unwrap().ino());
        fs::write(&w.exe, "two").unwrap();
        assert_eq!(fs::read(&kept).unwrap(), b"one");
    }

    #[test]
    fn the_original_runs_until_it_changes_then_the_copy_under_its_name() {
        let w = world();
        let artefact = keep(&w.exe, &w.kept, None).unwrap();
        let argv0 = w.exe.clone();
        let original = Choice { path: w.exe.clone(), argv0: argv0.clone(), source: Source::Original };
        assert_eq!(choose(&artefact), original);
        fs::write(&w.exe, "two").unwrap();
        assert_eq!(choose(&artefact), Choice { path: w.kept.join("my-app"), argv0, source: Source::Kept });
        fs::remove_file(&w.exe).unwrap();
        assert_eq!(choose(&artefact).source, Source::Kept);
        fs::remove_file(w.kept.join("my-app")).unwrap();
        assert_eq!(choose(&artefact).source, Source::Changed);
        assert_eq!(choose(&artefact).path, w.exe);
    }

    #[test]
    fn an_unchanged_executable_shares_the_previous_copy_and_a_changed_one_does_not() {
        let w = world();
        let inode = |artefact: &Artefact| artefact.kept.as_ref().unwrap().metadata().unwrap().ino();
        let first = keep(&w.exe, &w.kept.join("1"), None).unwrap();
        let second = keep(&w.exe, &w.kept.join("2"), Some(&first)).unwrap();
        assert_eq!(inode(&first), inode(&second));
        fs::write(&w.exe, "three").unwrap();
        let third = keep(&w.exe, &w.kept.join("3"), Some(&second)).unwrap();
        assert_ne!(inode(&third), inode(&second));
        assert_eq!(fs::read(third.kept.unwrap()).unwrap(), b"three");
    }

    #[test]
    fn a_link_replaces_what_was_there_and_outlives_its_first_name() {
        let w = world();
        let kept = keep(&w.exe, &w.kept, None).unwrap().kept.unwrap();
        let run = w.kept.join("runs/7/my-app");
        link(&kept, &run).unwrap();
        link(&kept, &run).unwrap();
        assert_eq!(kept.metadata().unwrap().ino(), run.metadata().unwrap().ino());
        fs::remove_file(&kept).unwrap();
        assert_eq!(fs::read(&run).unwrap(), b"one");
        assert_eq!(link(&kept, &w.kept.join("x")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_cannot_be_kept_leaves_nothing_behind() {
        let w = world();
        let error = keep(&w.exe.with_file_name("gone"), &w.kept, None).unwrap_err();
        assert!(matches!(error, KeepError::Io { .. }), "{error}");
        assert_eq!(fs::read_dir(&w.kept).unwrap().count(), 0);
    }
}
