//! Reads a project's configuration from disk.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use bpm_api::{Code, Error};
use bpm_core::config::{self, Config, Faults, Source};

use super::paths::Project;
use super::trust::{self, Content};

/// Far more than anybody writes.
const MAX_BYTES: u64 = 4 << 20;

/// A configuration and what identifies its content.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub content: Content,
}

/// Reads `.mcp-run` and, if it is there, `.mcp-run.local`.
///
/// # Errors
/// `InvalidConfig` with every fault as its detail, `Forbidden` for a file of somebody else, `System`
/// where a file cannot be read.
pub fn load(project: &Project) -> Result<Loaded, Error> {
    let (main_path, local_path) = (project.config(), project.local_config());
    let main = read(&main_path)?.ok_or_else(|| {
        Error::new(Code::InvalidConfig, format!("there is no `{}`", main_path.display()))
            .hint("write one: `[process.web]` with `command = \"python3 -m http.server\"` is a whole one")
    })?;
    let local = read(&local_path)?;
    let (main_name, local_name) = (main_path.display().to_string(), local_path.display().to_string());
    let parsed = parse(&main_name, &main, &local_name, local.as_deref());
    let config = parsed.map_err(|faults| {
        let count = faults.count();
        let what = if count == 1 { "1 fault".to_owned() } else { format!("{count} faults") };
        Error::new(Code::InvalidConfig, format!("{what} in {}", faults.files()))
            .detail(faults.render(false))
            .hint("mend it, then `bpm check`")
    })?;
    Ok(Loaded { config, content: Content { main, local } })
}

/// The configuration that was approved last, whatever the files say now.
pub fn last_approved(project: &Project) -> Option<Config> {
    let Content { main, local } = trust::last_approved(project)?;
    parse("", &main, "", local.as_deref()).ok()
}

fn parse(main_name: &str, main: &str, local_name: &str, local: Option<&str>) -> Result<Config, Faults> {
    let local = local.map(|text| Source { path: local_name, text });
    config::parse(Source { path: main_name, text: main }, local)
}

/// What is read is the file whose owner was looked at, and no pipe that never ends.
fn read(path: &Path) -> Result<Option<String>, Error> {
    let cannot_read =
        |error: io::Error| Error::new(Code::System, format!("cannot read `{}`: {error}", path.display()));
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(nonblocking).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot_read(error)),
    };
    let meta = file.metadata().map_err(cannot_read)?;
    trust::check_owner(path, &meta)?;
    if !meta.is_file() {
        return Err(Error::new(Code::InvalidConfig, format!("`{}` is not a file", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cannot_read)?;
    if bytes.len() as u64 > MAX_BYTES {
        let text = format!("`{}` is longer than {MAX_BYTES} bytes", path.display());
        return Err(Error::new(Code::LimitReached, text));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::new(Code::InvalidConfig, format!("`{}` is not UTF-8 (byte {at})", path.display()))
            .hint("save it as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn project(dir: &Path) -> Project {
        Project { root: dir.to_owned(), id: "test".to_owned(), state: dir.join("state") }
    }

    fn refused(project: &Project) -> Error {
        load(project).unwrap_err()
    }

    #[test]
    fn both_files_are_read_and_identified() {
        let dir = tempfile::tempdir().unwrap();
        let project = project(dir.path());
        fs::write(project.config(), "[process.web]\ncommand = 'serve'\n").unwrap();
        let alone = load(&project).unwrap();
        assert_eq!(alone.config.processes.len(), 1);
        fs::write(project.local_config(), "mcp_port = 4000\n").unwrap();
        let both = load(&project).unwrap();
        assert!(both.config.mcp_port.is_some() && both.content != alone.content);
    }

    #[test]
    fn what_was_approved_last_is_known_when_the_file_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let project = project(dir.path());
        fs::create_dir(&project.state).unwrap();
        assert!(last_approved(&project).is_none());
        fs::write(project.config(), "[process.web]\ncommand = 'serve'\n").unwrap();
        let approved = load(&project).unwrap();
        trust::approve(&project, &approved.content).unwrap();
        fs::write(project.config(), "[process.web]\ncommand = 'other'\n").unwrap();
        assert!(!trust::is_approved(&project, &load(&project).unwrap().content));
        assert_eq!(last_approved(&project).unwrap(), approved.config);
    }

    #[test]
    fn what_is_missing_faulty_or_no_text_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let project = project(dir.path());
        assert!(refused(&project).message.starts_with("there is no `"));
        fs::write(project.config(), "[process.a]\ncomand = 'x'\nfoo = 1\n").unwrap();
        let faulty = refused(&project);
        assert_eq!(faulty.code, Code::InvalidConfig);
        assert!(faulty.message.contains("faults") && faulty.detail.unwrap().contains("`command`"));
        fs::write(project.config(), b"# \xff").unwrap();
        assert!(refused(&project).message.contains("not UTF-8 (byte 2)"));
    }

    #[test]
    fn neither_a_pipe_nor_a_directory_nor_endless_text_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let project = project(dir.path());
        let (path, fifo) = (project.config(), rustix::fs::FileType::Fifo);
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, 0o600.into(), 0).unwrap();
        assert!(refused(&project).message.contains("is not a file"));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(refused(&project).message.contains("is not a file"));
        fs::remove_dir(&path).unwrap();
        fs::File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert_eq!(refused(&project).code, Code::LimitReached);
    }
}
