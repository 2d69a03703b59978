//! `bpm up`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bpm_api::{Apply, Code, Error, GetStatus, ManagerStatus};
use bpm_core::config::{Config, McpPort};
use bpm_core::fleet::Boot;
use clap::Args;
use tokio::time::sleep;

use super::context::Context;
use super::failure::Failure;
use super::logs;
use crate::client::{self, Client};
use crate::control::Control;
use crate::logbook::What;
use crate::manager::{self, Manager, Options, Trusted, trusted};
use crate::render;
use crate::store::config::Loaded;
use crate::store::paths::Project;
use crate::store::trust::{self, Content};
use crate::store::{config, lock, place};

/// Says that no `bpm up` started this manager.
pub(super) const ON_DEMAND: &str = "--on-demand";
/// How long a lock without a manager behind it is waited for.
const SETTLING: Duration = Duration::from_secs(3);
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// Run a project: build and start its processes, and keep them up
///
/// Start-up is in release mode. In the foreground everything that is printed is passed through; Ctrl-C ends
/// all in order, a second one at once. Where a manager runs already, it gets the configuration anew, and its
/// logs are followed; leaving then stops nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm up                    this project, in the foreground
  bpm up ~/dev/shop -d      another one, in the background
  bpm up --dev              build with the dev recipes from the start")]
pub(super) struct UpArgs {
    /// The project's directory
    dir: Option<PathBuf>,
    /// Leave a manager in the background
    #[arg(short, long)]
    detach: bool,
    /// Start in dev mode instead of release mode
    #[arg(long)]
    dev: bool,
    /// Start what was stopped by hand, too
    #[arg(long)]
    fresh: bool,
    /// Fail where a manager runs already
    #[arg(long, hide = true)]
    refuse_if_managed: bool,
    /// This is the manager that `--detach` leaves
    #[arg(long, hide = true)]
    detached_child: bool,
    /// Another command needs a manager: run what is approved, and nothing else
    #[arg(long, hide = true)]
    on_demand: bool,
}

pub(super) async fn run(args: UpArgs, cx: &Context) -> Result<ExitCode, Failure> {
    if args.detached_child {
        return detached_child(&args, cx).await;
    }
    let project = cx.project_at(args.dir.as_deref())?;
    let deadline = Instant::now() + SETTLING;
    loop {
        let loaded = config::load(&project)?;
        // A manager that has just begun has no socket yet. One that was just killed may seem to be there: a child
        // that it was about to start holds copies of its locks and its socket until it executes.
        let (outcome, passing) = match lock::is_managed(&project) {
            true => (join(&args, cx, &project, &loaded).await, Code::NoManager),
            false => (manage(&args, cx, &project, loaded).await, Code::AlreadyManaged),
        };
        match outcome {
            Err(Failure::Operation(error)) if error.code == passing && Instant::now() < deadline => {
                sleep(BETWEEN_TRIES).await;
            }
            outcome => return outcome,
        }
    }
}

/// No manager runs: this becomes one, or leaves one in the background.
async fn manage(args: &UpArgs, cx: &Context, project: &Project, loaded: Loaded) -> Result<ExitCode, Failure> {
    let settled = place::settle(project)?;
    settled.note.iter().for_each(|note| cx.printer.note(note));
    let project = &settled.project;
    approve(project, &loaded.content)?;
    if args.detach {
        manager::detach(project, &args.flags())?;
        return greet(cx, project, true).await;
    }
    let manager = Manager::take(project.clone(), loaded.config)?;
    let (options, json) = (args.options(true), cx.printer.json());
    manager
        .run(options, |handle| {
            let handle = handle.clone();
            tokio::spawn(async move {
                if let (false, Ok(status)) = (json, handle.ask(GetStatus::default(), client::origin()).await)
                {
                    eprint_welcome(&render::welcome(&status));
                }
            });
        })
        .await?;
    Ok(ExitCode::SUCCESS)
}

impl UpArgs {
    /// As `background-process-manager` means it.
    pub(super) fn under_the_old_name(self) -> UpArgs {
        UpArgs { refuse_if_managed: true, ..self }
    }

    fn options(&self, relay: bool) -> Options {
        Options { boot: Boot { dev: self.dev, fresh: self.fresh }, relay }
    }

    fn flags(&self) -> Vec<&'static str> {
        [(self.dev, "--dev"), (self.fresh, "--fresh")]
            .into_iter()
            .filter(|(on, _)| *on)
            .map(|(_, flag)| flag)
            .collect()
    }
}

/// A manager runs already: it gets the configuration anew, then its logs are followed.
async fn join(args: &UpArgs, cx: &Context, project: &Project, loaded: &Loaded) -> Result<ExitCode, Failure> {
    let client = Client::connect(project).await?;
    if args.refuse_if_managed {
        return refuse(&client, project).await;
    }
    approve(project, &loaded.content)?;
    let env = std::env::vars_os().map(|(name, value)| (name.into(), value.into()));
    let apply = Apply { fresh: args.fresh, env: Some(env.collect()) };
    let applied = client.ask(apply, client::origin()).await?;
    if !cx.printer.json() {
        cx.printer.note(&render::applied(&applied));
        let status = client.ask(GetStatus::default(), client::origin()).await?;
        if !listens_as_configured(&loaded.config, &status.manager) {
            cx.printer.note("`mcp_port` or `bind` is another now: it counts from the next start of the manager on (`bpm down`, `bpm up`)");
        }
    }
    let code = greet(cx, project, false).await?;
    if args.detach || cx.printer.json() {
        return Ok(code);
    }
    logs::print(cx, project, What::Runs, Vec::new(), &logs::Reading::from_now_on()).await
}

/// A manager keeps the port and the address that it was started with.
fn listens_as_configured(configured: &Config, manager: &ManagerStatus) -> bool {
    let is_bound_there = manager.bind == configured.bind.map(|address| address.to_string());
    match (configured.mcp_port, &manager.mcp_url) {
        (None, None) => true,
        (Some(McpPort::Auto), Some(_)) => is_bound_there,
        (Some(McpPort::Fixed(port)), Some(url)) => is_bound_there && url.ends_with(&format!(":{port}/mcp")),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Refuses if there is a manager behind the lock, which one that was asked proves.
async fn refuse(client: &Client, project: &Project) -> Result<ExitCode, Failure> {
    match client.ask(GetStatus::default(), client::origin()).await {
        Err(error) if error.code == Code::NoManager => Err(error.into()),
        Ok(_) | Err(_) => Err(Failure::Operation(lock::already_managed(project))),
    }
}

async fn greet(cx: &Context, project: &Project, new: bool) -> Result<ExitCode, Failure> {
    let client = Client::connect(project).await?;
    let status = client.ask(GetStatus::default(), client::origin()).await?;
    match new {
        true => cx.printer.show(&status, |status, _| render::welcome(status)),
        false => cx.printer.show(&status, render::status),
    }
}

/// The manager that `up -d` leaves: a session of its own, and one word to whoever waits for it.
async fn detached_child(args: &UpArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let _ = rustix::process::setsid();
    let project = cx.project()?;
    let taken = configuration(args, &project)
        .and_then(|Trusted { config, notice }| Ok((Manager::take(project, config)?, notice)));
    let (manager, notice) = match taken {
        Ok(taken) => taken,
        Err(error) => {
            manager::ready(Err(&error))?;
            return Err(error.into());
        }
    };
    let manager = manager.notice(notice);
    manager.run(args.options(false), |_| drop(manager::ready(Ok(())))).await?;
    Ok(ExitCode::SUCCESS)
}

/// `up -d` has approved what it read; if it is another by now, nobody has.
fn configuration(args: &UpArgs, project: &Project) -> Result<Trusted, Error> {
    if args.on_demand {
        return trusted(project);
    }
    let loaded = config::load(project)?;
    trust::check(project, &loaded.content)?;
    Ok(Trusted { config: loaded.config, notice: None })
}

fn approve(project: &Project, content: &Content) -> Result<(), Error> {
    trust::approve(project, content).map_err(|error| {
        Error::new(Code::System, format!("cannot write into `{}`: {error}", project.state.display()))
            .hint("make it writable, or set `BPM_STATE_DIR` to a directory that is")
    })
}

/// On stderr: stdout is the programs'.
fn eprint_welcome(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(text.as_bytes());
}
