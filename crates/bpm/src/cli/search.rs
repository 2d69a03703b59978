//! `bpm search`

use std::process::ExitCode;

use bpm_api::LogQuery;
use clap::Args;

use super::context::Context;
use super::failure::Failure;
use super::known;
use super::logs::{StreamArg, run_or_index};
use crate::logbook::{self, Shape, What};
use crate::render;

/// Search what processes and tasks have printed
///
/// Matches are marked ` * `, lines around them are indented; equal lines in a row are folded to one. Searches
/// the newest run of each process unless told otherwise. Works with the manager down.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm search 'panicked at'
  bpm search '(?i)error' api web -C 2 --since 1h
  bpm search warning api --builds           in the newest build
  bpm search timeout api --run -2 --tail 20")]
pub(super) struct SearchArgs {
    /// Regular expression, Rust syntax (`(?i)` ignores case)
    pattern: String,
    /// Whose (default: everybody's)
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Lines before and after each match
    #[arg(short = 'C', long, value_name = "N")]
    context: Option<u32>,
    /// Only the first N lines of the result
    #[arg(long, value_name = "N")]
    head: Option<u32>,
    /// Only the last N lines of the result
    #[arg(long, value_name = "N")]
    tail: Option<u32>,
    /// Only newer lines: `30s`, `10m`, `2h`, `1d`, or an RFC 3339 time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// A run by its number; -1 is the newest, -2 the one before, 0 the oldest kept
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    run: Option<i64>,
    /// Only what went to one of the two
    #[arg(long, value_enum, value_name = "STREAM")]
    stream: Option<StreamArg>,
    /// In builds instead of runs
    #[arg(long)]
    builds: bool,
    /// Go on after an earlier answer
    #[arg(long)]
    cursor: Option<String>,
}

pub(super) fn run(args: SearchArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let project = cx.project()?;
    let names = known::resolved(&project, args.names)?;
    let known: Vec<String> = known::all(&project)?.into_iter().chain(names.iter().cloned()).collect();
    let what = if args.builds { What::Builds } else { What::Runs };
    let (run, index) = run_or_index(args.run);
    let bounded = args.head.is_some() || args.tail.is_some() || cx.printer.json();
    let mut query = LogQuery {
        process: None,
        pattern: Some(args.pattern),
        context_lines: args.context,
        head: args.head,
        tail: args.tail,
        index,
        run,
        cursor: args.cursor,
        since: args.since,
        stream: args.stream.map(StreamArg::in_api),
        max_bytes: None,
    };
    loop {
        let page = logbook::search(&project, what, &names, &query, &known, Shape::WIDE)?;
        cx.printer.show(&page, |page, style| render::log_lines(&page.lines, true, style))?;
        if bounded || page.omitted_after == 0 || page.lines.is_empty() {
            if !cx.printer.json() {
                cx.printer.note(&render::footer(&page, true));
            }
            return Ok(ExitCode::SUCCESS);
        }
        query.cursor = Some(page.cursor);
    }
}
