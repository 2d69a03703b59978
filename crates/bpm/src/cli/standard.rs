//! Standard input and output for the runtime. Pipes and sockets are waited for in its own loop, anything else is
//! read and written by threads. Must not know what goes over them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{FileType, fstat};
use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::unix::pipe;

type Input = Box<dyn AsyncRead + Send + Unpin>;
type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// What a descriptor leads to.
enum Kind {
    Pipe,
    Socket(tokio::net::UnixStream),
    Other(tokio::fs::File),
}

/// # Errors
/// It is closed, or descriptors have run out.
pub(super) fn input() -> io::Result<Input> {
    let own = io::stdin().as_fd().try_clone_to_owned()?;
    // Opened anew, so that `O_NONBLOCK` is not set for others that have the same pipe.
    let anew = || pipe::OpenOptions::new().open_receiver("/proc/self/fd/0");
    Ok(match kind(own)? {
        Kind::Socket(stream) => Box::new(stream),
        Kind::Other(file) => Box::new(file),
        Kind::Pipe => match anew() {
            Ok(pipe) => Box::new(pipe),
            Err(_) => Box::new(pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?),
        },
    })
}

/// # Errors
/// It is closed, or descriptors have run out.
pub(super) fn output() -> io::Result<Output> {
    let own = io::stdout().as_fd().try_clone_to_owned()?;
    let anew = || pipe::OpenOptions::new().open_sender("/proc/self/fd/1");
    Ok(match kind(own)? {
        Kind::Socket(stream) => Box::new(stream),
        Kind::Other(file) => Box::new(file),
        Kind::Pipe => match anew() {
            Ok(pipe) => Box::new(pipe),
            Err(_) => Box::new(pipe::Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?)?),
        },
    })
}

fn kind(own: OwnedFd) -> io::Result<Kind> {
    let file_type = FileType::from_raw_mode(fstat(&own)?.st_mode);
    if file_type == FileType::Fifo {
        return Ok(Kind::Pipe);
    }
    if file_type == FileType::Socket && socket_domain(&own)? == AddressFamily::UNIX {
        let stream = UnixStream::from(own);
        stream.set_nonblocking(true)?;
        return Ok(Kind::Socket(tokio::net::UnixStream::from_std(stream)?));
    }
    Ok(Kind::Other(tokio::fs::File::from_std(File::from(own))))
}
