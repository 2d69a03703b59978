//! Reaches a manager by its URL. Must not know HTTP.

use std::io;
use std::time::Duration;

use bpm_api::{Code, Error};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::address::Url;
use crate::sockets;

/// How long the way there may take, names looked up.
const CONNECTS: Duration = Duration::from_secs(5);
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
    // a watch says nothing while nothing happens
    let prepared = stream.set_nodelay(true).and_then(|()| sockets::keep_alive(&stream));
    prepared.map_err(|error| no_way_in(url, &error))?;
    Ok(stream)
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
