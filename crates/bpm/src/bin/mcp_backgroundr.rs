//! The old name: `mcp_backgroundr` is `bpm mcp`. Knows nothing of what that does.

mod alias;

use std::process::ExitCode;

fn main() -> ExitCode {
    alias::become_bpm("bpm", &["mcp"], "mcp_backgroundr")
}
