//! `up -d`: a manager of its own session, and how it tells whoever started it that it is ready.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

use bpm_api::{Code, Error};

use crate::store::paths::Project;
use crate::store::place;

/// What the detached manager says first, in one line: nothing to say, or an error.
const READY: &str = "ready";

/// Starts `bpm up` for the project in a session of its own and waits until it is ready.
///
/// # Errors
/// The new manager's own error, or `System` where it cannot be started.
pub fn detach(project: &Project, arguments: &[&str]) -> Result<(), Error> {
    let project = &place::settle(project)?.project;
    let log = project.state.join("manager.log");
    let system =
        |what: &str, error: &std::io::Error| Error::new(Code::System, format!("cannot {what}: {error}"));
    let stderr = OpenOptions::new().create(true).append(true).mode(0o600).open(&log);
    let stderr = stderr.map_err(|error| system(&format!("open `{}`", log.display()), &error))?;
    let mut child = Command::new("/proc/self/exe")
        .args(["up", "--detached-child", "--project"])
        .arg(&project.root)
        .args(arguments)
        .current_dir(&project.root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(|error| system("start the manager", &error))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    match line.trim() {
        READY => Ok(()),
        "" => Err(Error::new(Code::System, "the manager ended before it was ready")
            .hint(format!("`{}` says why", log.display()))),
        error => Err(serde_json::from_str(error).unwrap_or_else(|_| Error::new(Code::System, error))),
    }
}

/// The detached manager's side: leaves the session it was started in, and tells how it went.
///
/// # Errors
/// The word cannot be given: whoever started it is gone, which does not matter.
pub fn ready(outcome: Result<(), &Error>) -> std::io::Result<()> {
    let line = match outcome {
        Ok(()) => READY.to_owned(),
        Err(error) => serde_json::to_string(error).unwrap_or_else(|_| error.to_string()),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    drop(out);
    let null = OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}
