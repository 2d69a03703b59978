//! The surroundings that runs and builds are started in. Decides nothing and knows no run.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use super::environment::Env;
use super::{cgroups, direnv};
use crate::store::paths::Project;

/// What performing needs and nothing decides about.
#[derive(Debug)]
pub struct World {
    pub project: Project,
    pub mcp_url: Option<String>,
    /// Where the TCP listener is bound, if not to both loopback addresses.
    pub bind: Option<IpAddr>,
    /// Where runs get cgroups of their own, if anywhere.
    pub cgroup_base: Option<PathBuf>,
    /// The program that becomes a shim or a build when told to: this one.
    pub executable: PathBuf,
    /// Soft limit of open files that programs get: the one the manager was started with.
    pub open_files: Option<u64>,
    environment: RwLock<Arc<Env>>,
    notice: RwLock<Option<String>>,
    pub direnv: direnv::Cache,
}

impl World {
    pub fn new(project: Project, mcp_url: Option<String>, open_files: Option<u64>) -> World {
        let cgroup_base = cgroups::base(&project.id);
        World {
            project,
            mcp_url,
            bind: None,
            cgroup_base,
            executable: PathBuf::from("/proc/self/exe"),
            open_files,
            environment: RwLock::new(Arc::new(Env::of_this_process().inheritable())),
            notice: RwLock::default(),
            direnv: direnv::Cache::default(),
        }
    }

    /// What programs started from now on inherit.
    pub fn environment(&self) -> Arc<Env> {
        Arc::clone(&self.environment.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces what programs inherit, without what is private to whoever sent it.
    pub fn set_environment(&self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let env: Env = variables.into_iter().collect();
        *self.environment.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(env.inheritable());
    }

    /// Something about the configuration that the status is to say.
    pub fn notice(&self) -> Option<String> {
        self.notice.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `None`: nothing any more.
    pub fn set_notice(&self, notice: Option<String>) {
        *self.notice.write().unwrap_or_else(PoisonError::into_inner) = notice;
    }

    /// Everything has ended: what is empty of the project's cgroups goes.
    pub fn tidy_up(&self) {
        self.cgroup_base.iter().for_each(|base| cgroups::remove_empty(base));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn programs_inherit_any_bytes_and_nothing_private() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().to_owned();
        let world = World::new(Project { root: state.clone(), id: "world-test".into(), state }, None, None);
        let raw = OsString::from_vec(vec![b'/', 0xff]);
        let variables = [("WHERE", raw.clone()), ("NOTIFY_SOCKET", "/s".into()), ("=", "x".into())];
        world.set_environment(variables.map(|(name, value)| (name.into(), value)));
        let env = world.environment();
        assert_eq!(env.iter().collect::<Vec<_>>(), [("WHERE".as_ref(), raw.as_os_str())]);
        world.tidy_up();
    }
}
