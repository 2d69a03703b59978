//! What is known of each background task beside its run: `tasks/ID/task.json`. For people, for its status and
//! for recognising a request that is sent again; what is decided about it is in `intent`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;

use bpm_api::{OsText, TaskCommand, TaskReady};
use bpm_core::ids::{Name, task_name, task_number};
use serde::{Deserialize, Serialize};

use super::paths::Project;

/// One task.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    pub number: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub command: TaskCommand,
    pub cwd: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The caller's whole environment, until the task has been started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_env: Option<Vec<(OsText, OsText)>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<TaskReady>,
    #[serde(default)]
    pub pty: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_after_seconds: Option<f64>,
    /// The idempotency key of the request that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Who started it.
    pub by: String,
    /// Milliseconds since 1970, as all times here.
    pub created_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_ms: Option<u64>,
    /// Who asked for its end, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill: Option<(String, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<TaskEnd>,
}

/// How and when a task's leader ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskEnd {
    pub how: TaskEnding,
    pub at_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEnding {
    Code(i32),
    Signal(i32),
    Lost,
    NotStarted(String),
}

/// Values of the environment may be secrets, and so may what a command says.
impl fmt::Debug for TaskRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskRecord")
            .field("number", &self.number)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl TaskRecord {
    /// `t5`.
    pub fn id(&self) -> Name {
        task_name(self.number)
    }

    /// The command in one line.
    pub fn command_text(&self) -> String {
        let text = match &self.command {
            TaskCommand::Shell(line) => line.clone(),
            TaskCommand::Argv(argv) => argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        };
        text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ⏎ ")
    }

    /// Writes it down, in a directory of its own.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn save(&self, project: &Project) -> io::Result<()> {
        let dir = project.process(&self.id());
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        super::write_atomically(&dir.join(FILE), &text)
    }
}

const FILE: &str = "task.json";

/// All tasks on disk, by number. What cannot be read is left out.
pub fn load(project: &Project) -> Vec<TaskRecord> {
    let entries = fs::read_dir(project.tasks()).into_iter().flatten().flatten();
    let mut records: Vec<TaskRecord> = entries
        .filter_map(|entry| {
            let number = task_number(entry.file_name().to_str()?)?;
            let text = fs::read(entry.path().join(FILE)).ok()?;
            serde_json::from_slice::<TaskRecord>(&text).ok().filter(|record| record.number == number)
        })
        .collect();
    records.sort_unstable_by_key(|record| record.number);
    records
}

/// The highest number that has a directory, readable or not; 0 where there is none.
pub fn last_number(project: &Project) -> u64 {
    let entries = fs::read_dir(project.tasks()).into_iter().flatten().flatten();
    entries.filter_map(|entry| task_number(entry.file_name().to_str()?)).max().unwrap_or(0)
}

/// The id of the newest task of that name or id, as far as the files tell.
pub fn find(project: &Project, name: &str) -> Option<String> {
    let mut records = load(project);
    records.reverse();
    let found = records.iter().find(|record| *record.id() == *name || record.name.as_deref() == Some(name));
    found.map(|record| record.id().to_string())
}

/// A word as a shell would read it, for people.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64, name: Option<&str>) -> TaskRecord {
        TaskRecord {
            number,
            name: name.map(str::to_owned),
            command: TaskCommand::Argv(vec!["echo".into(), "it's".into(), String::new()]),
            cwd: "/".into(),
            env: BTreeMap::from([("SECRET".into(), "s3cret".into())]),
            base_env: None,
            ready: None,
            pty: false,
            kill_after_seconds: None,
            key: None,
            by: "cli ann".into(),
            created_ms: 1,
            ready_ms: None,
            kill: None,
            end: None,
        }
    }

    fn project(dir: &std::path::Path) -> Project {
        Project { root: dir.to_owned(), id: "test".into(), state: dir.to_owned() }
    }

    #[test]
    fn what_is_written_is_read_and_what_is_damaged_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let project = project(dir.path());
        assert_eq!((load(&project), last_number(&project)), (Vec::new(), 0));
        for (number, name) in [(10, Some("web")), (2, Some("web")), (3, None)] {
            record(number, name).save(&project).unwrap();
        }
        fs::create_dir(project.tasks().join("t11")).unwrap();
        fs::write(project.tasks().join("t3/task.json"), "{").unwrap();
        let numbers: Vec<u64> = load(&project).iter().map(|record| record.number).collect();
        assert_eq!((numbers, last_number(&project)), (vec![2, 10], 11));
        assert_eq!(load(&project)[0], record(2, Some("web")));
        assert_eq!(find(&project, "web").as_deref(), Some("t10"));
        assert_eq!(find(&project, "t2").as_deref(), Some("t2"));
        assert_eq!(find(&project, "t3"), None);
    }

    #[test]
    fn a_command_is_shown_as_it_could_be_typed_and_debug_shows_no_secret() {
        let record = record(1, None);
        assert_eq!(record.command_text(), r"echo 'it'\''s' ''");
        assert!(!format!("{record:?}").contains("s3cret"));
    }
}
