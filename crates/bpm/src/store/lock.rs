//! One manager per project: the lock file of the state directory and the project directory itself are
//! both `flock`ed, so that links, moves and other settings cannot make two managers.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
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

/// True when a manager holds the project now.
pub fn is_managed(project: &Project) -> bool {
    let Ok(file) = OpenOptions::new().write(true).open(project.lock()) else { return false };
    matches!(lock(&file), Ok(false))
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

/// Makes a directory and its parents, 0700, and refuses one that belongs to somebody else.
pub fn make_private_dir(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| not_writable(path, &error))?;
    let owner = std::fs::metadata(path).map_err(|error| not_writable(path, &error))?.uid();
    if owner != rustix::process::getuid().as_raw() {
        return Err(Error::new(Code::Forbidden, format!("`{}` belongs to uid {owner}", path.display()))
            .hint("set `BPM_STATE_DIR` to a directory of your own"));
    }
    Ok(())
}

fn not_writable(path: &Path, error: &io::Error) -> Error {
    Error::new(Code::System, format!("cannot use `{}`: {error}", path.display()))
        .hint("make it writable, or set `BPM_STATE_DIR` to a directory that is")
}
