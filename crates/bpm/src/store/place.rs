//! Finds a place for a project's state that can hold it: where the configured one is on a file system without locks
//! or Unix sockets, a private directory below `/var/tmp`. Knows nothing of what is kept there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use bpm_api::{Code, Error};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::lock::make_private_dir;
use super::paths::{Project, state_home};

/// Kept over a reboot, and local on every sane machine.
const TEMPORARY: &str = "/var/tmp";

/// Where the state of a project is, and what to say about it.
#[derive(Debug)]
pub struct Settled {
    pub project: Project,
    /// That it is elsewhere than one would look, the first time that this is so.
    pub note: Option<String>,
}

/// Makes the project's state directory (0700), elsewhere if the file system makes that necessary. Every later
/// [`Project::find`] finds it there.
///
/// # Errors
/// `Forbidden` for a directory that is not one's own, `System` where none can be made or used.
pub fn settle(project: &Project) -> Result<Settled, Error> {
    settle_in(project, &state_home(), Path::new(TEMPORARY), lack)
}

/// The directory that [`settle`] has made elsewhere, if it has: that of project `id` for the state directory `home`.
pub(super) fn elsewhere(home: &Path, id: &str) -> Option<PathBuf> {
    elsewhere_in(Path::new(TEMPORARY), home, id)
}

/// What a file system does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    Locks,
    Sockets,
}

impl Lack {
    fn in_words(self) -> &'static str {
        match self {
            Lack::Locks => "file locks",
            Lack::Sockets => "Unix sockets",
        }
    }
}

fn settle_in(
    project: &Project,
    home: &Path,
    temporary: &Path,
    lack: impl Fn(&Path) -> io::Result<Option<Lack>>,
) -> Result<Settled, Error> {
    let unusable = |dir: &Path, error: &io::Error| {
        Error::new(Code::System, format!("cannot use `{}`: {error}", dir.display()))
            .hint("make it writable, or set `BPM_STATE_DIR` to a directory that is")
    };
    let without = |dir: &Path, lack: Lack| {
        format!("`{}` is on a file system without {}", dir.display(), lack.in_words())
    };
    let found = &project.state;
    // not private yet: such a file system may not have permissions either
    DirBuilder::new().recursive(true).mode(0o700).create(found).map_err(|error| unusable(found, &error))?;
    let lacks = match lack(found) {
        Ok(lacks) => lacks,
        Err(error) => {
            make_private_dir(found)?; // knows better what is wrong, if it is somebody else's
            return Err(unusable(found, &error));
        }
    };
    let Some(lacks) = lacks else {
        make_private_dir(found)?;
        return Ok(Settled { project: project.clone(), note: None });
    };
    let state = path_in(temporary, home, &project.id);
    make_own_dir(&own_in(temporary))?;
    make_private_dir(&state)?;
    if let Some(also) = lack(&state).map_err(|error| unusable(&state, &error))? {
        let text = format!("{}, and {}", without(found, lacks), without(&state, also));
        return Err(Error::new(Code::System, text).hint("set `BPM_STATE_DIR` to a directory on a local disk"));
    }
    let note = format!("{}: this project's state is kept in `{}`", without(found, lacks), state.display());
    let note = Some(note).filter(|_| state != *found);
    Ok(Settled { project: Project { state, ..project.clone() }, note })
}

fn elsewhere_in(temporary: &Path, home: &Path, id: &str) -> Option<PathBuf> {
    let path = path_in(temporary, home, id);
    (is_own(&own_in(temporary)).ok()? && path.is_dir()).then_some(path)
}

/// Another for every configured state directory: who sets another one does not mean this one.
fn path_in(temporary: &Path, home: &Path, id: &str) -> PathBuf {
    let hash = Sha256::digest(home.as_os_str().as_encoded_bytes());
    let hash: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    own_in(temporary).join(hash).join("v1").join(id)
}

fn own_in(temporary: &Path) -> PathBuf {
    temporary.join(format!("bpm-{}", rustix::process::getuid().as_raw()))
}

/// In a directory where everybody may make something: it must be one's own, and not a link.
fn make_own_dir(path: &Path) -> Result<(), Error> {
    let failed = |error: io::Error| {
        Error::new(Code::System, format!("cannot make `{}`: {error}", path.display()))
            .hint("set `BPM_STATE_DIR` to a directory on a local disk")
    };
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    if is_own(path).map_err(failed)? {
        return Ok(());
    }
    Err(Error::new(Code::Forbidden, format!("`{}` is not a private directory of your own", path.display()))
        .hint("have it removed, or set `BPM_STATE_DIR` to a directory on a local disk"))
}

fn is_own(path: &Path) -> io::Result<bool> {
    let found = fs::symlink_metadata(path)?;
    let own = rustix::process::getuid().as_raw();
    Ok(found.is_dir() && found.uid() == own && found.mode() & 0o077 == 0)
}

/// What the file system of `dir` lacks, found out by trying.
fn lack(dir: &Path) -> io::Result<Option<Lack>> {
    let name = format!("probe-{}", std::process::id());
    let path = dir.join(&name);
    let locks = locks(&path);
    let _ = fs::remove_file(&path);
    if !locks? {
        return Ok(Some(Lack::Locks));
    }
    // a path may be too long for a socket, this one never is
    let handle = File::open(dir)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}/{name}", handle.as_raw_fd()));
    let sockets = sockets(&short);
    let _ = fs::remove_file(&path);
    Ok((!sockets?).then_some(Lack::Sockets))
}

/// A lock that is held keeps others out.
fn locks(path: &Path) -> io::Result<bool> {
    let open = || OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let (first, second) = (open()?, open()?);
    match flock(&first, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(flock(&second, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOLCK | Errno::INVAL | Errno::PERM) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A socket can be made, and reached.
fn sockets(path: &Path) -> io::Result<bool> {
    let tried = UnixListener::bind(path).and_then(|_listener| UnixStream::connect(path));
    match tried.map_err(|error| (error.raw_os_error().map(Errno::from_raw_os_error), error)) {
        Ok(_stream) => Ok(true),
        Err((
            Some(
                Errno::OPNOTSUPP
                | Errno::NOSYS
                | Errno::INVAL
                | Errno::PERM
                | Errno::ACCESS
                | Errno::NXIO
                | Errno::CONNREFUSED,
            ),
            _,
        )) => Ok(false),
        Err((_, error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Bench {
        dir: tempfile::TempDir,
        project: Project,
    }

    impl Bench {
        fn new() -> Bench {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(dir.path().join("tmp")).unwrap();
            let state = dir.path().join("home/v1/test");
            let project = Project { root: dir.path().to_owned(), id: "test".to_owned(), state };
            Bench { dir, project }
        }

        fn home(&self) -> PathBuf {
            self.dir.path().join("home")
        }

        fn temporary(&self) -> PathBuf {
            self.dir.path().join("tmp")
        }

        /// Where the file system of `home` lacks this, and nothing is wrong with the other.
        fn settle(&self, lacks: Option<Lack>) -> Result<Settled, Error> {
            let home = self.home();
            let lack = |dir: &Path| if dir.starts_with(&home) { Ok(lacks) } else { lack(dir) };
            settle_in(&self.project, &home, &self.temporary(), lack)
        }

        fn found(&self, home: &Path) -> Option<PathBuf> {
            elsewhere_in(&self.temporary(), home, &self.project.id)
        }
    }

    #[test]
    fn an_ordinary_directory_is_used_and_left_clean() {
        let bench = Bench::new();
        let settled = bench.settle(lack(bench.dir.path()).unwrap()).unwrap();
        assert_eq!((settled.project, settled.note), (bench.project.clone(), None));
        assert_eq!(fs::read_dir(&bench.project.state).unwrap().count(), 0);
        assert_eq!(fs::metadata(&bench.project.state).unwrap().mode() & 0o777, 0o700);
        assert_eq!(bench.found(&bench.home()), None);
        assert_eq!(fs::read_dir(bench.temporary()).unwrap().count(), 0);
    }

    #[test]
    fn without_locks_or_sockets_it_is_a_private_directory_elsewhere_that_is_found_again() {
        for (lacks, word) in [(Lack::Locks, "file locks"), (Lack::Sockets, "Unix sockets")] {
            let bench = Bench::new();
            let settled = bench.settle(Some(lacks)).unwrap();
            let state = settled.project.state;
            assert!(state.starts_with(bench.temporary()) && state.ends_with("v1/test"), "{state:?}");
            let note = settled.note.unwrap();
            assert!(note.contains(word) && note.contains(state.to_str().unwrap()), "{note}");
            let up_to_own = state.ancestors().take(4);
            assert!(up_to_own.clone().all(|dir| fs::metadata(dir).unwrap().mode() & 0o777 == 0o700));
            assert_eq!(up_to_own.last().unwrap(), own_in(&bench.temporary()));
            assert_eq!(bench.found(&bench.home()), Some(state.clone()));
            assert_eq!(bench.found(Path::new("/another/setting")), None);
            // from then on it is the project's, and is settled in place
            let again = Bench { project: Project { state, ..bench.project.clone() }, dir: bench.dir };
            let settled = again.settle(Some(lacks)).unwrap();
            assert_eq!((settled.project, settled.note), (again.project.clone(), None));
        }
    }

    #[test]
    fn what_somebody_else_may_have_put_there_is_not_used() {
        let link = |own: &Path| symlink("/", own).unwrap();
        let open = |own: &Path| {
            fs::create_dir(own).unwrap();
            fs::set_permissions(own, fs::Permissions::from_mode(0o755)).unwrap();
        };
        let file = |own: &Path| fs::write(own, "").unwrap();
        let traps: [&dyn Fn(&Path); 3] = [&link, &open, &file];
        for trap in traps {
            let bench = Bench::new();
            trap(&own_in(&bench.temporary()));
            assert_eq!(bench.settle(Some(Lack::Sockets)).unwrap_err().code, Code::Forbidden);
            assert_eq!(bench.found(&bench.home()), None);
        }
    }

    #[test]
    fn where_neither_will_do_both_are_named() {
        let bench = Bench::new();
        let nowhere = |_: &Path| Ok(Some(Lack::Sockets));
        let error = settle_in(&bench.project, &bench.home(), &bench.temporary(), nowhere).unwrap_err();
        let both = [bench.project.state.clone(), bench.temporary()];
        assert!(both.iter().all(|dir| error.message.contains(dir.to_str().unwrap())), "{error}");
        assert_eq!(error.code, Code::System);
    }

    #[test]
    fn a_full_or_read_only_disk_is_no_reason_to_go_elsewhere() {
        let bench = Bench::new();
        let full = |_: &Path| Err(io::Error::from(Errno::NOSPC));
        let error = settle_in(&bench.project, &bench.home(), &bench.temporary(), full).unwrap_err();
        assert!(error.message.contains("No space left"), "{error}");
        assert_eq!(fs::read_dir(bench.temporary()).unwrap().count(), 0);
    }

    #[test]
    fn a_deep_directory_lacks_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("x".repeat(120));
        fs::create_dir(&deep).unwrap();
        assert_eq!(lack(&deep).unwrap(), None, "longer than a socket's path can be");
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
    }
}
