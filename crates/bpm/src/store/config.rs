//! Reads a project's configuration from disk.

use std::io;
use std::path::Path;

use bpm_api::{Code, Error};
use bpm_core::config::{self, Config, Source};

use super::paths::Project;
use super::trust;

/// A configuration and what identifies its content.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub fingerprint: String,
}

/// Reads `.mcp-run` and, if it is there, `.mcp-run.local`.
///
/// # Errors
/// `InvalidConfig` with every fault as its detail, `Forbidden` for a file of somebody else, `System`
/// where a file cannot be read.
pub fn load(project: &Project) -> Result<Loaded, Error> {
    let (main_path, local_path) = (project.config(), project.local_config());
    trust::check_owner(&main_path)?;
    trust::check_owner(&local_path)?;
    let main = read(&main_path)?.ok_or_else(|| {
        Error::new(Code::InvalidConfig, format!("there is no `{}`", main_path.display()))
            .hint("write one: `[process.web]` with `command = \"python3 -m http.server\"` is a whole one")
    })?;
    let local = read(&local_path)?;
    let (main_name, local_name) = (main_path.display().to_string(), local_path.display().to_string());
    let local_source = local.as_deref().map(|text| Source { path: &local_name, text });
    let parsed = config::parse(Source { path: &main_name, text: &main }, local_source);
    let config = parsed.map_err(|faults| {
        let count = faults.count();
        let what = if count == 1 { "1 fault".to_owned() } else { format!("{count} faults") };
        Error::new(Code::InvalidConfig, format!("{what} in {}", faults.files()))
            .detail(faults.render(false))
            .hint("mend it, then `bpm check`")
    })?;
    let fingerprint = trust::fingerprint(&main, local.as_deref());
    Ok(Loaded { config, fingerprint })
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Error::new(Code::System, format!("cannot read `{}`: {error}", path.display())));
        }
    };
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::new(Code::InvalidConfig, format!("`{}` is not UTF-8 (byte {at})", path.display()))
            .hint("save it as UTF-8")
    })
}
