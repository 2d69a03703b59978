//! The manager's own limits. It holds a few descriptors per run, so it needs more than the usual 1024;
//! programs get the limit that it was started with.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for a hundred thousand runs. Some systems have a hard limit of a thousand million, and some programs
/// that the manager starts itself (direnv's bash, cargo) look at every number below their limit.
const MOST: u64 = 1 << 19;

/// Raises the soft limit of open files towards the hard one. Returns what it was, if it was changed.
pub(super) fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = raised(limit)?;
    setrlimit(Resource::Nofile, raised).ok()?;
    limit.current
}

/// `None`: it is high enough.
fn raised(limit: Rlimit) -> Option<Rlimit> {
    let most = limit.maximum.unwrap_or(MOST).min(MOST);
    (limit.current? < most).then_some(Rlimit { current: Some(most), maximum: limit.maximum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_and_never_lowered() {
        let after = |current, maximum| raised(Rlimit { current, maximum }).map(|limit| limit.current);
        assert_eq!(after(Some(1024), Some(4096)), Some(Some(4096)));
        assert_eq!(after(Some(4096), Some(4096)), None);
        assert_eq!(after(Some(1024), None), Some(Some(MOST)));
        assert_eq!(after(Some(1024), Some(1 << 30)), Some(Some(MOST)));
        assert_eq!(after(Some(1 << 25), Some(1 << 30)), None);
        assert_eq!(after(None, None), None);
    }

    #[test]
    fn what_it_was_is_told_so_that_programs_get_it() {
        let before = getrlimit(Resource::Nofile);
        let told = raise_open_files();
        let after = getrlimit(Resource::Nofile);
        assert_eq!(told.is_some(), after.current != before.current);
        assert!(told.is_none_or(|was| Some(was) == before.current));
        setrlimit(Resource::Nofile, before).unwrap();
    }
}
