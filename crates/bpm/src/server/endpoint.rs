//! Binding the TCP port, on loopback in both families or where it is told, with a message that names who has it.
//! Serves nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use bpm_api::{Code, Error};

use super::holder;

/// How many ports after the preferred one `bind_auto` tries.
const AUTO_TRIES: u16 = 200;
/// Below it a port needs a privilege; above the second one the kernel hands them out by itself.
const AUTO_LOWEST: u16 = 1024;

/// Listening sockets on one port: 127.0.0.1 and, where the machine has it, ::1; or one other address.
#[derive(Debug)]
pub struct Endpoint {
    pub listeners: Vec<TcpListener>,
    pub port: u16,
    address: Option<IpAddr>,
}

impl Endpoint {
    /// What a client on this machine is told to connect to.
    pub fn url(&self) -> String {
        url(self.address, self.port)
    }

    /// Where it was told to listen, if not on loopback.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Whether other machines may reach it.
    pub fn is_exposed(&self) -> bool {
        self.address.is_some_and(|address| !address.to_canonical().is_loopback())
    }
}

/// That of an endpoint that was bound so.
pub fn url(address: Option<IpAddr>, port: u16) -> String {
    let host = match address {
        None => Ipv4Addr::LOCALHOST.into(),
        Some(IpAddr::V4(any)) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        Some(IpAddr::V6(any)) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        Some(address) => address,
    };
    format!("http://{}/mcp", SocketAddr::new(host, port))
}

/// Binds `port` on `address`, or on loopback. The sockets are close-on-exec, and a port that only has connections in
/// TIME_WAIT is free.
///
/// # Errors
///
/// `system` when the port is in use (the message names the holder) or may not be bound.
pub fn bind(address: Option<IpAddr>, port: u16) -> Result<Endpoint, Error> {
    try_bind(address, port).map_err(Refused::into_error)
}

/// Binds `preferred`, or else the first free port of a fixed sequence after it, so that the same
/// preference meets the same port as long as the same ports are free.
///
/// # Errors
///
/// `system` when nothing in the sequence is free, or binding fails for another reason.
pub fn bind_auto(address: Option<IpAddr>, preferred: u16) -> Result<Endpoint, Error> {
    let first = preferred.max(AUTO_LOWEST);
    let mut port = first;
    for _ in 0..AUTO_TRIES {
        match try_bind(address, port) {
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
        if self.error.kind() == io::ErrorKind::AddrNotAvailable {
            return error.hint("set `bind` in `.mcp-run` to an address of this machine, or leave it out");
        }
        if self.error.kind() == io::ErrorKind::PermissionDenied {
            return error.hint("set `mcp_port` in `.mcp-run` to a port from 1024 on");
        }
        error
    }
}

fn try_bind(address: Option<IpAddr>, port: u16) -> Result<Endpoint, Refused> {
    let listen = |ip: IpAddr, port: u16| {
        let address = SocketAddr::new(ip, port);
        TcpListener::bind(address).map_err(|error| Refused { address, error })
    };
    if let Some(ip) = address {
        let listener = listen(ip, port)?;
        let port = listener.local_addr().map_or(port, |bound| bound.port());
        return Ok(Endpoint { listeners: vec![listener], port, address });
    }
    let four = listen(Ipv4Addr::LOCALHOST.into(), port)?;
    let port = four.local_addr().map_or(port, |address| address.port());
    let mut listeners = vec![four];
    match listen(Ipv6Addr::LOCALHOST.into(), port) {
        Ok(six) => listeners.push(six),
        Err(refused) if no_ipv6(&refused.error) => {}
        // Somebody else on ::1 would get what clients send to `localhost`.
        Err(refused) => return Err(refused),
    }
    Ok(Endpoint { listeners, port, address })
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
    use super::{bind, bind_auto, url};
    use bpm_api::Code;
    use std::net::{IpAddr, Ipv6Addr, TcpListener};

    #[test]
    fn both_families_share_the_port() {
        let endpoint = bind(None, 0).unwrap();
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
        let error = bind(None, port).unwrap_err();
        assert_eq!(error.code, Code::System);
        let start = format!("port {port} is in use by pid {} (`", std::process::id());
        assert!(error.message.starts_with(&start), "{}", error.message);
        assert!(error.hint.unwrap().contains("mcp_port"));
    }

    #[test]
    fn a_holder_of_only_ipv6_is_one_too() {
        let Ok(taken) = TcpListener::bind("[::1]:0") else {
            return assert_eq!(bind(None, 0).unwrap().listeners.len(), 1);
        };
        let port = taken.local_addr().unwrap().port();
        let error = bind(None, port).unwrap_err();
        assert!(error.message.contains(&std::process::id().to_string()), "{}", error.message);
    }

    #[test]
    fn auto_takes_the_preferred_port_and_else_the_next_free_one() {
        let probe = bind(None, 0).unwrap();
        let preferred = probe.port;
        drop(probe);
        let first = bind_auto(None, preferred).unwrap();
        assert_eq!(first.port, preferred);
        let second = bind_auto(None, preferred).unwrap();
        assert!(second.port > preferred);
    }

    #[test]
    fn another_address_is_the_only_one_and_exposes_what_is_not_loopback() {
        for (address, is_exposed, host) in [
            ("0.0.0.0", true, "127.0.0.1"),
            ("127.0.0.1", false, "127.0.0.1"),
            ("127.0.0.2", false, "127.0.0.2"),
        ] {
            let address: IpAddr = address.parse().unwrap();
            let endpoint = bind(Some(address), 0).unwrap();
            let bound: Vec<IpAddr> =
                endpoint.listeners.iter().map(|listener| listener.local_addr().unwrap().ip()).collect();
            assert_eq!((bound, endpoint.is_exposed()), (vec![address], is_exposed));
            assert_eq!(endpoint.url(), format!("http://{host}:{}/mcp", endpoint.port));
        }
        assert!(!bind(None, 0).unwrap().is_exposed());
        assert_eq!(url(Some(Ipv6Addr::UNSPECIFIED.into()), 3001), "http://[::1]:3001/mcp");
        assert_eq!(url(Some("192.168.1.4".parse().unwrap()), 3001), "http://192.168.1.4:3001/mcp");
    }

    #[test]
    fn an_address_of_another_machine_is_refused_with_what_to_do() {
        let error = bind(Some("192.0.2.1".parse().unwrap()), 0).unwrap_err();
        assert!(error.message.starts_with("cannot listen on 192.0.2.1:0: "), "{error}");
        assert!(error.hint.unwrap().contains("`bind`"));
    }

    #[test]
    fn descriptors_do_not_reach_children() {
        for listener in bind(None, 0).unwrap().listeners {
            let flags = rustix::io::fcntl_getfd(&listener).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
    }
}
