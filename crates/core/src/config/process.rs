//! Reads one `[process.NAME]` and checks that its keys go together.
//! Owns the defaults of a process. Must not know files or drawing.

use crate::ids;
use std::collections::BTreeMap;
use std::time::Duration;

use super::errors;
use super::fault::{FaultKind, tick};
use super::keys::{self, PROCESS};
use super::model::{
    CommandLine, Env, GiveUp, Kind, LogLimits, Note, PerMode, Process, RestartPolicy, RustTarget, Signal,
    StopRule,
};
use super::reader::{Field, Fields, Reader};
use super::tree::{At, Value};
use super::values::Unit;

/// Characters of a process name.
const MAX_NAME: usize = 64;
/// Longest grace and give-up window in seconds.
const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;
const MAX_CRASHES: u32 = 1_000_000;
const RUST_ONLY: [&str; 4] = ["package", "bin", "features", "profile"];

/// `type` as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Rust,
    Npm,
    Command,
}

const TYPES: &[(&str, Type)] = &[("rust", Type::Rust), ("npm", Type::Npm), ("command", Type::Command)];
const RESTARTS: &[(&str, RestartPolicy)] = &[
    ("always", RestartPolicy::Always),
    ("on-failure", RestartPolicy::OnFailure),
    ("never", RestartPolicy::Never),
];
const STOP: StopRule = StopRule { signal: Signal::TERM, grace: Duration::from_secs(5) };

/// Reads the process; what is faulty in it is reported and has its default.
pub(super) fn read(
    reader: &mut Reader<'_>,
    field: &Field<'_>,
    logs: LogLimits,
    others: &[&str],
) -> Option<Process> {
    check_name(reader, field);
    let Value::Table(table) = &field.node.value else {
        not_a_table(reader, field);
        return None;
    };
    let fields = reader.fields(PROCESS, &field.path, field.key_at, table);
    let type_field = reader.get(&fields, "type");
    let written = type_field.as_ref().map(|field| reader.choice(field, TYPES));
    let kind = written.unwrap_or(Some(Type::Command));
    let target = rust_target(reader, &fields, kind, type_field.is_some());
    let args = reader.optional(&fields, "args", Reader::strings);
    let process = Process {
        name: field.name.clone(),
        kind: match kind {
            Some(Type::Rust) => Kind::Rust(target),
            Some(Type::Npm) => Kind::Npm,
            Some(Type::Command) | None => Kind::Command,
        },
        args: args.unwrap_or_default(),
        command: reader.optional(&fields, "command", Reader::command_line),
        cwd: reader.optional(&fields, "cwd", Reader::text),
        env: env(reader, &fields),
        env_file: reader.optional(&fields, "env_file", Reader::text),
        build: commands(reader, &fields, "build", "process.NAME.build"),
        run: commands(reader, &fields, "run", "process.NAME.run"),
        restart: (reader.optional(&fields, "restart", |reader, field| reader.choice(field, RESTARTS)))
            .unwrap_or(RestartPolicy::Always),
        give_up: reader.optional(&fields, "give_up", give_up),
        stop: reader.optional(&fields, "stop", stop).unwrap_or(STOP),
        logs: (reader
            .optional(&fields, "logs", |reader, field| log_limits(reader, field, "process.NAME.logs", logs)))
        .unwrap_or(logs),
        errors: reader.optional(&fields, "errors", errors::read).unwrap_or_default(),
        pty: (reader.optional(&fields, "pty", Reader::boolean)).unwrap_or(false),
        autostart: (reader.optional(&fields, "autostart", Reader::boolean)).unwrap_or(true),
    };
    if kind == Some(Type::Command) {
        let header =
            Header { fields: &fields, at: field.key_at, path: &field.path, typed: type_field.is_some() };
        check_runnable(reader, &process, &header, others);
    }
    Some(process)
}

/// `keep_runs` and `max_bytes` over the given defaults.
pub(super) fn log_limits(
    reader: &mut Reader<'_>,
    field: &Field<'_>,
    section: &'static str,
    default: LogLimits,
) -> Option<LogLimits> {
    let fields = reader.table(section, field)?;
    let keep_runs = reader.optional(&fields, "keep_runs", |reader, field| reader.integer(field, 1..=10_000));
    let max_bytes = reader.optional(&fields, "max_bytes", Reader::log_bytes);
    Some(LogLimits {
        keep_runs: keep_runs.unwrap_or(default.keep_runs),
        max_bytes: max_bytes.unwrap_or(default.max_bytes),
    })
}

/// Remarks on a process that is valid.
pub(super) fn notes(process: &Process) -> Vec<Note> {
    let note = |key: &str, message: String| Note { key: format!("process.{}.{key}", process.name), message };
    let mut notes = Vec::new();
    if let Some(CommandLine::Argv(argv)) = &process.command
        && let [program] = argv.as_slice()
        && program.contains(' ')
    {
        let message =
            format!("{} is the name of one program; for a shell line leave out the brackets", tick(program));
        notes.push(note("command", message));
    }
    if process.give_up.is_some() && process.restart == RestartPolicy::Never {
        let message = "`give_up` has no effect with `restart = \"never\"`".to_owned();
        notes.push(note("give_up", message));
    }
    notes
}

fn check_name(reader: &mut Reader<'_>, field: &Field<'_>) {
    let name = &field.name;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let message = if name == "all" {
        "`all` cannot name a process: it stands for all of them".to_owned()
    } else if ids::task_number(name).is_some() {
        format!("{} cannot name a process: `t` and a number name a background task", tick(name))
    } else if name.is_empty() {
        "the name of a process is empty".to_owned()
    } else if name.len() > MAX_NAME {
        format!("process name {} is longer than {MAX_NAME} characters", tick(name))
    } else if !name.chars().all(good) || name.starts_with(['.', '-']) {
        format!(
            "{} cannot name a process: expected letters, digits, `_`, `-` and `.`, not beginning \
             with `-` or `.`",
            tick(name)
        )
    } else {
        return;
    };
    reader.about_key(field, FaultKind::BadValue, message);
}

fn not_a_table(reader: &mut Reader<'_>, field: &Field<'_>) {
    let is_key = keys::children(PROCESS).any(|key| key == field.name);
    let help = if is_key {
        "name the process in the header: `[process.NAME]`"
    } else if matches!(field.node.value, Value::Array(_)) {
        "write the header with single brackets"
    } else {
        "write a header `[process.NAME]` and the keys below it"
    };
    reader.wrong_type(field, "a table", Some(help.to_owned()));
}

fn rust_target(reader: &mut Reader<'_>, fields: &Fields<'_>, kind: Option<Type>, typed: bool) -> RustTarget {
    if matches!(kind, Some(Type::Npm | Type::Command)) {
        for key in RUST_ONLY {
            if let Some(field) = reader.get(fields, key) {
                let help = if typed { "remove it" } else { "add `type = \"rust\"`" };
                let message = format!("`{key}` is for processes of type `rust` only");
                reader.conflict(&field, message, Some(help.to_owned()));
            }
        }
    }
    let profile = reader
        .get(fields, "profile")
        .map(|field| reader.per_mode("process.NAME.profile", &field, Reader::profile));
    let profile = profile.unwrap_or_default();
    let features =
        reader.optional(fields, "features", |reader, field| reader.array(field, Reader::cargo_name));
    RustTarget {
        package: reader.optional(fields, "package", Reader::cargo_name),
        bin: reader.optional(fields, "bin", Reader::cargo_name),
        features: features.unwrap_or_default(),
        profile: PerMode {
            dev: profile.dev.unwrap_or_else(|| "dev".to_owned()),
            release: profile.release.unwrap_or_else(|| "release".to_owned()),
        },
    }
}

fn commands(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    key: &'static str,
    section: &'static str,
) -> PerMode<Option<CommandLine>> {
    match reader.get(fields, key) {
        Some(field) => reader.per_mode(section, &field, Reader::command_line),
        None => PerMode::default(),
    }
}

fn env(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Env {
    let Some(field) = reader.get(fields, "env") else {
        return Env::default();
    };
    let Value::Table(table) = &field.node.value else {
        let help = "for example { RUST_LOG = \"info\" }".to_owned();
        reader.wrong_type(&field, "a table of strings", Some(help));
        return Env::default();
    };
    let mut variables = BTreeMap::new();
    for entry in &table.entries {
        let variable = Field::new(&field.path, "env", entry);
        if entry.key.is_empty() {
            let message = "the name of a variable is empty".to_owned();
            reader.about_key(&variable, FaultKind::BadValue, message);
        } else if entry.key.contains(['=', '\0']) {
            let message = format!("{} cannot name a variable: expected a name without `=`", tick(&entry.key));
            reader.about_key(&variable, FaultKind::BadValue, message);
        } else if let Some(value) = reader.string(&variable) {
            variables.insert(entry.key.clone(), value.to_owned());
        }
    }
    Env(variables)
}

fn give_up(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<GiveUp> {
    let fields = reader.table("process.NAME.give_up", field)?;
    let crashes = reader.need(&fields, "crashes");
    let crashes = crashes.and_then(|field| reader.integer(&field, 1..=MAX_CRASHES));
    let within = reader.need(&fields, "within_seconds");
    let within = within.and_then(|field| reader.duration(&field, Unit::Seconds, 0.1..=DAY));
    Some(GiveUp { crashes: crashes?, within: within? })
}

fn stop(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<StopRule> {
    let fields = reader.table("process.NAME.stop", field)?;
    let signal = reader.optional(&fields, "signal", Reader::signal);
    let grace = reader.optional(&fields, "grace_seconds", |reader, field| {
        reader.duration(field, Unit::Seconds, 0.0..=HOUR)
    });
    Some(StopRule { signal: signal.unwrap_or(STOP.signal), grace: grace.unwrap_or(STOP.grace) })
}

/// The process's table and where it begins.
#[derive(Debug)]
struct Header<'n> {
    fields: &'n Fields<'n>,
    at: &'n At,
    path: &'n str,
    /// Whether `type` is written.
    typed: bool,
}

/// A `command` process must have something to run in both modes.
fn check_runnable(reader: &mut Reader<'_>, process: &Process, header: &Header<'_>, others: &[&str]) {
    // A faulty `command` has its own fault.
    if reader.get(header.fields, "command").is_some() {
        return;
    }
    let Some(run) = reader.get(header.fields, "run") else {
        let message = format!("{} has no `command`", tick(header.path));
        let near = keys::nearest(&process.name, others.iter().copied());
        let help = match near {
            Some(near) => format!("did you mean {}?", tick(&format!("process.{near}"))),
            None if header.typed => "add for example `command = [\"./server\"]`".to_owned(),
            None => "add for example `command = [\"./server\"]`, or `type = \"rust\"`".to_owned(),
        };
        reader.missing(header.at, header.path, message, Some(help));
        return;
    };
    let Value::Table(table) = &run.node.value else {
        return;
    };
    let lacking: Vec<_> = (["dev", "release"].into_iter()).filter(|mode| table.get(mode).is_none()).collect();
    if let [mode] = lacking.as_slice() {
        let message = format!("{} has nothing to run in {mode} mode", tick(header.path));
        let help = format!("add `{mode}` to `run`, or `command` for both modes");
        reader.missing(run.key_at, header.path, message, Some(help));
    }
}
