//! What a good configuration means: every key with its default and with another value, the original
//! format, and the local override.

#![expect(clippy::panic, reason = "a helper of tests")]
#![expect(clippy::needless_pass_by_value, reason = "rows of a table read better without borrows")]

use core::net::{IpAddr, Ipv6Addr};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use bpm_core::config::{
    CommandLine, Config, ErrorRules, Kind, LogLimits, McpPort, PerMode, Process, RestartPolicy, RustTarget,
    Signal, Source, parse,
};
use bpm_core::ids::Mode;

const COMMAND: &str = "[process.a]\ncommand = [\"x\"]\n";
const RUST: &str = "[process.a]\ntype = \"rust\"\n";

fn read(main: &str, local: Option<&str>) -> Result<Config, String> {
    let main = Source { path: ".mcp-run", text: main };
    let local = local.map(|text| Source { path: ".mcp-run.local", text });
    parse(main, local).map_err(|faults| faults.render(false))
}

/// The configuration, which must be good.
#[track_caller]
fn good(text: &str) -> Config {
    read(text, None).unwrap_or_else(|faults| fail(text, &faults))
}

#[track_caller]
fn merged(main: &str, local: &str) -> Config {
    read(main, Some(local)).unwrap_or_else(|faults| fail(local, &faults))
}

#[track_caller]
fn fail(text: &str, faults: &str) -> ! {
    assert_eq!(faults, "", "of {text}");
    unreachable!("faults are never empty")
}

#[track_caller]
fn only(config: &Config) -> &Process {
    assert_eq!(config.processes.len(), 1);
    &config.processes[0]
}

fn argv<const N: usize>(words: [&str; N]) -> CommandLine {
    CommandLine::Argv(words.map(str::to_owned).to_vec())
}

fn shell(line: &str) -> CommandLine {
    CommandLine::Shell(line.to_owned())
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Keys that have been shown to change something.
#[derive(Default)]
struct Shown(BTreeSet<&'static str>);

impl Shown {
    /// The key has this value in `base`, and that one once `text` is added.
    #[track_caller]
    fn key<T: Debug + PartialEq>(
        &mut self,
        name: &'static str,
        base: &str,
        default: T,
        text: &str,
        changed: T,
        get: impl Fn(&Config) -> T,
    ) {
        assert_ne!(default, changed, "`{name}` changes nothing");
        assert_eq!(get(&good(base)), default, "default of `{name}`");
        let whole = match base.is_empty() || name.starts_with("process.") {
            true => format!("{base}{text}\n"),
            false => format!("{text}\n{base}"),
        };
        assert_eq!(get(&good(&whole)), changed, "`{name}` in {whole}");
        self.0.insert(name);
    }
}

#[test]
fn every_key_has_its_default_and_changes_something() {
    let mut shown = Shown::default();
    top_level(&mut shown);
    any_process(&mut shown);
    commands(&mut shown);
    rust(&mut shown);
    let listed: BTreeSet<_> = bpm_core::config::KEYS.iter().map(|key| key.name).collect();
    assert_eq!(shown.0, listed);
}

fn top_level(shown: &mut Shown) {
    shown.key("mcp_port", "", None, "mcp_port = 3001", Some(McpPort::Fixed(3001)), |c| c.mcp_port);
    shown.key("mcp_port", "", None, "mcp_port = \"auto\"", Some(McpPort::Auto), |c| c.mcp_port);
    for (text, address) in [("0.0.0.0", [0, 0, 0, 0].into()), ("::1", Ipv6Addr::LOCALHOST.into())] {
        let address: IpAddr = address;
        shown.key("bind", "", None, &format!("bind = \"{text}\""), Some(address), |c| c.bind);
    }
    let hour = 3600.0;
    type Row = (&'static str, f64, &'static str, f64, fn(&Config) -> Duration);
    let timing: [Row; 5] = [
        ("dev_timeout_hours", 3.0 * hour, "0.5", 0.5 * hour, |c| c.timing.dev_timeout),
        ("idle_exit_minutes", 1800.0, "0.05", 3.0, |c| c.timing.idle_exit),
        ("dev_crash_wait_seconds", 120.0, "0", 0.0, |c| c.timing.dev_crash_wait),
        ("release_crash_backoff_initial_seconds", 1.0, "0.25", 0.25, |c| c.timing.backoff_initial),
        ("release_crash_backoff_max_seconds", 300.0, "86400", 86400.0, |c| c.timing.backoff_max),
    ];
    for (name, default, text, changed, get) in timing {
        shown.key(name, "", seconds(default), &format!("{name} = {text}"), seconds(changed), get);
    }
    let gib = 1 << 30;
    let default = LogLimits { keep_runs: 10, max_bytes: gib };
    let both = LogLimits { keep_runs: 2, max_bytes: 65536 };
    let text = "[logs]\nkeep_runs = 2\nmax_bytes = 65536";
    shown.key("logs", COMMAND, default, text, both, |c| c.logs);
    shown.key("logs", COMMAND, default, text, both, |c| only(c).logs);
    shown.key("logs.keep_runs", "", 10, "logs = { keep_runs = 1 }", 1, |c| c.logs.keep_runs);
    shown.key("logs.max_bytes", "", gib, "logs = { max_bytes = \"64K\" }", 65536, |c| c.logs.max_bytes);
    let names = |c: &Config| c.processes.iter().map(|process| process.name.clone()).collect::<Vec<_>>();
    shown.key("process", "", vec![], COMMAND, vec!["a".to_owned()], names);
}

fn any_process(shown: &mut Shown) {
    let none: Vec<String> = Vec::new();
    let key = |key: &str| format!("process.NAME.{key}").leak() as &'static str;
    shown.key(key("type"), COMMAND, Kind::Command, "type = \"npm\"", Kind::Npm, |c| only(c).kind.clone());
    let args = vec!["-p".to_owned(), String::new()];
    shown.key(key("args"), COMMAND, none, "args = [\"-p\", \"\"]", args, |c| only(c).args.clone());
    let path = Some("some/where".to_owned());
    shown.key(key("cwd"), COMMAND, None, "cwd = \"some/where\"", path.clone(), |c| only(c).cwd.clone());
    let text = "env_file = \"some/where\"";
    shown.key(key("env_file"), COMMAND, None, text, path, |c| only(c).env_file.clone());
    let value = |c: &Config| only(c).env.get("A").cloned();
    shown.key(key("env"), COMMAND, None, "env = { A = \"1=\" }", Some("1=".to_owned()), value);

    let always = RestartPolicy::Always;
    for (word, policy) in [("on-failure", RestartPolicy::OnFailure), ("never", RestartPolicy::Never)] {
        let text = format!("restart = \"{word}\"");
        shown.key(key("restart"), COMMAND, always, &text, policy, |c| only(c).restart);
    }
    let text = "give_up = { crashes = 3, within_seconds = 0.5 }";
    let give_up = |c: &Config| only(c).give_up.map(|rule| (rule.crashes, rule.within));
    shown.key(key("give_up"), COMMAND, None, text, Some((3, seconds(0.5))), give_up);
    shown.key(key("give_up.crashes"), COMMAND, None, text, Some(3), |c| Some(only(c).give_up?.crashes));
    let within = |c: &Config| Some(only(c).give_up?.within);
    shown.key(key("give_up.within_seconds"), COMMAND, None, text, Some(seconds(0.5)), within);

    let stop = |c: &Config| (only(c).stop.signal.name(), only(c).stop.signal.number(), only(c).stop.grace);
    let term = ("TERM", 15, seconds(5.0));
    let text = "stop = { signal = \"sigint\", grace_seconds = 0.1 }";
    shown.key(key("stop"), COMMAND, term, text, ("INT", 2, seconds(0.1)), stop);
    let text = "stop.signal = \"HUP\"";
    shown.key(key("stop.signal"), COMMAND, term, text, ("HUP", 1, seconds(5.0)), stop);
    let text = "stop.grace_seconds = 3600";
    shown.key(key("stop.grace_seconds"), COMMAND, term, text, ("TERM", 15, seconds(3600.0)), stop);

    let logs = |keep_runs, max_bytes| LogLimits { keep_runs, max_bytes };
    let (gib, mib) = (1_u64 << 30, 1_u64 << 20);
    let base = format!("logs = {{ keep_runs = 4, max_bytes = \"2G\" }}\n{COMMAND}");
    let own = |c: &Config| only(c).logs;
    let text = "logs = { keep_runs = 3, max_bytes = \"512M\" }";
    shown.key(key("logs"), COMMAND, logs(10, gib), text, logs(3, 512 * mib), own);
    shown.key(key("logs.keep_runs"), &base, logs(4, 2 * gib), "logs.keep_runs = 3", logs(3, 2 * gib), own);
    let text = "logs.max_bytes = 65536";
    shown.key(key("logs.max_bytes"), &base, logs(4, 2 * gib), text, logs(4, 65536), own);
    shown.key(key("autostart"), COMMAND, true, "autostart = false", false, |c| only(c).autostart);
    let rules = |matches: &[&str], ignore: &[&str]| {
        let owned = |list: &[&str]| list.iter().map(|p| (*p).to_owned()).collect();
        ErrorRules { matches: owned(matches), ignore: owned(ignore) }
    };
    let own = |c: &Config| only(c).errors.clone();
    let text = r"errors = { match = ['^oops \d+'], ignore = ['(?i)known'] }";
    shown.key(key("errors"), COMMAND, rules(&[], &[]), text, rules(&[r"^oops \d+"], &["(?i)known"]), own);
    let text = "errors.match = ['a', 'b|c']";
    shown.key(key("errors.match"), COMMAND, rules(&[], &[]), text, rules(&["a", "b|c"], &[]), own);
    let text = "errors.ignore = ['a']";
    shown.key(key("errors.ignore"), COMMAND, rules(&[], &[]), text, rules(&[], &["a"]), own);
    shown.key(key("pty"), COMMAND, false, "pty = true", true, |c| only(c).pty);
}

fn commands(shown: &mut Shown) {
    let npm = "[process.a]\ntype = \"npm\"\n";
    let command = |c: &Config| only(c).command.clone();
    let text = "command = [\"x\", \"\"]";
    shown.key("process.NAME.command", npm, None, text, Some(argv(["x", ""])), command);
    let text = "command = \"x | y\"";
    shown.key("process.NAME.command", npm, None, text, Some(shell("x | y")), command);

    type Side = (&'static str, fn(&Config) -> PerMode<Option<CommandLine>>);
    let sides: [(Side, [&'static str; 2]); 2] = [
        (("build", |c| only(c).build.clone()), ["process.NAME.build.dev", "process.NAME.build.release"]),
        (("run", |c| only(c).run.clone()), ["process.NAME.run.dev", "process.NAME.run.release"]),
    ];
    let none = || PerMode { dev: None, release: None };
    for ((name, get), [dev, release]) in sides {
        let whole = dev.trim_end_matches(".dev");
        let both = PerMode { dev: Some(shell("m")), release: Some(shell("m")) };
        shown.key(whole, COMMAND, none(), &format!("{name} = \"m\""), both, get);
        let first = PerMode { dev: Some(argv(["m"])), release: None };
        shown.key(dev, COMMAND, none(), &format!("{name} = {{ dev = [\"m\"] }}"), first, get);
        let second = PerMode { dev: None, release: Some(shell("m")) };
        shown.key(release, COMMAND, none(), &format!("{name}.release = \"m\""), second, get);
    }
}

fn rust(shown: &mut Shown) {
    let target = |c: &Config| match &only(c).kind {
        Kind::Rust(target) => target.clone(),
        other => panic!("{other:?}"),
    };
    let profile = |dev: &str, release: &str| PerMode { dev: dev.to_owned(), release: release.to_owned() };
    let default =
        RustTarget { package: None, bin: None, features: Vec::new(), profile: profile("dev", "release") };
    let name = Some("api-server".to_owned());
    let features = vec!["tls".to_owned(), "dep/x".to_owned()];
    let changed: [(&'static str, &str, RustTarget); 7] = [
        ("type", "package = \"api-server\"", RustTarget { package: name.clone(), ..default.clone() }),
        ("package", "package = \"api-server\"", RustTarget { package: name.clone(), ..default.clone() }),
        ("bin", "bin = \"api-server\"", RustTarget { bin: name, ..default.clone() }),
        ("features", "features = [\"tls\", \"dep/x\"]", RustTarget { features, ..default.clone() }),
        ("profile", "profile = \"fast\"", RustTarget { profile: profile("fast", "fast"), ..default.clone() }),
        (
            "profile.dev",
            "profile.dev = \"o\"",
            RustTarget { profile: profile("o", "release"), ..default.clone() },
        ),
        (
            "profile.release",
            "profile.release = \"o\"",
            RustTarget { profile: profile("dev", "o"), ..default.clone() },
        ),
    ];
    for (key, text, target_is) in changed {
        let key = format!("process.NAME.{key}").leak();
        shown.key(key, RUST, default.clone(), text, target_is, target);
    }
}

#[test]
fn the_original_format_is_read_as_it_always_was() {
    let config = good(
        r#"
mcp_port = 3001
dev_timeout_hours = 3
[process.backend]
type = "rust"
args = ["--port", "8080"]
[process.frontend]
type = "npm"
command = ["npm", "run", "dev"]
[process.worker]
command = "python worker.py"
[process.sleeper]
type = "npm"
command = ["sleep","3600"]
"#,
    );
    assert_eq!(config.mcp_port, Some(McpPort::Fixed(3001)));
    assert_eq!(config.timing.dev_timeout, seconds(3.0 * 3600.0));
    assert_eq!(config.notes, []);
    let names: Vec<_> = config.processes.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(names, ["backend", "frontend", "worker", "sleeper"]);
    let [backend, frontend, worker, sleeper] = config.processes.as_slice() else {
        panic!("four processes");
    };
    assert!(matches!(backend.kind, Kind::Rust(_)));
    assert_eq!(backend.args, ["--port", "8080"]);
    assert_eq!(backend.command, None);
    assert_eq!((&frontend.kind, &frontend.command), (&Kind::Npm, &Some(argv(["npm", "run", "dev"]))));
    assert_eq!((&worker.kind, &worker.command), (&Kind::Command, &Some(shell("python worker.py"))));
    assert_eq!((&sleeper.kind, &sleeper.command), (&Kind::Npm, &Some(argv(["sleep", "3600"]))));
}

#[test]
fn a_file_without_processes_is_good_and_gets_a_note() {
    for text in ["", "# nothing\n", "mcp_port = 1", "\u{feff}", "[process]\n"] {
        let config = good(text);
        assert_eq!(config.processes, []);
        assert_eq!(config.notes.len(), 1);
        assert_eq!(config.notes[0].message, "no process is configured");
    }
}

#[test]
fn what_is_good_but_hardly_meant_gets_a_note() {
    let config = good(
        "[process.a]\ncommand = [\"npm run dev\"]\nrestart = \"never\"\n\
         give_up = { crashes = 1, within_seconds = 1 }\n",
    );
    let keys: Vec<_> = config.notes.iter().map(|note| note.key.as_str()).collect();
    assert_eq!(keys, ["process.a.command", "process.a.give_up"]);
}

#[test]
fn processes_keep_the_order_of_the_file() {
    let config = good(
        "[process.z]\ncommand = \"x\"\n[process.a]\ncommand = \"x\"\n\
         [process.m]\ncommand = \"x\"\n[process.a.stop]\nsignal = \"INT\"\n",
    );
    let names: Vec<_> = config.processes.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(names, ["z", "a", "m"]);
}

#[test]
fn names_may_have_every_allowed_character_and_length() {
    let long = "x".repeat(64);
    for name in ["a", "_", "0", "A-b_c.9", long.as_str()] {
        let config = good(&format!("[process.\"{name}\"]\ncommand = \"x\"\n"));
        assert_eq!(only(&config).name, name);
    }
}

#[test]
fn run_in_both_modes_replaces_command() {
    let config = good("[process.a]\nrun = { dev = \"d\", release = [\"r\"] }\n");
    let process = only(&config);
    assert_eq!(process.command, None);
    assert_eq!(process.command_line(Mode::Dev), Some(&shell("d")));
    assert_eq!(process.command_line(Mode::Release), Some(&argv(["r"])));
}

#[test]
fn run_wins_over_command_in_its_mode_only() {
    let config = good("[process.a]\ncommand = \"c\"\nrun.dev = \"d\"\n");
    let process = only(&config);
    assert_eq!(process.command_line(Mode::Dev), Some(&shell("d")));
    assert_eq!(process.command_line(Mode::Release), Some(&shell("c")));
}

#[test]
fn a_command_of_a_rust_process_replaces_its_executable_and_keeps_its_build() {
    let config = good("[process.a]\ntype = \"rust\"\ncommand = [\"perf\", \"stat\"]\nbin = \"b\"\n");
    let process = only(&config);
    assert_eq!(process.command_line(Mode::Release), Some(&argv(["perf", "stat"])));
    assert!(matches!(&process.kind, Kind::Rust(target) if target.bin.as_deref() == Some("b")));
}

#[test]
fn every_stop_signal_is_known_by_both_names_in_any_case() {
    for signal in Signal::ALL {
        let name = signal.name();
        for written in [name.to_owned(), format!("SIG{name}"), name.to_lowercase(), format!("sig{name}")] {
            let config = good(&format!("{COMMAND}stop.signal = \"{written}\""));
            assert_eq!(only(&config).stop.signal, *signal);
        }
    }
}

#[test]
fn the_ends_of_the_ranges_are_inside() {
    for text in [
        "mcp_port = 1",
        "mcp_port = 65535",
        "mcp_port = 0x1F90",
        "dev_timeout_hours = 8784",
        "release_crash_backoff_initial_seconds = 0.01",
        "logs = { keep_runs = 10_000, max_bytes = \"16T\" }",
        "logs = { keep_runs = 1, max_bytes = \"65536\" }",
    ] {
        good(text);
    }
}

#[test]
fn a_short_longest_wait_shortens_the_default_first_wait() {
    let timing = good("release_crash_backoff_max_seconds = 0.5").timing;
    assert_eq!((timing.backoff_initial, timing.backoff_max), (seconds(0.5), seconds(0.5)));
}

#[test]
fn the_local_file_overrides_key_by_key() {
    let main = r#"
mcp_port = 3000
[logs]
keep_runs = 5
[process.web]
command = ["x", "y"]
args = ["1", "2"]
env = { A = "main", B = "main" }
stop = { signal = "INT", grace_seconds = 1 }
[process.db]
command = "db"
"#;
    let local = r#"
mcp_port = "auto"
[logs]
max_bytes = "1M"
[process.extra]
command = "extra"
[process.web]
args = ["3"]
env = { B = "local", C = "local" }
stop.grace_seconds = 2
"#;
    let config = merged(main, local);
    assert_eq!(config.mcp_port, Some(McpPort::Auto));
    assert_eq!(config.logs, LogLimits { keep_runs: 5, max_bytes: 1 << 20 });
    let names: Vec<_> = config.processes.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(names, ["web", "db", "extra"]);
    let web = config.process("web").expect("the process is there");
    assert_eq!(web.command, Some(argv(["x", "y"])));
    assert_eq!(web.args, ["3"]);
    let env: Vec<_> = web.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["A=main", "B=local", "C=local"]);
    assert_eq!((web.stop.signal.name(), web.stop.grace), ("INT", seconds(2.0)));
    assert_eq!(config.process("extra").map(|extra| &extra.command), Some(&Some(shell("extra"))));
}

#[test]
fn the_local_file_may_complete_the_main_one_and_change_its_types() {
    let config = merged(
        "[process.a]\nrun = { dev = \"d\" }\n[process.b]\ncommand = \"x\"\ngive_up.crashes = 1\n",
        "[process.a]\nrun.release = \"r\"\n[process.b]\ncommand = [\"y\"]\ngive_up.within_seconds = 9\n",
    );
    let [a, b] = config.processes.as_slice() else {
        panic!("two processes");
    };
    assert_eq!(a.command_line(Mode::Release), Some(&shell("r")));
    assert_eq!(b.command, Some(argv(["y"])));
    assert_eq!(b.give_up.map(|rule| rule.within), Some(seconds(9.0)));
}

#[test]
fn only_what_was_changed_is_unequal() {
    let text = "[process.a]\ncommand = \"x\"\n[process.b]\ncommand = \"y\"\n";
    let (old, same) = (good(text), good(&text.replace('\n', "\r\n")));
    assert_eq!(old, same);
    let new = merged(text, "[process.b]\nenv.A = \"1\"\n");
    assert_eq!(old.process("a"), new.process("a"));
    assert_ne!(old.process("b"), new.process("b"));
}

#[test]
fn debug_shows_no_value_of_a_variable() {
    let config = good(&format!("{COMMAND}env = {{ TOKEN = \"s3cret\" }}"));
    let debug = format!("{config:?}");
    assert!(debug.contains("TOKEN") && !debug.contains("s3cret"), "{debug}");
}
