//! Puts a manager together and takes it apart: lock, sockets, engine, servers, relay, signals. The only
//! place that knows all the parts; none of them knows this one.

mod detach;
mod limits;
mod relay;
mod root;
mod trusted;

pub use detach::{detach, ready};
pub use trusted::{Trusted, trusted};

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bpm_api::{Code, Error};
use bpm_core::config::{Config, McpPort};
use bpm_core::fleet::Boot;
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::control::Control;
use crate::engine::{Engine, Handle};
use crate::exec::world::World;
use crate::server::{self, Access, Endpoint};
use crate::store::lock::{self, ManagerFile, ProjectLock};
use crate::store::paths::Project;
use crate::store::token;
use crate::token::Token;

/// How long the terminal may take for what is left to be printed at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a manager is started.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub boot: Boot,
    /// Pass the programs' output on to the terminal.
    pub relay: bool,
}

/// A manager that holds its project and its sockets and has not begun to work.
#[derive(Debug)]
pub struct Manager {
    _lock: ProjectLock,
    project: Project,
    config: Arc<Config>,
    endpoint: Option<Endpoint>,
    token: Option<Token>,
    control: UnixListener,
    /// The socket file's inode: at the end it is removed only if it is still this one.
    socket: Option<u64>,
    open_files: Option<u64>,
    notice: Option<String>,
}

impl Manager {
    /// Takes the project and binds its sockets. Must be called within the runtime.
    ///
    /// # Errors
    /// `AlreadyManaged`, or `System` for a port or directory that cannot be had.
    pub fn take(project: Project, config: Config) -> Result<Manager, Error> {
        let lock = lock::take(&project)?;
        let open_files = limits::raise_open_files();
        let endpoint = config.mcp_port.map(|port| bind(&project, config.bind, port)).transpose()?;
        let token = endpoint.as_ref().and_then(|_| keep_token(&project));
        let control = bind_control(&project)?;
        let socket = inode(&project.socket());
        let manager = Manager {
            _lock: lock,
            project,
            config: Arc::new(config),
            endpoint,
            token,
            control,
            socket,
            open_files,
            notice: None,
        };
        manager.announce();
        Ok(manager)
    }

    /// What the status is to say until a configuration is applied.
    #[must_use]
    pub fn notice(self, notice: Option<String>) -> Manager {
        Manager { notice, ..self }
    }

    pub fn mcp_url(&self) -> Option<String> {
        self.endpoint.as_ref().map(Endpoint::url)
    }

    /// For messages only: what runs is taken over on a full disk, too.
    fn announce(&self) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let file = ManagerFile {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            root: self.project.root.display().to_string(),
            boot_id: crate::store::boot_id(),
            started_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            mcp_url: self.mcp_url(),
        };
        if let Err(error) = lock::write_manager_file(&self.project, &file) {
            let path = self.project.manager_file();
            tracing::warn!("cannot write `{}`: {error}", path.display());
            let _ = fs::remove_file(path); // that of a manager that is gone
        }
    }

    /// Works until everything has ended after a shutdown.
    ///
    /// # Errors
    /// Signals or the relay cannot be set up.
    pub async fn run(self, options: Options, begun: impl FnOnce(&Handle)) -> Result<(), Error> {
        let mut world = World::new(self.project.clone(), self.mcp_url(), self.open_files);
        world.bind = self.endpoint.as_ref().and_then(Endpoint::address);
        let world = Arc::new(world);
        world.set_notice(self.notice);
        let signals = Signals::new().map_err(|error| system("listen for signals", &error))?;
        let (mut engine, handle) = Engine::new(world, &self.config, options.boot);
        let all_out = match options.relay {
            true => {
                let relay = relay::start(self.project.clone(), engine.feed());
                Some(relay.map_err(|error| system("pass output on", &error))?)
            }
            false => None,
        };
        // Who looks on at a terminal is a client, too.
        let _watcher = options.relay.then(|| handle.presence());
        let ended = CancellationToken::new();
        let mut servers = tokio::task::JoinSet::new();
        servers.spawn(server::serve_unix(self.control, handle.clone(), ended.clone()));
        if let Some(endpoint) = self.endpoint {
            let access = Access::own_user().with_token(self.token).everywhere(endpoint.is_exposed());
            servers.spawn(server::serve_tcp(endpoint.listeners, handle.clone(), access, ended.clone()));
        }
        let obey = tokio::spawn(signals.obey(handle.clone()));
        let watch = tokio::spawn(end_with(self.project.clone(), handle.clone()));
        begun(&handle);
        // on a worker, beside the tasks it talks to: no thread has to be woken for it
        let worked = tokio::spawn(engine.run()).await;
        obey.abort();
        watch.abort();
        ended.cancel();
        while servers.join_next().await.is_some() {}
        leave(&self.project, self.socket);
        if let Some(all_out) = all_out {
            let _ = tokio::time::timeout(LAST_WORDS, all_out).await;
        }
        worked.map_err(|fault| {
            Error::new(Code::Internal, format!("the manager failed: {fault}"))
                .hint("what was running goes on; `bpm up` starts a manager that takes it over")
        })
    }
}

/// A project directory that is removed has its programs stopped.
async fn end_with(project: Project, handle: Handle) {
    let root = &project.root;
    match root::removed(root, &project.config()).await {
        Ok(()) => {
            let _ = writeln!(io::stderr(), "bpm: `{}` was removed: its programs are stopped", root.display());
            handle.shut_down();
        }
        Err(error) => tracing::warn!("cannot watch `{}`: {error}", root.display()),
    }
}

/// The configured port, or a leased one that stays the same for the worktree.
fn bind(project: &Project, address: Option<IpAddr>, port: McpPort) -> Result<Endpoint, Error> {
    match port {
        McpPort::Fixed(port) => server::bind(address, port),
        McpPort::Auto => {
            let lease = project.state.join("mcp_port");
            let leased = fs::read_to_string(&lease).ok().and_then(|text| text.trim().parse().ok());
            let endpoint = server::bind_auto(address, leased.unwrap_or_else(|| preferred_port(&project.id)))?;
            let _ = fs::write(&lease, endpoint.port.to_string());
            Ok(endpoint)
        }
    }
}

/// What runs is taken over on a full disk, too: then nobody can show one.
fn keep_token(project: &Project) -> Option<Token> {
    let kept = token::of(project);
    kept.inspect_err(|error| tracing::warn!(%error, "there is no token: cannot keep one")).ok()
}

/// Spread over the range below the ephemeral ports, by the project's id.
fn preferred_port(id: &str) -> u16 {
    const LOWEST: u64 = 20_000;
    const COUNT: u64 = 10_000;
    let hash = u64::from_str_radix(id, 16).unwrap_or(0);
    u16::try_from(LOWEST + hash % COUNT).unwrap_or(20_000)
}

/// Takes its files away, if they are its own: where the state directory was removed and made anew, another manager
/// may be there by now.
fn leave(project: &Project, socket: Option<u64>) {
    if socket.is_some() && inode(&project.socket()) == socket {
        let _ = fs::remove_file(project.socket());
        let _ = fs::remove_file(project.manager_file());
    }
}

fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path).ok().map(|meta| meta.ino())
}

/// The lock is held, so a socket file that is there belongs to a manager that died.
fn bind_control(project: &Project) -> Result<UnixListener, Error> {
    let path = project.socket();
    let _ = fs::remove_file(&path);
    let bound = bind_private(&path);
    bound.map_err(|error| {
        Error::new(Code::System, format!("cannot listen on `{}`: {error}", path.display()))
            .hint("set `BPM_STATE_DIR` to a directory on a file system with sockets")
    })
}

/// The directory is 0700 already; the socket's own mode says the same. A path that is too long for a
/// socket address is reached through the directory's descriptor.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::PermissionsExt;

    let listener = if relay::fits_into_a_socket_address(path) {
        UnixListener::bind(path)?
    } else {
        let dir = fs::File::open(path.parent().unwrap_or(Path::new("/")))?;
        let name = path.file_name().unwrap_or_default();
        UnixListener::bind(Path::new(&format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name))?
    };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// INT, TERM and HUP end everything in order; a second one at once.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> io::Result<Signals> {
        let on = |kind| signal(kind);
        Ok(Signals([on(SignalKind::interrupt())?, on(SignalKind::terminate())?, on(SignalKind::hangup())?]))
    }

    async fn obey(mut self, handle: Handle) {
        loop {
            let [interrupt, terminate, hangup] = &mut self.0;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            handle.shut_down();
        }
    }
}

fn system(what: &str, error: &io::Error) -> Error {
    Error::new(Code::System, format!("cannot {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manager_takes_away_its_own_socket_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().to_owned();
        let project = Project { root: state.clone(), id: "test".to_owned(), state };
        let first = bind_control(&project).unwrap();
        let own = inode(&project.socket());
        let second = bind_control(&project).unwrap();
        leave(&project, own);
        assert!(project.socket().exists(), "the other one's");
        leave(&project, inode(&project.socket()));
        assert!(!project.socket().exists());
        drop((first, second));
    }
}
