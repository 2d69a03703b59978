//! The old name: starts `bpm` under it, which then is `bpm up DIR` that refuses where a manager runs already.
//! Knows nothing but where `bpm` is.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let program = beside().unwrap_or_else(|| PathBuf::from("bpm"));
    let error =
        Command::new(&program).arg0("background-process-manager").args(std::env::args_os().skip(1)).exec();
    let _ = writeln!(
        std::io::stderr(),
        "error: cannot start `{}`: {error}\n  hint: install `bpm` beside `background-process-manager`, or on the PATH",
        program.display()
    );
    ExitCode::FAILURE
}

/// `bpm` in the directory that this program was installed in.
fn beside() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name("bpm");
    path.is_file().then_some(path)
}
