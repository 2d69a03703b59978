//! A web server with one page, for `bpm` to keep up: it says who it is, logs each request, and ends
//! in good order on TERM.

use std::env;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Change this line, run `bpm restart` in this directory, and load the page again.
const GREETING: &str = "hello, this is version 1";

const USAGE: &str = "usage: hello [--port PORT]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let port = match port(env::args().skip(1)) {
        Ok(port) => port,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match serve(port).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot serve on port {port}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn port(mut args: impl Iterator<Item = String>) -> Result<u16, String> {
    let mut port = 8180;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--port" => {
                let value = args.next().ok_or("`--port` needs a number")?;
                port = value.parse().map_err(|_| format!("`{value}` is not a port"))?;
            }
            other => return Err(format!("unknown argument `{other}`")),
        }
    }
    Ok(port)
}

async fn serve(port: u16) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    println!("listening on http://{} ({})", listener.local_addr()?, identity());
    let app = Router::new().route("/", get(page)).fallback(nothing_here);
    let until_told = async move {
        tokio::select! {
            _ = terminate.recv() => println!("TERM: finishing what is in flight"),
            _ = interrupt.recv() => println!("INT: finishing what is in flight"),
        }
    };
    axum::serve(listener, app).with_graceful_shutdown(until_told).await?;
    println!("bye");
    Ok(())
}

/// How this program was built, and which process it is.
fn identity() -> String {
    let build = if cfg!(debug_assertions) { "dev" } else { "release" };
    format!("{build} build, pid {}", std::process::id())
}

async fn page(method: Method, uri: Uri) -> String {
    println!("{method} {uri} 200");
    format!("{GREETING} ({})\n", identity())
}

async fn nothing_here(method: Method, uri: Uri) -> StatusCode {
    println!("{method} {uri} 404");
    StatusCode::NOT_FOUND
}
