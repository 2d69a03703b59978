//! Who may speak to the TCP port: the same user (or root), whoever shows the token, and no web page of another
//! origin. Knows nothing of routes.

use std::io;
use std::net::{IpAddr, SocketAddr};

use bpm_api::{Code, Error};
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;

use crate::sockets::{self, CLOSE_WAIT, ESTABLISHED, Row};
use crate::token::Token;

/// The rule for one door: connections of `uid` and of root are let in, and requests with the token.
#[derive(Clone, Debug)]
pub struct Access {
    uid: u32,
    token: Option<Token>,
    /// Other machines reach the door, too: nothing but the token lets anybody in.
    everywhere: bool,
}

impl Access {
    /// The user this program runs as.
    pub fn own_user() -> Access {
        Access { uid: rustix::process::geteuid().as_raw(), token: None, everywhere: false }
    }

    /// Others may speak, too, if they show it.
    #[must_use]
    pub fn with_token(self, token: Option<Token>) -> Access {
        Access { token, ..self }
    }

    /// The rule for a door that other machines reach, if it is one: each request needs the token.
    #[must_use]
    pub fn everywhere(self, everywhere: bool) -> Access {
        Access { everywhere, ..self }
    }

    /// Whether a request can make up for a connection that proves nothing.
    pub(super) fn takes_tokens(&self) -> bool {
        self.token.is_some()
    }

    /// Whether a request may be answered, by the token that it shows; one that shows none by what is held against its
    /// connection, if anything.
    ///
    /// # Errors
    ///
    /// `forbidden`.
    pub(super) fn check_token(&self, headers: &HeaderMap, doubt: Option<&Error>) -> Result<Shown, Error> {
        let Some(shown) = single(headers, AUTHORIZATION.as_str())? else {
            return doubt.map_or(Ok(Shown::Nothing), |doubt| {
                Err(Error::new(Code::Forbidden, format!("{}, and there is no token", doubt.message)).hint(
                    "send `Authorization: Bearer TOKEN`; `bpm status --json` on the manager's machine says where its \
                     token is",
                ))
            });
        };
        let refused = |what| {
            Err(Error::new(Code::Forbidden, what)
                .hint("`bpm status --json` on the manager's machine says where its token is"))
        };
        match shown.split_once(' ') {
            Some((scheme, shown)) if scheme.eq_ignore_ascii_case("bearer") => match &self.token {
                Some(token) if token.is(shown.trim().as_bytes()) => Ok(Shown::Token),
                _ => refused("the token is not this manager's"),
            },
            _ => refused("`Authorization` is not `Bearer` and a token"),
        }
    }

    /// Whether a user may speak, as proved by the kernel.
    ///
    /// # Errors
    ///
    /// `forbidden` for anybody else.
    pub(super) fn check_uid(&self, uid: u32) -> Result<(), Error> {
        if uid == self.uid || uid == 0 {
            return Ok(());
        }
        Err(Error::new(
            Code::Forbidden,
            format!("uid {uid} may not speak to the manager of uid {}", self.uid),
        )
        .hint("run it as the user that the manager runs as"))
    }

    /// Looks up whose socket is at the other end of an accepted connection. Reads a file of the kernel,
    /// so it belongs on a thread that may block.
    ///
    /// # Errors
    ///
    /// `forbidden` for another user's socket, or one whose user cannot be proved.
    pub(super) fn check_peer(&self, peer: SocketAddr, own: SocketAddr) -> Result<(), Error> {
        self.check_peer_in(peer, own, |wanted| sockets::find(wanted))
    }

    fn check_peer_in(
        &self,
        peer: SocketAddr,
        own: SocketAddr,
        find: impl Fn(&dyn Fn(&Row) -> bool) -> io::Result<Option<Row>>,
    ) -> Result<(), Error> {
        if self.everywhere {
            return Err(Error::new(Code::Forbidden, "this address is open to other machines"));
        }
        let (peer, own) = (canonical(peer), canonical(own));
        if !peer.ip().is_loopback() {
            return Err(Error::new(Code::Forbidden, format!("{} is not this machine", peer.ip())));
        }
        let is_peer = |row: &Row| row.local == peer && row.remote == own && proves_its_user(row);
        // The kernel gives the table in pieces; a row can slip between two of them while others come and go.
        for _ in 0..2 {
            let row = find(&is_peer).map_err(|error| {
                Error::new(Code::Forbidden, format!("cannot look up whose connection it is: {error}"))
            })?;
            if let Some(row) = row {
                return self.check_uid(row.uid);
            }
        }
        Err(Error::new(Code::Forbidden, format!("cannot tell which user is at {peer}")))
    }
}

/// What let a request in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    Token,
}

/// A socket that its owner has closed shows uid 0 and inode 0, and proves nothing.
fn proves_its_user(row: &Row) -> bool {
    row.inode != 0 && matches!(row.state, ESTABLISHED | CLOSE_WAIT)
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Access {
    /// The part of the rule that each request must keep: a loopback `Host` (a name would let a page reach us by DNS
    /// rebinding; where other machines are let in, the token keeps pages out, too), and if a browser sent it, a page of
    /// our own origin.
    ///
    /// # Errors
    ///
    /// `forbidden`, naming the header.
    pub(super) fn check_request(&self, request: &Parts, own: SocketAddr) -> Result<(), Error> {
        let names = if self.everywhere { Names::All } else { Names::Loopback(canonical(own).ip()) };
        let host = single(&request.headers, HOST.as_str())?
            .ok_or_else(|| Error::new(Code::Forbidden, "no `Host` header"))?;
        let host = HostPort::read(host, "Host", names)?;
        if let Some(authority) = request.uri.authority() {
            HostPort::read(authority.as_str(), "Host", names)?;
        }
        if let Some(origin) = single(&request.headers, ORIGIN.as_str())? {
            check_origin(origin, &host, own.port(), names)?;
        }
        match single(&request.headers, "sec-fetch-site")? {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) => {
                Err(Error::new(Code::Forbidden, "a web page of another origin may not use the manager"))
            }
        }
    }
}

fn check_origin(origin: &str, host: &HostPort, own_port: u16, names: Names) -> Result<(), Error> {
    let stranger =
        || Error::new(Code::Forbidden, format!("`Origin` is `{}`, not the manager's own", clip(origin)));
    let authority = origin.strip_prefix("http://").ok_or_else(stranger)?;
    let origin = HostPort::read(authority, "Origin", names)?;
    if origin == *host && origin.port == own_port { Ok(()) } else { Err(stranger()) }
}

/// What a manager may be called.
#[derive(Clone, Copy, Debug)]
enum Names {
    All,
    /// What every machine calls itself, and the address that the connection went to.
    Loopback(IpAddr),
}

impl Names {
    fn have(self, host: &str) -> bool {
        match self {
            Names::All => !host.is_empty(),
            Names::Loopback(own) => {
                let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
                matches!(host, "localhost" | "127.0.0.1" | "[::1]") || address.parse() == Ok(own)
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    fn read(text: &str, header: &str, names: Names) -> Result<HostPort, Error> {
        let found = || {
            let expected = match names {
                Names::All => "a host and a port",
                Names::Loopback(_) => "localhost, 127.0.0.1 or [::1]",
            };
            let found = format!("`{header}` is `{}`, expected {expected}", clip(text));
            Error::new(Code::Forbidden, found)
        };
        let authority: Authority = text.parse().map_err(|_| found())?;
        let host = authority.host().to_ascii_lowercase();
        let has_user = text.contains('@');
        if has_user || !names.have(&host) {
            return Err(found());
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if text.ends_with(':') || authority.as_str().len() > host.len() => return Err(found()),
            None => 80,
        };
        Ok(HostPort { host, port })
    }
}

/// The header's value where it is there once; twice is somebody playing with parsers.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Error> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::new(Code::Forbidden, format!("header `{name}` is there more than once")));
    }
    HeaderValue::to_str(first)
        .map(Some)
        .map_err(|_| Error::new(Code::Forbidden, format!("header `{name}` is not text")))
}

fn clip(text: &str) -> &str {
    text.char_indices().nth(100).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests;
