//! `bpm allow`

use std::process::ExitCode;

use bpm_api::{Applied, Apply, Code, Done, Error};
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::client::{self, Client};
use crate::control::Control;
use crate::render;
use crate::store::paths::Project;
use crate::store::{config, place, trust};

/// Approve the configuration as it is now
///
/// A manager that some other command starts runs the configured processes only if this very content was
/// approved; `bpm up` approves as well. Any change of the file asks for it anew. A manager that runs puts it into
/// force at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bpm allow")]
pub(super) struct AllowArgs {}

pub(super) async fn run(_args: &AllowArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let project = cx.project()?;
    let loaded = config::load(&project)?;
    let settled = place::settle(&project)?;
    settled.note.iter().for_each(|note| cx.printer.note(note));
    let project = settled.project;
    trust::approve(&project, &loaded.content).map_err(|error| {
        Error::new(Code::System, format!("cannot write into `{}`: {error}", project.state.display()))
    })?;
    let applied = apply(&project).await?;
    let done = Done { message: format!("approved `{}` as it is now", project.config().display()) };
    let code = cx.printer.show(&done, |done, _| format!("{}\n", render::safe_line(&done.message)))?;
    if let (Some(applied), false) = (applied, cx.printer.json()) {
        cx.printer.note(&render::applied(&applied));
    }
    Ok(code)
}

/// `None`: no manager runs.
async fn apply(project: &Project) -> Result<Option<Applied>, Error> {
    let client = match Client::connect(project).await {
        Err(error) if error.code == Code::NoManager => return Ok(None),
        connected => connected?,
    };
    client.ask(Apply { fresh: false, env: None }, client::origin()).await.map(Some)
}
