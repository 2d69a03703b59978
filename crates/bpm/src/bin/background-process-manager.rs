//! The old name: starts `bpm` under it, which then is `bpm up DIR` that refuses where a manager runs already.
//! Knows nothing of what that does.

mod alias;

use std::process::ExitCode;

const NAME: &str = "background-process-manager";

fn main() -> ExitCode {
    alias::become_bpm(NAME, &[], NAME)
}
