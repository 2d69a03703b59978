//! What is known of each client: its file, the format, what an entry looks like there. Data, but for the
//! directories of the user, which are handed in. Must not read or write files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use super::edit::{Entry, Field, Slot};
use super::json::Dialect;

/// The name under which clients have the server.
const NAME: &str = "bpm";

/// A program that speaks MCP and keeps a list of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Client {
    ClaudeCode,
    Codex,
    Gemini,
    Opencode,
    Cursor,
    Vscode,
    Zed,
    ClaudeDesktop,
}

/// For whom an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Scope {
    /// Every project of this user
    User,
    /// This project, for everybody who works on it
    Project,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Json(Dialect),
    Toml,
}

/// Where the user's things are.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) home: PathBuf,
    /// `$XDG_CONFIG_HOME` or its default.
    pub(super) config: PathBuf,
    /// Values of the variables in [`Places::VARIABLES`], where they are absolute paths.
    pub(super) set: Vec<(&'static str, PathBuf)>,
    pub(super) macos: bool,
}

impl Places {
    const VARIABLES: [&'static str; 3] = ["CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME"];

    /// `None`: there is no home directory.
    pub(super) fn of(variable: impl Fn(&str) -> Option<OsString>) -> Option<Places> {
        let set = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = set("HOME")?;
        let config = set("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        let all = Places::VARIABLES.into_iter().filter_map(|name| set(name).map(|path| (name, path)));
        let set = all.collect();
        Some(Places { home, config, set, macos: cfg!(target_os = "macos") })
    }

    fn get(&self, name: &str) -> Option<&Path> {
        self.set.iter().find(|(set, _)| *set == name).map(|(_, path)| path.as_path())
    }

    /// Where desktop programs have theirs.
    fn applications(&self) -> PathBuf {
        if self.macos { self.home.join("Library/Application Support") } else { self.config.clone() }
    }
}

/// How the program is called from an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// The program, as a name or as an absolute path.
    pub(super) program: String,
    /// `--project`, for an entry that belongs to one project wherever it is used.
    pub(super) project: Option<String>,
}

impl Client {
    pub(super) fn name(self) -> &'static str {
        match self {
            Client::ClaudeCode => "claude-code",
            Client::Codex => "codex",
            Client::Gemini => "gemini",
            Client::Opencode => "opencode",
            Client::Cursor => "cursor",
            Client::Vscode => "vscode",
            Client::Zed => "zed",
            Client::ClaudeDesktop => "claude-desktop",
        }
    }

    /// What it is started with.
    pub(super) fn programs(self) -> &'static [&'static str] {
        match self {
            Client::ClaudeCode => &["claude"],
            Client::Codex => &["codex"],
            Client::Gemini => &["gemini"],
            Client::Opencode => &["opencode"],
            Client::Cursor => &["cursor", "cursor-agent"],
            Client::Vscode => &["code"],
            Client::Zed => &["zed", "zeditor"],
            Client::ClaudeDesktop => &["claude-desktop"],
        }
    }

    /// Started from a menu, so that it need not have the `PATH` of a shell.
    pub(super) fn is_desktop(self) -> bool {
        matches!(self, Client::Cursor | Client::Vscode | Client::Zed | Client::ClaudeDesktop)
    }

    /// It knows no projects, so that its entry must name one.
    pub(super) fn wants_project(self) -> bool {
        self == Client::ClaudeDesktop
    }

    /// The files that it reads, the preferred one first.
    pub(super) fn user_files(self, places: &Places) -> Vec<PathBuf> {
        let Places { home, config, .. } = places;
        match self {
            Client::ClaudeCode => {
                vec![places.get("CLAUDE_CONFIG_DIR").unwrap_or(home).join(".claude.json")]
            }
            Client::Codex => {
                let dir = places.get("CODEX_HOME").map_or_else(|| home.join(".codex"), Path::to_owned);
                vec![dir.join("config.toml")]
            }
            Client::Gemini => {
                vec![places.get("GEMINI_CLI_HOME").unwrap_or(home).join(".gemini/settings.json")]
            }
            Client::Opencode => {
                let names = ["opencode.json", "opencode.jsonc", "config.json"];
                names.map(|name| config.join("opencode").join(name)).to_vec()
            }
            Client::Cursor => vec![home.join(".cursor/mcp.json")],
            Client::Vscode => vec![places.applications().join("Code/User/mcp.json")],
            // on macOS, too
            Client::Zed => vec![config.join("zed/settings.json")],
            Client::ClaudeDesktop => {
                vec![places.applications().join("Claude/claude_desktop_config.json")]
            }
        }
    }

    /// The same below a project's directory; empty: it has none.
    pub(super) fn project_files(self) -> &'static [&'static str] {
        match self {
            Client::ClaudeCode => &[".mcp.json"],
            Client::Codex => &[".codex/config.toml"],
            Client::Gemini => &[".gemini/settings.json"],
            Client::Opencode => {
                &["opencode.json", "opencode.jsonc", ".opencode/opencode.json", ".opencode/opencode.jsonc"]
            }
            Client::Cursor => &[".cursor/mcp.json"],
            Client::Vscode => &[".vscode/mcp.json"],
            Client::Zed => &[".zed/settings.json"],
            Client::ClaudeDesktop => &[],
        }
    }

    pub(super) fn syntax(self) -> Syntax {
        match self {
            // these two read nothing but JSON; the first sets aside what it cannot read
            Client::ClaudeCode | Client::ClaudeDesktop => Syntax::Json(Dialect::Strict),
            Client::Codex => Syntax::Toml,
            Client::Gemini | Client::Opencode | Client::Cursor | Client::Vscode | Client::Zed => {
                Syntax::Json(Dialect::Relaxed)
            }
        }
    }

    pub(super) fn slot(self) -> Slot {
        let container = match self {
            Client::ClaudeCode | Client::Gemini | Client::Cursor | Client::ClaudeDesktop => "mcpServers",
            Client::Codex => "mcp_servers",
            Client::Opencode => "mcp",
            Client::Vscode => "servers",
            Client::Zed => "context_servers",
        };
        Slot { container, name: NAME }
    }

    pub(super) fn entry(self, scope: Scope, call: &Call) -> Entry {
        let mut args = vec!["mcp".to_owned()];
        let project = match (self, scope) {
            // where it starts servers is not said, and this variable is for that
            (Client::Cursor, Scope::Project) => Some("${workspaceFolder}"),
            _ => call.project.as_deref(),
        };
        args.extend(project.into_iter().flat_map(|project| ["--project".to_owned(), project.to_owned()]));
        let text = |text: &str| Field::Text(text.to_owned());
        let (program, arguments) = (("command", text(&call.program)), ("args", Field::List(args.clone())));
        Entry(match self {
            Client::ClaudeCode | Client::Cursor => vec![("type", text("stdio")), program, arguments],
            Client::Vscode if scope == Scope::User && call.project.is_none() => {
                // it would start it in the home directory
                vec![("type", text("stdio")), program, arguments, ("cwd", text("${workspaceFolder}"))]
            }
            Client::Vscode => vec![("type", text("stdio")), program, arguments],
            Client::Opencode => {
                args.insert(0, call.program.clone());
                vec![("type", text("local")), ("command", Field::List(args))]
            }
            Client::Codex | Client::Gemini | Client::Zed | Client::ClaudeDesktop => vec![program, arguments],
        })
    }

    /// What to do for it to be used.
    pub(super) fn next_step(self, scope: Scope) -> &'static str {
        match (self, scope) {
            (Client::ClaudeCode, Scope::User) => "start `claude` anew; `claude mcp list` shows it",
            (Client::ClaudeCode, Scope::Project) => "start `claude` in the project and approve it there once",
            (Client::Codex, Scope::User) => "start `codex` anew; `codex mcp list` shows it",
            (Client::Codex, Scope::Project) => {
                "start `codex` anew; it reads this file in trusted projects only"
            }
            (Client::Gemini, Scope::User) => {
                "start `gemini` anew, in a folder that it trusts; `gemini mcp list` shows it"
            }
            (Client::Gemini, Scope::Project) => {
                "start `gemini` anew; it reads this file in trusted folders only"
            }
            (Client::Opencode, _) => "start `opencode` anew; `opencode mcp list` shows it",
            (Client::Cursor, _) => "see that it is switched on under MCP in Cursor's settings",
            (Client::Vscode, _) => "run `MCP: List Servers` from the command palette and start it",
            (Client::Zed, _) => "see that it is on in the settings of Zed's agent panel",
            (Client::ClaudeDesktop, _) => "quit Claude and start it anew",
        }
    }
}
