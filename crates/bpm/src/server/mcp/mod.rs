//! MCP: the protocol's side of the server. `http` and `stdio` are the transports, `handler` the methods, `tools` the
//! list, `parameters` their arguments, `calls` what becomes of one (`progress`, `lasting`, `news`), `resources`,
//! `prompts`, `completion` and `subscriptions` what else can be asked for, `text` what a model reads. `fixtures` is for
//! tests of the protocol alone.

mod calls;
mod channel;
mod completion;
#[cfg(feature = "conformance-fixtures")]
#[expect(deprecated, reason = "the suite covers the older revisions, too")]
mod fixtures;
mod handler;
mod http;
mod identity;
mod lasting;
mod lines;
mod news;
mod parameters;
mod progress;
mod prompts;
mod resources;
mod sessions;
mod stdio;
mod subscriptions;
mod text;
mod tools;
mod updates;
mod uris;

pub(super) use http::Mcp;
pub use stdio::{StdioOptions, serve_stdio};
