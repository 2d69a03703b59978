//! Which clients there are on this machine, and which of them have bpm. Reads their files and changes none.

use std::path::PathBuf;

use serde::Serialize;

use super::clients::{Client, Places, Scope};
use super::edit::{Entry, Found};
use super::{found, on_path};
use crate::cli::context::Context;
use crate::render::{Ink, Style, safe_line};

/// In the order in which they are shown.
pub(super) const ALL: [Client; 8] = [
    Client::ClaudeCode,
    Client::Codex,
    Client::Gemini,
    Client::Opencode,
    Client::Cursor,
    Client::Vscode,
    Client::Zed,
    Client::ClaudeDesktop,
];

/// A client.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    client: Client,
    /// Its program is on the `PATH`, or it has left its directory.
    there: bool,
    /// For whom it has an entry.
    has_bpm: Vec<Scope>,
    /// Where an entry for the user belongs.
    file: PathBuf,
    /// Files that cannot be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<String>,
}

/// Every client; entries of the project only where there is one.
pub(super) fn list(places: &Places, cx: &Context) -> Vec<Row> {
    let project = cx.project().ok();
    let row = |client: Client| {
        let user = client.user_files(places);
        let below = |file: &&str| project.as_ref().map(|project| project.root.join(file));
        let here: Vec<PathBuf> = client.project_files().iter().filter_map(below).collect();
        let mut row = Row {
            client,
            there: is_there(client, &user, places),
            has_bpm: Vec::new(),
            file: user.iter().find(|file| file.exists()).or(user.first()).cloned().unwrap_or_default(),
            faults: Vec::new(),
        };
        for (scope, files) in [(Scope::User, user), (Scope::Project, here)] {
            for file in files {
                // any entry of that name counts, whatever it says
                match found(client, &file, &Entry(Vec::new())) {
                    Ok(Found::Nothing) => {}
                    Ok(Found::Same | Found::Different(_)) if row.has_bpm.contains(&scope) => {}
                    Ok(Found::Same | Found::Different(_)) => row.has_bpm.push(scope),
                    Err(error) => row.faults.push(error.message),
                }
            }
        }
        row
    };
    ALL.map(row).into()
}

fn is_there(client: Client, files: &[PathBuf], places: &Places) -> bool {
    let left = |file: &PathBuf| {
        let own = file.parent().is_some_and(|dir| dir != places.home && dir.exists());
        own || file.exists()
    };
    client.programs().iter().any(|name| on_path(name).is_some()) || files.iter().any(left)
}

/// A line for each.
pub(super) fn text(rows: &[Row], style: Style) -> String {
    let mut out = String::new();
    for Row { client, there, has_bpm, file, faults } in rows {
        let has = match &has_bpm[..] {
            [] => "no bpm",
            [Scope::User] => "bpm",
            [Scope::Project] => "bpm (project)",
            _ => "bpm (user, project)",
        };
        let (ink, there) = if *there { (Ink::Strong, "found") } else { (Ink::Faint, "not found") };
        let ink_of_has = if has_bpm.is_empty() { Ink::Faint } else { Ink::Good };
        out.push_str(&format!(
            "{}  {there:9}  {}  {}\n",
            style.paint(ink, &format!("{:14}", client.name())),
            style.paint(ink_of_has, &format!("{has:19}")),
            safe_line(&file.display().to_string()),
        ));
        for fault in faults {
            out.push_str(&format!("  {} {}\n", style.paint(Ink::Bad, "fault:"), safe_line(fault)));
        }
    }
    out
}
