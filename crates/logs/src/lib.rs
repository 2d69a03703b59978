//! The log of one run on disk: the writer (used by the shim), the reader, search, follow, and the
//! shaping of log text for people and models. Knows nothing of processes, runs, sockets or tokio.

mod blocks;
mod disk;
pub mod economy;
pub mod errors;
mod follow;
mod format;
mod lines;
mod log;
mod scan;
mod search;
mod segment;
mod store;
mod terminal;
mod types;
mod view;
mod walk;
pub mod window;
mod writer;

pub use follow::{Chunk, Follower, Piece, Skipped};
pub use log::{Gap, ReadError, RunLog, StreamBytes, Summary};
pub use search::{Found, Line, MAX_PATTERN_BYTES, Pattern, Query, SearchError};
pub use types::{Drained, Limits, Now, Stream};
pub use walk::{Passed, Walked};
pub use writer::{Writer, WriterStatus, recover};

#[cfg(test)]
mod tests;
