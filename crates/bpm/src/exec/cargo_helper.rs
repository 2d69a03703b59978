//! The build program of a `rust` process: runs `cargo build`, shows what a person would have seen and
//! leaves a `result.json`. Runs as a process of its own so that a build survives the manager; knows
//! nothing of the manager, of modes or of runs.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::OwnedFd,
        unix::{fs::OpenOptionsExt, process::ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus, Stdio},
    thread,
    time::Instant,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    artefact::{self, Artefact},
    cargo::{self, CargoError, Target, Wanted},
    cargo_env::{self, CargoEnv, Toolchain},
    cargo_lock::Held,
    cargo_output::{self, Diagnostic, Reader},
    cargo_progress,
    cargo_session::Session,
    lines::read_until_exit,
};

/// The raw messages of cargo, in the build's directory.
pub const MESSAGES_FILE: &str = "messages.json";
/// The outcome, in the build's directory; there only when the build ended by itself.
pub const RESULT_FILE: &str = "result.json";
/// There only while cargo waits for a lock.
pub const WAITING_FILE: &str = "waiting.json";
/// The directory of the kept executable, in the build's directory.
pub const KEPT_DIR: &str = "kept";

/// What a shell answers for a program that does not exist.
const EXIT_NO_PROGRAM: u8 = 127;

/// What to build and where to leave the outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildSpec {
    /// Where cargo runs.
    pub dir: PathBuf,
    /// Where the outcome goes; exists.
    pub build_dir: PathBuf,
    /// Package and binary, as far as they are configured.
    #[serde(default)]
    pub wanted: Wanted,
    /// `--features`.
    #[serde(default)]
    pub features: Vec<String>,
    /// Cargo's profile: `dev`, `release` or another one by name.
    pub profile: String,
    /// An earlier artefact of the same process, whose copy is used again if nothing changed.
    #[serde(default)]
    pub previous: Option<Artefact>,
}

impl BuildSpec {
    /// Writes it to `file`, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written, or a path in it is not UTF-8.
    pub fn save(&self, file: &Path) -> io::Result<()> {
        write_json(file, self)
    }
}

/// How a build ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildResult {
    /// Cargo said yes and the executable is there.
    pub success: bool,
    /// The executable and the copy of it.
    pub artefact: Option<Artefact>,
    /// Why there is no copy, where there is none.
    pub warning: Option<String>,
    /// The package that was built.
    pub package: Option<String>,
    /// The binary that was built.
    pub bin: Option<String>,
    /// The directory of the package's `Cargo.toml`.
    pub manifest_dir: Option<PathBuf>,
    /// What `cargo run` would set.
    pub cargo_env: CargoEnv,
    /// The first errors.
    pub diagnostics: Vec<Diagnostic>,
    /// All errors, counted.
    pub errors: u64,
    /// All warnings, counted.
    pub warnings: u64,
    /// From start to end, in milliseconds.
    pub wall_ms: u64,
}

impl BuildResult {
    /// The result in `build_dir`; `None` when the build did not end by itself.
    ///
    /// # Errors
    /// The file cannot be read or is not a result.
    pub fn load(build_dir: &Path) -> io::Result<Option<Self>> {
        read_json(&build_dir.join(RESULT_FILE))
    }
}

/// What cargo waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The lock in cargo's words: `build directory`, `package cache`.
    pub what: String,
    /// Who holds it, where the system tells.
    pub held: Option<Held>,
}

impl Waiting {
    /// What the cargo of `build_dir` waits for now, if anything.
    ///
    /// # Errors
    /// The file cannot be read or is not of this form.
    pub fn load(build_dir: &Path) -> io::Result<Option<Self>> {
        read_json(&build_dir.join(WAITING_FILE))
    }
}

/// Runs `bpm __cargo-build SPEC`; `args` are what follows the subcommand. The exit code is cargo's.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let (Some(file), None) = (args.next(), args.next()) else {
        say("expected one argument, the file of the build's description");
        return ExitCode::from(2);
    };
    let file = PathBuf::from(file);
    let spec: io::Result<Option<BuildSpec>> = read_json(&file);
    let spec = match spec.and_then(|spec| spec.ok_or(io::ErrorKind::NotFound.into())) {
        Ok(spec) => spec,
        Err(error) => {
            say(&format!("cannot read `{}`: {error}", file.display()));
            return ExitCode::from(2);
        }
    };
    let started = Instant::now();
    let (mut result, code) = build(&spec);
    result.wall_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let file = spec.build_dir.join(RESULT_FILE);
    if let Err(error) = write_json(&file, &result) {
        say(&format!("cannot write `{}`: {error}", file.display()));
        return ExitCode::FAILURE;
    }
    ExitCode::from(code)
}

fn build(spec: &BuildSpec) -> (BuildResult, u8) {
    let target = match cargo::resolve_target(&spec.dir, &spec.wanted) {
        Ok(target) => target,
        Err(error) => return not_begun(&error),
    };
    let dir = spec.dir.clone();
    // Beside the build, for it costs a start of the compiler.
    let asked = thread::spawn(move || Toolchain::ask(&dir));
    let (mut reader, status) = match run_cargo(spec, &target) {
        Ok(ended) => ended,
        Err(error) => return not_begun(&error),
    };
    let toolchain = asked.join().unwrap_or_default();
    reader.finish(status.success());
    finish(spec, &target, reader, status, &toolchain)
}

/// Cargo did not get to building: what is wrong is shown and is the result's only diagnostics.
fn not_begun(error: &CargoError) -> (BuildResult, u8) {
    let (diagnostics, code) = match error {
        CargoError::Failed { stderr, code } => {
            show(stderr.as_bytes());
            let code = code.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
            (cargo_output::cargo_errors(stderr), code.unwrap_or(1))
        }
        other => {
            say(&other.to_string());
            let code = if matches!(other, CargoError::Missing { .. }) { EXIT_NO_PROGRAM } else { 1 };
            (Vec::new(), code)
        }
    };
    (failed(diagnostics, &error.to_string()), code)
}

fn failed(mut diagnostics: Vec<Diagnostic>, otherwise: &str) -> BuildResult {
    if diagnostics.is_empty() {
        let (message, rendered) = (otherwise.to_owned(), format!("error: {otherwise}"));
        diagnostics.push(Diagnostic { message, rendered, ..Diagnostic::default() });
    }
    BuildResult { errors: diagnostics.len() as u64, diagnostics, ..BuildResult::default() }
}

fn finish(
    spec: &BuildSpec,
    target: &Target,
    reader: Reader,
    status: ExitStatus,
    toolchain: &Toolchain,
) -> (BuildResult, u8) {
    let mut result = BuildResult {
        package: Some(target.package.name.clone()),
        bin: Some(target.bin.clone()),
        manifest_dir: target.package.manifest_path.parent().map(Path::to_owned),
        diagnostics: reader.diagnostics,
        errors: reader.errors,
        warnings: reader.warnings,
        ..BuildResult::default()
    };
    let code = exit_code(status);
    match reader.executable {
        Some(executable) if status.success() => {
            result.cargo_env =
                cargo_env::of_build(&spec.dir, target, &executable, &reader.build_scripts, toolchain);
            keep(spec, &executable, result)
        }
        _ if status.success() => {
            let why = format!("cargo built no executable of `{}`", target.bin);
            say(&why);
            (BuildResult { warnings: result.warnings, ..failed(Vec::new(), &why) }, 1)
        }
        _ if result.errors == 0 => {
            (BuildResult { warnings: result.warnings, ..failed(Vec::new(), &ended(status)) }, code)
        }
        _ => (result, code),
    }
}

/// The executable is copied here and now, before anything can build again. Without a copy the build counts
/// all the same.
fn keep(spec: &BuildSpec, executable: &Path, mut result: BuildResult) -> (BuildResult, u8) {
    let kept = artefact::keep(executable, &spec.build_dir.join(KEPT_DIR), spec.previous.as_ref());
    let artefact = kept.or_else(|error| {
        say(&error.to_string());
        result.warning = Some(error.to_string());
        let identity = artefact::Identity::at(executable)?;
        Ok(Artefact { executable: executable.to_owned(), identity, kept: None })
    });
    match artefact {
        Ok(artefact) => (BuildResult { success: true, artefact: Some(artefact), ..result }, 0),
        Err::<_, io::Error>(error) => {
            let why =
                format!("cannot examine `{}`, which cargo says it built: {error}", executable.display());
            say(&why);
            (BuildResult { warnings: result.warnings, ..failed(Vec::new(), &why) }, 1)
        }
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn ended(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("cargo was ended by signal {signal}"),
        (None, code) => format!("cargo ended with exit code {}", code.unwrap_or(-1)),
    }
}

fn command(spec: &BuildSpec, target: &Target) -> Command {
    let mut command = Command::new("cargo");
    command.arg("build");
    match spec.profile.as_str() {
        "dev" => {}
        "release" => drop(command.arg("--release")),
        other => drop(command.args(["--profile", other])),
    }
    command.args(["--package", &target.package.id, "--bin", &target.bin]);
    if !spec.features.is_empty() {
        command.args(["--features", &spec.features.join(",")]);
    }
    command.args(["--message-format=json", "--color=never"]).current_dir(&spec.dir).stdin(Stdio::null());
    command.envs(cargo_progress::ENVIRONMENT);
    command
}

fn run_cargo(spec: &BuildSpec, target: &Target) -> Result<(Reader, ExitStatus), CargoError> {
    // One pipe for both, so that messages and cargo's own lines stay in the order of their making.
    let (output, input) = io::pipe().map_err(CargoError::Spawn)?;
    let mut command = command(spec, target);
    command.stdout(input.try_clone().map_err(CargoError::Spawn)?).stderr(input);
    let mut child = command.spawn().map_err(|error| cargo::spawn_error(error, &spec.dir))?;
    drop(command);
    let reader = Reader::new(&target.package.manifest_path, &target.bin);
    let mut session = Session::new(reader, &spec.build_dir, child.id());
    if let Err(error) = read_until_exit(&OwnedFd::from(output), &child, &mut session) {
        say(&format!("cannot read cargo's output: {error}"));
    }
    let reader = session.end();
    let status = child.wait().map_err(CargoError::Spawn)?;
    Ok((reader, status))
}

/// Prints to stderr, which is the build's log. Nobody is left to be told of a fault.
pub(super) fn show(bytes: &[u8]) {
    let _ = io::stderr().lock().write_all(bytes);
}

pub(super) fn say(message: &str) {
    show(format!("bpm: {message}\n").as_bytes());
}

/// Variables of a build may be secrets.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

pub(super) fn write_json(file: &Path, value: &impl Serialize) -> io::Result<()> {
    let temporary = file.with_extension("tmp");
    private_file(&temporary)?.write_all(&serde_json::to_vec(value)?)?;
    fs::rename(&temporary, file)
}

fn read_json<T: DeserializeOwned>(file: &Path) -> io::Result<Option<T>> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
