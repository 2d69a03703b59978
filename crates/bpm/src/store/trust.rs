//! Approval of a configuration's content: `bpm up` and `bpm allow` record it, and a manager that some
//! other command starts runs the configured processes only if this very content was approved.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bpm_api::{Code, Error};
use serde::{Deserialize, Serialize};

use super::paths::Project;

/// What a configuration's files say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub main: String,
    pub local: Option<String>,
}

/// Keeps what was approved, too: programs that run by it go on by it when the files have changed.
/// Writes only what is new: a full disk is no reason to refuse what was approved before.
///
/// # Errors
/// The state directory cannot be written.
pub fn approve(project: &Project, content: &Content) -> io::Result<()> {
    if is_approved(project, content) {
        return Ok(());
    }
    let text = serde_json::to_vec(content).map_err(io::Error::other)?;
    match super::write_atomically(&project.state.join("approved"), &text) {
        // another `up` at the same time has put the same in place
        Err(_) if is_approved(project, content) => Ok(()),
        written => written,
    }
}

/// Whether this very content was approved last.
pub fn is_approved(project: &Project, content: &Content) -> bool {
    last_approved(project).as_ref() == Some(content)
}

/// # Errors
/// `Forbidden`: this content was not approved.
pub fn check(project: &Project, content: &Content) -> Result<(), Error> {
    if is_approved(project, content) {
        return Ok(());
    }
    let path = project.config();
    Err(Error::new(Code::Forbidden, format!("`{}` is not approved as it is", path.display()))
        .hint("read it, then `bpm allow` or `bpm up`"))
}

/// What was approved last.
pub fn last_approved(project: &Project) -> Option<Content> {
    serde_json::from_slice(&fs::read(project.state.join("approved")).ok()?).ok()
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
    fn only_the_approved_content_is_approved() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().to_owned();
        let project = Project { root: state.clone(), id: "test".to_owned(), state };
        let content = |main: &str, local: Option<&str>| Content {
            main: main.to_owned(),
            local: local.map(str::to_owned),
        };
        let all = [
            content("", None),
            content("a", None),
            content("a", Some("")),
            content("a", Some("b")),
            content("ab", Some("")),
        ];
        assert!(!all.iter().any(|one| is_approved(&project, one)));
        for approved in &all {
            approve(&project, approved).unwrap();
            for one in &all {
                assert_eq!(is_approved(&project, one), one == approved);
            }
        }
        fs::write(project.state.join("approved"), "garbage").unwrap();
        assert!(last_approved(&project).is_none());
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
