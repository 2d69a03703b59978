//! `background-process-manager DIR`, the name of old: `bpm up DIR`, with a help text of its own, that refuses where a
//! manager runs already.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Args, Command, FromArgMatches};

use super::up::UpArgs;
use super::{Cli, Everywhere, Verb};

/// The program's name before it was `bpm`.
const OLD_NAME: &str = "background-process-manager";

const ABOUT: &str = "Run a project: build and start its processes, and keep them up. The same as `bpm up DIR`; \
    where a manager runs already, it is left alone, and this fails.";
const EXAMPLES: &str = "\
Examples:
  background-process-manager ~/dev/shop        in the foreground
  background-process-manager ~/dev/shop -d     in the background

`bpm --help` shows what else there is.";

/// Whether the program was started under its old name.
pub(super) fn is_meant(argv0: &OsStr) -> bool {
    Path::new(argv0).file_name() == Some(OsStr::new(OLD_NAME))
}

/// Reads a command line that begins with the old name.
///
/// # Errors
/// Help, version and wrong usage, as clap words them.
pub(super) fn parse(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let command = UpArgs::augment_args(Everywhere::augment_args(Command::new(OLD_NAME)));
    let command = command.version(env!("CARGO_PKG_VERSION")).max_term_width(100);
    let command = command.about(ABOUT).long_about(None).after_help(EXAMPLES);
    let matches = command.try_get_matches_from(args)?;
    let up = UpArgs::from_arg_matches(&matches)?.under_the_old_name();
    Ok(Cli { everywhere: Everywhere::from_arg_matches(&matches)?, verb: Verb::Up(up) })
}
