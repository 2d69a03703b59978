//! The Unix socket's door: the typed API, for the command line and what runs beside it. The kernel says who is at
//! the other end.

use std::io;
use std::sync::Arc;

use bpm_api::{Code, Error};
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::accept::{Accept, Gate, Room, serve};
use super::access::Access;
use super::respond::{self, Body};
use super::typed::Typed;
use crate::control::Control;

/// Serves the typed API and `GET /healthz` until `shutdown`, then ends within about a second. The caller has given
/// the socket its mode and owns its path.
pub async fn serve_unix(listener: UnixListener, control: impl Control, shutdown: CancellationToken) {
    let gate = Arc::new(UserGate { access: Access::own_user(), typed: Typed::new(control) });
    serve(Socket(listener), gate, Room::new(), shutdown).await;
}

struct Socket(UnixListener);

impl Accept for Socket {
    type Io = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }
}

struct UserGate<C> {
    access: Access,
    typed: Typed<C>,
}

impl<C: Control> Gate<UnixStream> for UserGate<C> {
    type Peer = ();

    async fn admit(&self, io: &UnixStream) -> Result<(), Error> {
        let peer = io
            .peer_cred()
            .map_err(|fault| Error::new(Code::Forbidden, format!("cannot tell who connects: {fault}")))?;
        self.access.check_uid(peer.uid())
    }

    async fn answer(&self, (): (), request: Request<Incoming>) -> Response<Body> {
        match request.uri().path() {
            "/healthz" => respond::health(request.method()),
            _ => self.typed.answer(request).await,
        }
    }

    fn end_streams(&self) {
        self.typed.end();
    }
}
