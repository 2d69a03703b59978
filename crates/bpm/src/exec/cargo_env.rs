//! The variables that `cargo run` gives a program. Owns which they are and how they are taken away
//! again from an environment that came out of another `cargo run`; runs nothing but `rustc --print`.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fmt, fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

use super::{
    cargo::{Package, Target},
    cargo_output::BuildScript,
    environment::Env,
};

/// Where the dynamic linker looks first.
const LIBRARY_PATH: &str =
    if cfg!(target_os = "macos") { "DYLD_FALLBACK_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };

/// A larger cargo configuration file is not read.
const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// What `cargo run` would set for one executable. `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CargoEnv {
    /// Set in any case.
    pub set: BTreeMap<String, String>,
    /// Set where the environment has no such variable (`[env]` of cargo's configuration).
    pub default: BTreeMap<String, String>,
    /// Put in front of the library path.
    pub library_path: Vec<PathBuf>,
}

impl CargoEnv {
    /// Applies it to `env`.
    pub fn apply(&self, env: &mut Env) {
        for (name, value) in &self.default {
            if env.get(name).is_none() {
                env.set(name, value);
            }
        }
        for (name, value) in &self.set {
            env.set(name, value);
        }
        let present = env.get(LIBRARY_PATH).map(OsStr::to_owned).filter(|path| !path.is_empty());
        let rest = present.iter().flat_map(env::split_paths);
        // A directory with a colon cannot be on the path; then it stays as it was.
        if let Ok(path) = env::join_paths(self.library_path.iter().cloned().chain(rest))
            && !path.is_empty()
        {
            env.set(LIBRARY_PATH, path);
        }
    }
}

impl fmt::Debug for CargoEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CargoEnv")
            .field("set", &self.set.keys())
            .field("default", &self.default.keys())
            .field("library_path", &self.library_path)
            .finish()
    }
}

/// What is asked of the compiler, once a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toolchain {
    sysroot: Option<PathBuf>,
    libdir: Option<PathBuf>,
}

impl Toolchain {
    /// Asks the compiler that cargo would use in `dir`. What it does not say stays unknown.
    #[must_use]
    pub fn ask(dir: &Path) -> Self {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut command = Command::new(rustc);
        command.args(["--print", "sysroot", "--print", "target-libdir"]).current_dir(dir);
        let Ok(output) = command.stdin(Stdio::null()).stderr(Stdio::null()).output() else {
            return Self::default();
        };
        let mut lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let mut path = || lines.next().map(|line| PathBuf::from(OsStr::from_bytes(line)));
        Self { sysroot: path(), libdir: path() }
    }

    fn cargo(&self) -> Option<PathBuf> {
        let beside_compiler = self.sysroot.as_ref().map(|sysroot| sysroot.join("bin/cargo"));
        beside_compiler
            .filter(|cargo| cargo.is_file())
            .or_else(|| Env::of_this_process().find_program("cargo"))
    }

    /// The compiler's own libraries: rustup puts them on the path of all that cargo starts.
    fn rustup_lib(&self) -> Option<PathBuf> {
        let sysroot = self.sysroot.as_deref()?;
        let by_rustup = sysroot.parent()?.file_name()? == "toolchains";
        by_rustup.then(|| sysroot.join("lib"))
    }
}

/// Puts together what `cargo run` in `dir` would set for `executable`.
#[must_use]
pub fn of_build(
    dir: &Path,
    target: &Target,
    executable: &Path,
    scripts: &[BuildScript],
    toolchain: &Toolchain,
) -> CargoEnv {
    let mut set = package_variables(&target.package);
    if let Some(cargo) = toolchain.cargo() {
        set.insert("CARGO".into(), cargo.to_string_lossy().into_owned());
    }
    for script in scripts.iter().filter(|script| script.package_id == target.package.id) {
        set.insert("OUT_DIR".into(), script.out_dir.clone());
        set.extend(script.env.iter().cloned());
    }
    let mut default = BTreeMap::new();
    for (name, variable) in configured(dir) {
        if set.contains_key(&name) {
            continue;
        }
        if variable.force { &mut set } else { &mut default }.insert(name, variable.value);
    }
    CargoEnv { set, default, library_path: library_path(target, executable, scripts, toolchain) }
}

fn package_variables(package: &Package) -> BTreeMap<String, String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let (core, pre) = split_version(&package.version);
    let mut numbers = core.split('.').map(str::to_owned);
    let mut number = || numbers.next().unwrap_or_default();
    let manifest_dir = package.manifest_path.parent().unwrap_or(Path::new("/"));
    let variables = [
        ("CARGO_MANIFEST_DIR", manifest_dir.to_string_lossy().into_owned()),
        ("CARGO_MANIFEST_PATH", package.manifest_path.to_string_lossy().into_owned()),
        ("CARGO_PKG_VERSION_MAJOR", number()),
        ("CARGO_PKG_VERSION_MINOR", number()),
        ("CARGO_PKG_VERSION_PATCH", number()),
        ("CARGO_PKG_VERSION_PRE", pre.to_owned()),
        ("CARGO_PKG_VERSION", package.version.clone()),
        ("CARGO_PKG_NAME", package.name.clone()),
        ("CARGO_PKG_AUTHORS", package.authors.join(":")),
        ("CARGO_PKG_DESCRIPTION", text(&package.description)),
        ("CARGO_PKG_HOMEPAGE", text(&package.homepage)),
        ("CARGO_PKG_REPOSITORY", text(&package.repository)),
        ("CARGO_PKG_LICENSE", text(&package.license)),
        ("CARGO_PKG_LICENSE_FILE", text(&package.license_file)),
        ("CARGO_PKG_RUST_VERSION", text(&package.rust_version)),
        ("CARGO_PKG_README", text(&package.readme)),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).into()
}

fn split_version(version: &str) -> (&str, &str) {
    let without_build = version.split('+').next().unwrap_or(version);
    without_build.split_once('-').unwrap_or((without_build, ""))
}

fn library_path(
    target: &Target,
    executable: &Path,
    scripts: &[BuildScript],
    toolchain: &Toolchain,
) -> Vec<PathBuf> {
    let root = executable.parent().unwrap_or(Path::new("/")).to_owned();
    // Intermediate files may go elsewhere (`build.build-dir`), below in the same order.
    let inner = match (&target.build_dir, root.strip_prefix(&target.target_dir)) {
        (Some(build_dir), Ok(profile)) => build_dir.join(profile),
        _ => root.clone(),
    };
    let linked = scripts.iter().flat_map(|script| &script.linked_paths).map(|path| {
        let kinds = ["native=", "dependency=", "crate=", "framework=", "all="];
        let bare = kinds.iter().find_map(|kind| path.strip_prefix(kind)).unwrap_or(path);
        PathBuf::from(bare)
    });
    let inside = |path: &PathBuf| path.starts_with(&root) || path.starts_with(&inner);
    let mut dirs: Vec<PathBuf> = linked.filter(inside).collect();
    dirs.sort();
    dirs.dedup();
    dirs.extend([root.clone(), inner.join("deps")]);
    dirs.extend(toolchain.libdir.clone());
    dirs.extend(toolchain.rustup_lib());
    dirs
}

struct Configured {
    value: String,
    force: bool,
}

/// `[env]` of cargo's configuration files as seen from `dir`: the nearest wins, name by name.
fn configured(dir: &Path) -> BTreeMap<String, Configured> {
    let here = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let folders = here.ancestors().map(|dir| dir.join(".cargo")).chain(home);
    let mut variables = BTreeMap::new();
    for folder in folders {
        let Some(table) = read_config(&folder) else { continue };
        for (name, entry) in table {
            if let Some(variable) = configured_variable(&entry, &folder) {
                variables.entry(name).or_insert(variable);
            }
        }
    }
    variables
}

fn read_config(folder: &Path) -> Option<toml::Table> {
    // Without the extension is the older name, which still wins where both stand.
    let file =
        ["config", "config.toml"].map(|name| folder.join(name)).into_iter().find(|file| file.is_file())?;
    if file.metadata().ok()?.len() > MAX_CONFIG_BYTES {
        return None;
    }
    // Cargo itself has just read it; a fault in it was reported by the build.
    let mut table: toml::Table = fs::read_to_string(file).ok()?.parse().ok()?;
    match table.remove("env")? {
        toml::Value::Table(env) => Some(env),
        _ => None,
    }
}

fn configured_variable(entry: &toml::Value, folder: &Path) -> Option<Configured> {
    let toml::Value::Table(table) = entry else {
        return Some(Configured { value: entry.as_str()?.to_owned(), force: false });
    };
    let flag = |name: &str| table.get(name).and_then(toml::Value::as_bool).unwrap_or(false);
    let value = table.get("value")?.as_str()?;
    let value = match folder.parent() {
        Some(base) if flag("relative") => base.join(value).to_string_lossy().into_owned(),
        _ => value.to_owned(),
    };
    Some(Configured { value, force: flag("force") })
}

/// Takes away what a `cargo run` around this process gave it for itself: it would tell a program of
/// the wrong package, and a compiler of the wrong toolchain.
pub(super) fn strip_enclosing_cargo(env: &mut Env) {
    let started_by_cargo = env.get("CARGO_MANIFEST_DIR").is_some();
    let through_rustup = env.get("RUST_RECURSION_COUNT").is_some();
    if started_by_cargo {
        strip_library_path(env);
    }
    let names: Vec<OsString> = env.iter().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        let bytes = name.as_bytes();
        let of_cargo = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_"]
            .iter()
            .any(|prefix| bytes.starts_with(prefix.as_bytes()))
            || matches!(
                bytes,
                b"CARGO" | b"CARGO_CRATE_NAME" | b"CARGO_PRIMARY_PACKAGE" | b"CARGO_MAKEFLAGS"
            )
            || (started_by_cargo && bytes == b"OUT_DIR");
        let of_rustup = bytes == b"RUST_RECURSION_COUNT"
            || (through_rustup && matches!(bytes, b"RUSTUP_TOOLCHAIN" | b"RUSTUP_TOOLCHAIN_SOURCE"));
        if of_cargo || of_rustup {
            env.remove(&name);
        }
    }
}

fn strip_library_path(env: &mut Env) {
    let Some(path) = env.get(LIBRARY_PATH).map(OsStr::to_owned) else { return };
    let own_dir = env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    let toolchain =
        env.get("CARGO").map(Path::new).and_then(|cargo| cargo.parent()?.parent()).map(Path::to_owned);
    let ours = |dir: &Path| {
        let below = |root: &Option<PathBuf>| root.as_ref().is_some_and(|root| dir.starts_with(root));
        below(&own_dir) || below(&toolchain.as_ref().map(|toolchain| toolchain.join("lib")))
    };
    let rest: Vec<PathBuf> = env::split_paths(&path).filter(|dir| !ours(dir)).collect();
    match env::join_paths(&rest) {
        Ok(rest) if !rest.is_empty() => env.set(LIBRARY_PATH, rest),
        _ => env.remove(LIBRARY_PATH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
    }

    #[test]
    fn what_an_outer_cargo_run_set_is_taken_away_and_nothing_else() {
        let lib = if cfg!(target_os = "macos") { "DYLD_FALLBACK_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };
        let mut outer = env(&[
            ("CARGO", "/tc/bin/cargo"),
            ("CARGO_HOME", "/c"),
            ("CARGO_TARGET_DIR", "/t"),
            ("CARGO_MANIFEST_DIR", "/bpm"),
            ("CARGO_PKG_NAME", "bpm"),
            ("CARGO_BIN_NAME", "bpm"),
            ("OUT_DIR", "/o"),
            ("RUST_RECURSION_COUNT", "1"),
            ("RUSTUP_TOOLCHAIN", "stable"),
            ("RUST_BACKTRACE", "1"),
            (lib, "/tc/lib/rustlib/x/lib:/mine:/tc/lib"),
        ]);
        strip_enclosing_cargo(&mut outer);
        let expected =
            [("CARGO_HOME", "/c"), ("CARGO_TARGET_DIR", "/t"), ("RUST_BACKTRACE", "1"), (lib, "/mine")];
        assert_eq!(outer, env(&expected));
    }

    #[test]
    fn without_an_outer_cargo_run_a_persons_choices_stay() {
        let chosen = [("RUSTUP_TOOLCHAIN", "nightly"), ("OUT_DIR", "/o"), (LIBRARY_PATH, "/a")];
        let mut base = env(&chosen);
        strip_enclosing_cargo(&mut base);
        assert_eq!(base, env(&chosen));
    }

    #[test]
    fn defaults_yield_and_the_library_path_goes_in_front() {
        let cargo = CargoEnv {
            set: [("A".to_owned(), "cargo".to_owned())].into(),
            default: [("B".to_owned(), "cargo".to_owned()), ("C".to_owned(), "cargo".to_owned())].into(),
            library_path: vec!["/x".into(), "/y".into()],
        };
        let mut applied = env(&[("A", "own"), ("B", "own"), (LIBRARY_PATH, "/z")]);
        cargo.apply(&mut applied);
        assert_eq!(applied, env(&[("A", "cargo"), ("B", "own"), ("C", "cargo"), (LIBRARY_PATH, "/x:/y:/z")]));
        assert!(!format!("{cargo:?}").contains("cargo\""), "{cargo:?}");
    }

    #[test]
    fn versions_are_split_as_cargo_does() {
        assert_eq!(split_version("1.2.3"), ("1.2.3", ""));
        assert_eq!(split_version("1.2.3-pre.1+b-7"), ("1.2.3", "pre.1"));
        assert_eq!(split_version("1.2.3+b-7"), ("1.2.3", ""));
    }
}
