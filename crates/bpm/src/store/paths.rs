//! Where a project's things are. The layout is versioned (`v1`) and the same for every face.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bpm_api::{Code, Error};
use sha2::{Digest, Sha256};

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
    /// `STATE/v1/ID`.
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
        let state = state_home().join("v1").join(&id);
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
    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.state.join("s")
    }
    pub fn process(&self, name: &str) -> PathBuf {
        self.state.join("processes").join(name)
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
