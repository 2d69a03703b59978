//! Who listens on a TCP port now, and whether that is a run of bpm's: for an address that is in use. Changes
//! nothing, and shows no environment.

use std::fs::File;
use std::io::{self, Read};

use bpm_shim::RUN_TAG_VARIABLE;

use crate::sockets::{self, LISTEN, Row, owner};

/// Of an environment, so much (bytes) is looked through for the tag.
const ENVIRONMENT_BYTES: u64 = 1 << 20;
/// A tag is this long (bytes) at most: a project's id, a name, a kind and a number.
const TAG_BYTES: usize = 256;

/// Who has a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// `None` if it is another user's, so that it cannot be seen.
    pub process: Option<Listener>,
    /// The user that the socket belongs to.
    pub uid: u32,
}

/// A process that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub pid: u32,
    /// Its command line, clipped.
    pub command: String,
    /// The run of bpm's that it belongs to.
    pub run: Option<Run>,
}

/// What bpm started it as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The project's id.
    pub project: String,
    /// Of a process or task.
    pub name: String,
    /// `run`, `build` or `task`.
    pub kind: String,
    pub number: u64,
}

impl Run {
    /// Reads `{project}-{name}-{kind}-{number}`. An id has no `-`, a name may.
    fn parse(tag: &str) -> Option<Run> {
        let (rest, number) = tag.rsplit_once('-')?;
        let (rest, kind) = rest.rsplit_once('-')?;
        let (project, name) = rest.split_once('-')?;
        if !["run", "build", "task"].contains(&kind) || project.is_empty() || name.is_empty() {
            return None;
        }
        let number = number.parse().ok()?;
        Some(Run { project: project.to_owned(), name: name.to_owned(), kind: kind.to_owned(), number })
    }
}

/// Who listens on `port`, on any address of this network namespace. Reads `/proc`, which may take a few
/// milliseconds for each thousand processes: not for a thread that others wait for.
pub fn of_port(port: u16) -> Option<Holder> {
    let listens = |row: &Row| row.state == LISTEN && row.local.port() == port && row.inode != 0;
    let row = sockets::find(listens).ok().flatten()?;
    let process = owner::pid_of(row.inode).map(|pid| Listener {
        pid,
        command: owner::command_of(pid),
        run: tag_of(pid).ok().flatten(),
    });
    Some(Holder { process, uid: row.uid })
}

impl Holder {
    /// In words, for the project with this id: "pid 71 (`node server.js`), which bpm runs: process `api`, run 3".
    pub fn describe(&self, project: &str) -> String {
        let Some(process) = &self.process else {
            return format!("a process of uid {}, which this user may not look at", self.uid);
        };
        let who = format!("pid {} (`{}`)", process.pid, process.command);
        if process.pid == std::process::id() {
            return format!("{who}, which is this project's manager");
        }
        match &process.run {
            None => format!("{who}, not run by bpm"),
            Some(run) => {
                let whose = if run.project == project { "" } else { " in another project" };
                let Run { name, kind, number, .. } = run;
                match kind.as_str() {
                    "run" => format!("{who}, which bpm runs{whose}: process `{name}`, run {number}"),
                    "task" => format!("{who}, which bpm runs{whose}: background task `{name}`"),
                    _ => format!("{who}, which bpm runs{whose}: {kind} {number} of `{name}`"),
                }
            }
        }
    }
}

/// What a process has in its environment from bpm.
fn tag_of(pid: u32) -> io::Result<Option<Run>> {
    let mut bytes = Vec::new();
    File::open(format!("/proc/{pid}/environ"))?.take(ENVIRONMENT_BYTES).read_to_end(&mut bytes)?;
    let prefix = format!("{RUN_TAG_VARIABLE}=");
    let tags = bytes.split(|byte| *byte == 0).filter_map(|entry| entry.strip_prefix(prefix.as_bytes()));
    let tag = tags.filter(|tag| tag.len() <= TAG_BYTES).find_map(|tag| std::str::from_utf8(tag).ok());
    Ok(tag.and_then(Run::parse))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::process::{Child, Command, Stdio};

    use super::{Holder, Listener, Run, of_port};

    struct Ended(Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            _ = self.0.kill();
            _ = self.0.wait();
        }
    }

    fn run(project: &str, name: &str, kind: &str, number: u64) -> Run {
        Run { project: project.to_owned(), name: name.to_owned(), kind: kind.to_owned(), number }
    }

    #[test]
    fn a_tag_is_taken_apart() {
        assert_eq!(Run::parse("abc-api-run-3"), Some(run("abc", "api", "run", 3)));
        assert_eq!(Run::parse("abc-web-run-task-12"), Some(run("abc", "web-run", "task", 12)));
        for none in
            ["", "1", "abc-run-3", "abc-api-run-", "abc-api-walk-3", "-api-run-3", "abc--run-3", "é-é-é-é"]
        {
            assert_eq!(Run::parse(none), None, "{none}");
        }
    }

    #[test]
    fn this_process_holds_what_it_listens_on() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let port = listener.local_addr().unwrap().port();
            let holder = of_port(port).unwrap();
            assert_eq!(holder.process.as_ref().unwrap().pid, std::process::id());
            assert!(holder.describe("abc").contains("this project's manager"));
            drop(listener);
            assert_ne!(of_port(port).and_then(|h| h.process).map(|p| p.pid), Some(std::process::id()));
        }
    }

    #[test]
    fn a_listener_that_bpm_runs_is_named_by_its_process() {
        // The socket is handed down, so the child listens on it; this end is closed then.
        use std::os::fd::OwnedFd;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut child = Command::new("sh")
            .args(["-c", "echo up >&2; exec sleep 600"])
            .env("BPM_RUN", "abc-api-run-3")
            .env("SECRET", "hunter2")
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stderr(Stdio::piped())
            .spawn()
            .map(Ended)
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let holder = of_port(port).unwrap();
        let process = holder.process.clone().unwrap();
        assert_eq!((process.pid, process.run), (child.0.id(), Some(run("abc", "api", "run", 3))));
        let own = holder.describe("abc");
        assert!(own.ends_with("which bpm runs: process `api`, run 3"), "{own}");
        let other = holder.describe("xyz");
        assert!(other.ends_with("which bpm runs in another project: process `api`, run 3"), "{other}");
        assert!(!format!("{holder:?}{own}").contains("hunter2"));
    }

    #[test]
    fn everybody_else_is_described_too() {
        let of = |run: Option<Run>| {
            let process = Some(Listener { pid: 71, command: "node server.js".to_owned(), run });
            Holder { process, uid: 1000 }.describe("abc")
        };
        assert_eq!(of(None), "pid 71 (`node server.js`), not run by bpm");
        let task = of(Some(run("abc", "t1", "task", 1)));
        assert_eq!(task, "pid 71 (`node server.js`), which bpm runs: background task `t1`");
        let build = of(Some(run("abc", "api", "build", 4)));
        assert_eq!(build, "pid 71 (`node server.js`), which bpm runs: build 4 of `api`");
        let unseen = Holder { process: None, uid: 33 }.describe("abc");
        assert_eq!(unseen, "a process of uid 33, which this user may not look at");
    }
}
