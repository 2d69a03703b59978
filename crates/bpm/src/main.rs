//! Becomes what it was started as: a shim, a cargo helper, or the command line. Nothing else is decided here.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use bpm::exec::{build, cargo_helper};
use tracing_subscriber::EnvFilter;

/// Threads of the runtime; what blocks has its own.
const WORKERS: usize = 2;
/// How long the end waits for what blocks: nothing of it must get done, and a search may take its time.
const LAST_GRACE: Duration = Duration::from_secs(1);

pub(crate) fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    // Both before there is a runtime or any thread.
    if args.first().is_some_and(|argv0| bpm_shim::is_shim(argv0)) {
        return bpm_shim::main(args);
    }
    if args.get(1).is_some_and(|verb| *verb == *build::SUBCOMMAND) {
        return cargo_helper::run(args.into_iter().skip(2));
    }
    log_to_stderr();
    // A thin proxy hands each message from one pipe to the other, and an interface what it is told to a terminal: a
    // second thread would only have to be woken.
    let mut builder = match args.get(1).is_some_and(|verb| verb == "mcp" || verb == "tui") {
        true => tokio::runtime::Builder::new_current_thread(),
        false => tokio::runtime::Builder::new_multi_thread(),
    };
    match builder.worker_threads(WORKERS).enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(bpm::cli::main(args));
            runtime.shutdown_timeout(LAST_GRACE);
            code
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: cannot start the runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

/// For the developers of bpm; what users are to know goes through the command line's own output.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("BPM_LOG").unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
