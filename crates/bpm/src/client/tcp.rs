//! Reaches a manager by its URL. Must not know HTTP.

use std::io;
use std::time::Duration;

use bpm_api::{Code, Error};
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::address::Url;

/// How long the way there may take, names looked up.
const CONNECTS: Duration = Duration::from_secs(5);
/// A watch says nothing while nothing happens: the kernel asks whether the other side is still there, first after
/// this time,
const SILENCE: Duration = Duration::from_secs(30);
/// then as often,
const BETWEEN: Duration = Duration::from_secs(10);
/// and gives up after so many questions without an answer.
const QUESTIONS: u32 = 3;

/// Connects to the first of the host's addresses that takes it.
///
/// # Errors
/// [`Code::NoManager`], naming the URL and what happened.
pub(super) async fn connect(url: &Url) -> Result<TcpStream, Error> {
    let attempt = async {
        let addresses = lookup_host((url.host(), url.port())).await.map_err(|_| unknown_host(url))?;
        let mut refusal = io::ErrorKind::AddrNotAvailable.into();
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => refusal = error,
            }
        }
        Err(no_way_in(url, &refusal))
    };
    let stream = timeout(CONNECTS, attempt).await.unwrap_or_else(|_| {
        let text = format!("`{url}` does not answer: no connection within {} s", CONNECTS.as_secs());
        Err(Error::new(Code::NoManager, text).hint("is the machine up, and the port open from here?"))
    })?;
    let prepared = stream.set_nodelay(true).and_then(|()| Ok(keep_alive(&stream)?));
    prepared.map_err(|error| no_way_in(url, &error))?;
    Ok(stream)
}

fn keep_alive(stream: &TcpStream) -> rustix::io::Result<()> {
    set_tcp_keepidle(stream, SILENCE)?;
    set_tcp_keepintvl(stream, BETWEEN)?;
    set_tcp_keepcnt(stream, QUESTIONS)?;
    set_socket_keepalive(stream, true)
}

fn unknown_host(url: &Url) -> Error {
    Error::new(
        Code::NoManager,
        format!("`{url}` does not answer: the host `{}` is not known here", url.host()),
    )
    .hint("check the name, or use an address")
}

fn no_way_in(url: &Url, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            let text = format!("`{url}` does not answer: nothing listens on port {}", url.port());
            Error::new(Code::NoManager, text)
                .hint("start the manager there with `mcp_port` set; `bpm status` there shows its URL")
        }
        _ => Error::new(Code::NoManager, format!("`{url}` does not answer: {error}"))
            .hint("`bpm status` on the manager's machine shows its URL"),
    }
}
