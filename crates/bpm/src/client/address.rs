//! Where a manager is reached, and how it is called in messages. Must not know HTTP's answers.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use bpm_api::{Code, Error};
use hyper::header::HeaderValue;
use hyper::http::uri::Authority;

use crate::token::Token;

/// One of the two ways.
#[derive(Debug)]
pub(super) enum Address {
    /// The socket of the project in `root`.
    Socket {
        path: PathBuf,
        root: PathBuf,
    },
    Url {
        url: Url,
        authorization: Option<HeaderValue>,
    },
}

impl Address {
    pub(super) fn of_url(url: Url, token: Option<&Token>) -> Result<Address, Error> {
        let bearer = |token: &Token| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal())).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        let authorization = match token {
            Some(token) => Some(
                bearer(token)
                    .ok_or_else(|| Error::new(Code::InvalidParameter, "the token does not fit a header"))?,
            ),
            None => None,
        };
        Ok(Address::Url { url, authorization })
    }

    pub(super) fn label(&self) -> String {
        match self {
            Address::Socket { root, .. } => root.display().to_string(),
            Address::Url { url, .. } => url.to_string(),
        }
    }

    /// What the `Host` header says.
    pub(super) fn host(&self) -> &str {
        match self {
            Address::Socket { .. } => "bpm",
            Address::Url { url, .. } => url.authority.as_str(),
        }
    }
}

/// `http://HOST[:PORT]`, with or without `/mcp`: the endpoint of a manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    authority: Authority,
}

impl Url {
    /// A name or an address, without brackets.
    pub(super) fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    pub(super) fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(80)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}/mcp", self.authority)
    }
}

impl FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Url, Error> {
        let refused = |why: &str| {
            let shown: String = text.chars().take(200).collect();
            Error::new(Code::InvalidParameter, format!("`{shown}` {why}"))
        };
        let scheme_end = text.find("://");
        let scheme = scheme_end.map(|end| text[..end].to_ascii_lowercase());
        let rest = scheme_end.map_or("", |end| &text[end + 3..]);
        match scheme.as_deref() {
            Some("http") => {}
            Some("https") => {
                return Err(refused(
                    "is https, which managers do not speak; expected `http://HOST:PORT/mcp`",
                )
                .hint(tunnel(rest)));
            }
            _ => {
                return Err(refused("is no URL of a manager, expected `http://HOST:PORT/mcp`")
                    .hint("`bpm status` on the manager's machine shows it"));
            }
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if !matches!(path, "" | "/" | "/mcp" | "/mcp/") {
            return Err(refused("has a path that no manager has, expected `http://HOST:PORT/mcp`"));
        }
        if authority.contains('@') {
            return Err(refused("has a user in it, expected `http://HOST:PORT/mcp`")
                .hint("a token goes into `--token-file` or `BPM_TOKEN`"));
        }
        let bad = || refused("has no host and port that can be read, expected `http://HOST:PORT/mcp`");
        let authority: Authority = authority.parse().map_err(|_| bad())?;
        let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        let has_port = match port.strip_prefix(':') {
            Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
            None => port.is_empty(),
        };
        if authority.host().is_empty() || !has_port {
            return Err(bad());
        }
        Ok(Url { authority })
    }
}

fn tunnel(rest: &str) -> String {
    let host = rest.split(['/', ':', '?', '#', '@']).next().filter(|host| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    });
    let host = host.unwrap_or("HOST");
    format!("tunnel it: `ssh -L 3001:localhost:3001 {host}`, then `http://localhost:3001/mcp`")
}

#[cfg(test)]
mod tests {
    use bpm_api::Code;

    use super::{Address, Url};
    use crate::token::Token;

    #[test]
    fn urls_of_managers_are_read() {
        for (text, host, port, shown) in [
            ("http://localhost:3001/mcp", "localhost", 3001, "http://localhost:3001/mcp"),
            ("http://localhost:3001", "localhost", 3001, "http://localhost:3001/mcp"),
            ("http://localhost:3001/", "localhost", 3001, "http://localhost:3001/mcp"),
            ("HTTP://build.example/mcp/", "build.example", 80, "http://build.example/mcp"),
            ("http://127.0.0.1:1", "127.0.0.1", 1, "http://127.0.0.1:1/mcp"),
            ("http://[::1]:3001/mcp", "::1", 3001, "http://[::1]:3001/mcp"),
            ("http://[::1]", "::1", 80, "http://[::1]/mcp"),
        ] {
            let url: Url = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((url.host(), url.port(), url.to_string().as_str()), (host, port, shown));
        }
    }

    #[test]
    fn what_is_none_says_what_was_expected() {
        for text in [
            "",
            "localhost:3001",
            "localhost:3001/mcp",
            "/srv/shop",
            "ws://localhost:3001",
            "http://",
            "http:///mcp",
            "http://:3001",
            "http://localhost:",
            "http://localhost:0",
            "http://localhost:65536",
            "http://localhost:http",
            "http://local host",
            "http://[::1",
            "http://localhost:3001/mcp/v2",
            "http://localhost:3001/sse",
            "http://localhost:3001?x",
            "http://user@localhost:3001/mcp",
            "http://é:3001",
            "://",
            "http",
        ] {
            let error = text.parse::<Url>().unwrap_err();
            assert_eq!(error.code, Code::InvalidParameter, "{text}");
            assert!(error.message.contains("expected `http://HOST:PORT/mcp`"), "{text}: {error}");
        }
    }

    #[test]
    fn https_is_answered_with_the_way_that_works() {
        let error = "https://build.example:3001/mcp".parse::<Url>().unwrap_err();
        let hint = "tunnel it: `ssh -L 3001:localhost:3001 build.example`, then `http://localhost:3001/mcp`";
        assert_eq!(error.hint.as_deref(), Some(hint));
        for strange in ["https://", "https://$(id)/", "https://[::1]"] {
            assert!(strange.parse::<Url>().unwrap_err().hint.unwrap().contains("3001 HOST`"), "{strange}");
        }
    }

    #[test]
    fn a_token_is_in_no_debug_text() {
        let url: Url = "http://localhost:3001".parse().unwrap();
        let address = Address::of_url(url, Some(&Token::parse("s3cret").unwrap())).unwrap();
        assert!(!format!("{address:?}").contains("s3cret"), "{address:?}");
    }
}
