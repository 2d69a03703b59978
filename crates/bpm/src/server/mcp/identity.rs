//! Who asks, as far as a connection and its messages tell.

use bpm_api::Origin;
use hyper::http::request::Parts;
use rmcp::RoleServer;
use rmcp::service::RequestContext;

const WHO_CHARS: usize = 80;
pub(super) const SESSION_HEADER: &str = "mcp-session-id";

/// What is known of a handler's clients before they say anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    session: Option<String>,
    /// Whether crashes are told unasked.
    pub(super) channel: bool,
}

/// What a request is for. Only tool calls keep a project in development mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    Tool,
    Resource,
}

impl Identity {
    /// One client, for as long as the handler lives.
    pub(super) fn fixed(session: String, channel: bool) -> Identity {
        Identity { session: Some(session), channel }
    }

    /// For what is asked on nobody's request.
    pub(super) fn own(&self) -> Origin {
        Origin { session: self.session.clone(), ..Origin::new(Face::Resource.as_str(), "bpm mcp") }
    }

    pub(super) fn origin(&self, context: &RequestContext<RoleServer>, face: Face) -> Origin {
        let http = context.extensions.get::<Parts>();
        let header = http.and_then(|parts| parts.headers.get(SESSION_HEADER)?.to_str().ok());
        let client = context.meta.client_info().or_else(|| {
            // Outside of a session the SDK puts its own name here.
            let is_session = http.is_none() || header.is_some();
            is_session.then(|| context.peer.peer_info())?.map(|info| info.client_info.clone())
        });
        let who = client.map(|client| clip(format!("{} {}", client.name, client.version).trim()));
        let who = who.filter(|who| !who.is_empty()).unwrap_or_else(|| "unnamed client".to_owned());
        let session = match (&self.session, header) {
            (Some(session), _) => session.clone(),
            (None, Some(header)) => header.to_owned(),
            (None, None) => format!("http:{who}"),
        };
        Origin { session: Some(session), ..Origin::new(face.as_str(), who) }
    }
}

impl Face {
    fn as_str(self) -> &'static str {
        match self {
            Face::Tool => "mcp",
            Face::Resource => "resource",
        }
    }
}

/// A client's words, fit for one line of a log.
pub(super) fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(WHO_CHARS).collect()
}
