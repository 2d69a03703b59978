//! The access rule on synthetic requests and socket tables.

use std::net::SocketAddr;

use bpm_api::{Code, Error};
use hyper::Request;

use super::{Access, Shown};
use crate::sockets::find_in;
use crate::token::Token;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn check(headers: &[(&str, &str)]) -> Result<(), String> {
    let mut request = Request::builder().uri("/mcp");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    Access::own_user().check_request(&parts, address("127.0.0.1:3001")).map_err(|error| {
        assert_eq!(error.code, Code::Forbidden);
        error.message
    })
}

#[test]
fn a_program_with_a_loopback_host_is_let_in() {
    for host in
        ["localhost:3001", "127.0.0.1:3001", "[::1]:3001", "LOCALHOST:3001", "localhost", "localhost:8080"]
    {
        assert_eq!(check(&[("host", host)]), Ok(()), "{host}");
    }
}

#[test]
fn any_other_host_is_refused() {
    for host in [
        "evil.example",
        "evil.example:3001",
        "localhost.evil.example:3001",
        "127.0.0.1.nip.io:3001",
        "127.0.0.2:3001",
        "0.0.0.0:3001",
        "[::]:3001",
        "192.168.1.4:3001",
        "localhost@evil.example:3001",
        "evil@localhost:3001",
        "",
        "localhost:",
        "localhost:99999",
        "localhost:3001, evil.example",
    ] {
        assert!(check(&[("host", host)]).is_err(), "{host}");
    }
    assert!(check(&[]).is_err());
    assert!(check(&[("host", "localhost:3001"), ("host", "evil.example")]).is_err());
}

#[test]
fn only_our_own_origin_is_let_in() {
    for host in ["localhost:3001", "127.0.0.1:3001", "[::1]:3001"] {
        assert_eq!(check(&[("host", host), ("origin", &format!("http://{host}"))]), Ok(()));
    }
    for origin in [
        "http://evil.example",
        "http://evil.example:3001",
        "https://localhost:3001",
        "http://localhost:5173",
        "http://localhost",
        "http://127.0.0.1:3001",
        "null",
        "",
        "http://localhost:3001.evil.example",
        "http://localhost:3001/",
        "http://evil@localhost:3001",
        "chrome-extension://abcdef",
        "file://",
    ] {
        assert!(check(&[("host", "localhost:3001"), ("origin", origin)]).is_err(), "{origin}");
    }
    let forwarded = [("host", "localhost:8080"), ("origin", "http://localhost:8080")];
    assert!(check(&forwarded).is_err());
    let twice = [("host", "localhost:3001"), ("origin", "http://localhost:3001"), ("origin", "null")];
    assert!(check(&twice).is_err());
}

#[test]
fn a_browser_that_says_cross_site_is_refused_even_without_an_origin() {
    for site in ["cross-site", "same-site"] {
        assert!(check(&[("host", "localhost:3001"), ("sec-fetch-site", site)]).is_err());
    }
    assert_eq!(check(&[("host", "localhost:3001"), ("sec-fetch-site", "same-origin")]), Ok(()));
}

#[test]
fn a_target_that_names_another_host_is_refused() {
    let (parts, ()) = Request::builder()
        .uri("http://evil.example/mcp")
        .header("host", "localhost:3001")
        .body(())
        .unwrap()
        .into_parts();
    assert!(Access::own_user().check_request(&parts, address("127.0.0.1:3001")).is_err());
}

#[test]
fn an_address_that_was_bound_is_a_name_of_its_own() {
    let with = |host: &str, own: &str| {
        let (parts, ()) = Request::builder().header("host", host).body(()).unwrap().into_parts();
        Access::own_user().check_request(&parts, address(own)).is_ok()
    };
    assert!(with("127.0.0.2:3001", "127.0.0.2:3001") && with("localhost:3001", "127.0.0.2:3001"));
    assert!(with("127.0.0.2:3001", "[::ffff:127.0.0.2]:3001"));
    assert!(!with("127.0.0.3:3001", "127.0.0.2:3001") && !with("[127.0.0.2:3001", "127.0.0.2:3001"));
}

#[test]
fn where_other_machines_are_let_in_any_host_will_do_and_an_origin_must_still_be_its_own() {
    let access = Access::own_user().everywhere(true);
    let with = |headers: &[(&str, &str)]| {
        let request =
            headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        access.check_request(&parts, address("10.0.0.7:3001")).is_ok()
    };
    for host in ["build.example:3001", "10.0.0.7:3001", "[2001:db8::1]:3001", "localhost:3001"] {
        assert!(with(&[("host", host)]), "{host}");
        assert!(with(&[("host", host), ("origin", &format!("http://{host}"))]), "{host}");
        assert!(!with(&[("host", host), ("origin", "http://evil.example:3001")]), "{host}");
        assert!(!with(&[("host", host), ("sec-fetch-site", "cross-site")]), "{host}");
    }
    for host in ["", ":3001", "build.example:", "ann@build.example:3001", "a b"] {
        assert!(!with(&[("host", host)]), "{host:?}");
    }
    assert!(!with(&[]));
}

/// A table with one row: peer 127.0.0.1:40000 to 127.0.0.1:3001.
fn row(state: &str, uid: u32, inode: u64) -> String {
    let four = |ip: &str, port: u16| {
        let ip: std::net::Ipv4Addr = ip.parse().unwrap();
        format!("{:08X}:{port:04X}", u32::from_ne_bytes(ip.octets()))
    };
    let (local, remote) = (four("127.0.0.1", 40000), four("127.0.0.1", 3001));
    format!(
        "   7: {local} {remote} {state} 00000000:00000000 00:00000000 00000000 {uid:5} 0 {inode} 1 0 20 4 30 10 -1\n"
    )
}

fn peer_in(table: &str, peer: &str, own: &str) -> Result<(), String> {
    Access { uid: 1000, token: None, everywhere: false }
        .check_peer_in(address(peer), address(own), |wanted| find_in(table.as_bytes(), wanted))
        .map_err(|error| error.message)
}

#[test]
fn the_same_user_and_root_are_let_in() {
    for (state, uid) in [("01", 1000), ("01", 0), ("08", 1000)] {
        assert_eq!(peer_in(&row(state, uid, 9), "127.0.0.1:40000", "127.0.0.1:3001"), Ok(()));
    }
}

#[test]
fn where_other_machines_are_let_in_no_connection_proves_anything() {
    let access = Access::own_user().everywhere(true);
    let unasked = |_: &dyn Fn(&crate::sockets::Row) -> bool| panic!("nothing has to be looked up");
    let refused = access.check_peer_in(address("127.0.0.1:40000"), address("127.0.0.1:3001"), unasked);
    assert_eq!(refused.unwrap_err().message, "this address is open to other machines");
}

#[test]
fn another_user_is_refused() {
    let refused = peer_in(&row("01", 65534, 9), "127.0.0.1:40000", "127.0.0.1:3001");
    assert_eq!(refused.unwrap_err(), "uid 65534 may not speak to the manager of uid 1000");
}

#[test]
fn a_row_that_proves_nothing_is_not_trusted() {
    let time_wait = row("06", 0, 0);
    let fin_wait = row("05", 1000, 9);
    let orphan = row("01", 0, 0);
    for table in [time_wait, fin_wait, orphan, String::new()] {
        let refused = peer_in(&table, "127.0.0.1:40000", "127.0.0.1:3001");
        assert_eq!(refused.unwrap_err(), "cannot tell which user is at 127.0.0.1:40000", "{table}");
    }
}

#[test]
fn half_a_tuple_is_not_enough() {
    let table = row("01", 1000, 9);
    assert!(peer_in(&table, "127.0.0.1:40001", "127.0.0.1:3001").is_err());
    assert!(peer_in(&table, "127.0.0.1:40000", "127.0.0.1:3002").is_err());
    assert!(peer_in(&table, "127.0.0.1:3001", "127.0.0.1:40000").is_err());
    assert!(peer_in(&table, "10.0.0.1:40000", "127.0.0.1:3001").is_err());
    assert_eq!(peer_in(&table, "[::ffff:127.0.0.1]:40000", "127.0.0.1:3001"), Ok(()));
}

fn shown(access: &Access, authorization: &[&str], doubted: bool) -> Result<Shown, String> {
    let mut request = Request::builder().uri("/v1");
    for value in authorization {
        request = request.header("authorization", *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let doubt = doubted.then(|| Error::new(Code::Forbidden, "uid 7 may not speak"));
    access.check_token(&parts.headers, doubt.as_ref()).map_err(|error| {
        assert_eq!(error.code, Code::Forbidden);
        let all = format!("{error:?}");
        assert!(!all.contains("s3cret"), "{all}");
        error.message
    })
}

#[test]
fn a_token_makes_up_for_what_is_not_proved_and_a_wrong_one_for_nothing() {
    let access = Access::own_user().with_token(Some(Token::parse("s3cret").unwrap()));
    assert_eq!(shown(&access, &[], false), Ok(Shown::Nothing));
    assert_eq!(shown(&access, &[], true).unwrap_err(), "uid 7 may not speak, and there is no token");
    for doubted in [false, true] {
        for right in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "] {
            assert_eq!(shown(&access, &[right], doubted), Ok(Shown::Token), "{right}");
        }
        for wrong in ["Bearer s3cre", "Bearer s3crett", "Bearer S3cret", "Bearer s3cret s3cret", "Bearer "] {
            let refused = shown(&access, &[wrong], doubted).unwrap_err();
            assert_eq!(refused, "the token is not this manager's", "{wrong}");
        }
        for other in ["s3cret", "Basic s3cret", "", "Bearer", "Bearers3cret"] {
            let refused = shown(&access, &[other], doubted).unwrap_err();
            assert_eq!(refused, "`Authorization` is not `Bearer` and a token", "{other}");
        }
        assert!(shown(&access, &["Bearer s3cret", "Bearer s3cret"], doubted).is_err());
    }
    assert!(shown(&Access::own_user(), &["Bearer s3cret"], false).is_err(), "there is none to be right");
}
