//! How a verb can fail: an error of the operation, or of the output itself. Owns the way to the exit code.

use std::io;
use std::process::ExitCode;

use bpm_api::Error;

use super::printer::Printer;

/// What a verb returns when it could not do its work.
#[derive(Debug)]
pub(super) enum Failure {
    Operation(Error),
    /// Standard output did not take what was written.
    Output(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Operation(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl Failure {
    /// Says what happened, and gives the exit code. A reader that has seen enough (`| head`) is no failure.
    pub(super) fn report(self, printer: &Printer) -> ExitCode {
        match self {
            Failure::Operation(error) => {
                printer.fail(&error);
                ExitCode::from(error.code.exit_code())
            }
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Failure::Output(error) => {
                printer.note(&format!("error: cannot write the output: {error}"));
                ExitCode::FAILURE
            }
        }
    }
}
