//! `bpm tui`

use std::process::ExitCode;

use clap::Args;
use jiff::Zoned;

use super::context::Context;
use super::failure::Failure;
use crate::client::Client;
use crate::store::paths::Project;
use crate::tui::model::Look;
use crate::tui::shell::{self, Connect, Options};

/// Show a project in the terminal: what runs, what it prints, and keys to steer it
///
/// `?` shows the keys. It only looks on: quitting ends nothing, and it goes on when the manager is started anew.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm tui
  bpm tui --project ~/dev/shop
  bpm tui http://localhost:3001/mcp")]
pub(super) struct TuiArgs {
    /// A manager elsewhere, by its address (default: this project's, else `http://localhost:3001/mcp`)
    url: Option<String>,
    /// Draw with nothing but ASCII (default where the locale is not UTF-8)
    #[arg(long)]
    ascii: bool,
    /// Without colours (default where NO_COLOR is set)
    #[arg(long)]
    no_color: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    no_mouse: bool,
}

pub(super) async fn run(args: TuiArgs, cx: &Context) -> Result<ExitCode, Failure> {
    shell::needs_terminal()?;
    let project = cx.project()?;
    let first = Client::connect(&project).await?;
    let options =
        Options { look: look(&args), mouse: !args.no_mouse, label: project.root.display().to_string() };
    shell::run(first, to(project), options).await?;
    Ok(ExitCode::SUCCESS)
}

fn to(project: Project) -> Connect {
    Box::new(move || {
        let project = project.clone();
        Box::pin(async move { Client::connect(&project).await }) as _
    })
}

fn look(args: &TuiArgs) -> Look {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    Look {
        ascii: args.ascii || !locale_is_utf8(),
        plain: args.no_color || dumb || is_set("NO_COLOR"),
        offset_seconds: Zoned::now().offset().seconds(),
    }
}

/// Where nothing is said (as in most containers), terminals are UTF-8 all the same.
fn locale_is_utf8() -> bool {
    let said = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    said.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
