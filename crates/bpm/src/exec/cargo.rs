//! Which cargo package and binary a `rust` process means, asked of `cargo metadata`. Owns the choice
//! and its error texts; knows nothing of building or running.
//!
//! The documented JSON is read by structs of our own: `cargo_metadata` normalises `rust_version`, and
//! a program must see the text that cargo would give it.

use std::{
    collections::BTreeSet,
    env, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

/// What the configuration says about the binary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// `package`, by name.
    pub package: Option<String>,
    /// `bin`, by name.
    pub bin: Option<String>,
}

/// The binary that was meant.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its package.
    pub package: Package,
    /// Its name.
    pub bin: String,
    /// `target/` as cargo sees it.
    pub target_dir: PathBuf,
    /// Where intermediate files go, when not in `target_dir`.
    pub build_dir: Option<PathBuf>,
}

/// A package as `cargo metadata` describes it.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields of cargo's documented format")]
pub struct Package {
    pub id: String,
    pub name: String,
    pub version: String,
    #[serde(default)]
    pub authors: Vec<String>,
    pub description: Option<String>,
    pub homepage: Option<String>,
    pub repository: Option<String>,
    pub license: Option<String>,
    pub license_file: Option<String>,
    pub readme: Option<String>,
    pub rust_version: Option<String>,
    pub links: Option<String>,
    pub manifest_path: PathBuf,
    pub default_run: Option<String>,
    targets: Vec<TargetEntry>,
}

#[derive(Clone, Debug, Deserialize)]
struct TargetEntry {
    name: String,
    kind: Vec<String>,
}

impl Package {
    fn bins(&self) -> impl Iterator<Item = &str> {
        let bins = self.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "bin"));
        bins.map(|target| target.name.as_str())
    }
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_default_members: Option<Vec<String>>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
    build_directory: Option<PathBuf>,
}

/// Why no binary could be determined.
#[derive(Debug, thiserror::Error)]
pub enum CargoError {
    /// There is no cargo.
    #[error(
        "no program `cargo` on `PATH` (`{path}`): install Rust, or add cargo's directory (usually `~/.cargo/bin`) to `PATH`"
    )]
    Missing {
        /// The `PATH` that was searched.
        path: String,
    },
    /// The directory is not there.
    #[error("the directory `{}` does not exist", dir.display())]
    NoDirectory {
        /// Where cargo should have run.
        dir: PathBuf,
    },
    /// Cargo could not be run.
    #[error("cannot run `cargo`: {0}")]
    Spawn(io::Error),
    /// Cargo refused; its own words.
    #[error("{}", stderr.trim_end())]
    Failed {
        /// All that cargo printed.
        stderr: String,
        /// Its exit code, where it has one.
        code: Option<i32>,
    },
    /// Its answer is not what it documents.
    #[error("cannot read the answer of `cargo metadata`: {0}")]
    Garbled(serde_json::Error),
    /// No package of that name.
    #[error("no package `{package}` in the workspace, expected one of {}", list(known))]
    UnknownPackage {
        /// What was asked for.
        package: String,
        /// The packages that have a binary.
        known: Vec<String>,
    },
    /// No binary of that name.
    #[error("no binary `{bin}`, expected one of {}: set `bin`", list(known))]
    UnknownBin {
        /// What was asked for.
        bin: String,
        /// The binaries there are.
        known: Vec<String>,
    },
    /// Only libraries.
    #[error("no package in `{}` has a binary: set `cwd` or `package`, or `command` for something else", dir.display())]
    NoBin {
        /// Where cargo ran.
        dir: PathBuf,
    },
    /// More than one.
    #[error(
        "more than one binary could be meant, {}: set `package` and `bin`, or `default-run` in `Cargo.toml`",
        list_candidates(candidates)
    )]
    Ambiguous {
        /// Package and binary of each.
        candidates: Vec<(String, String)>,
    },
}

/// At most this many names are listed in an error.
const LISTED: usize = 20;

fn list(names: &[String]) -> String {
    let mut text: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    if names.len() > LISTED {
        text.push(format!("{} more", names.len() - LISTED));
    }
    if text.is_empty() { "none at all".to_owned() } else { text.join(", ") }
}

fn list_candidates(candidates: &[(String, String)]) -> String {
    let pairs: Vec<String> =
        candidates.iter().map(|(package, bin)| format!("{bin}` of package `{package}")).collect();
    list(&pairs)
}

/// Runs `cargo metadata --no-deps` in `dir` and chooses as `cargo run` does there: the member that `dir`
/// is in, else the default members; `default-run`, else the only binary. A `bin` or `package` that is
/// given is looked for in the whole workspace.
///
/// # Errors
/// See [`CargoError`].
pub fn resolve_target(dir: &Path, wanted: &Wanted) -> Result<Target, CargoError> {
    choose(dir, &metadata(dir)?, wanted)
}

/// The error for a program that could not be started, telling a missing cargo from other faults.
pub(super) fn spawn_error(error: io::Error, dir: &Path) -> CargoError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if !dir.is_dir() => {
            CargoError::NoDirectory { dir: dir.to_owned() }
        }
        io::ErrorKind::NotFound => {
            let path = env::var_os("PATH").unwrap_or_default();
            CargoError::Missing { path: path.to_string_lossy().into_owned() }
        }
        _ => CargoError::Spawn(error),
    }
}

fn metadata(dir: &Path) -> Result<Metadata, CargoError> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version=1", "--color=never"])
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| spawn_error(error, dir))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(CargoError::Failed { stderr, code: output.status.code() });
    }
    serde_json::from_slice(&output.stdout).map_err(CargoError::Garbled)
}

fn choose(dir: &Path, metadata: &Metadata, wanted: &Wanted) -> Result<Target, CargoError> {
    let mut packages: Vec<Package> = match &wanted.package {
        Some(name) => named_package(metadata, name)?,
        None => default_packages(dir, metadata),
    };
    if let Some(bin) = &wanted.bin {
        if !packages.iter().any(|package| package.bins().any(|known| known == bin)) {
            let everywhere = wanted.package.is_none();
            packages = if everywhere { metadata.packages.clone() } else { packages };
        }
        return only_bin(packages, bin, metadata);
    }
    let candidates = candidates(&packages);
    let default_runs: Vec<(String, String)> = packages
        .iter()
        .filter_map(|package| Some((package.name.clone(), package.default_run.clone()?)))
        .collect();
    match (default_runs.as_slice(), candidates.as_slice()) {
        ([one], _) | (_, [one]) => target(packages, one, metadata),
        (_, []) => Err(CargoError::NoBin { dir: dir.to_owned() }),
        _ => Err(CargoError::Ambiguous { candidates }),
    }
}

fn named_package(metadata: &Metadata, name: &str) -> Result<Vec<Package>, CargoError> {
    let found: Vec<Package> =
        metadata.packages.iter().filter(|package| package.name == name).cloned().collect();
    if found.is_empty() {
        let with_bins = metadata.packages.iter().filter(|package| package.bins().next().is_some());
        let known: BTreeSet<String> = with_bins.map(|package| package.name.clone()).collect();
        let known = known.into_iter().collect();
        return Err(CargoError::UnknownPackage { package: name.to_owned(), known });
    }
    Ok(found)
}

fn default_packages(dir: &Path, metadata: &Metadata) -> Vec<Package> {
    let here = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let manifest = here.ancestors().map(|dir| dir.join("Cargo.toml")).find(|file| file.is_file());
    let of_manifest = metadata.packages.iter().find(|package| {
        let path = package.manifest_path.canonicalize().unwrap_or_else(|_| package.manifest_path.clone());
        Some(path) == manifest
    });
    let defaults = metadata.workspace_default_members.as_ref();
    // In a member it is that member; at the root, package or not, the default members.
    match (of_manifest, defaults) {
        (Some(package), _) if !is_root(package, metadata) => vec![package.clone()],
        (_, Some(defaults)) => {
            metadata.packages.iter().filter(|package| defaults.contains(&package.id)).cloned().collect()
        }
        (Some(package), None) => vec![package.clone()],
        (None, None) => metadata.packages.clone(),
    }
}

fn is_root(package: &Package, metadata: &Metadata) -> bool {
    package.manifest_path.parent() == Some(&metadata.workspace_root)
}

fn only_bin(packages: Vec<Package>, bin: &str, metadata: &Metadata) -> Result<Target, CargoError> {
    let all = candidates(&packages);
    let matching: Vec<(String, String)> = all.iter().filter(|(_, known)| known == bin).cloned().collect();
    match matching.as_slice() {
        [one] => target(packages, one, metadata),
        [] => {
            let known = all.into_iter().map(|(_, bin)| bin).collect();
            Err(CargoError::UnknownBin { bin: bin.to_owned(), known })
        }
        _ => Err(CargoError::Ambiguous { candidates: matching }),
    }
}

fn candidates(packages: &[Package]) -> Vec<(String, String)> {
    let pairs =
        packages.iter().flat_map(|package| package.bins().map(|bin| (package.name.clone(), bin.to_owned())));
    let sorted: BTreeSet<(String, String)> = pairs.collect();
    sorted.into_iter().collect()
}

fn target(
    packages: Vec<Package>,
    (package, bin): &(String, String),
    metadata: &Metadata,
) -> Result<Target, CargoError> {
    let found = packages.into_iter().find(|candidate| candidate.name == *package);
    let package =
        found.ok_or_else(|| CargoError::UnknownPackage { package: package.clone(), known: Vec::new() })?;
    Ok(Target {
        package,
        bin: bin.clone(),
        target_dir: metadata.target_directory.clone(),
        build_dir: metadata.build_directory.clone(),
    })
}
