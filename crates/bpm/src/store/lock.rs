//! One manager per project: the lock file of the state directory and the project directory itself are
//! both `flock`ed, so that links, moves and other settings cannot make two managers.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use bpm_api::{Code, Error};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::paths::Project;

/// Held for as long as the manager lives; the kernel lets go of it when the manager dies, however it dies.
#[derive(Debug)]
pub struct ProjectLock {
    _state: File,
    _root: File,
}

/// What `project.json` says: who manages the project. For messages; the lock is the truth.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ManagerFile {
    pub pid: u32,
    pub version: String,
    pub root: String,
    pub boot_id: String,
    pub started_ms: u64,
    pub mcp_url: Option<String>,
}

/// Makes the project's state directory (0700) and takes the project.
///
/// # Errors
/// `AlreadyManaged` naming the holder, `Forbidden` for somebody else's directory, `System` where the
/// directory cannot be made or written.
pub fn take(project: &Project) -> Result<ProjectLock, Error> {
    make_private_dir(&project.state)?;
    let path = project.lock();
    let state = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| not_writable(&path, &error))?;
    if !lock(&state).map_err(|error| not_writable(&path, &error))? {
        return Err(already_managed(project));
    }
    let root = File::open(&project.root).map_err(|error| not_writable(&project.root, &error))?;
    if !lock(&root).map_err(|error| not_writable(&project.root, &error))? {
        return Err(Error::new(
            Code::AlreadyManaged,
            format!("another manager holds `{}` with another state directory", project.root.display()),
        )
        .hint("check `BPM_STATE_DIR` and `XDG_STATE_HOME` there, or end it with `bpm down`"));
    }
    Ok(ProjectLock { _state: state, _root: root })
}

/// True when a manager holds the project now. Any number may ask at a time: they do not see each other.
pub fn is_managed(project: &Project) -> bool {
    let Ok(file) = File::open(project.lock()) else { return false };
    matches!(flock(&file, FlockOperation::NonBlockingLockShared), Err(rustix::io::Errno::WOULDBLOCK))
}

pub fn read_manager_file(project: &Project) -> Option<ManagerFile> {
    serde_json::from_slice(&std::fs::read(project.manager_file()).ok()?).ok()
}

pub fn write_manager_file(project: &Project, content: &ManagerFile) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(content).map_err(io::Error::other)?;
    super::write_atomically(&project.manager_file(), &text)
}

/// `AlreadyManaged`, with the first one's pid and address.
pub fn already_managed(project: &Project) -> Error {
    let who = read_manager_file(project);
    let pid = who.as_ref().map_or_else(String::new, |who| format!(" (pid {})", who.pid));
    let address = who.and_then(|who| who.mcp_url).unwrap_or_else(|| project.socket().display().to_string());
    Error::new(
        Code::AlreadyManaged,
        format!("a manager{pid} runs for `{}` already, at {address}", project.root.display()),
    )
    .hint("`bpm status` asks it, `bpm up` gives it the configuration anew, `bpm down` ends it")
}

fn lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Makes a directory and its parents, 0700. Refuses one that belongs to somebody else, and one in whose place
/// somebody else could put another.
///
/// # Errors
/// `Forbidden` for such a directory, `System` where it cannot be made.
pub fn make_private_dir(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| not_writable(path, &error))?;
    let meta = |path: &Path| std::fs::metadata(path).map_err(|error| not_writable(path, &error));
    let (own, found) = (rustix::process::getuid().as_raw(), meta(path)?);
    if found.uid() != own {
        return Err(belongs_to(path, found.uid()));
    }
    if found.mode() & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
            .map_err(|error| not_writable(path, &error))?;
    }
    // `v1`, and what the settings name
    for above in path.ancestors().skip(1).take(2) {
        let found = meta(above)?;
        if found.uid() != own && found.uid() != 0 {
            return Err(belongs_to(above, found.uid()));
        }
        let (is_open_to_others, is_sticky) = (found.mode() & 0o022 != 0, found.mode() & 0o1000 != 0);
        if is_open_to_others && !is_sticky {
            return Err(Error::new(
                Code::Forbidden,
                format!("`{}` can be written by others (mode {:o})", above.display(), found.mode() & 0o7777),
            )
            .hint(format!("`chmod go-w {}`, or set `BPM_STATE_DIR` to another directory", above.display())));
        }
    }
    Ok(())
}

fn belongs_to(path: &Path, owner: u32) -> Error {
    Error::new(Code::Forbidden, format!("`{}` belongs to uid {owner}", path.display()))
        .hint("set `BPM_STATE_DIR` to a directory of your own")
}

fn not_writable(path: &Path, error: &io::Error) -> Error {
    Error::new(Code::System, format!("cannot use `{}`: {error}", path.display()))
        .hint("make it writable, or set `BPM_STATE_DIR` to a directory that is")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A project below `dir`, with its state in `STATE/v1/test`.
    fn project(dir: &Path) -> Project {
        let root = dir.join("project");
        std::fs::create_dir_all(&root).unwrap();
        Project { root, id: "test".to_owned(), state: dir.join("state/v1/test") }
    }

    fn mode(path: PathBuf) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_project_is_held_once_and_let_go_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let project = project(dir.path());
        assert!(!is_managed(&project));
        let held = take(&project).unwrap();
        assert!(is_managed(&project));
        let file = ManagerFile {
            pid: 4711,
            version: String::new(),
            root: String::new(),
            boot_id: String::new(),
            started_ms: 0,
            mcp_url: Some("http://127.0.0.1:1/mcp".to_owned()),
        };
        write_manager_file(&project, &file).unwrap();
        let refused = take(&project).unwrap_err();
        assert_eq!(refused.code, Code::AlreadyManaged);
        assert!(refused.message.contains("4711") && refused.message.contains("127.0.0.1:1"), "{refused}");
        drop(held);
        assert!(!is_managed(&project));
        drop(take(&project).unwrap());
    }

    #[test]
    fn another_state_directory_makes_no_second_manager() {
        let dir = tempfile::tempdir().unwrap();
        let first = project(dir.path());
        let second = Project { state: dir.path().join("other/v1/test"), ..first.clone() };
        let _held = take(&first).unwrap();
        let refused = take(&second).unwrap_err();
        assert_eq!(refused.code, Code::AlreadyManaged);
        assert!(refused.message.contains("another state directory"), "{refused}");
    }

    #[test]
    fn who_asks_is_never_taken_for_a_manager() {
        let dir = tempfile::tempdir().unwrap();
        let project = project(dir.path());
        drop(take(&project).unwrap());
        let project = &project;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || (0..500).for_each(|_| assert!(!is_managed(project))));
            }
        });
    }

    #[test]
    fn what_is_made_is_private_and_what_is_open_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let project = project(dir.path());
        make_private_dir(&project.state).unwrap();
        for path in ["state", "state/v1", "state/v1/test"] {
            assert_eq!(mode(dir.path().join(path)), 0o700, "{path}");
        }
        std::fs::set_permissions(&project.state, std::fs::Permissions::from_mode(0o755)).unwrap();
        make_private_dir(&project.state).unwrap();
        assert_eq!(mode(project.state), 0o700);
    }

    #[test]
    fn a_place_where_others_can_put_another_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let project = project(dir.path());
        make_private_dir(&project.state).unwrap();
        let above = dir.path().join("state");
        for (mode, is_safe) in [(0o777, false), (0o720, false), (0o1777, true), (0o755, true)] {
            std::fs::set_permissions(&above, std::fs::Permissions::from_mode(mode)).unwrap();
            let made = make_private_dir(&project.state);
            assert_eq!(made.as_ref().err().map(|error| error.code), (!is_safe).then_some(Code::Forbidden));
        }
    }
}
