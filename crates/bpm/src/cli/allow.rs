//! `bpm allow`

use std::process::ExitCode;

use bpm_api::{Code, Done, Error};
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::store::{config, place, trust};

/// Approve the configuration as it is now
///
/// A manager that some other command starts runs the configured processes only if this very content was
/// approved; `bpm up` approves as well. Any change of the file asks for it anew.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bpm allow")]
pub(super) struct AllowArgs {}

pub(super) fn run(_args: &AllowArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let project = cx.project()?;
    let loaded = config::load(&project)?;
    let settled = place::settle(&project)?;
    settled.note.iter().for_each(|note| cx.printer.note(note));
    let project = settled.project;
    trust::approve(&project, &loaded.fingerprint).map_err(|error| {
        Error::new(Code::System, format!("cannot write into `{}`: {error}", project.state.display()))
    })?;
    let done = Done { message: format!("approved `{}` as it is now", project.config().display()) };
    cx.printer.show(&done, |done, _| format!("{}\n", done.message))
}
