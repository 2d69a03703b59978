//! What the core's tests share: configurations, a rig that drives a [`Fleet`] in virtual time, and
//! actions in words. Must not know how the core decides.

#![allow(dead_code, reason = "every test binary uses another part of this")]

pub(crate) mod rig;
pub(crate) mod words;

use std::time::Duration;

use bpm_core::config::{
    CommandLine, Config, Env, ErrorRules, Kind, LogLimits, PerMode, Process, RestartPolicy, RustTarget,
    Signal, StopRule, Timing,
};

pub(crate) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Everything at its default.
pub(crate) fn config(processes: Vec<Process>) -> Config {
    let timing = Timing {
        dev_timeout: secs(3.0 * 3600.0),
        idle_exit: secs(1800.0),
        dev_crash_wait: secs(120.0),
        backoff_initial: secs(1.0),
        backoff_max: secs(300.0),
    };
    Config { mcp_port: None, bind: None, timing, logs: log_limits(), processes, notes: Vec::new() }
}

fn log_limits() -> LogLimits {
    LogLimits { keep_runs: 10, max_bytes: 1 << 30 }
}

/// A command: the same in both modes, nothing to build.
pub(crate) fn command(name: &str) -> Process {
    Process {
        name: name.to_owned(),
        kind: Kind::Command,
        args: Vec::new(),
        command: Some(CommandLine::Argv(vec!["serve".to_owned()])),
        cwd: None,
        env: Env::default(),
        env_file: None,
        build: PerMode::default(),
        run: PerMode::default(),
        restart: RestartPolicy::Always,
        give_up: None,
        stop: StopRule { signal: Signal::TERM, grace: secs(5.0) },
        logs: log_limits(),
        pty: false,
        errors: ErrorRules::default(),
        autostart: true,
    }
}

/// A rust program: built in both modes with different recipes, and its executable is kept.
pub(crate) fn rust(name: &str) -> Process {
    let profile = PerMode { dev: "dev".to_owned(), release: "release".to_owned() };
    let target = RustTarget { package: None, bin: None, features: Vec::new(), profile };
    Process { kind: Kind::Rust(target), command: None, ..command(name) }
}
