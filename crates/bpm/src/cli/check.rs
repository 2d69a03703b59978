//! `bpm check`: reads the configuration and says what it says, or all that is wrong with it.

use std::path::PathBuf;
use std::process::ExitCode;

use bpm_api::Error;
use bpm_core::config::{CommandLine, Config, Fault, Faults, Kind, McpPort, Process, RestartPolicy};
use bpm_core::ids::Mode;
use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::failure::Failure;
use super::load::{self, Files, Unloaded};
use crate::render::{Ink, Style, safe_line};
use crate::server;

/// Check the configuration and say what it means
///
/// Reports all faults at once, each with its place and what was expected. Starts nothing and needs no manager.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm check
  bpm check ~/dev/shop
  bpm check --json | jq '.faults[].message'

Exit codes: 0 valid, 2 faulty")]
pub(super) struct CheckArgs {
    /// A project, or a configuration file (default: this project)
    #[arg(value_name = "DIR|FILE")]
    path: Option<PathBuf>,
}

const FAULTY: u8 = 2;

pub(super) fn run(args: &CheckArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let files = files(args, cx)?;
    match load::load(&files) {
        Ok(config) => {
            cx.printer.show(&Report::valid(&files, &config), |report, style| report.text(&config, style))
        }
        Err(Unloaded::Faulty(faults)) => {
            if cx.printer.json() {
                cx.printer.json_line(&Report::faulty(&files, &faults))?;
            } else {
                cx.printer.note(faults.render(cx.printer.err_style().color).trim_end_matches('\n'));
                let count = faults.count();
                let noun = if count == 1 { "fault" } else { "faults" };
                cx.printer.note(&format!("\n{count} {noun} in {}", safe_line(&faults.files())));
            }
            Ok(ExitCode::from(FAULTY))
        }
        Err(Unloaded::Unread(error)) => Err(error.into()),
    }
}

fn files(args: &CheckArgs, cx: &Context) -> Result<Files, Error> {
    match &args.path {
        Some(path) if path.is_file() => Ok(Files::of_file(path)),
        dir => Ok(Files::of(&cx.project_at(dir.as_deref())?)),
    }
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    processes: Vec<ProcessReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<NoteReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<FaultReport>,
}

#[derive(Debug, Serialize)]
struct ProcessReport {
    name: String,
    kind: &'static str,
    dev: String,
    release: String,
    restart: &'static str,
    autostart: bool,
}

#[derive(Debug, Serialize)]
struct NoteReport {
    key: String,
    message: String,
}

#[derive(Debug, Serialize)]
struct FaultReport {
    kind: &'static str,
    file: String,
    line: usize,
    column: usize,
    key: String,
    text: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<String>,
}

impl Report {
    fn valid(files: &Files, config: &Config) -> Report {
        let notes = config
            .notes
            .iter()
            .map(|note| NoteReport { key: note.key.clone(), message: note.message.clone() });
        Report {
            ok: true,
            file: files.main.clone(),
            local: files.local.clone().filter(|local| local.exists()),
            processes: config.processes.iter().map(ProcessReport::new).collect(),
            notes: notes.collect(),
            faults: Vec::new(),
        }
    }

    fn faulty(files: &Files, faults: &Faults) -> Report {
        Report {
            ok: false,
            file: files.main.clone(),
            local: files.local.clone().filter(|local| local.exists()),
            processes: Vec::new(),
            notes: Vec::new(),
            faults: faults.iter().map(FaultReport::new).collect(),
        }
    }

    fn text(&self, config: &Config, style: Style) -> String {
        let (processes, noun) =
            (self.processes.len(), if self.processes.len() == 1 { "process" } else { "processes" });
        let mut out = format!("{} is valid: {processes} {noun}", self.file.display());
        match config.mcp_port {
            Some(McpPort::Fixed(port)) => {
                out.push_str(&format!(", MCP on {}\n", server::url(config.bind, port)));
            }
            Some(McpPort::Auto) => out.push_str(", MCP on a leased port\n"),
            None => out.push_str(", MCP on no TCP port\n"),
        }
        for process in &self.processes {
            out.push_str(&process.text(style));
        }
        for NoteReport { key, message } in &self.notes {
            let of = if key.is_empty() { String::new() } else { format!("{}: ", safe_line(key)) };
            out.push_str(&format!("{} {of}{}\n", style.paint(Ink::Waiting, "note:"), safe_line(message)));
        }
        out
    }
}

impl ProcessReport {
    fn new(process: &Process) -> ProcessReport {
        let kind = match &process.kind {
            Kind::Rust(_) => "rust",
            Kind::Npm => "npm",
            Kind::Command => "command",
        };
        let restart = match process.restart {
            RestartPolicy::Always => "always",
            RestartPolicy::OnFailure => "on-failure",
            RestartPolicy::Never => "never",
        };
        ProcessReport {
            name: process.name.clone(),
            kind,
            dev: command(process, Mode::Dev),
            release: command(process, Mode::Release),
            restart,
            autostart: process.autostart,
        }
    }

    fn text(&self, style: Style) -> String {
        let ProcessReport { name, kind, dev, release, restart, autostart } = self;
        let name = safe_line(name);
        let mut remarks = String::new();
        if *restart != "always" {
            remarks.push_str(&format!(", restart {restart}"));
        }
        if !autostart {
            remarks.push_str(", not started with the project");
        }
        let mut out = format!("  {} ({kind}{remarks})\n", style.paint(Ink::Strong, &name));
        if dev == release {
            out.push_str(&format!("    {}\n", safe_line(dev)));
        } else {
            out.push_str(&format!("    dev:     {}\n    release: {}\n", safe_line(dev), safe_line(release)));
        }
        out
    }
}

impl FaultReport {
    fn new(fault: &Fault) -> FaultReport {
        FaultReport {
            kind: fault.kind.as_str(),
            file: fault.path.clone(),
            line: fault.line,
            column: fault.column,
            key: fault.key.clone(),
            text: fault.text.clone(),
            message: fault.message.clone(),
            suggestion: fault.suggestion.clone(),
        }
    }
}

/// What runs in that mode, in words.
fn command(process: &Process, mode: Mode) -> String {
    let program = match (process.command_line(mode), &process.kind) {
        (Some(CommandLine::Argv(argv)), _) => words(argv),
        (Some(CommandLine::Shell(line)), _) => line.clone(),
        (None, Kind::Rust(target)) => {
            let bin = target.bin.as_ref().or(target.package.as_ref());
            let bin = bin.map_or("the package's binary", String::as_str);
            format!("{bin} (cargo, profile {})", target.profile.get(mode))
        }
        (None, Kind::Npm) => "run dev (npm, or what the lock file says)".to_owned(),
        (None, Kind::Command) => String::new(),
    };
    match process.args.is_empty() {
        true => program,
        false => format!("{program} {}", words(&process.args)),
    }
}

/// Arguments as one would type them.
fn words(argv: &[String]) -> String {
    let plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./:=@%+,".contains(c))
    };
    let word = |word: &String| match plain(word) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn arguments_are_quoted_where_a_shell_would_need_it() {
        let argv = ["node", "a b", "", "it's", "--x=1"].map(str::to_owned);
        assert_eq!(words(&argv), "node 'a b' '' 'it'\\''s' --x=1");
    }
}
