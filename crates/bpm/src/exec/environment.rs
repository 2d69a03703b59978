//! The environment of a run, put together from its layers. Owns the order of the layers and what is
//! never inherited; knows nothing of how direnv or cargo are asked, of configuration files or of the shim.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fmt,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::PermissionsExt,
    },
    path::{Path, PathBuf},
};

use super::{
    cargo_env::{self, CargoEnv},
    dotenv::{self, DotenvError},
};

/// Variables that belong to whoever started this process, not to what it starts.
const NEVER_INHERITED: &[&str] = &[
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID",
    "MANAGERPID",
    "MAINPID",
    "OLDPWD",
    "_",
];

/// Settings of `bpm` that a program which calls `bpm` itself needs to find the same manager.
const BPM_SETTINGS: &[&str] = &["BPM_STATE_DIR", "BPM_LOG"];

/// Environment variables by name, in order. Names and values are bytes; `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// No variable at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The environment of this process, as it is.
    #[must_use]
    pub fn of_this_process() -> Self {
        env::vars_os().collect()
    }

    /// The value of `name`.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.get(name.as_ref()).map(OsString::as_os_str)
    }

    /// Sets `name`. A name that the system cannot carry (empty, with `=` or NUL) or a value with
    /// NUL is left out, as `execve` would cut or refuse it.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        let (name, value) = (name.into(), value.into());
        let name_is_sound = !name.is_empty() && !name.as_bytes().iter().any(|b| matches!(b, b'=' | 0));
        if name_is_sound && !value.as_bytes().contains(&0) {
            self.0.insert(name, value);
        }
    }

    /// Removes `name`.
    pub fn remove(&mut self, name: impl AsRef<OsStr>) {
        self.0.remove(name.as_ref());
    }

    /// Names and values in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// `NAME=VALUE` entries, as `execve` takes them.
    #[must_use]
    pub fn entries(&self) -> Vec<OsString> {
        self.iter()
            .map(|(name, value)| OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat()))
            .collect()
    }

    /// This environment without what its holder was given for itself: the service manager's
    /// variables, an outer `bpm`'s, and those of a `cargo run` around it.
    #[must_use]
    pub fn inheritable(&self) -> Self {
        let mut kept = self.clone();
        kept.0.retain(|name, _| !is_private(name));
        cargo_env::strip_enclosing_cargo(&mut kept);
        kept
    }

    /// The first executable file called `name` on this environment's `PATH`. Relative entries are
    /// skipped: they mean another directory for every reader.
    #[must_use]
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        env::split_paths(self.get("PATH")?)
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join(name))
            .find(|path| is_executable(path))
    }
}

impl FromIterator<(OsString, OsString)> for Env {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Self {
        let mut env = Self::new();
        for (name, value) in variables {
            env.set(name, value);
        }
        env
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn is_private(name: &OsStr) -> bool {
    let listed = |names: &[&str]| names.iter().any(|listed| name == OsStr::new(listed));
    listed(NEVER_INHERITED) || (name.as_bytes().starts_with(b"BPM_") && !listed(BPM_SETTINGS))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The layers of a run's environment, from the lowest to the highest.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    /// Already [`Env::inheritable`], and already with direnv's changes where there is an `.envrc`.
    pub base: &'a Env,
    /// What `cargo run` would set, for a run of a cargo binary.
    pub cargo: Option<&'a CargoEnv>,
    /// The dotenv file, as an absolute path.
    pub env_file: Option<&'a Path>,
    /// The configured variables.
    pub env: &'a BTreeMap<String, String>,
    /// The project's directory.
    pub project: &'a Path,
    /// The process's name.
    pub process: &'a str,
    /// Where the program starts.
    pub cwd: &'a Path,
}

impl fmt::Debug for Layers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layers")
            .field("process", &self.process)
            .field("project", &self.project)
            .field("env_file", &self.env_file)
            .field("env", &self.env.keys())
            .finish_non_exhaustive()
    }
}

/// Puts the layers together: base, cargo, `env_file`, `env`, `bpm`'s own.
///
/// # Errors
/// The dotenv file is missing, unreadable or faulty.
pub fn build(layers: &Layers<'_>) -> Result<Env, DotenvError> {
    let mut env = layers.base.clone();
    // A `PWD` that names another directory misleads programs which trust it.
    env.set("PWD", layers.cwd);
    if let Some(cargo) = layers.cargo {
        cargo.apply(&mut env);
    }
    if let Some(file) = layers.env_file {
        for (name, value) in dotenv::read(file, &env)? {
            env.set(name, value);
        }
    }
    for (name, value) in layers.env {
        env.set(name, value);
    }
    env.set("BPM_PROJECT", layers.project);
    env.set("BPM_PROCESS", layers.process);
    Ok(env)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs.iter().map(|(n, v)| (OsString::from(n), OsString::from(v))).collect()
    }

    fn layers<'a>(base: &'a Env, own: &'a BTreeMap<String, String>) -> Layers<'a> {
        let dir = Path::new("/p");
        Layers { base, cargo: None, env_file: None, env: own, project: dir, process: "api", cwd: dir }
    }

    #[test]
    fn debug_shows_names_and_never_values() {
        let base = env(&[("TOKEN", "s3cret")]);
        let own = BTreeMap::from([("KEY".to_owned(), "hunter2".to_owned())]);
        let shown = format!("{base:?} {:?}", layers(&base, &own));
        assert!(shown.contains("TOKEN") && shown.contains("KEY"), "{shown}");
        assert!(!shown.contains("s3cret") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_the_service_manager_and_an_outer_bpm_set_is_not_inherited() {
        let outer = env(&[
            ("LISTEN_FDS", "2"),
            ("NOTIFY_SOCKET", "/run/x"),
            ("WATCHDOG_USEC", "1"),
            ("INVOCATION_ID", "1"),
            ("JOURNAL_STREAM", "8:1"),
            ("BPM_RUN", "1"),
            ("BPM_PORT_WEB", "1"),
            ("BPM_STATE_DIR", "/s"),
            ("HOME", "/h"),
        ]);
        assert_eq!(outer.inheritable(), env(&[("BPM_STATE_DIR", "/s"), ("HOME", "/h")]));
    }

    #[test]
    fn later_layers_win_and_bpm_has_the_last_word() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".env");
        std::fs::write(&file, "B=file\nC=file\nBPM_PROCESS=file\n").unwrap();
        let base = env(&[("A", "base"), ("B", "base"), ("PWD", "/elsewhere")]);
        let own =
            BTreeMap::from([("C".to_owned(), "env".to_owned()), ("BPM_PROJECT".to_owned(), "x".to_owned())]);
        let built = build(&Layers { env_file: Some(&file), ..layers(&base, &own) }).unwrap();
        let expected = [
            ("A", "base"),
            ("B", "file"),
            ("C", "env"),
            ("PWD", "/p"),
            ("BPM_PROJECT", "/p"),
            ("BPM_PROCESS", "api"),
        ];
        assert_eq!(built, env(&expected));
    }

    #[test]
    fn values_that_are_not_utf8_survive() {
        let value = OsString::from_vec(vec![b'a', 0xff, b'b']);
        let mut base = Env::new();
        base.set("RAW", value.clone());
        let built = build(&layers(&base.inheritable(), &BTreeMap::new())).unwrap();
        assert_eq!(built.get("RAW"), Some(value.as_os_str()));
        assert!(built.entries().contains(&OsString::from_vec(b"RAW=a\xffb".to_vec())));
    }

    #[test]
    fn what_execve_cannot_carry_is_left_out() {
        let mut env = Env::new();
        env.set("", "x");
        env.set("A=B", "x");
        env.set("NUL", OsString::from_vec(vec![b'a', 0, b'b']));
        assert_eq!(env, Env::new());
    }

    #[test]
    fn a_program_is_found_on_the_given_path_and_must_be_executable() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tool"), "").unwrap();
        let env = env(&[("PATH", &format!("relative:{}", dir.path().display()))]);
        assert_eq!(env.find_program("tool"), None);
        std::fs::set_permissions(dir.path().join("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(env.find_program("tool"), Some(dir.path().join("tool")));
    }
}
