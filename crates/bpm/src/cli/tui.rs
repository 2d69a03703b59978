//! `bpm tui`

use std::path::PathBuf;
use std::process::ExitCode;

use bpm_api::{Code, Error};
use clap::Args;
use jiff::Zoned;

use super::context::Context;
use super::failure::Failure;
use crate::client::{Client, Url};
use crate::store::paths::Project;
use crate::token::Token;
use crate::tui::model::Look;
use crate::tui::shell::{self, Connect, Options};

/// Where managers were before they had sockets.
const USUAL: &str = "http://localhost:3001/mcp";

/// Show a project in the terminal: what runs, what it prints, and keys to steer it
///
/// `?` shows the keys. It only looks on: quitting ends nothing, and it goes on when the manager is started anew.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm tui
  bpm tui --project ~/dev/shop
  bpm tui http://localhost:3001/mcp
  bpm tui http://build:3001/mcp --token-file ~/.config/bpm/build.token")]
pub(super) struct TuiArgs {
    /// A manager elsewhere, by its address (default: this project's, else `http://localhost:3001/mcp`)
    url: Option<String>,
    /// The token that the manager at the address wants (default: the variable BPM_TOKEN)
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
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
    shell::check_terminal()?;
    let options = Options { look: look(&args), mouse: !args.no_mouse };
    let (place, first) = find(args, cx).await?;
    Ok(match shell::run(first, to(place), options).await? {
        None => ExitCode::SUCCESS,
        Some(signal) => ExitCode::from(128 + u8::try_from(signal).unwrap_or(0)),
    })
}

/// Which manager is shown.
#[derive(Clone)]
enum Place {
    Here(Project),
    At(Url, Option<Token>),
}

impl Place {
    async fn connect(self) -> Result<Client, Error> {
        match self {
            Place::Here(project) => Client::connect(&project).await,
            Place::At(url, token) => Client::connect_url(&url, token).await,
        }
    }
}

/// The one that is named; else this project's; else the one at the address that the original had.
async fn find(args: TuiArgs, cx: &Context) -> Result<(Place, Client), Error> {
    let named = args.token_file.as_deref().map(Token::from_file).transpose()?;
    if let Some(url) = args.url {
        let token = named.map_or_else(Token::from_environment, |token| Ok(Some(token)))?;
        let place = Place::At(url.parse()?, token);
        let first = place.clone().connect().await?;
        return Ok((place, first));
    }
    let here = Place::Here(cx.project()?);
    let absent = match here.clone().connect().await {
        Ok(first) => return Ok((here, first)),
        Err(error) if error.code == Code::NoManager && !cx.is_elsewhere() => error,
        Err(error) => return Err(error),
    };
    // what is in the environment is for an address that somebody named: here anybody may listen
    let usual = Place::At(USUAL.parse()?, named);
    match usual.clone().connect().await {
        Ok(first) => Ok((usual, first)),
        Err(_) => {
            Err(Error { message: format!("{}, and none answers at {USUAL}", absent.message), ..absent })
        }
    }
}

/// Makes the next connections.
fn to(place: Place) -> Connect {
    Box::new(move || Box::pin(place.clone().connect()) as _)
}

fn look(args: &TuiArgs) -> Look {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    Look {
        ascii: args.ascii || !locale_is_utf8(),
        plain: args.no_color || dumb || is_set("NO_COLOR"),
        offset_seconds: Zoned::now().offset().seconds(),
        home: std::env::var("HOME").ok(),
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
