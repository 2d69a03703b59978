//! Reads configuration files for `bpm check`, which wants every fault as data, of files of any name. What they mean
//! is the core's to say.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bpm_api::{Code, Error};
use bpm_core::config::{self, Config, Faults, MAX_FILE_BYTES, Source};

use crate::store::paths::{CONFIG, LOCAL_CONFIG, Project};

/// The main file and the one that may override it.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) main: PathBuf,
    pub(super) local: Option<PathBuf>,
}

/// Why there is no configuration.
#[derive(Debug)]
pub(super) enum Unloaded {
    /// A file cannot be read.
    Unread(Error),
    Faulty(Faults),
}

impl Files {
    pub(super) fn of(project: &Project) -> Files {
        Files { main: project.config(), local: Some(project.local_config()) }
    }

    /// One file; if it is called as a project's is, with the local one beside it.
    pub(super) fn of_file(path: &Path) -> Files {
        let named = path.file_name().is_some_and(|name| name == CONFIG);
        Files { main: path.to_owned(), local: named.then(|| path.with_file_name(LOCAL_CONFIG)) }
    }
}

/// Reads and parses.
pub(super) fn load(files: &Files) -> Result<Config, Unloaded> {
    let main =
        read(&files.main).map_err(Unloaded::Unread)?.ok_or_else(|| Unloaded::Unread(absent(&files.main)))?;
    let local = match &files.local {
        Some(path) => read(path).map_err(Unloaded::Unread)?.map(|text| (path.display().to_string(), text)),
        None => None,
    };
    let path = files.main.display().to_string();
    let local = local.as_ref().map(|(path, text)| Source { path, text });
    config::parse(Source { path: &path, text: &main }, local).map_err(Unloaded::Faulty)
}

/// The text of a file, or `None` where there is no such file.
fn read(path: &Path) -> Result<Option<String>, Error> {
    let unreadable = |why: String| {
        Error::new(Code::InvalidConfig, format!("cannot read `{}`: {why}", path.display()))
            .hint("it must be a UTF-8 text file that you may read")
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that the parser sees that it is too long.
    let most = MAX_FILE_BYTES as u64 + 1;
    file.take(most).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    let too_long = bytes.len() > MAX_FILE_BYTES;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) if too_long => Err(unreadable(format!("it is longer than {MAX_FILE_BYTES} bytes"))),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(unreadable(format!("byte {} is not UTF-8", at + 1)))
        }
    }
}

fn absent(path: &Path) -> Error {
    Error::new(Code::InvalidConfig, format!("there is no `{}`", path.display()))
        .hint("write one: a `[process.NAME]` table with `command = [\"program\", \"argument\"]` is enough")
}
