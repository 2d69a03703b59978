//! The environment that an `.envrc` makes, captured from direnv and cached. Owns which `.envrc` counts,
//! when the cache is stale and what is an error; knows nothing of builds and runs.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsStr,
    fmt, fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::Deserialize;
use tokio::process::Command;

use super::{bounded, direnv_messages::Messages, environment::Env};

/// An `.envrc` may take this long.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Larger answers of direnv are refused: no program could be given such an environment.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// Directories whose environment is cached at a time.
const MAX_CACHED: usize = 256;
/// Files of one environment that are looked at; with more it is not cached.
const MAX_WATCHED: usize = 4096;

/// Where direnv remembers what it loaded. It is left out so that direnv evaluates anew; its
/// `DIRENV_DIFF` stays, with which it takes back what another `.envrc` had set.
const LOADED: [&str; 3] = ["DIRENV_DIR", "DIRENV_FILE", "DIRENV_WATCHES"];

/// Why there is no environment. Nothing may run without it.
#[derive(Debug, thiserror::Error)]
pub enum DirenvError {
    /// Nobody allowed this content.
    #[error("`{}` is blocked: read it, then run `{allow}`", envrc.display())]
    Blocked {
        /// The file.
        envrc: PathBuf,
        /// The command that allows it.
        allow: String,
    },
    /// bash could not read it, or a file that it sources. direnv itself carries on with a part of it.
    #[error("`{}` has a shell error: {message}", envrc.display())]
    Shell {
        /// The file that direnv loaded.
        envrc: PathBuf,
        /// What bash said, with file and line.
        message: String,
    },
    /// It ended with a failure.
    #[error("direnv cannot load `{}` ({status}): {message}", envrc.display())]
    Failed {
        /// The file.
        envrc: PathBuf,
        /// How direnv ended.
        status: ExitStatus,
        /// The end of what was printed.
        message: String,
    },
    /// There is no direnv.
    #[error(
        "`{}` needs `direnv`, which is not on `PATH` (`{path}`): install it (Debian: `apt-get install direnv`), or remove the file",
        envrc.display()
    )]
    Missing {
        /// The file.
        envrc: PathBuf,
        /// The `PATH` that was searched.
        path: String,
    },
    /// It did not end.
    #[error("`{}` did not end within {} seconds and was stopped: {message}", envrc.display(), limit.as_secs())]
    TimedOut {
        /// The file.
        envrc: PathBuf,
        /// The time it had.
        limit: Duration,
        /// The end of what was printed.
        message: String,
    },
    /// direnv's answer is not what it documents.
    #[error("cannot read the answer of `direnv export json` for `{}`: {fault}", envrc.display())]
    Garbled {
        /// The file.
        envrc: PathBuf,
        /// What is wrong with it, without any of its content.
        fault: String,
    },
    /// direnv cannot be run.
    #[error("cannot run `{}` for `{}`: {source}", program.display(), envrc.display())]
    Spawn {
        /// The file.
        envrc: PathBuf,
        /// direnv.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DirenvError {
    /// Whether it stays so until somebody puts it right. An `.envrc` that fails or hangs may have waited for a
    /// network, and direnv may have found no process to run in.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Blocked { .. } | Self::Shell { .. } | Self::Missing { .. } | Self::Garbled { .. } => true,
            Self::Failed { .. } | Self::TimedOut { .. } | Self::Spawn { .. } => false,
        }
    }
}

/// The `.envrc` for a process that starts in `cwd`: the nearest from there up to the project's
/// directory. A `cwd` outside the project counts alone, before the project's directory.
#[must_use]
pub fn find(project: &Path, cwd: &Path) -> Option<PathBuf> {
    let inside = cwd.starts_with(project);
    let up_to_project =
        cwd.ancestors().take_while(|dir| if inside { dir.starts_with(project) } else { *dir == cwd });
    up_to_project.chain([project]).map(|dir| dir.join(".envrc")).find(|envrc| envrc.is_file())
}

type Slot = Arc<tokio::sync::Mutex<Option<Entry>>>;

/// Captured environments by `.envrc`. Each is evaluated once, also when several ask at the same time,
/// and again when its files, its allow state or the base environment changed.
#[derive(Default)]
pub struct Cache {
    slots: Mutex<HashMap<PathBuf, Slot>>,
    time_limit: Option<Duration>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

struct Entry {
    base: Env,
    env: Env,
    fingerprint: Fingerprint,
}

impl Cache {
    /// A cache with another time limit for an evaluation than a minute.
    #[must_use]
    pub fn with_time_limit(limit: Duration) -> Self {
        Self { time_limit: Some(limit), ..Self::default() }
    }

    /// `base` with the changes of the `.envrc` that counts for `cwd`, or `base` as it is where there
    /// is none.
    ///
    /// # Errors
    /// See [`DirenvError`]. Errors are not cached.
    pub async fn environment(&self, project: &Path, cwd: &Path, base: &Env) -> Result<Env, DirenvError> {
        let Some(envrc) = find(project, cwd) else { return Ok(base.clone()) };
        let slot = self.slot(&envrc);
        let mut entry = slot.lock().await;
        if let Some(entry) = entry.as_ref()
            && entry.base == *base
            && entry.fingerprint.holds()
        {
            return Ok(entry.env.clone());
        }
        *entry = None;
        let direnv = Direnv::find(envrc, base, self.time_limit.unwrap_or(TIME_LIMIT))?;
        let env = direnv.evaluate().await?;
        if let Some(fingerprint) = direnv.fingerprint(&env).await {
            *entry = Some(Entry { base: base.clone(), env: env.clone(), fingerprint });
        }
        Ok(env)
    }

    fn slot(&self, envrc: &Path) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_CACHED && !slots.contains_key(envrc) {
            slots.clear();
        }
        Arc::clone(slots.entry(envrc.to_owned()).or_default())
    }
}

/// One evaluation.
struct Direnv {
    program: PathBuf,
    envrc: PathBuf,
    dir: PathBuf,
    base: Env,
    time_limit: Duration,
}

impl Direnv {
    fn find(envrc: PathBuf, base: &Env, time_limit: Duration) -> Result<Self, DirenvError> {
        let Some(program) = base.find_program("direnv") else {
            let path = base.get("PATH").unwrap_or_default().to_string_lossy().into_owned();
            return Err(DirenvError::Missing { envrc, path });
        };
        let mut base = base.clone();
        LOADED.iter().for_each(|name| base.remove(name));
        let dir = envrc.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { program, envrc, dir, base, time_limit })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut env = self.base.clone();
        // bash's messages are read below, so they must not be translated. direnv compares with what
        // it was given, so neither variable shows in its answer.
        env.set("LANGUAGE", "C");
        env.set("PWD", &self.dir);
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(&self.dir).env_clear().envs(env.iter());
        command
    }

    async fn run(&self, args: &[&str], messages: &mut Messages) -> Result<bounded::Output, DirenvError> {
        let command = self.command(args);
        let output =
            bounded::output(command, self.time_limit, MAX_ANSWER_BYTES, |piece| messages.take(piece)).await;
        messages.finish();
        output.map_err(|source| {
            let (envrc, program) = (self.envrc.clone(), self.program.clone());
            DirenvError::Spawn { envrc, program, source }
        })
    }

    async fn evaluate(&self) -> Result<Env, DirenvError> {
        let mut messages = Messages::default();
        let output = self.run(&["export", "json"], &mut messages).await?;
        let envrc = self.envrc.clone();
        let Some(status) = output.status else {
            return Err(DirenvError::TimedOut {
                envrc,
                limit: self.time_limit,
                message: messages.last_words(),
            });
        };
        // A blocked `.envrc` has an answer on stdout all the same: the status decides.
        if messages.says_blocked() {
            return Err(DirenvError::Blocked { envrc, allow: format!("direnv allow {}", quoted(&self.dir)) });
        }
        if let Some(message) = messages.shell_error() {
            return Err(DirenvError::Shell { envrc, message });
        }
        if !status.success() {
            return Err(DirenvError::Failed { envrc, status, message: messages.last_words() });
        }
        if output.is_clipped {
            let fault = format!("it is longer than {MAX_ANSWER_BYTES} bytes");
            return Err(DirenvError::Garbled { envrc, fault });
        }
        self.apply(&output.stdout)
    }

    /// Applies `{"NAME": "value", "GONE": null}`; nothing at all means no change.
    fn apply(&self, answer: &[u8]) -> Result<Env, DirenvError> {
        let mut env = self.base.clone();
        if answer.trim_ascii().is_empty() {
            return Ok(env);
        }
        let diff: BTreeMap<String, Option<String>> = serde_json::from_slice(answer).map_err(|error| {
            // Its own text could show a value.
            let fault = format!("not the expected JSON at line {}, column {}", error.line(), error.column());
            DirenvError::Garbled { envrc: self.envrc.clone(), fault }
        })?;
        for (name, value) in diff {
            match value {
                // JSON has no such bytes; direnv takes its own spelling of them for a change.
                Some(value) if env.get(&name).is_some_and(|raw| in_json(raw) == value) => {}
                Some(value) => env.set(name, value),
                None => env.remove(name),
            }
        }
        Ok(env)
    }

    /// What the evaluation depended on; `None` if that cannot be told, then it is not cached.
    async fn fingerprint(&self, env: &Env) -> Option<Fingerprint> {
        let watches = env.get("DIRENV_WATCHES")?.to_str()?;
        // The encoding is direnv's own; it decodes it itself.
        let output = self.run(&["show_dump", watches], &mut Messages::default()).await.ok()?;
        if output.is_clipped || !output.status?.success() {
            return None;
        }
        let watched: Vec<Watched> = serde_json::from_slice(&output.stdout).ok()?;
        let settings = settings(&self.base);
        if watched.len() + settings.len() > MAX_WATCHED || !watched.iter().any(|one| one.path == self.envrc) {
            return None;
        }
        Fingerprint::of(&watched, settings)
    }
}

/// How direnv writes a value: each byte that is not UTF-8 becomes a replacement character.
fn in_json(raw: &OsStr) -> String {
    let mut text = String::with_capacity(raw.len());
    for chunk in raw.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// A file that an `.envrc` depends on, as direnv lists it. The allow file is among them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Watched {
    path: PathBuf,
    /// Seconds since 1970.
    modtime: i64,
    exists: bool,
}

/// direnv's own settings and functions, which it does not list.
fn settings(base: &Env) -> Vec<PathBuf> {
    let home = base.get("HOME").map(PathBuf::from);
    let config = base.get("DIRENV_CONFIG").map(PathBuf::from).or_else(|| {
        let config = base.get("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        Some(config.or_else(|| Some(home.as_ref()?.join(".config")))?.join("direnv"))
    });
    let mut files: Vec<PathBuf> = home.map(|home| home.join(".direnvrc")).into_iter().collect();
    if let Some(config) = config {
        let library = config.join("lib");
        let functions = fs::read_dir(&library).into_iter().flatten().flatten().map(|file| file.path());
        files.extend(functions.take(MAX_WATCHED));
        files.extend([
            library,
            config.join("direnv.toml"),
            config.join("config.toml"),
            config.join("direnvrc"),
        ]);
    }
    files
}

/// The state of the files that an environment was made of.
struct Fingerprint(Vec<(PathBuf, Option<State>)>);

#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    dev: u64,
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl State {
    fn of(path: &Path) -> Option<Self> {
        let meta = path.metadata().ok()?;
        Some(Self {
            dev: meta.dev(),
            inode: meta.ino(),
            size_bytes: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

impl Fingerprint {
    /// `None` when a file is no longer as direnv saw it.
    fn of(watched: &[Watched], settings: Vec<PathBuf>) -> Option<Self> {
        let mut states = Vec::with_capacity(watched.len() + settings.len());
        for one in watched {
            let state = State::of(&one.path);
            let seconds = state.map_or(0, |state| state.modified.0);
            if state.is_some() != one.exists || (one.exists && seconds != one.modtime) {
                return None;
            }
            states.push((one.path.clone(), state));
        }
        states.extend(settings.into_iter().map(|path| (path.clone(), State::of(&path))));
        Some(Self(states))
    }

    fn holds(&self) -> bool {
        self.0.iter().all(|(path, state)| State::of(path) == *state)
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@%,:".contains(c);
    if text.chars().all(is_plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_envrc_counts_but_none_above_the_project() {
        let outer = tempfile::tempdir().unwrap();
        let project = outer.path().join("project");
        let inner = project.join("a/b");
        let elsewhere = outer.path().join("elsewhere");
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir_all(&elsewhere).unwrap();
        let put = |dir: &Path| fs::write(dir.join(".envrc"), "").unwrap();
        put(outer.path());
        assert_eq!(find(&project, &inner), None);
        assert_eq!(find(&project, &elsewhere), None);
        put(&project);
        assert_eq!(find(&project, &inner), Some(project.join(".envrc")));
        assert_eq!(find(&project, &elsewhere), Some(project.join(".envrc")));
        put(&project.join("a"));
        assert_eq!(find(&project, &inner), Some(project.join("a/.envrc")));
        put(&elsewhere);
        assert_eq!(find(&project, &elsewhere), Some(elsewhere.join(".envrc")));
    }

    #[test]
    fn a_path_is_quoted_only_where_a_shell_needs_it() {
        assert_eq!(quoted(Path::new("/a/b-c_1.x")), "/a/b-c_1.x");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
