//! What another name of `bpm` does: becomes it. Knows nothing but where `bpm` is.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Becomes `bpm`, called `name`, with these words before the arguments. Returns only where it cannot be started.
pub(crate) fn become_bpm(name: &str, words: &[&str], own: &str) -> ExitCode {
    let program = beside().unwrap_or_else(|| PathBuf::from("bpm"));
    let error = Command::new(&program).arg0(name).args(words).args(std::env::args_os().skip(1)).exec();
    let _ = writeln!(
        std::io::stderr(),
        "error: cannot start `{}`: {error}\n  hint: install `bpm` beside `{own}`, or on the PATH",
        program.display()
    );
    ExitCode::FAILURE
}

/// `bpm` in the directory that this program was installed in.
fn beside() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name("bpm");
    path.is_file().then_some(path)
}
