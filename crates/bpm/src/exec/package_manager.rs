//! The command of an `npm` process that names none: which package manager, and how it takes arguments.
//! Reads lock files and `package.json`; runs nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// A `package.json` larger than this is not read.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A JavaScript package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageManager {
    /// `npm`.
    Npm,
    /// `pnpm`.
    Pnpm,
    /// `yarn`, classic or berry.
    Yarn,
    /// `bun`.
    Bun,
}

/// Lock files, the first found in a directory decides.
const LOCK_FILES: &[(&str, PackageManager)] = &[
    ("package-lock.json", PackageManager::Npm),
    ("npm-shrinkwrap.json", PackageManager::Npm),
    ("pnpm-lock.yaml", PackageManager::Pnpm),
    ("yarn.lock", PackageManager::Yarn),
    ("bun.lock", PackageManager::Bun),
    ("bun.lockb", PackageManager::Bun),
];

impl PackageManager {
    /// The program's name.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn => "yarn",
            Self::Bun => "bun",
        }
    }

    fn from_field(field: &str) -> Option<Self> {
        let name = field.split('@').next().unwrap_or(field);
        [Self::Npm, Self::Pnpm, Self::Yarn, Self::Bun].into_iter().find(|known| known.program() == name)
    }

    fn run_dev(self, args: &[String]) -> Vec<String> {
        let mut argv: Vec<String> = [self.program(), "run", "dev"].map(str::to_owned).into();
        // Only npm takes options after the script's name for its own; the others hand on what
        // follows, and pnpm would hand on the `--` as well.
        if self == Self::Npm && !args.is_empty() {
            argv.push("--".to_owned());
        }
        argv.extend_from_slice(args);
        argv
    }
}

/// Why no command could be made.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// There is no `package.json` where the process starts.
    #[error("no `package.json` in `{}`: set `cwd` to the directory that has one, or `command`", dir.display())]
    NoPackage {
        /// Where the process starts.
        dir: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read `{}`: {source}", file.display())]
    Unreadable {
        /// The `package.json`.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not JSON.
    #[error("{}:{line}:{column}: not valid JSON: {fault}", file.display())]
    Broken {
        /// The `package.json`.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser said.
        fault: String,
    },
    /// It has no script `dev`.
    #[error("`{}` has no script `dev` ({scripts}): add one or set `command`", file.display())]
    NoDevScript {
        /// The `package.json`.
        file: PathBuf,
        /// The scripts that there are, as text.
        scripts: String,
    },
    /// `packageManager` names an unknown program.
    #[error("`packageManager` of `{}` is `{found}`, expected npm, pnpm, yarn or bun with a version: set `command`", file.display())]
    UnknownManager {
        /// The `package.json`.
        file: PathBuf,
        /// What it says.
        found: String,
    },
}

/// `PM run dev` with `args` handed to the script. The package manager is the one of the nearest
/// `packageManager` field or lock file between `cwd` and `project` (in one directory the field
/// wins), else npm.
///
/// # Errors
/// No usable `package.json` with a script `dev` in `cwd`, or an unknown package manager.
pub fn dev_command(project: &Path, cwd: &Path, args: &[String]) -> Result<Vec<String>, PackageError> {
    let file = cwd.join("package.json");
    let package = read_package(&file)?.ok_or_else(|| PackageError::NoPackage { dir: cwd.to_owned() })?;
    let scripts = package.get("scripts").and_then(Value::as_object);
    if !scripts.is_some_and(|scripts| scripts.get("dev").is_some_and(Value::is_string)) {
        let names: Vec<String> =
            scripts.into_iter().flatten().take(20).map(|(name, _)| format!("`{name}`")).collect();
        let scripts =
            if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        return Err(PackageError::NoDevScript { file, scripts });
    }
    Ok(find(project, cwd)?.run_dev(args))
}

fn find(project: &Path, cwd: &Path) -> Result<PackageManager, PackageError> {
    let inside = cwd.starts_with(project);
    let up_to_project =
        cwd.ancestors().take_while(|dir| if inside { dir.starts_with(project) } else { *dir == cwd });
    for dir in up_to_project {
        let file = dir.join("package.json");
        if let Some(package) = read_package(&file)?
            && let Some(field) = package.get("packageManager").and_then(Value::as_str)
        {
            let unknown = || PackageError::UnknownManager {
                file: file.clone(),
                found: field.chars().take(64).collect(),
            };
            return PackageManager::from_field(field).ok_or_else(unknown);
        }
        if let Some((_, manager)) = LOCK_FILES.iter().find(|(lock, _)| dir.join(lock).is_file()) {
            return Ok(*manager);
        }
    }
    Ok(PackageManager::Npm)
}

fn read_package(file: &Path) -> Result<Option<Value>, PackageError> {
    let unreadable = |source| PackageError::Unreadable { file: file.to_owned(), source };
    match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
        Ok(meta) if meta.len() > MAX_BYTES => return Err(unreadable(io::ErrorKind::FileTooLarge.into())),
        Ok(_) => {}
    }
    let text = fs::read(file).map_err(unreadable)?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let package: Value = serde_json::from_slice(text).map_err(|error| PackageError::Broken {
        file: file.to_owned(),
        line: error.line(),
        column: error.column(),
        fault: error.to_string(),
    })?;
    Ok(Some(package))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = r#"{"scripts":{"dev":"node ."}}"#;

    fn command(files: &[(&str, &str)], cwd: &str, args: &[&str]) -> Result<String, String> {
        let project = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = project.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let argv = dev_command(project.path(), &project.path().join(cwd), &args);
        let root = format!("{}/", project.path().display());
        argv.map(|argv| argv.join(" ")).map_err(|error| error.to_string().replace(&root, ""))
    }

    #[test]
    fn the_lock_file_decides_and_each_takes_arguments_its_way() {
        let expected = [
            (None, "npm run dev -- --port 1"),
            (Some("package-lock.json"), "npm run dev -- --port 1"),
            (Some("npm-shrinkwrap.json"), "npm run dev -- --port 1"),
            (Some("pnpm-lock.yaml"), "pnpm run dev --port 1"),
            (Some("yarn.lock"), "yarn run dev --port 1"),
            (Some("bun.lock"), "bun run dev --port 1"),
            (Some("bun.lockb"), "bun run dev --port 1"),
        ];
        for (lock, argv) in expected {
            let mut files = vec![("package.json", DEV)];
            files.extend(lock.map(|lock| (lock, "")));
            assert_eq!(command(&files, "", &["--port", "1"]).as_deref(), Ok(argv), "{lock:?}");
        }
        assert_eq!(command(&[("package.json", DEV)], "", &[]).as_deref(), Ok("npm run dev"));
    }

    #[test]
    fn the_field_wins_over_a_lock_file_and_the_nearest_directory_over_the_root() {
        let field = r#"{"packageManager":"pnpm@9.1.0+sha512.x","scripts":{"dev":"x"}}"#;
        assert_eq!(
            command(&[("package.json", field), ("yarn.lock", "")], "", &[]).as_deref(),
            Ok("pnpm run dev")
        );
        let workspace = [("package.json", field), ("web/package.json", DEV)];
        assert_eq!(command(&workspace, "web", &[]).as_deref(), Ok("pnpm run dev"));
        let own_lock = [workspace[0], workspace[1], ("web/yarn.lock", "")];
        assert_eq!(command(&own_lock, "web", &[]).as_deref(), Ok("yarn run dev"));
    }

    #[test]
    fn faults_say_what_was_found_and_what_to_do() {
        let error = |files: &[(&str, &str)]| command(files, "", &[]).unwrap_err();
        assert!(error(&[]).starts_with("no `package.json` in `"), "{}", error(&[]));
        let text = error(&[("package.json", r#"{"scripts":{"start":"x","build":"y"}}"#)]);
        assert_eq!(
            text,
            "`package.json` has no script `dev` (it has `build`, `start`): add one or set `command`"
        );
        let text = error(&[("package.json", "{\n  oops")]);
        assert!(text.starts_with("package.json:2:3: not valid JSON: "), "{text}");
        let text = error(&[("package.json", r#"{"packageManager":"deno@2","scripts":{"dev":"x"}}"#)]);
        assert!(
            text.starts_with("`packageManager` of `package.json` is `deno@2`, expected npm, pnpm"),
            "{text}"
        );
    }
}
