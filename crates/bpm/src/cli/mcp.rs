//! `bpm mcp`

use std::process::ExitCode;

use bpm_api::{Code, Error};
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use super::standard;
use crate::client;
use crate::server::{StdioOptions, serve_stdio};

/// Serve MCP on standard input and output
///
/// For an agent's configuration: `bpm mcp`, started in the project's directory. Starts a manager where none runs,
/// also where there is no `.mcp-run`; configured processes run once their configuration was approved (`bpm up` or
/// `bpm allow`). Ends with its input; what it started goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm mcp
  bpm mcp --project ~/dev/shop
  claude mcp add bpm -- bpm mcp")]
pub(super) struct McpArgs {
    /// Tell Claude Code of crashes unasked, by its channel
    #[arg(long)]
    channel: bool,
}

pub(super) async fn run(args: McpArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let manager = cx.persistent();
    let unusable =
        |error| Error::new(Code::System, format!("standard input or output cannot be used: {error}"));
    let (input, output) = (standard::input().map_err(unusable)?, standard::output().map_err(unusable)?);
    let present = manager.clone();
    // Nothing waits for it: the first answers need no manager.
    let stays = tokio::spawn(async move { present.stay().await });
    let options = StdioOptions { session: client::random_id().unwrap_or_default(), channel: args.channel };
    serve_stdio(manager, input, output, options).await;
    stays.abort();
    Ok(ExitCode::SUCCESS)
}
