//! Approval of a configuration's content: `bpm up` and `bpm allow` record it, and a manager that some
//! other command starts runs the configured processes only if this very content was approved.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bpm_api::{Code, Error};
use sha2::{Digest, Sha256};

use super::paths::Project;

/// What identifies a configuration's content: both files, in order.
pub fn fingerprint(main: &str, local: Option<&str>) -> String {
    let mut hash = Sha256::new();
    for part in [main, local.unwrap_or("\0")] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes only what is new: a full disk is no reason to refuse what was approved before.
///
/// # Errors
/// The state directory cannot be written.
pub fn approve(project: &Project, fingerprint: &str) -> io::Result<()> {
    if is_approved(project, fingerprint) {
        return Ok(());
    }
    super::write_atomically(&project.state.join("allowed"), fingerprint.as_bytes())
}

pub fn is_approved(project: &Project, fingerprint: &str) -> bool {
    fs::read_to_string(project.state.join("allowed")).is_ok_and(|allowed| allowed == fingerprint)
}

/// A configuration runs commands, so only its user or root may have written it.
///
/// # Errors
/// `Forbidden`, naming the file and its owner.
pub fn check_owner(path: &Path) -> Result<(), Error> {
    let Ok(meta) = fs::metadata(path) else { return Ok(()) };
    let (owner, own) = (meta.uid(), rustix::process::getuid().as_raw());
    if owner == own || owner == 0 {
        return Ok(());
    }
    Err(Error::new(
        Code::Forbidden,
        format!("`{}` belongs to uid {owner}, not to you (uid {own})", path.display()),
    )
    .hint(format!("read it, then take it over: `chown {own} {}`", path.display())))
}
