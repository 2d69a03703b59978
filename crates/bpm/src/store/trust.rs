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
    match super::write_atomically(&project.state.join("allowed"), fingerprint.as_bytes()) {
        // another `up` at the same time has put the same in place
        Err(_) if is_approved(project, fingerprint) => Ok(()),
        written => written,
    }
}

pub fn is_approved(project: &Project, fingerprint: &str) -> bool {
    fs::read_to_string(project.state.join("allowed")).is_ok_and(|allowed| allowed == fingerprint)
}

/// A configuration runs commands, so only its user or root may have written it.
///
/// # Errors
/// `Forbidden`, naming the file and its owner.
pub fn check_owner(path: &Path, meta: &fs::Metadata) -> Result<(), Error> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_both_files_and_of_where_one_ends() {
        let all = [
            fingerprint("a", None),
            fingerprint("a", Some("")),
            fingerprint("a", Some("b")),
            fingerprint("ab", Some("")),
            fingerprint("", Some("ab")),
            fingerprint("ab", None),
        ];
        for (place, one) in all.iter().enumerate() {
            assert_eq!(one.len(), 64);
            assert!(!all[..place].contains(one), "{place}");
        }
        assert_eq!(all[2], fingerprint("a", Some("b")));
    }

    #[test]
    fn only_the_approved_content_is_approved() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().to_owned();
        let project = Project { root: state.clone(), id: "test".to_owned(), state };
        assert!(!is_approved(&project, ""));
        approve(&project, "first").unwrap();
        assert!(is_approved(&project, "first") && !is_approved(&project, "firs"));
        approve(&project, "second").unwrap();
        assert!(!is_approved(&project, "first"));
    }

    fn owner(path: &Path) -> Result<(), Error> {
        check_owner(path, &fs::metadata(path).unwrap())
    }

    #[test]
    fn what_is_ours_or_roots_may_be_read() {
        assert!(owner(tempfile::NamedTempFile::new().unwrap().path()).is_ok());
        assert!(owner(Path::new("/etc/passwd")).is_ok());
    }

    #[test]
    #[ignore = "needs root to give a file away"]
    fn needs_root_what_belongs_to_somebody_else_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::chown(file.path(), Some(65534), None).unwrap();
        let error = owner(file.path()).unwrap_err();
        assert_eq!(error.code, Code::Forbidden);
        assert!(error.message.contains("uid 65534"), "{error}");
    }
}
