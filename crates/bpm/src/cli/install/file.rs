//! Reads and replaces a file that belongs to another program: links are followed, the file changes as a whole
//! or not at all, its mode and owner stay. Must not know what is in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use bpm_api::{Code, Error};

use super::clients::Scope;

/// A configuration is never that long.
const MAX_BYTES: u64 = 64 << 20;
const MAX_LINKS: usize = 40;
const BOM: &str = "\u{feff}";

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Text {
    /// Where it is, links followed.
    pub(super) path: PathBuf,
    /// `None`: there is no such file.
    pub(super) content: Option<String>,
    /// It began with a byte order mark, which is not in the content.
    bom: bool,
}

/// # Errors
/// It cannot be read, is no regular file, too long, or no UTF-8.
pub(super) fn read(path: &Path) -> Result<Text, Error> {
    let path = follow(path)?;
    let bytes = match bytes(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Text { path, content: None, bom: false });
        }
        Err(error) => return Err(refused("read", &path, &error)),
    };
    let content = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let message = format!("`{}` is not UTF-8 from byte {at} on", path.display());
        Error::new(Code::InvalidConfig, message).hint("nothing was changed; save it as UTF-8 first")
    })?;
    Ok(match content.strip_prefix(BOM) {
        Some(rest) => Text { path, content: Some(rest.to_owned()), bom: true },
        None => Text { path, content: Some(content), bom: false },
    })
}

impl Text {
    /// Puts `content` in its place.
    ///
    /// # Errors
    /// It cannot be written, or has changed since it was read.
    pub(super) fn replace(&self, content: &str, scope: Scope) -> Result<(), Error> {
        let content = if self.bom { format!("{BOM}{content}") } else { content.to_owned() };
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(if scope == Scope::User { 0o700 } else { 0o777 })
            .create(directory)
            .map_err(|error| refused("make the directory", directory, &error))?;
        let name = self.path.file_name().unwrap_or_default().display();
        let unfinished = directory.join(format!(".{name}.bpm-{}", std::process::id()));
        let written = self.write(&unfinished, &content, scope).and_then(|()| {
            if !self.is_as_read()? {
                return Err(io::Error::other("it has changed meanwhile"));
            }
            fs::rename(&unfinished, &self.path)
        });
        written.map_err(|error| {
            let _ = fs::remove_file(&unfinished);
            refused("write", &self.path, &error)
        })
    }

    /// # Errors
    /// It cannot be removed, or has changed since it was read.
    pub(super) fn delete(&self) -> Result<(), Error> {
        let deleted = match self.is_as_read() {
            Ok(true) => fs::remove_file(&self.path),
            Ok(false) => Err(io::Error::other("it has changed meanwhile")),
            Err(error) => Err(error),
        };
        deleted.map_err(|error| refused("remove", &self.path, &error))
    }

    fn write(&self, path: &Path, content: &str, scope: Scope) -> io::Result<()> {
        let mode = if scope == Scope::User { 0o600 } else { 0o666 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        if let Ok(had) = fs::metadata(&self.path) {
            let made = file.metadata()?;
            if (had.uid(), had.gid()) != (made.uid(), made.gid()) {
                fchown(&file, Some(had.uid()), Some(had.gid()))?;
            }
            file.set_permissions(fs::Permissions::from_mode(had.mode() & 0o7777))?;
        }
        file.write_all(content.as_bytes())?;
        file.sync_all()
    }

    fn is_as_read(&self) -> io::Result<bool> {
        match (bytes(&self.path), &self.content) {
            (Ok(bytes), Some(content)) => {
                let now = if self.bom { bytes.strip_prefix(BOM.as_bytes()) } else { Some(&bytes[..]) };
                Ok(now == Some(content.as_bytes()))
            }
            (Err(error), None) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            (Err(error), _) => Err(error),
            (Ok(_), None) => Ok(false),
        }
    }
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    // not every file ends when it is read, or opens at once
    let is_file = |meta: &fs::Metadata| {
        if meta.is_file() { Ok(()) } else { Err(io::Error::other("it is not a regular file")) }
    };
    is_file(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    is_file(&file.metadata()?)?;
    let mut bytes = Vec::new();
    if file.take(MAX_BYTES + 1).read_to_end(&mut bytes)? as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

/// Where links lead, though there be nothing.
fn follow(path: &Path) -> Result<PathBuf, Error> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("/")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(refused("read", &path, &io::Error::other("too many links lead to one another")))
}

fn refused(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(Code::System, format!("cannot {what} `{}`: {error}", path.display()))
        .hint("nothing was changed; `--print` shows the entry, to be put there by hand")
}
