//! MCP: the protocol's side of the server. `http` is the transport, `handler` the methods, `tools` the
//! list, `parameters` their arguments, `text` what a model reads.

mod handler;
mod http;
mod parameters;
mod sessions;
mod text;
mod tools;

pub(super) use http::Mcp;
