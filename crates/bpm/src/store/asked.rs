//! That a run's end was asked for, or a build's: an empty file in its directory, for whoever lists them later. The exit
//! record cannot say it: a shim passes signals on and does not know what they are for.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const FILE: &str = "asked";

/// # Errors
/// The directory is not there, or the file cannot be made.
pub fn mark(dir: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(dir.join(FILE)).map(drop)
}

#[must_use]
pub fn is_marked(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_marked_stays_so_and_nothing_is_made_where_nothing_is() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_marked(dir.path()));
        mark(dir.path()).unwrap();
        mark(dir.path()).unwrap();
        assert!(is_marked(dir.path()));
        assert!(mark(&dir.path().join("nowhere")).is_err());
    }
}
