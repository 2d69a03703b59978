//! Reaches a manager's socket and tells who is behind it. Must not know HTTP.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bpm_api::{Code, Error};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::net::UnixStream;

/// Bytes that a Unix socket's address holds.
const LONGEST_ADDRESS: usize = 107;

/// Connects, whatever the length of the path.
pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    if path.as_os_str().as_bytes().len() <= LONGEST_ADDRESS {
        return UnixStream::connect(path).await;
    }
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let dir = rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    UnixStream::connect(Path::new(&format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name)).await
}

/// Process id and handle of the other side; `None` where its process is not visible from here.
///
/// # Errors
/// The socket belongs to neither this user nor root: what is behind it is not this user's manager.
pub(super) fn manager_of(stream: &UnixStream) -> Result<Option<(u32, OwnedFd)>, Error> {
    let peer = stream.peer_cred().map_err(|error| {
        Error::new(Code::System, format!("cannot tell whose the manager's socket is: {error}"))
    })?;
    let mine = rustix::process::getuid().as_raw();
    if peer.uid() != mine && peer.uid() != 0 {
        return Err(Error::new(
            Code::Forbidden,
            format!("the manager's socket belongs to user {}, and this is user {mine}", peer.uid()),
        )
        .hint("set `BPM_STATE_DIR` to a directory of your own"));
    }
    let pid = peer.pid().and_then(Pid::from_raw);
    let open = |pid: Pid| {
        let handle = pidfd_open(pid, PidfdFlags::NONBLOCK).ok()?;
        Some((pid.as_raw_nonzero().get().unsigned_abs(), handle))
    };
    Ok(pid.and_then(open))
}

/// Why there is no connection, for the user.
pub(super) fn no_way_in(root: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset // it ended before it took the connection
        | io::ErrorKind::NotADirectory => {
            Error::new(Code::NoManager, format!("no manager runs for `{}`", root.display()))
                .hint("`bpm up` or `bpm up -d` starts one")
        }
        io::ErrorKind::PermissionDenied => Error::new(
            Code::Forbidden,
            format!("the manager of `{}` is not yours to talk to: {error}", root.display()),
        )
        .hint("run this as the user who started it"),
        _ => Error::new(
            Code::System,
            format!("cannot connect to the manager of `{}`: {error}", root.display()),
        )
        .hint("`bpm up` starts one if it is gone"),
    }
}
