//! The doors of a manager: the Unix socket, and loopback TCP, which has MCP, too. Each decodes a request, hands it to
//! `impl Control` and encodes the answer. Knows nothing of how anything is carried out.

mod accept;
mod access;
mod endpoint;
mod holder;
mod mcp;
mod respond;
mod tcp;
mod typed;
mod unix;
mod watching;

pub use access::Access;
pub use endpoint::{Endpoint, bind, bind_auto, url};
pub use mcp::{StdioOptions, serve_stdio};
pub use tcp::serve_tcp;
pub use unix::serve_unix;
