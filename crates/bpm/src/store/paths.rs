//! Where a project's things are. The layout is versioned (`v1`) and the same for every face.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bpm_api::{Code, Error};
use bpm_core::ids::task_number;
use sha2::{Digest, Sha256};

use super::place;

/// The project's configuration file.
pub const CONFIG: &str = ".mcp-run";
/// Overrides it key by key; not tracked.
pub const LOCAL_CONFIG: &str = ".mcp-run.local";

/// A project and where its state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Canonical.
    pub root: PathBuf,
    /// A hash of the canonical root, 16 hexadecimal digits.
    pub id: String,
    /// `STATE/v1/ID`; elsewhere where STATE cannot hold it, see [`place::settle`].
    pub state: PathBuf,
}

impl Project {
    /// The project that `from` belongs to: the nearest ancestor with `.mcp-run`, else the git
    /// worktree's root, else the directory itself. `/` and the home directory must be named
    /// (`explicit`), since almost everything is below them.
    pub fn find(from: &Path, explicit: bool) -> Result<Project, Error> {
        let start = from.canonicalize().map_err(|error| no_directory(from, &error))?;
        if !start.is_dir() {
            return Err(no_directory(from, &io::Error::from(io::ErrorKind::NotADirectory)));
        }
        if explicit {
            return Ok(Project::at(start));
        }
        let with = |name: &str| start.ancestors().find(|dir| dir.join(name).exists()).map(Path::to_path_buf);
        let root = with(CONFIG).or_else(|| with(".git")).unwrap_or_else(|| start.clone());
        let home = std::env::var_os("HOME").and_then(|home| PathBuf::from(home).canonicalize().ok());
        if root == Path::new("/") || Some(&root) == home.as_ref() {
            return Err(Error::new(
                Code::InvalidParameter,
                format!("`{}` would be the project, and nearly everything is below it", root.display()),
            )
            .hint(format!(
                "go to the project's directory, or say `--project {}` if you mean it",
                root.display()
            )));
        }
        Ok(Project::at(root))
    }

    /// `root` must be canonical.
    fn at(root: PathBuf) -> Project {
        let hash = Sha256::digest(root.as_os_str().as_bytes());
        let id = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let home = state_home();
        let state = place::elsewhere(&home, &id).unwrap_or_else(|| home.join("v1").join(&id));
        Project { root, id, state }
    }

    pub fn config(&self) -> PathBuf {
        self.root.join(CONFIG)
    }
    pub fn local_config(&self) -> PathBuf {
        self.root.join(LOCAL_CONFIG)
    }
    /// Held (`flock`) by the project's manager for as long as it lives.
    pub fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }
    /// Who manages it, for people and for messages.
    pub fn manager_file(&self) -> PathBuf {
        self.state.join("project.json")
    }
    pub fn intent(&self) -> PathBuf {
        self.state.join("intent")
    }
    pub fn events(&self) -> PathBuf {
        self.state.join("events")
    }
    /// What programs show that the kernel cannot prove to be the user's own.
    pub fn token(&self) -> PathBuf {
        self.state.join("token")
    }
    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.state.join("s")
    }
    /// What belongs to a process, or to a task by its id.
    pub fn process(&self, name: &str) -> PathBuf {
        match task_number(name) {
            Some(_) => self.tasks().join(name),
            None => self.state.join("processes").join(name),
        }
    }
    pub fn tasks(&self) -> PathBuf {
        self.state.join("tasks")
    }
    /// Calls that go on without their caller.
    pub fn calls(&self) -> PathBuf {
        self.state.join("calls")
    }
    /// One directory per run, named by its number.
    pub fn runs(&self, name: &str) -> PathBuf {
        self.process(name).join("runs")
    }
    /// One directory per build, named by its number.
    pub fn builds(&self, name: &str) -> PathBuf {
        self.process(name).join("builds")
    }
}

/// `$BPM_STATE_DIR`, else `$XDG_STATE_HOME/bpm`, else `~/.local/state/bpm`. Relative values are not
/// followed, as the XDG rules say.
pub fn state_home() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(dir) = set("BPM_STATE_DIR") {
        return dir;
    }
    if let Some(dir) = set("XDG_STATE_HOME") {
        return dir.join("bpm");
    }
    match set("HOME") {
        Some(home) => home.join(".local/state/bpm"),
        None => {
            PathBuf::from(OsStr::new("/var/tmp")).join(format!("bpm-{}", rustix::process::getuid().as_raw()))
        }
    }
}

fn no_directory(path: &Path, error: &io::Error) -> Error {
    let text = match error.kind() {
        io::ErrorKind::NotFound => format!("there is no directory `{}`", path.display()),
        io::ErrorKind::NotADirectory => format!("`{}` is not a directory", path.display()),
        _ => format!("cannot look into `{}`: {error}", path.display()),
    };
    Error::new(Code::InvalidParameter, text).hint("name the project's directory")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// `outer/.git`, `outer/inner/.mcp-run`, `outer/inner/src`.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let outer = dir.path().canonicalize().unwrap().join("outer");
        fs::create_dir_all(outer.join("inner/src")).unwrap();
        fs::create_dir_all(outer.join("other")).unwrap();
        fs::create_dir(outer.join(".git")).unwrap();
        fs::write(outer.join("inner/.mcp-run"), "").unwrap();
        (dir, outer)
    }

    fn found(from: &Path, explicit: bool) -> PathBuf {
        Project::find(from, explicit).unwrap().root
    }

    #[test]
    fn the_nearest_configuration_counts_then_the_work_tree_then_the_directory() {
        let (_dir, outer) = tree();
        assert_eq!(found(&outer.join("inner/src"), false), outer.join("inner"));
        assert_eq!(found(&outer.join("other"), false), outer);
        assert_eq!(found(&outer.join("inner/src"), true), outer.join("inner/src"));
    }

    #[test]
    fn links_lead_to_the_same_project_and_id() {
        let (_dir, outer) = tree();
        std::os::unix::fs::symlink(&outer, outer.join("../link")).unwrap();
        let direct = Project::find(&outer.join("inner"), false).unwrap();
        assert_eq!(Project::find(&outer.join("../link/inner"), false).unwrap(), direct);
        assert_eq!(direct.id.len(), 16);
        assert_ne!(Project::find(&outer, true).unwrap().id, direct.id);
    }

    #[test]
    fn the_root_directory_must_be_meant() {
        let error = Project::find(Path::new("/"), false).unwrap_err();
        assert_eq!(error.code, Code::InvalidParameter);
        assert!(error.hint.unwrap().contains("--project /"));
        assert_eq!(found(Path::new("/"), true), Path::new("/"));
    }

    #[test]
    fn what_is_no_directory_is_named() {
        let (_dir, outer) = tree();
        for (path, word) in [("nowhere", "there is no directory"), ("inner/.mcp-run", "is not a directory")] {
            let error = Project::find(&outer.join(path), false).unwrap_err();
            assert!(error.message.contains(word) && error.message.contains(path), "{error}");
        }
    }

    #[test]
    fn everything_is_below_the_state_directory() {
        let root = PathBuf::from("/project");
        let project = Project { root, id: "id".to_owned(), state: PathBuf::from("/s") };
        let paths = [
            (project.lock(), "lock"),
            (project.manager_file(), "project.json"),
            (project.intent(), "intent"),
            (project.events(), "events"),
            (project.socket(), "s"),
            (project.runs("web"), "processes/web/runs"),
            (project.builds("web"), "processes/web/builds"),
            (project.runs("t12"), "tasks/t12/runs"),
        ];
        for (path, expected) in paths {
            assert_eq!(path, Path::new("/s").join(expected));
        }
    }
}
