//! Every configuration key, once: name, type, default, meaning. The reader, the suggestions, the
//! documentation and the tests all go by this table. Must not know how a key is read.

/// A key that this version has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Dotted, with `NAME` for the name of a process.
    pub name: &'static str,
    /// What may be written.
    pub form: &'static str,
    /// As it would be written; `none` where there is none.
    pub default: &'static str,
    /// One line.
    pub meaning: &'static str,
}

const fn key(name: &'static str, form: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, form, default, meaning }
}

/// All keys, in the order in which they are documented.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("mcp_port", "port or \"auto\"", "none", "TCP port of the MCP endpoint, on the loopback addresses unless `bind` says otherwise; \"auto\" leases a free one for this worktree"),
    key("bind", "IP address", "none", "address on which the TCP endpoint listens instead of both loopback addresses; on one that is not loopback every request needs the token ([security](security.md))"),
    key("dev_timeout_hours", "hours", "3", "time without a tool call after which the project goes back to release mode"),
    key("idle_exit_minutes", "minutes", "30", "time without a configured process, a task and a client after which the manager ends itself"),
    key("dev_crash_wait_seconds", "seconds", "120", "wait before a restart after a crash in dev mode"),
    key("release_crash_backoff_initial_seconds", "seconds", "1", "first wait after a crash in release mode; each further crash in a row makes it 1.5 times as long"),
    key("release_crash_backoff_max_seconds", "seconds", "300", "longest wait in release mode"),
    key("logs", "table", "none", "retention for every process that has no `logs` of its own"),
    key("logs.keep_runs", "integer", "10", "runs and builds of each process whose logs are kept; of background tasks that have ended ten times as many"),
    key("logs.max_bytes", "size", "\"1G\"", "bytes of log kept for each process (K, M, G, T are powers of 1024)"),
    key("process", "table", "none", "the processes, one table for each name"),
    key("process.NAME.type", "\"rust\", \"npm\" or \"command\"", "\"command\"", "how the process is built and found"),
    key("process.NAME.args", "array of strings", "[]", "arguments appended to the program"),
    key("process.NAME.command", "command line", "none", "what to run: an array without a shell, or a string for `sh -c`; required for \"command\" unless `run` has both modes, for \"rust\" instead of the built executable, for \"npm\" instead of `run dev`"),
    key("process.NAME.cwd", "path", "none", "working directory, relative to the project (default: the project)"),
    key("process.NAME.env", "table of strings", "{}", "environment variables"),
    key("process.NAME.env_file", "path", "none", "dotenv file with more environment variables, relative to the project"),
    key("process.NAME.package", "string", "none", "\"rust\": the cargo package, where there is more than one"),
    key("process.NAME.bin", "string", "none", "\"rust\": the binary, where the package has more than one"),
    key("process.NAME.features", "array of strings", "[]", "\"rust\": cargo features to enable"),
    key("process.NAME.profile", "string or { dev, release }", "{ dev = \"dev\", release = \"release\" }", "\"rust\": cargo profile"),
    key("process.NAME.profile.dev", "string", "\"dev\"", "cargo profile of dev mode"),
    key("process.NAME.profile.release", "string", "\"release\"", "cargo profile of release mode"),
    key("process.NAME.build", "command line or { dev, release }", "none", "build command, run before a swap (\"rust\" has `cargo build`)"),
    key("process.NAME.build.dev", "command line", "none", "build command of dev mode"),
    key("process.NAME.build.release", "command line", "none", "build command of release mode"),
    key("process.NAME.run", "command line or { dev, release }", "none", "what to run where it differs from `command`"),
    key("process.NAME.run.dev", "command line", "none", "what to run in dev mode"),
    key("process.NAME.run.release", "command line", "none", "what to run in release mode"),
    key("process.NAME.restart", "\"always\", \"on-failure\" or \"never\"", "\"always\"", "when a process that ended is started again"),
    key("process.NAME.give_up", "{ crashes, within_seconds }", "none", "stop trying after this many crashes in this time"),
    key("process.NAME.give_up.crashes", "integer", "none", "how many crashes"),
    key("process.NAME.give_up.within_seconds", "seconds", "none", "in how much time"),
    key("process.NAME.stop", "{ signal, grace_seconds }", "{ signal = \"TERM\", grace_seconds = 5 }", "how the process is stopped"),
    key("process.NAME.stop.signal", "signal name", "\"TERM\"", "signal to the whole process tree"),
    key("process.NAME.stop.grace_seconds", "seconds", "5", "time until what is left of the tree is killed"),
    key("process.NAME.logs", "{ keep_runs, max_bytes }", "none", "retention, where it differs from the project's"),
    key("process.NAME.logs.keep_runs", "integer", "10", "runs and builds whose logs are kept"),
    key("process.NAME.logs.max_bytes", "size", "\"1G\"", "bytes of log kept (K, M, G, T are powers of 1024)"),
    key("process.NAME.errors", "{ match, ignore }", "none", "what in its output is an error, apart from what bpm knows for one by itself"),
    key("process.NAME.errors.match", "array of patterns", "[]", "a line that one of these regular expressions matches is an error"),
    key("process.NAME.errors.ignore", "array of patterns", "[]", "a line that one of these matches is none, nor is a report that it belongs to; wins over everything else"),
    key("process.NAME.pty", "boolean", "false", "whether it runs on a terminal of its own, so that it can be typed to"),
    key("process.NAME.autostart", "boolean", "true", "whether it is started with the project"),
];

/// Keys of the contract that a later version brings: a fault until they work.
pub const LATER: &[&str] = &[
    "process.NAME.depends_on",
    "process.NAME.ready",
    "process.NAME.health",
    "process.NAME.listen",
    "process.NAME.listen_pid",
    "process.NAME.port",
    "process.NAME.swap",
    "process.NAME.watch",
    "process.NAME.limits",
    "process.NAME.dev_only",
    "process.NAME.instances",
    "process.NAME.hold_seconds",
    "process.NAME.drain_seconds",
    "process.NAME.on_dependency_restart",
];

/// Table whose keys are the user's own: `process` in which processes are named.
pub(super) const PROCESS: &str = "process.NAME";

/// Names of the keys directly in a table; `""` is the top level.
pub(super) fn children(table: &str) -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(move |key| within(key.name, table))
}

/// Whether a later version has this key in that table.
pub(super) fn comes_later(table: &str, name: &str) -> bool {
    LATER.iter().any(|later| within(later, table) == Some(name))
}

/// The other table that has a key of this name, if there is one.
pub(super) fn elsewhere(table: &str, name: &str) -> Option<&'static str> {
    ["", PROCESS].into_iter().find(|other| *other != table && children(other).any(|child| child == name))
}

/// Nearest of the names, if one is near enough to be meant.
pub(crate) fn nearest<'n>(found: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    const LONGEST: usize = 64;
    if found.len() > LONGEST {
        return None;
    }
    let plain = |name: &str| name.to_ascii_lowercase().replace(['-', ' '], "_");
    let found = plain(found);
    let measured = names.into_iter().map(|name| {
        let plain = plain(name);
        let likeness = strsim::jaro_winkler(&found, &plain);
        (strsim::osa_distance(&found, &plain), likeness, name)
    });
    measured
        .filter(|(slips, likeness, _)| *likeness >= 0.8 || *slips <= found.len() / 3)
        .min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))
        .map(|(_, _, name)| name)
}

/// The last part of `name` if all before it is `table`.
fn within(name: &'static str, table: &str) -> Option<&'static str> {
    let rest = if table.is_empty() { name } else { name.strip_prefix(table)?.strip_prefix('.')? };
    (!rest.is_empty() && !rest.contains('.')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::{KEYS, LATER, children, nearest};

    #[test]
    fn no_key_is_there_twice_or_both_now_and_later() {
        let mut names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        names.extend(LATER);
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_slip_finds_the_key_and_a_stranger_finds_none() {
        let near = |found| nearest(found, children(super::PROCESS));
        assert_eq!(near("agrs"), Some("args"));
        assert_eq!(near("comand"), Some("command"));
        assert_eq!(near("envfile"), Some("env_file"));
        assert_eq!(near("auto-start"), Some("autostart"));
        assert_eq!(near("Args"), Some("args"));
        assert_eq!(near("xyzzy"), None);
        assert_eq!(near("a"), None);
        assert_eq!(near(&"a".repeat(100_000)), None);
    }
}
