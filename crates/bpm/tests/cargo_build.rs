//! The build program of a `rust` process with real cargo on small crates without dependencies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use bpm::exec::{
    artefact::{self, Source},
    cargo::{self, CargoError, Wanted},
    cargo_helper::{BuildResult, BuildSpec, MESSAGES_FILE, RESULT_FILE, WAITING_FILE, Waiting},
    environment::Env,
};
use bpm::store::build_progress::Progress;
use rustix::fs::{FlockOperation, flock};

const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    dir: tempfile::TempDir,
    env: Env,
    builds: u32,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut env = Env::of_this_process().inheritable();
        for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "RUSTFLAGS"] {
            env.remove(name);
        }
        env.set("CARGO_NET_OFFLINE", "true");
        let world = Self { dir, env, builds: 0 };
        files.iter().for_each(|(name, text)| world.write(name, text));
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn spec(&mut self) -> BuildSpec {
        self.builds += 1;
        let build_dir = self.path(&format!(".builds/{}", self.builds));
        fs::create_dir_all(&build_dir).unwrap();
        BuildSpec { dir: self.path(""), build_dir, profile: "dev".into(), ..BuildSpec::default() }
    }

    fn helper(&self, spec: &BuildSpec) -> Command {
        let file = spec.build_dir.join("build.json");
        spec.save(&file).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bpm"));
        command.arg("__cargo-build").arg(file).env_clear().envs(self.env.iter()).stdin(Stdio::null());
        command
    }

    fn build(&self, spec: &BuildSpec) -> Built {
        let output = self.helper(spec).output().unwrap();
        let result = BuildResult::load(&spec.build_dir).unwrap().expect("a result");
        Built { code: output.status.code(), log: text(&output.stderr), stdout: text(&output.stdout), result }
    }

    fn cargo(&self, args: &[&str]) -> Output {
        let mut command = Command::new("cargo");
        command.args(args).current_dir(self.path("")).env_clear().envs(self.env.iter());
        command.stdin(Stdio::null()).output().unwrap()
    }
}

struct Built {
    code: Option<i32>,
    log: String,
    stdout: String,
    result: BuildResult,
}

impl Built {
    fn executable(&self) -> &Path {
        assert!(self.result.success, "{}", self.log);
        &self.result.artefact.as_ref().unwrap().executable
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come");
        thread::sleep(Duration::from_millis(5));
    }
}

const MANIFEST: &str = "[package]\nname = \"my-app\"\nversion = \"1.2.3-pre.1\"\nedition = \"2021\"\n";
const HELLO: &str = "fn main() { println!(\"hello\") }\n";

fn output_of(program: &Path) -> String {
    text(&Command::new(program).output().unwrap().stdout)
}

#[test]
fn a_build_leaves_the_executable_a_copy_and_nothing_on_stdout() {
    let mut world = World::new(&[("Cargo.toml", MANIFEST), ("src/main.rs", HELLO)]);
    let spec = world.spec();
    let built = world.build(&spec);
    assert_eq!((built.code, built.stdout.as_str()), (Some(0), ""));
    assert_eq!(built.executable(), world.path("target/debug/my-app"));
    assert_eq!(output_of(built.executable()), "hello\n");
    let artefact = built.result.artefact.clone().unwrap();
    assert_eq!(artefact.kept, Some(spec.build_dir.join("kept/my-app")));
    assert_eq!(artefact::choose(&artefact).source, Source::Original);
    assert_eq!(built.result.package.as_deref(), Some("my-app"));
    assert_eq!(built.result.manifest_dir, Some(world.path("").components().collect()));
    assert!(!spec.build_dir.join(WAITING_FILE).exists());
    for name in [RESULT_FILE, MESSAGES_FILE] {
        let mode = fs::metadata(spec.build_dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn after_a_rebuild_the_copy_still_runs_the_old_code_under_the_old_name() {
    let mut world = World::new(&[("Cargo.toml", MANIFEST), ("src/main.rs", HELLO)]);
    let spec = world.spec();
    let first = world.build(&spec).result.artefact.unwrap();
    world.write("src/main.rs", "fn main() { println!(\"changed\") }\n");
    let second = BuildSpec { previous: Some(first.clone()), ..world.spec() };
    let second = world.build(&second);
    assert_eq!(output_of(second.executable()), "changed\n");
    let choice = artefact::choose(&first);
    assert_eq!((choice.source, output_of(&choice.path).as_str()), (Source::Kept, "hello\n"));
    assert_eq!(choice.argv0, world.path("target/debug/my-app"));
    assert!(second.log.contains("Compiling my-app"), "{}", second.log);
}

#[test]
fn the_log_is_what_cargo_itself_shows_in_the_same_order() {
    let sources = [
        ("Cargo.toml", "[workspace]\nmembers = [\"lib\", \"app\"]\nresolver = \"2\"\n"),
        ("lib/Cargo.toml", "[package]\nname = \"lib\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
        ("lib/build.rs", "fn main() { println!(\"cargo:warning=from the build script\") }\n"),
        ("lib/src/lib.rs", "pub fn f() { let unused = 1; }\n"),
        (
            "app/Cargo.toml",
            "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nlib = { path = \"../lib\" }\n",
        ),
        ("app/src/main.rs", "fn dead() {}\nfn main() { lib::f(); let x: i32 = \"no\"; }\n"),
    ];
    let mut world = World::new(&sources);
    let spec = world.spec();
    let built = world.build(&spec);
    fs::remove_dir_all(world.path("target")).unwrap();
    let shown = world.cargo(&["build", "--color=never", "--package=app", "--bin=app"]);
    assert_eq!(built.code, shown.status.code());
    // But for the one line that cargo leaves out when it is asked for messages, and for waits for a cargo that
    // another test runs.
    let lines = |log: &str| -> Vec<String> {
        let differs =
            ["warning: `lib` (lib) generated", "    Blocking waiting for ", "bpm: cargo waits for "];
        let same = log.lines().filter(|line| !differs.iter().any(|start| line.starts_with(start)));
        same.map(str::to_owned).collect()
    };
    assert_eq!(lines(&built.log), lines(&text(&shown.stderr)));
    assert!(built.log.contains("error[E0308]") && built.log.contains("unused variable"), "{}", built.log);
    let messages = fs::read_to_string(spec.build_dir.join(MESSAGES_FILE)).unwrap();
    assert!(messages.lines().count() > 3 && messages.lines().all(|line| line.starts_with("{\"reason\":")));
}

#[test]
fn progress_is_told_while_cargo_builds_and_is_not_in_the_log() {
    let package = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{more}")
    };
    let mut world = World::new(&[
        ("Cargo.toml", &package("app", "[dependencies]\nlib = { path = \"lib\" }\n")),
        ("src/main.rs", "fn main() { lib::f() }\n"),
        ("lib/Cargo.toml", &package("lib", "")),
        ("lib/build.rs", "fn main() { std::fs::read(\"fifo\").unwrap(); }\n"),
        ("lib/src/lib.rs", "pub fn f() {}\n"),
        // what this says is of no use to a manager
        (".cargo/config.toml", "[term]\nprogress.when = \"never\"\n"),
    ]);
    world.env.set("CI", "true");
    world.env.set("TERM", "dumb");
    let fifo = world.path("lib/fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let spec = world.spec();
    let helper = world.helper(&spec).stderr(Stdio::piped()).spawn().unwrap();
    let mut seen = None;
    until("the build script in the progress", || {
        seen = Progress::load(&spec.build_dir);
        seen.as_ref().is_some_and(|progress| progress.what == "lib(build)")
    });
    assert_eq!(seen.map(|progress| (progress.done, progress.total)), Some((1, 4)));
    let mut options = fs::OpenOptions::new();
    options.write(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    until("the build script's ear", || options.open(&fifo).is_ok());
    let output = helper.wait_with_output().unwrap();
    let log = text(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(!log.contains('\r') && !log.contains("Building"), "{log:?}");
    let told = log.lines().filter(|line| line.starts_with("   Compiling ")).count();
    assert_eq!((told, log.lines().any(|line| line.starts_with("    Finished "))), (2, true), "{log:?}");
    assert_eq!(Progress::load(&spec.build_dir), None);
    assert!(!spec.build_dir.join("progress").exists());
}

#[test]
fn a_compile_error_has_its_place_code_and_text_and_the_rest_is_counted() {
    let source = "fn main() {\n    let a: i32 = \"no\";\n    missing();\n}\n";
    let mut world = World::new(&[("Cargo.toml", MANIFEST), ("src/main.rs", source)]);
    let spec = world.spec();
    let built = world.build(&spec);
    assert_eq!((built.code, built.result.success), (Some(101), false));
    assert_eq!(built.result.errors, 2);
    assert!(built.result.artefact.is_none());
    let mismatch = built.result.diagnostics.iter().find(|d| d.code.as_deref() == Some("E0308")).unwrap();
    assert_eq!(
        (mismatch.file.as_deref(), mismatch.line, mismatch.column),
        (Some("src/main.rs"), Some(2), Some(18))
    );
    assert_eq!(mismatch.message, "mismatched types");
    assert!(mismatch.rendered.contains("expected `i32`, found `&str`"), "{}", mismatch.rendered);
}

#[test]
fn a_flood_of_warnings_stalls_nothing_and_is_counted() {
    let mut source: String =
        (0..1500).map(|n| format!("fn dead_function_with_a_long_name_{n}() {{}}\n")).collect();
    source.push_str("fn main() {}\n");
    let mut world = World::new(&[("Cargo.toml", MANIFEST), ("src/main.rs", &source)]);
    let spec = world.spec();
    let built = world.build(&spec);
    assert!(built.result.success, "{}", built.log);
    assert_eq!((built.result.warnings, built.result.errors), (1500, 0));
}

#[test]
fn a_failing_build_script_and_a_broken_manifest_are_diagnostics() {
    let script = "fn main() { eprintln!(\"cannot find the thing\"); std::process::exit(9) }\n";
    let mut world = World::new(&[("Cargo.toml", MANIFEST), ("src/main.rs", HELLO), ("build.rs", script)]);
    let spec = world.spec();
    let built = world.build(&spec);
    assert_eq!(built.code, Some(101));
    let found = &built.result.diagnostics[0];
    assert!(found.message.starts_with("failed to run custom build command for `my-app"), "{}", found.message);
    assert!(found.rendered.contains("cannot find the thing"), "{}", found.rendered);

    world.write("Cargo.toml", "[package]\nname = \"my-app\"\nversion = 1\n");
    let spec = world.spec();
    let built = world.build(&spec);
    assert_eq!((built.code, built.result.success), (Some(101), false));
    let found = &built.result.diagnostics[0];
    assert_eq!((found.file.as_deref(), found.line), (Some("Cargo.toml"), Some(3)), "{}", found.rendered);
    assert!(built.log.contains("error: "), "{}", built.log);
}

#[test]
fn no_manifest_no_directory_and_no_cargo_each_have_their_own_words() {
    let mut world = World::new(&[]);
    let spec = world.spec();
    let built = world.build(&spec);
    assert!(built.result.diagnostics[0].message.starts_with("could not find `Cargo.toml`"), "{}", built.log);

    let spec = BuildSpec { dir: world.path("gone"), ..world.spec() };
    let built = world.build(&spec);
    assert!(built.log.contains("gone` does not exist"), "{}", built.log);

    world.env.set("PATH", "/nonexistent");
    let spec = world.spec();
    let built = world.build(&spec);
    assert_eq!(built.code, Some(127));
    let expected = "no program `cargo` on `PATH` (`/nonexistent`): install Rust";
    assert!(built.result.diagnostics[0].message.starts_with(expected), "{}", built.log);
    assert!(built.log.contains(expected), "{}", built.log);
}

/// The program's variables as it prints them.
fn variables(output: &Output) -> BTreeMap<String, String> {
    let lines = text(&output.stdout);
    lines.lines().filter_map(|line| line.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

#[test]
fn the_program_gets_what_cargo_run_would_give_it() {
    let manifest = "[package]\nname = \"my-app\"\nversion = \"1.2.3-pre.1+x\"\nedition = \"2021\"\nrust-version = \"1.56\"\n\
         description = \"d\"\nauthors = [\"A <a@b>\", \"B\"]\nlicense = \"MIT\"\nhomepage = \"h\"\nrepository = \"r\"\n\
         license-file = \"L\"\n[dependencies]\ndep = { path = \"dep\" }\n";
    let dep = "[package]\nname = \"dep\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    let script = "fn main() { println!(\"cargo:rustc-env=FROM_SCRIPT=1\");\
         println!(\"cargo:rustc-link-search=native={}/lib\", std::env::var(\"OUT_DIR\").unwrap()); }";
    let config = "[env]\nPLAIN = \"a\"\nKEPT = \"config\"\nFORCED = { value = \"config\", force = true }\n\
         RELATIVE = { value = \"x\", relative = true }\nCARGO_PKG_NAME = \"never\"\n";
    let mut world = World::new(&[
        ("Cargo.toml", manifest),
        ("README.md", ""),
        ("L", ""),
        ("build.rs", script),
        ("src/main.rs", "fn main() { for (k, v) in std::env::vars() { println!(\"{k}={v}\") } }"),
        ("dep/Cargo.toml", dep),
        ("dep/src/lib.rs", ""),
        ("dep/build.rs", &script.replace("FROM_SCRIPT", "FROM_DEP")),
        (".cargo/config.toml", config),
    ]);
    world.env.set("KEPT", "own");
    world.env.set("FORCED", "own");
    world.env.set("LD_LIBRARY_PATH", "/own/lib");
    let spec = world.spec();
    let built = world.build(&spec);
    let mut env = world.env.clone();
    built.executable();
    built.result.cargo_env.apply(&mut env);
    let mut program = Command::new(built.executable());
    let ours = variables(&program.env_clear().envs(env.iter()).current_dir(world.path("")).output().unwrap());
    let mut theirs = variables(&world.cargo(&["run", "--quiet"]));
    // These are rustup's, for the compilers below it.
    for name in
        ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTUP_TOOLCHAIN_SOURCE", "RUST_RECURSION_COUNT"]
    {
        if world.env.get(name).is_none() {
            theirs.remove(name);
        }
    }
    theirs.insert("PATH".into(), ours["PATH"].clone());
    assert_eq!(ours["FROM_SCRIPT"], "1");
    assert!(!ours.contains_key("FROM_DEP") && ours["LD_LIBRARY_PATH"].ends_with(":/own/lib"));
    assert_eq!(ours, theirs);
}

fn workspace() -> World {
    let package = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{more}")
    };
    World::new(&[
        ("Cargo.toml", "[workspace]\nmembers = [\"web\", \"jobs\", \"lib\"]\nresolver = \"2\"\n"),
        ("web/Cargo.toml", &package("web", "")),
        ("web/src/main.rs", HELLO),
        ("jobs/Cargo.toml", &package("jobs", "default-run = \"run-jobs\"\n[features]\nextra = []\n")),
        ("jobs/src/bin/run-jobs.rs", HELLO),
        ("jobs/src/bin/list_jobs.rs", "fn main() { println!(\"{}\", cfg!(feature = \"extra\")) }\n"),
        ("lib/Cargo.toml", &package("lib", "")),
        ("lib/src/lib.rs", ""),
    ])
}

fn chosen(world: &World, dir: &str, package: Option<&str>, bin: Option<&str>) -> Result<String, CargoError> {
    let wanted = Wanted { package: package.map(str::to_owned), bin: bin.map(str::to_owned) };
    let target = cargo::resolve_target(&world.path(dir), &wanted)?;
    Ok(format!("{}/{}", target.package.name, target.bin))
}

#[test]
fn the_binary_is_chosen_as_cargo_run_would_choose() {
    let world = workspace();
    let chosen = |dir, package, bin| chosen(&world, dir, package, bin).unwrap();
    assert_eq!(chosen("web", None, None), "web/web");
    assert_eq!(chosen("jobs", None, None), "jobs/run-jobs");
    assert_eq!(chosen("jobs/src/bin", None, None), "jobs/run-jobs");
    assert_eq!(chosen("", None, None), "jobs/run-jobs");
    assert_eq!(chosen("", Some("web"), None), "web/web");
    assert_eq!(chosen("", None, Some("list_jobs")), "jobs/list_jobs");
    assert_eq!(chosen("web", None, Some("list_jobs")), "jobs/list_jobs");
    assert_eq!(chosen("web", Some("jobs"), Some("list_jobs")), "jobs/list_jobs");
}

#[test]
fn a_choice_that_is_not_one_lists_the_candidates() {
    let mut world = workspace();
    let package = fs::read_to_string(world.path("jobs/Cargo.toml")).unwrap();
    world.write("jobs/Cargo.toml", &package.replace("default-run = \"run-jobs\"\n", ""));
    let fault = |dir, package, bin| chosen(&world, dir, package, bin).unwrap_err().to_string();
    let expected = "more than one binary could be meant, `list_jobs` of package `jobs`, `run-jobs` of package `jobs`, \
                    `web` of package `web`: set `package` and `bin`, or `default-run` in `Cargo.toml`";
    assert_eq!(fault("", None, None), expected);
    assert_eq!(
        fault("lib", None, None),
        format!(
            "no package in `{}` has a binary: set `cwd` or `package`, or `command` for something else",
            world.path("lib").display()
        )
    );
    assert_eq!(
        fault("", Some("wep"), None),
        "no package `wep` in the workspace, expected one of `jobs`, `web`"
    );
    assert_eq!(
        fault("", Some("jobs"), Some("web")),
        "no binary `web`, expected one of `list_jobs`, `run-jobs`: set `bin`"
    );
    let spec = world.spec();
    let built = world.build(&spec);
    assert_eq!((built.code, built.result.diagnostics[0].message.as_str()), (Some(1), expected));
}

#[test]
fn a_workspace_binary_is_found_with_features_profile_and_target_directory() {
    let mut world = workspace();
    world.env.set("CARGO_TARGET_DIR", world.path("elsewhere"));
    let wanted = Wanted { package: Some("jobs".into()), bin: Some("list_jobs".into()) };
    let spec =
        BuildSpec { wanted, features: vec!["extra".into()], profile: "release".into(), ..world.spec() };
    let built = world.build(&spec);
    assert_eq!(built.executable(), world.path("elsewhere/release/list_jobs"));
    assert_eq!(output_of(built.executable()), "true\n");
    assert_eq!(built.result.manifest_dir, Some(world.path("jobs")));
}

#[test]
fn the_holder_of_a_lock_is_named_while_cargo_waits_and_then_the_build_goes_on() {
    let mut world = World::new(&[("Cargo.toml", MANIFEST), ("src/main.rs", HELLO)]);
    let spec = world.spec();
    assert!(world.build(&spec).result.success);
    let lock = File::open(world.path("target/debug/.cargo-lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let spec = world.spec();
    let helper = world.helper(&spec).stderr(Stdio::piped()).spawn().unwrap();
    let lock_path = world.path("target/debug/.cargo-lock");
    let mut pid = None;
    // It may have to wait for the package cache of another test's cargo before.
    until("waiting.json", || {
        let held = Waiting::load(&spec.build_dir).unwrap().and_then(|waiting| waiting.held);
        pid = held.filter(|held| held.path == lock_path).map(|held| held.pid);
        pid.is_some()
    });
    assert_eq!(pid, Some(std::process::id()));
    flock(&lock, FlockOperation::Unlock).unwrap();
    let output = helper.wait_with_output().unwrap();
    let log = text(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("Blocking waiting for file lock on "), "{log}");
    let told = format!(".cargo-lock`), held by pid {} (`", std::process::id());
    assert!(log.contains("bpm: cargo waits for the lock on ") && log.contains(&told), "{log}");
    assert!(!spec.build_dir.join(WAITING_FILE).exists());
}

#[test]
fn a_wrong_call_is_refused_with_what_is_expected() {
    let call = |args: &[OsString]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bpm"));
        let output = command.arg("__cargo-build").args(args).output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(
        call(&[]),
        (Some(2), "bpm: expected one argument, the file of the build's description\n".into())
    );
    let (code, said) = call(&["/nonexistent".into()]);
    assert_eq!(code, Some(2));
    assert!(said.starts_with("bpm: cannot read `/nonexistent`: "), "{said}");
}
