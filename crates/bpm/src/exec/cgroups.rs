//! Where this project's runs can have cgroups of their own (cgroup v2), if anywhere.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// With systemd's `DelegateSubgroup=manager` the manager sits in a leaf of this name, and runs get
/// siblings of it.
const MANAGER_LEAF: &str = "manager";

/// Finds or makes the directory in which each run of the project gets a cgroup. `None`: this user may
/// not make any here, and trees are found by subreaper and `/proc` alone.
pub fn base(project_id: &str) -> Option<PathBuf> {
    let mount = mount_point(&fs::read_to_string("/proc/self/mounts").ok()?)?;
    let own = own_cgroup(&fs::read_to_string("/proc/self/cgroup").ok()?)?;
    let parent = parent_for_runs(&mount, &own)?;
    let base = parent.join(format!("bpm-{project_id}"));
    match fs::create_dir(&base) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(_) => return None,
    }
    // a directory that can be made is not yet one that processes may be put into
    let probe = base.join("probe");
    let usable = fs::create_dir(&probe).is_ok() && writable(&probe.join("cgroup.procs"));
    let _ = fs::remove_dir(&probe);
    usable.then_some(base)
}

/// Removes the groups of runs and builds that were not empty yet when their shims left, and the one around them.
/// One with a process in it stays.
pub fn remove_empty(base: &Path) {
    let groups = fs::read_dir(base).into_iter().flatten().flatten();
    groups.for_each(|group| drop(fs::remove_dir(group.path())));
    let _ = fs::remove_dir(base);
}

/// The cgroup of one run.
pub fn of_run(base: &Path, tag: &str) -> PathBuf {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    base.join(tag.chars().map(safe).collect::<String>())
}

fn mount_point(mounts: &str) -> Option<PathBuf> {
    let fields = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        Some((words.nth(1)?, words.next()?))
    };
    mounts.lines().filter_map(fields).find(|(_, kind)| kind == "cgroup2").map(|(path, _)| PathBuf::from(path))
}

fn own_cgroup(cgroup: &str) -> Option<PathBuf> {
    let path = Path::new(cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?);
    // in a cgroup namespace, a group outside of it begins with `..`
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    is_inside.then(|| path.to_owned())
}

fn parent_for_runs(mount: &Path, own: &Path) -> Option<PathBuf> {
    let own = match own.file_name() {
        Some(leaf) if leaf == MANAGER_LEAF => own.parent()?,
        _ => own,
    };
    Some(mount.join(own))
}

fn writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_unified_mount_beside_v1_ones() {
        let mounts =
            "cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(mount_point(mounts), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(mount_point("proc /proc proc rw 0 0\n"), None);
    }

    #[test]
    fn runs_are_siblings_of_a_manager_in_a_delegated_subgroup() {
        let own = own_cgroup("3:cpu:/\n0::/user.slice/bpm.service/manager\n").unwrap();
        let parent = parent_for_runs(Path::new("/sys/fs/cgroup"), &own);
        assert_eq!(parent, Some(PathBuf::from("/sys/fs/cgroup/user.slice/bpm.service")));
    }

    #[test]
    fn without_a_unified_hierarchy_or_outside_of_it_there_is_none() {
        assert_eq!(own_cgroup("3:cpu:/a\n"), None);
        assert_eq!(own_cgroup("0::/../sibling\n"), None);
        assert_eq!(own_cgroup("0::/\n"), Some(PathBuf::new()));
    }

    #[test]
    fn a_group_has_the_name_of_its_run_and_no_other_place() {
        let base = Path::new("/cg/bpm-1");
        assert_eq!(of_run(base, "1-web-run-7"), base.join("1-web-run-7"));
        assert_eq!(of_run(base, "1-../../etc é"), base.join("1-..-..-etc--"));
    }

    #[test]
    fn only_what_is_empty_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("bpm-1");
        fs::create_dir_all(base.join("empty")).unwrap();
        fs::create_dir_all(base.join("used/inner")).unwrap();
        remove_empty(&base);
        assert!(!base.join("empty").exists() && base.join("used/inner").exists());
        fs::remove_dir(base.join("used/inner")).unwrap();
        remove_empty(&base);
        assert!(!base.exists());
    }
}
