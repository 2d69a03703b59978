//! The loopback door: MCP, the typed API and `/healthz`, for programs of the same user. Access is checked before
//! anything of a request is looked at.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bpm_api::{Code, Error};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::accept::{Accept, Gate, Room, serve};
use super::access::{Access, check_request};
use super::mcp::Mcp;
use super::respond::{self, Body};
use super::typed::{Typed, is_json};
use crate::control::Control;

/// Serves MCP and the typed API on the given listeners until `shutdown`, then ends within about a second.
pub async fn serve_tcp(
    listeners: Vec<std::net::TcpListener>,
    control: impl Control,
    access: Access,
    shutdown: CancellationToken,
) {
    let gate = Arc::new(LoopbackGate {
        access,
        mcp: Mcp::new(control.clone()),
        typed: Typed::new(control.clone()),
        control,
    });
    let room = Room::new();
    let mut doors = JoinSet::new();
    for listener in listeners {
        match into_tokio(listener) {
            Ok(listener) => {
                doors.spawn(serve(Loopback(listener), gate.clone(), room.clone(), shutdown.clone()));
            }
            Err(fault) => tracing::error!(%fault, "cannot serve on a TCP listener"),
        }
    }
    while doors.join_next().await.is_some() {}
    gate.end_streams();
}

fn into_tokio(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

struct Loopback(TcpListener);

impl Accept for Loopback {
    type Io = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.0.accept().await?;
        // Without it Nagle and delayed acknowledgements make an answer in two writes take 40 ms. It fails only
        // for a peer that is gone, which the connection's task finds out by itself.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

struct LoopbackGate<C: Control> {
    access: Access,
    mcp: Mcp<C>,
    typed: Typed<C>,
    control: C,
}

impl<C: Control> Gate<TcpStream> for LoopbackGate<C> {
    /// Our end of the connection.
    type Peer = SocketAddr;

    async fn admit(&self, io: &TcpStream) -> Result<SocketAddr, Error> {
        let gone =
            |fault: io::Error| Error::new(Code::Forbidden, format!("cannot tell who connects: {fault}"));
        let (peer, own) = (io.peer_addr().map_err(gone)?, io.local_addr().map_err(gone)?);
        let access = self.access;
        let checked = tokio::task::spawn_blocking(move || access.check_peer(peer, own)).await;
        checked.map_err(|fault| {
            Error::new(Code::Internal, format!("the look-up of the peer failed: {fault}"))
        })??;
        Ok(own)
    }

    async fn answer(&self, own: SocketAddr, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if let Err(error) = check_request(&parts, own) {
            return respond::error(&error);
        }
        match parts.uri.path() {
            "/mcp" => {
                let client = self.control.presence();
                respond::held(self.mcp.answer(parts, body).await, client)
            }
            "/healthz" => respond::health(&parts.method),
            path if path.starts_with("/v1") && parts.method == Method::POST && !is_json(&parts.headers) => {
                not_json()
            }
            _ => self.typed.answer(Request::from_parts(parts, body)).await,
        }
    }

    fn end_streams(&self) {
        self.mcp.end();
        self.typed.end();
    }
}

/// What a form in a page can send without asking first is no request.
fn not_json() -> Response<Body> {
    let error = Error::new(Code::InvalidParameter, "`content-type` is not `application/json`");
    respond::json(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error)
}
