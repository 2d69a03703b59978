//! The old name: `bpm-tui [URL]` is `bpm tui [URL]`. Knows nothing of what that does.

mod alias;

use std::process::ExitCode;

fn main() -> ExitCode {
    alias::become_bpm("bpm", &["tui"], "bpm-tui")
}
