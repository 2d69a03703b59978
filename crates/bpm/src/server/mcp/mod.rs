//! MCP: the protocol's side of the server. `http` and `stdio` are the transports, `handler` the methods, `tools` the
//! list, `parameters` their arguments, `text` what a model reads. `fixtures` is for tests of the protocol alone.

mod channel;
#[cfg(feature = "conformance-fixtures")]
#[expect(deprecated, reason = "the suite covers the older revisions, too")]
mod fixtures;
mod handler;
mod http;
mod identity;
mod lines;
mod parameters;
mod sessions;
mod stdio;
mod text;
mod tools;

pub(super) use http::Mcp;
pub use stdio::{StdioOptions, serve_stdio};
