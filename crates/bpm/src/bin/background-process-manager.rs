//! The old name: `background-process-manager DIR` is `bpm up DIR`, and refuses where a manager runs already.
//! Knows nothing but where `bpm` is.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let program = beside().unwrap_or_else(|| PathBuf::from("bpm"));
    let mut args: Vec<OsString> = vec!["up".into(), "--refuse-if-managed".into()];
    args.extend(std::env::args_os().skip(1));
    let error = Command::new(&program).args(args).exec();
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
