//! Binding the loopback port, both families, with a message that names who has it. Serves nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use bpm_api::{Code, Error};

use super::holder;

/// How many ports after the preferred one `bind_auto` tries.
const AUTO_TRIES: u16 = 200;
/// Below it a port needs a privilege; above the second one the kernel hands them out by itself.
const AUTO_LOWEST: u16 = 1024;

/// Listening sockets on one port: 127.0.0.1 and, where the machine has it, ::1.
#[derive(Debug)]
pub struct Endpoint {
    pub listeners: Vec<TcpListener>,
    pub port: u16,
}

impl Endpoint {
    /// What a client is told to connect to.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }
}

/// Binds `port` on loopback. The sockets are close-on-exec, and a port that only has connections in
/// TIME_WAIT is free.
///
/// # Errors
///
/// `system` when the port is in use (the message names the holder) or may not be bound.
pub fn bind(port: u16) -> Result<Endpoint, Error> {
    try_bind(port).map_err(Refused::into_error)
}

/// Binds `preferred`, or else the first free port of a fixed sequence after it, so that the same
/// preference meets the same port as long as the same ports are free.
///
/// # Errors
///
/// `system` when nothing in the sequence is free, or binding fails for another reason.
pub fn bind_auto(preferred: u16) -> Result<Endpoint, Error> {
    let first = preferred.max(AUTO_LOWEST);
    let mut port = first;
    for _ in 0..AUTO_TRIES {
        match try_bind(port) {
            Ok(endpoint) => return Ok(endpoint),
            Err(refused) if refused.error.kind() == io::ErrorKind::AddrInUse => {}
            Err(refused) => return Err(refused.into_error()),
        }
        port = port.checked_add(1).unwrap_or(AUTO_LOWEST);
    }
    Err(Error::new(Code::System, format!("no free port among the {AUTO_TRIES} from {first} on"))
        .hint("set `mcp_port` in `.mcp-run` to a port that is free"))
}

#[derive(Debug)]
struct Refused {
    address: SocketAddr,
    error: io::Error,
}

impl Refused {
    fn into_error(self) -> Error {
        let port = self.address.port();
        if self.error.kind() == io::ErrorKind::AddrInUse {
            let holder = holder::of_port(self.address)
                .unwrap_or_else(|| "by a process that cannot be seen".to_owned());
            return Error::new(Code::System, format!("port {port} is in use {holder}"))
                .hint("stop it, or set `mcp_port` in `.mcp-run` to another port or to \"auto\"");
        }
        let error = Error::new(Code::System, format!("cannot listen on {}: {}", self.address, self.error));
        if self.error.kind() == io::ErrorKind::PermissionDenied {
            return error.hint("set `mcp_port` in `.mcp-run` to a port from 1024 on");
        }
        error
    }
}

fn try_bind(port: u16) -> Result<Endpoint, Refused> {
    let listen = |ip: IpAddr, port: u16| {
        let address = SocketAddr::new(ip, port);
        TcpListener::bind(address).map_err(|error| Refused { address, error })
    };
    let four = listen(Ipv4Addr::LOCALHOST.into(), port)?;
    let port = four.local_addr().map_or(port, |address| address.port());
    let mut listeners = vec![four];
    match listen(Ipv6Addr::LOCALHOST.into(), port) {
        Ok(six) => listeners.push(six),
        Err(refused) if no_ipv6(&refused.error) => {}
        // Somebody else on ::1 would get what clients send to `localhost`.
        Err(refused) => return Err(refused),
    }
    Ok(Endpoint { listeners, port })
}

fn no_ipv6(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT)
    )
}

#[cfg(test)]
mod tests {
    use super::{bind, bind_auto};
    use bpm_api::Code;
    use std::net::TcpListener;

    #[test]
    fn both_families_share_the_port() {
        let endpoint = bind(0).unwrap();
        assert_ne!(endpoint.port, 0);
        for listener in &endpoint.listeners {
            let address = listener.local_addr().unwrap();
            assert!(address.ip().is_loopback());
            assert_eq!(address.port(), endpoint.port);
        }
        let six = TcpListener::bind("[::1]:0").is_ok();
        assert_eq!(endpoint.listeners.len(), if six { 2 } else { 1 });
        assert_eq!(endpoint.url(), format!("http://127.0.0.1:{}/mcp", endpoint.port));
    }

    #[test]
    fn a_port_in_use_names_its_holder() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind(port).unwrap_err();
        assert_eq!(error.code, Code::System);
        let start = format!("port {port} is in use by pid {} (`", std::process::id());
        assert!(error.message.starts_with(&start), "{}", error.message);
        assert!(error.hint.unwrap().contains("mcp_port"));
    }

    #[test]
    fn a_holder_of_only_ipv6_is_one_too() {
        let Ok(taken) = TcpListener::bind("[::1]:0") else {
            return assert_eq!(bind(0).unwrap().listeners.len(), 1);
        };
        let port = taken.local_addr().unwrap().port();
        let error = bind(port).unwrap_err();
        assert!(error.message.contains(&std::process::id().to_string()), "{}", error.message);
    }

    #[test]
    fn auto_takes_the_preferred_port_and_else_the_next_free_one() {
        let probe = bind(0).unwrap();
        let preferred = probe.port;
        drop(probe);
        let first = bind_auto(preferred).unwrap();
        assert_eq!(first.port, preferred);
        let second = bind_auto(preferred).unwrap();
        assert!(second.port > preferred);
    }

    #[test]
    fn descriptors_do_not_reach_children() {
        for listener in bind(0).unwrap().listeners {
            let flags = rustix::io::fcntl_getfd(&listener).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
    }
}
