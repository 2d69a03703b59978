//! The back end: answers every request with one line of text. Nothing but the standard library.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

/// Change this line and run `bpm restart backend`.
const GREETING: &str = "hello from the back end, version 1";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let port = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Some(8181),
        ["--port", port] => port.parse().ok(),
        _ => None,
    };
    let Some(port) = port else {
        eprintln!("usage: web-npm-backend [--port PORT]");
        return ExitCode::from(2);
    };
    match serve(port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot serve on port {port}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    println!("listening on http://{} (pid {})", listener.local_addr()?, std::process::id());
    for connection in listener.incoming() {
        // One at a time is enough for one front end; a client that says nothing is dropped.
        if let Err(error) = connection.and_then(|connection| answer(&connection)) {
            eprintln!("a connection failed: {error}");
        }
    }
    Ok(())
}

fn answer(mut connection: &TcpStream) -> io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(connection).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for header in lines {
        if header?.is_empty() {
            break;
        }
    }
    let body = format!("{GREETING} (pid {})\n", std::process::id());
    write!(
        connection,
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    println!("{request}");
    Ok(())
}
