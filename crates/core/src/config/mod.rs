//! The configuration: text in, [`Config`] or all faults out.
//!
//! [`parse`] takes the text of `.mcp-run` and, if there is one, of `.mcp-run.local`, which
//! overrides it key by key (tables merge, all else is replaced). A fault names the file in which
//! the offending text stands. Owns what may be written and what it means; must not read files,
//! look at the machine or decide what a process does with its settings.
//!
//! - `keys`: the table of keys; `model`: what comes out; `fault`, `render`: what comes out instead
//! - `text` → `syntax` → `tree` → `reader`, `values` → `process` and [`parse`]

mod errors;
mod fault;
mod keys;
mod model;
mod process;
mod reader;
mod render;
mod syntax;
mod text;
mod tree;
mod values;

use core::net::IpAddr;
use std::time::Duration;

pub use self::fault::{Fault, FaultKind, Faults, MAX_KEPT};
pub(crate) use self::keys::nearest;
pub use self::keys::{KEYS, Key, LATER};
pub use self::model::{
    CommandLine, Config, Env, ErrorRules, GiveUp, Kind, LogLimits, McpPort, Note, PerMode, Process,
    RestartPolicy, RustTarget, Signal, StopRule, Timing,
};
pub use self::render::MAX_SHOWN;

use self::fault::What;
use self::reader::{Field, Fields, Reader};
use self::text::Text;
use self::tree::{At, Table, Value};
use self::values::Unit;

/// Bytes of a file that is read at all.
pub const MAX_FILE_BYTES: usize = 512 * 1024;

/// Processes of one project.
pub const MAX_PROCESSES: usize = 4096;

/// Longest waits that are accepted: a day, and a year of dev mode.
const DAY_SECONDS: f64 = 86_400.0;
const YEAR_HOURS: f64 = 8_784.0;
/// Shortest wait of a crash back-off in seconds: none at all.
const MIN_BACKOFF: f64 = 0.0;
const INITIAL: &str = "release_crash_backoff_initial_seconds";
const MAX: &str = "release_crash_backoff_max_seconds";
const DEFAULT_LOGS: LogLimits = LogLimits { keep_runs: 10, max_bytes: 1024 * 1024 * 1024 };

/// A file's name, for messages, and its text.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub path: &'a str,
    pub text: &'a str,
}

/// Reads a configuration.
///
/// # Errors
///
/// Every fault in both files at once, syntax errors included.
pub fn parse(main: Source<'_>, local: Option<Source<'_>>) -> Result<Config, Faults> {
    let files: Vec<_> =
        std::iter::once(main).chain(local).map(|source| Text::new(source.path, source.text)).collect();
    let mut syntax = Reader::new(&files, false);
    let tables: Vec<_> =
        (files.iter().enumerate()).map(|(index, file)| parse_file(&mut syntax, index, file)).collect();
    let (mut faults, mut more) = syntax.into_faults();
    let whole = faults.is_empty();

    let mut tables = tables.into_iter();
    let mut table = tables.next().unwrap_or_default();
    if let Some(over) = tables.next() {
        // Faults in values that the local file replaces are faults all the same.
        let mut alone = Reader::new(&files, false);
        read(&mut alone, &table);
        faults.extend(alone.into_faults().0);
        table.overlay(over);
    }
    let mut reader = Reader::new(&files, whole);
    let config = read(&mut reader, &table);
    let (found, uncounted) = reader.into_faults();
    faults.extend(found);
    more += uncounted;
    if faults.is_empty() { Ok(config) } else { Err(in_order(faults, more)) }
}

/// By file and position, each once, as many as are kept.
fn in_order(mut faults: Vec<(usize, Fault)>, more: usize) -> Faults {
    faults.sort_by(|(a_file, a), (b_file, b)| {
        let place = |file, fault: &Fault| (file, fault.span.start, fault.span.end);
        place(*a_file, a).cmp(&place(*b_file, b)).then_with(|| a.message.cmp(&b.message))
    });
    faults.dedup();
    let beyond = faults.len().saturating_sub(MAX_KEPT);
    faults.truncate(MAX_KEPT);
    let kept = faults.into_iter().map(|(_, fault)| fault).collect();
    Faults::new(kept, more + beyond)
}

fn parse_file(reader: &mut Reader<'_>, index: usize, file: &Text<'_>) -> Table {
    let about =
        |message, suggestion| What { kind: FaultKind::Syntax, key: String::new(), message, suggestion };
    let at = |span| At { file: index, span };
    let bytes = file.text.len();
    if bytes > MAX_FILE_BYTES {
        let message = format!("the file has {bytes} bytes, expected at most {MAX_FILE_BYTES}");
        reader.fault(&at(0..0), about(message, None));
        return Table::default();
    }
    let parsed = syntax::parse(index, file);
    for error in parsed.errors {
        reader.fault(&at(error.span), about(error.message, error.suggestion));
    }
    parsed.table
}

/// Reads the whole tree; what is faulty is reported and has its default.
fn read(reader: &mut Reader<'_>, table: &Table) -> Config {
    let top = At { file: 0, span: 0..0 };
    let fields = reader.fields("", "", &top, table);
    let mcp_port = reader.optional(&fields, "mcp_port", mcp_port);
    let bind = reader.optional(&fields, "bind", bind);
    let timing = timing(reader, &fields);
    let logs = reader
        .optional(&fields, "logs", |reader, field| process::log_limits(reader, field, "logs", DEFAULT_LOGS));
    let logs = logs.unwrap_or(DEFAULT_LOGS);
    let processes = processes(reader, &fields, logs);
    let mut notes: Vec<_> = processes.iter().flat_map(process::notes).collect();
    if processes.is_empty() {
        notes.push(Note { key: String::new(), message: "no process is configured".to_owned() });
    }
    if bind.is_some() && mcp_port.is_none() {
        notes.push(Note { key: "bind".to_owned(), message: "has no effect without `mcp_port`".to_owned() });
    }
    Config { mcp_port, bind, timing, logs, processes, notes }
}

fn mcp_port(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<McpPort> {
    let expected = "a port from 1 to 65535, or `auto`";
    match &field.node.value {
        Value::String(text) if text == "auto" => Some(McpPort::Auto),
        Value::String(text) => {
            let help = match text.parse::<u16>() {
                Ok(port) => format!("write {port} without quotes"),
                Err(_) => "write \"auto\" for a free port".to_owned(),
            };
            reader.bad_value(field, expected, Some(help));
            None
        }
        Value::Integer(number) => {
            let port = number.and_then(|number| u16::try_from(number).ok());
            let port = port.filter(|port| *port != 0);
            if port.is_none() {
                let help = "write \"auto\" for a free port".to_owned();
                reader.bad_value(field, expected, Some(help));
            }
            port.map(McpPort::Fixed)
        }
        _ => {
            reader.wrong_type(field, expected, None);
            None
        }
    }
}

fn bind(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<IpAddr> {
    let address = reader.string(field)?.parse();
    if address.is_err() {
        let help =
            "leave it out for both loopback addresses; \"0.0.0.0\" and \"::\" are all of the machine's";
        reader.bad_value(field, "an IP address", Some(help.to_owned()));
    }
    address.ok()
}

fn timing(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Timing {
    let hours = reader.optional(fields, "dev_timeout_hours", |reader, field| {
        reader.duration(field, Unit::Hours, 0.0001..=YEAR_HOURS)
    });
    let idle = reader.optional(fields, "idle_exit_minutes", |reader, field| {
        reader.duration(field, Unit::Minutes, 0.001..=YEAR_HOURS * 60.0)
    });
    let mut seconds = |key, least: f64| {
        reader
            .optional(fields, key, |reader, field| reader.duration(field, Unit::Seconds, least..=DAY_SECONDS))
    };
    let crash_wait = seconds("dev_crash_wait_seconds", 0.0);
    let initial = seconds(INITIAL, MIN_BACKOFF);
    let max = seconds(MAX, MIN_BACKOFF);
    let backoff_max = max.unwrap_or(Duration::from_secs(300));
    if let Some(initial) = initial
        && initial > backoff_max
        && let Some(field) = reader.get(fields, INITIAL)
    {
        let message = format!("`{INITIAL}` is longer than `{MAX}`, which is {backoff_max:?}");
        let help = format!("shorten it or lengthen `{MAX}`");
        reader.conflict(&field, message, Some(help));
    }
    Timing {
        dev_timeout: hours.unwrap_or(Duration::from_secs(3 * 3600)),
        idle_exit: idle.unwrap_or(Duration::from_secs(30 * 60)),
        dev_crash_wait: crash_wait.unwrap_or(Duration::from_secs(120)),
        backoff_initial: initial.unwrap_or(Duration::from_secs(1)).min(backoff_max),
        backoff_max,
    }
}

fn processes(reader: &mut Reader<'_>, fields: &Fields<'_>, logs: LogLimits) -> Vec<Process> {
    let Some(field) = reader.get(fields, "process") else {
        return Vec::new();
    };
    let Value::Table(table) = &field.node.value else {
        let help = "write a header `[process.NAME]` for each process".to_owned();
        reader.wrong_type(&field, "a table", Some(help));
        return Vec::new();
    };
    if let Some(beyond) = table.entries.get(MAX_PROCESSES) {
        let count = table.entries.len();
        let message = format!("there are {count} processes, expected at most {MAX_PROCESSES}");
        let field = Field::new("process", "process", beyond);
        reader.about_key(&field, FaultKind::BadValue, message);
    }
    let mut processes = Vec::new();
    for entry in table.entries.iter().take(MAX_PROCESSES) {
        // Names that a process of the local file may have meant.
        let others = table.entries.iter().take(MAX_PROCESSES);
        let others: Vec<_> = others
            .filter(|other| other.key_at.file != entry.key_at.file)
            .map(|other| other.key.as_str())
            .collect();
        let field = Field::new("process", "process", entry);
        processes.extend(process::read(reader, &field, logs, &others));
    }
    processes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{KEYS, Reader, Text, parse_file, read};

    /// Opens every table that the reader knows.
    const EVERY_TABLE: &str = r#"
        logs = {}
        [process.a]
        type = "rust"
        profile = {}
        build = {}
        run = {}
        give_up = {}
        stop = {}
        logs = {}
        errors = {}
    "#;

    #[test]
    fn the_reader_asks_for_the_keys_of_the_table_and_no_others() {
        let files = [Text::new(".mcp-run", EVERY_TABLE)];
        let mut reader = Reader::new(&files, true);
        let table = parse_file(&mut reader, 0, &files[0]);
        read(&mut reader, &table);
        let listed: BTreeSet<_> = KEYS.iter().map(|key| key.name.to_owned()).collect();
        assert_eq!(reader.asked, listed);
    }
}
