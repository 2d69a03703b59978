//! A client of a lab's manager, with the requests that the tests make most.

use std::time::Duration;

use bpm::client::Client;
use bpm::control::Control;
use bpm::store::paths::Project;
use bpm_api::{
    Condition, EndTask, Error, GetTask, Op, Origin, RunTask, TaskCommand, TaskReport, TaskState, TaskStatus,
    WaitAnswer, WaitFor,
};

use crate::lab::Lab;

/// Far beyond what anything here takes, in seconds.
pub const PATIENCE: f64 = 40.0;

#[derive(Clone)]
pub struct Agent {
    client: Client,
    origin: Origin,
}

pub fn project(lab: &Lab) -> Project {
    let state = lab.state();
    let id = state.file_name().unwrap().to_str().unwrap().to_owned();
    Project { root: lab.project().canonicalize().unwrap(), id, state }
}

impl Agent {
    pub async fn of(lab: &Lab) -> Agent {
        Agent::named(lab, "tester").await
    }

    /// With news of its own.
    pub async fn named(lab: &Lab, name: &str) -> Agent {
        let client = Client::connect(&project(lab)).await.unwrap();
        let session = Some(format!("session of {name}"));
        Agent { client, origin: Origin { session, ..Origin::new("mcp", name) } }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn origin(&self) -> Origin {
        self.origin.clone()
    }

    pub async fn try_ask<O: Op>(&self, op: O) -> Result<O::Out, Error> {
        self.client.ask(op, self.origin.clone()).await
    }

    pub async fn ask<O: Op>(&self, op: O) -> O::Out {
        self.try_ask(op).await.unwrap_or_else(|error| panic!("{}: {error:?}", O::NAME))
    }

    pub async fn ask_with_key<O: Op>(&self, key: &str, op: O) -> Result<O::Out, Error> {
        self.client.ask(op, Origin { key: Some(key.to_owned()), ..self.origin.clone() }).await
    }

    pub async fn run(&self, line: &str) -> TaskReport {
        self.ask(shell(line)).await
    }

    /// Runs it and waits for its end.
    pub async fn run_to_end(&self, line: &str) -> TaskReport {
        let report = self.ask(RunTask { timeout_seconds: Some(PATIENCE), ..shell(line) }).await;
        assert_ne!(report.task.state, TaskState::Running, "{report:?}");
        report
    }

    pub async fn task(&self, id: &str) -> TaskStatus {
        self.ask(get(id)).await.tasks.remove(0)
    }

    pub async fn end(&self, id: &str) -> TaskReport {
        self.ask(EndTask { task_id: id.to_owned(), timeout_seconds: None }).await
    }

    pub async fn wait(&self, ask: WaitFor) -> WaitAnswer {
        self.ask(ask).await
    }

    /// Waits for the end of a task.
    pub async fn ended(&self, id: &str) -> TaskStatus {
        let answer = self.wait(until(&[id], &[Condition::Exit])).await;
        assert_eq!(answer.met.map(|met| met.condition), Some(Condition::Exit));
        self.task(id).await
    }

    /// All that it printed, line by line.
    pub async fn lines(&self, id: &str) -> Vec<String> {
        let list = self.ask(GetTask { lines: Some(1000), ..get(id) }).await;
        list.output.into_iter().flat_map(|page| page.lines).map(|line| line.text).collect()
    }

    /// Asks for a task until `look` likes it.
    pub async fn until<T>(&self, id: &str, look: impl Fn(&TaskStatus) -> Option<T>) -> T {
        let asking = async {
            let mut pause = Duration::from_millis(2);
            loop {
                let task = self.task(id).await;
                if let Some(seen) = look(&task) {
                    return seen;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(50));
            }
        };
        let patience = Duration::from_secs_f64(PATIENCE);
        let seen = tokio::time::timeout(patience, asking).await;
        match seen {
            Ok(seen) => seen,
            Err(_) => panic!("waited in vain: {:?}", self.task(id).await),
        }
    }
}

pub fn get(id: &str) -> GetTask {
    GetTask { task_id: Some(id.to_owned()), ..GetTask::default() }
}

/// A shell line; the call returns as soon as it runs.
pub fn shell(line: &str) -> RunTask {
    task(TaskCommand::Shell(line.to_owned()))
}

pub fn argv(argv: &[&str]) -> RunTask {
    task(TaskCommand::Argv(argv.iter().map(|&word| word.to_owned()).collect()))
}

fn task(command: TaskCommand) -> RunTask {
    RunTask {
        command,
        name: None,
        cwd: None,
        env: None,
        ready: None,
        pty: None,
        timeout_seconds: Some(0.0),
        kill_after_seconds: None,
        base_env: None,
    }
}

pub fn named(name: &str, ask: RunTask) -> RunTask {
    RunTask { name: Some(name.to_owned()), ..ask }
}

pub fn until(targets: &[&str], until: &[Condition]) -> WaitFor {
    WaitFor {
        targets: targets.iter().map(|&target| target.to_owned()).collect(),
        until: Some(until.to_vec()),
        timeout_seconds: Some(PATIENCE),
        ..WaitFor::default()
    }
}

pub fn pattern(targets: &[&str], pattern: &str) -> WaitFor {
    WaitFor { pattern: Some(pattern.to_owned()), ..until(targets, &[Condition::Pattern]) }
}
