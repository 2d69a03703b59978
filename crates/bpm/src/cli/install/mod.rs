//! `bpm install`: writes bpm into the configuration of a client of MCP, shows what would be written, takes it
//! out again, or says which clients have it. Decides in which file; how an edit is made is below.

mod clients;
mod edit;
mod file;
mod json;
mod list;
mod record;
#[cfg(test)]
mod tests;
mod toml;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bpm_api::{Code, Error};
use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::failure::Failure;
use crate::render::safe_line;
use clients::{Call, Client, Places, Scope, Syntax};
use edit::{Difference, Entry, Fault, Found, Made, Slot, Splice};
use record::Record;

/// This program's, on the `PATH`.
const NAME: &str = "bpm";

/// Register bpm with a client of MCP, so that its agent has the tools
///
/// Writes one entry into the client's own configuration and leaves the rest as it is; an entry that is there
/// already is brought up to date. Without CLIENT: which clients there are, and which have it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bpm install                                 which clients there are, and which have bpm
  bpm install claude-code
  bpm install cursor --scope project          for everybody who works on this project
  bpm install zed --print                     the entry alone; writes nothing
  bpm install codex --remove
  bpm install claude-desktop --project ~/dev/shop

Exit codes: 0 done or nothing to do, 1 the file cannot be written, 2 usage, or the file is broken")]
pub(super) struct InstallArgs {
    /// Whose configuration
    client: Option<Client>,
    /// For all projects of this user, or in this project's directory
    #[arg(long, value_enum, default_value = "user", requires = "client")]
    scope: Scope,
    /// Print what would be there, and write nothing
    #[arg(long, requires = "client", conflicts_with = "remove")]
    print: bool,
    /// Take the entry out again
    #[arg(long, requires = "client")]
    remove: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Report {
    client: Client,
    scope: Scope,
    file: PathBuf,
    change: Change,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<Difference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Added,
    Replaced,
    AlreadyThere,
    Removed,
    /// Also the file, which had come with the entry.
    RemovedFile,
    NotThere,
}

pub(super) fn run(args: &InstallArgs, cx: &Context) -> Result<ExitCode, Failure> {
    let places = Places::of(|name| std::env::var_os(name)).ok_or_else(|| {
        Error::new(Code::InvalidParameter, "`HOME` is no absolute path, and the clients' files are below it")
            .hint("set `HOME`")
    })?;
    let Some(client) = args.client else {
        return cx.printer.show(&list::list(&places, cx), |rows, style| list::text(rows, style));
    };
    let target = Target::of(client, args, &places, cx)?;
    if args.print {
        cx.printer.note(&format!("for `{}`", safe_line(&target.file.display().to_string())));
        cx.printer.text(&target.document())?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = if args.remove { target.remove()? } else { target.put()? };
    cx.printer.show(&report, |report, _| report.text())
}

/// An entry and the file that it belongs in.
#[derive(Debug)]
struct Target {
    client: Client,
    scope: Scope,
    file: PathBuf,
    entry: Entry,
}

impl Target {
    fn of(client: Client, args: &InstallArgs, places: &Places, cx: &Context) -> Result<Target, Error> {
        let scope = args.scope;
        let named = cx.named_project().transpose()?;
        let project = match (scope, named) {
            // an entry can be taken out from anywhere
            (Scope::User, named) if args.remove || !client.wants_project() => named,
            (Scope::User | Scope::Project, Some(named)) => Some(named),
            (Scope::User | Scope::Project, None) => Some(cx.project()?),
        };
        let files = match (scope, &project) {
            (Scope::Project, Some(project)) => {
                client.project_files().iter().map(|file| project.root.join(file)).collect()
            }
            (Scope::User | Scope::Project, _) => client.user_files(places),
        };
        let Some(first) = files.first() else {
            let message = format!("`{}` has no configuration for single projects", client.name());
            return Err(Error::new(Code::InvalidParameter, message)
                .hint("leave out `--scope`; `--project DIR` says which project its one entry is for"));
        };
        let root = project.filter(|_| scope == Scope::User).map(|project| {
            project.root.to_str().map(str::to_owned).ok_or_else(|| {
                let message = format!("`{}` is not UTF-8, as its name must be", project.root.display());
                Error::new(Code::InvalidParameter, message)
            })
        });
        let by_path = client.is_desktop() && scope == Scope::User;
        // what it says does not matter then
        let program = if args.remove { NAME.to_owned() } else { program(by_path)? };
        let call = Call { program, project: root.transpose()? };
        let entry = client.entry(scope, &call);
        let there = files.iter().filter(|file| file.exists());
        let has = |file: &&PathBuf| found(client, file, &entry).is_ok_and(|found| found != Found::Nothing);
        let file = there.clone().find(has).or_else(|| there.clone().next()).unwrap_or(first).clone();
        Ok(Target { client, scope, file, entry })
    }

    /// The entry, as a file that has nothing else.
    fn document(&self) -> String {
        match self.client.syntax() {
            Syntax::Json(_) => json::document(self.client.slot(), &self.entry),
            Syntax::Toml => toml::document(self.client.slot(), &self.entry),
        }
    }

    fn put(&self) -> Result<Report, Error> {
        let file = file::read(&self.file)?;
        let text = file.content.as_deref().unwrap_or_default();
        let (slot, syntax) = (self.client.slot(), self.client.syntax());
        let found = find(syntax, slot, text, &self.entry).map_err(|fault| broken(&file.path, &fault))?;
        if found == Found::Same {
            return Ok(self.report(Change::AlreadyThere, Vec::new()));
        }
        let put = put(syntax, slot, text, &self.entry).map_err(|fault| broken(&file.path, &fault));
        let (splices, made) = put?;
        let after = edit::apply(text, &splices);
        self.check(syntax, &after)?;
        file.replace(&after, self.scope)?;
        let differences = match found {
            Found::Different(differences) => differences,
            Found::Nothing | Found::Same => {
                let made = if file.content.is_none() { Made::File } else { made };
                let record = Record::new(made, &after, edit::inserted(&splices));
                // without it the entry can be taken out all the same, perhaps not to the last blank
                if let Err(error) = record.save(&file.path) {
                    tracing::debug!("no record of the entry in {}: {error}", file.path.display());
                }
                return Ok(self.report(Change::Added, Vec::new()));
            }
        };
        Ok(self.report(Change::Replaced, differences))
    }

    fn remove(&self) -> Result<Report, Error> {
        let file = file::read(&self.file)?;
        let text = file.content.as_deref().unwrap_or_default();
        let (slot, syntax) = (self.client.slot(), self.client.syntax());
        let record = Record::load(&file.path);
        let made = record.as_ref().map_or(Made::Entry, |record| record.made);
        let found = find(syntax, slot, text, &self.entry).map_err(|fault| broken(&file.path, &fault))?;
        if found == Found::Nothing {
            Record::forget(&file.path);
            return Ok(self.report(Change::NotThere, Vec::new()));
        }
        let after = match record.and_then(|record| record.undo(text)) {
            Some(before) => before,
            None => take(syntax, slot, text, made).map_err(|fault| broken(&file.path, &fault))?,
        };
        let change = if made == Made::File && is_empty(syntax, &after) {
            file.delete()?;
            Change::RemovedFile
        } else {
            file.replace(&after, self.scope)?;
            Change::Removed
        };
        Record::forget(&file.path);
        Ok(self.report(change, Vec::new()))
    }

    /// What is about to be written must say what it is meant to say.
    fn check(&self, syntax: Syntax, after: &str) -> Result<(), Error> {
        match find(syntax, self.client.slot(), after, &self.entry) {
            Ok(Found::Same) => Ok(()),
            Ok(Found::Nothing | Found::Different(_)) | Err(_) => {
                let message = format!("cannot put the entry into `{}`", self.file.display());
                Err(Error::new(Code::InvalidConfig, message)
                    .hint("nothing was changed; put it there by hand")
                    .detail(self.document()))
            }
        }
    }

    fn report(&self, change: Change, differences: Vec<Difference>) -> Report {
        let Target { client, scope, file, .. } = self;
        let next = matches!(change, Change::Added | Change::Replaced).then(|| client.next_step(*scope));
        Report { client: *client, scope: *scope, file: file.clone(), change, differences, next }
    }
}

impl Report {
    fn text(&self) -> String {
        let file = self.file.display().to_string();
        let (client, file) = (self.client.name(), safe_line(&file));
        let mut out = match self.change {
            Change::Added => format!("{client}: added to `{file}`\n"),
            Change::Replaced => format!("{client}: brought up to date in `{file}`\n"),
            Change::AlreadyThere => format!("{client}: already in `{file}`\n"),
            Change::Removed => format!("{client}: removed from `{file}`\n"),
            Change::RemovedFile => format!("{client}: removed `{file}`, which had nothing else in it\n"),
            Change::NotThere => format!("{client}: not in `{file}`\n"),
        };
        for Difference { key, before, after } in &self.differences {
            for (sign, text) in [('-', before), ('+', after)] {
                if let Some(text) = text {
                    out.push_str(&format!("  {sign} {}: {}\n", safe_line(key), safe_line(text)));
                }
            }
        }
        if let Some(next) = self.next {
            out.push_str(&format!("  next: {next}\n"));
        }
        out
    }
}

/// What is there for an entry in a file; nothing, where there is no file.
fn found(client: Client, path: &Path, entry: &Entry) -> Result<Found, Error> {
    let file = file::read(path)?;
    let text = file.content.as_deref().unwrap_or_default();
    find(client.syntax(), client.slot(), text, entry).map_err(|fault| broken(&file.path, &fault))
}

fn find(syntax: Syntax, slot: Slot, text: &str, entry: &Entry) -> Result<Found, Fault> {
    match syntax {
        Syntax::Json(dialect) => json::Json::parse(text, dialect)?.find(slot, entry),
        Syntax::Toml => toml::Toml::parse(text)?.find(slot, entry),
    }
}

fn put(syntax: Syntax, slot: Slot, text: &str, entry: &Entry) -> Result<(Vec<Splice>, Made), Fault> {
    match syntax {
        Syntax::Json(dialect) => json::Json::parse(text, dialect)?.put(slot, entry),
        Syntax::Toml => Ok((toml::Toml::parse(text)?.put(slot, entry)?, Made::Entry)),
    }
}

/// The text without the entry, and without what came with it.
fn take(syntax: Syntax, slot: Slot, text: &str, made: Made) -> Result<String, Fault> {
    let dialect = match syntax {
        Syntax::Json(dialect) => dialect,
        Syntax::Toml => return Ok(edit::apply(text, &toml::Toml::parse(text)?.take(slot)?)),
    };
    let mut text = text.to_owned();
    // an object may have one name several times
    loop {
        let splices = json::Json::parse(&text, dialect)?.take(slot)?;
        if splices.is_empty() {
            break;
        }
        text = edit::apply(&text, &splices);
    }
    if made != Made::Entry {
        let splices = json::Json::parse(&text, dialect)?.take_container(slot)?;
        text = edit::apply(&text, &splices);
    }
    Ok(text)
}

fn is_empty(syntax: Syntax, text: &str) -> bool {
    match syntax {
        Syntax::Json(dialect) => json::Json::parse(text, dialect).is_ok_and(|json| json.is_empty()),
        Syntax::Toml => text.trim().is_empty(),
    }
}

fn broken(path: &Path, fault: &Fault) -> Error {
    let Fault { line, column, message } = fault;
    Error::new(Code::InvalidConfig, format!("`{}`:{line}:{column}: {message}", path.display()))
        .hint("nothing was changed; mend the file first")
}

/// This program, as clients are to call it: by name where that leads here, else by its path.
fn program(by_path: bool) -> Result<String, Error> {
    let unknown = |why: String| {
        Error::new(Code::System, format!("cannot tell where this program is: {why}"))
            .hint("install `bpm` on the `PATH` and start it from there")
    };
    let own = std::env::current_exe().map_err(|error| unknown(error.to_string()))?;
    let same = |path: &PathBuf| path.canonicalize().is_ok_and(|path| path == own);
    let on_path = on_path(NAME).filter(same);
    match on_path {
        Some(_) if !by_path => return Ok(NAME.to_owned()),
        // the link rather than what it leads to today: an upgrade changes the latter
        Some(path) if path.is_absolute() => return Ok(path.display().to_string()),
        Some(_) | None => {}
    }
    let path = own.to_str().ok_or_else(|| unknown(format!("`{}` is not UTF-8", own.display())))?;
    if !own.exists() {
        return Err(unknown(format!("`{path}` is there no more")));
    }
    Ok(path.to_owned())
}

/// The first executable file of that name on `PATH`.
fn on_path(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::var_os("PATH")?;
    let is_executable = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path).map(|dir| dir.join(OsStr::new(name))).find(is_executable)
}
