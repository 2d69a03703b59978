//! The TCP door: MCP, the typed API and `/healthz`, for programs of the same user and for who shows
//! the token. Access is checked before anything of a request is looked at.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bpm_api::{Code, Error};
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::accept::{Accept, Gate, Room, serve};
use super::access::{Access, Shown};
use super::mcp::Mcp;
use super::respond::{self, Body};
use super::typed::{Typed, is_json};
use crate::control::Control;
use crate::sockets;

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
        let (stream, peer) = self.0.accept().await?;
        // Without it Nagle and delayed acknowledgements make an answer in two writes take 40 ms. It fails only
        // for a peer that is gone, which the connection's task finds out by itself.
        let _ = stream.set_nodelay(true);
        // A machine that was switched off says nothing, and its watches would count as clients for ever.
        if !peer.ip().to_canonical().is_loopback() {
            let _ = sockets::keep_alive(&stream);
        }
        Ok(stream)
    }
}

struct LoopbackGate<C: Control> {
    access: Access,
    mcp: Mcp<C>,
    typed: Typed<C>,
    control: C,
}

/// What is known of a connection.
#[derive(Clone, Debug)]
struct Peer {
    /// Our end.
    own: SocketAddr,
    doubt: Option<Arc<Doubt>>,
}

/// Nothing proves that the peer may speak: its requests must.
#[derive(Debug)]
struct Doubt {
    why: Error,
    /// One of them has.
    resolved: AtomicBool,
}

impl<C: Control> LoopbackGate<C> {
    /// The refusal, if a page of another origin asks, or somebody who may not. Nothing of a request is looked at before.
    fn refusal(&self, parts: &mut Parts, peer: &Peer) -> Option<Response<Body>> {
        if let Err(error) = self.access.check_request(parts, peer.own) {
            return Some(respond::error(&error));
        }
        let doubt = peer.doubt.as_deref();
        match self.access.check_token(&parts.headers, doubt.map(|doubt| &doubt.why)) {
            Ok(Shown::Nothing) => {}
            Ok(Shown::Token) => {
                // so that it gets into no log on its further way
                parts.headers.remove(AUTHORIZATION);
                doubt.inspect(|doubt| doubt.resolved.store(true, Ordering::Relaxed));
            }
            Err(error) => return Some(respond::unauthorized(&error)),
        }
        None
    }
}

impl<C: Control> Gate<TcpStream> for LoopbackGate<C> {
    type Peer = Peer;

    async fn admit(&self, io: &TcpStream) -> Result<Peer, Error> {
        let gone =
            |fault: io::Error| Error::new(Code::Forbidden, format!("cannot tell who connects: {fault}"));
        let (peer, own) = (io.peer_addr().map_err(gone)?, io.local_addr().map_err(gone)?);
        let access = self.access.clone();
        let checked = tokio::task::spawn_blocking(move || access.check_peer(peer, own)).await;
        let checked = checked.map_err(|fault| {
            Error::new(Code::Internal, format!("the look-up of the peer failed: {fault}"))
        })?;
        match checked {
            Ok(()) => Ok(Peer { own, doubt: None }),
            Err(why) if self.access.takes_tokens() => {
                Ok(Peer { own, doubt: Some(Arc::new(Doubt { why, resolved: AtomicBool::new(false) })) })
            }
            Err(why) => Err(why),
        }
    }

    fn is_stranger(&self, peer: &Peer) -> bool {
        peer.doubt.as_ref().is_some_and(|doubt| !doubt.resolved.load(Ordering::Relaxed))
    }

    async fn answer(&self, peer: Peer, request: Request<Incoming>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        if let Some(refusal) = self.refusal(&mut parts, &peer) {
            respond::waste(body).await;
            return refusal;
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
