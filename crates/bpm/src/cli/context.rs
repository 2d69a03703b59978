//! What every verb starts from: the project it is about, and where its output goes.

use std::path::{Path, PathBuf};

use bpm_api::{Code, Error, Op};

use super::known;
use super::printer::Printer;
use super::up;
use crate::client::{self, Client, Persistent};
use crate::control::Control;
use crate::logbook;
use crate::manager;
use crate::store::paths::Project;

/// Of one command line.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) printer: Printer,
    /// `--project`.
    project: Option<PathBuf>,
}

impl Context {
    pub(super) fn new(project: Option<PathBuf>, printer: Printer) -> Context {
        Context { printer, project }
    }

    /// The project that is meant: `--project`, else the one around the current directory.
    pub(super) fn project(&self) -> Result<Project, Error> {
        match &self.project {
            Some(dir) => Project::find(dir, true),
            None => Project::find(&here()?, false),
        }
    }

    /// The one that `--project` names, if it does.
    pub(super) fn named_project(&self) -> Option<Result<Project, Error>> {
        self.project.as_ref().map(|dir| Project::find(dir, true))
    }

    /// The same for a verb that takes a directory itself.
    pub(super) fn project_at(&self, dir: Option<&Path>) -> Result<Project, Error> {
        match (dir, &self.project) {
            (Some(_), Some(_)) => Err(Error::new(
                Code::InvalidParameter,
                "the directory and `--project` both name the project, expected one of them",
            )),
            (Some(dir), None) => Project::find(dir, true),
            (None, _) => self.project(),
        }
    }

    /// Asks the project's manager.
    pub(super) async fn ask<O: Op>(&self, op: O) -> Result<O::Out, Error> {
        let client = Client::connect(&self.project()?).await?;
        client.ask(op, client::origin()).await
    }

    /// Whether `--project` names the project.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.project.is_some()
    }

    /// A client that starts a manager where none runs, and the next one where one dies. Nothing of it runs that
    /// nobody approved.
    pub(super) fn persistent(&self) -> Persistent {
        let start = Box::new(|project: &Project| manager::detach(project, &[up::ON_DEMAND]));
        let environment = std::env::vars_os().map(|(name, value)| (name.into(), value.into()));
        Persistent::new(self.project(), start, environment.collect())
    }

    /// The process that is meant: the named one, or the only one.
    pub(super) fn process(&self, project: &Project, name: Option<String>) -> Result<String, Error> {
        match name {
            Some(name) => Ok(name),
            None => logbook::only_one(&known::meant(project)?).map(str::to_owned),
        }
    }
}

fn here() -> Result<PathBuf, Error> {
    std::env::current_dir().map_err(|error| {
        Error::new(Code::InvalidParameter, format!("the current directory cannot be used: {error}"))
            .hint("go to a directory that exists, or name the project with `--project DIR`")
    })
}
