//! `bpm` itself, under another name so that the build of one does not replace the other: the feature that this
//! needs adds the tools of the protocol's conformance suite. Only for tests.

use std::process::ExitCode;

#[path = "../src/main.rs"]
mod program;

fn main() -> ExitCode {
    program::main()
}
