//! Why a run could not be started, and whether trying again can help. Tells it from what the system said;
//! what follows from it is the core's business.

use std::io;

use bpm_core::fleet::SpawnError;
use bpm_shim::protocol::{SpawnFailure, Step};
use rustix::io::Errno;

/// What stays so until somebody puts it right.
const LASTING: [Errno; 10] = [
    Errno::NOENT,
    Errno::ACCESS,
    Errno::PERM,
    Errno::NOEXEC,
    Errno::NOTDIR,
    Errno::ISDIR,
    Errno::LOOP,
    Errno::TOOBIG,
    Errno::NAMETOOLONG,
    Errno::INVAL,
];

/// It stays so until somebody puts it right.
#[must_use]
pub fn lasting(message: impl Into<String>) -> SpawnError {
    SpawnError { message: message.into(), permanent: true }
}

/// It may pass by itself.
#[must_use]
pub fn passing(message: impl Into<String>) -> SpawnError {
    SpawnError { message: message.into(), permanent: false }
}

/// Something that the run needs cannot be had.
#[must_use]
pub fn of_io(what: &str, error: &io::Error) -> SpawnError {
    let permanent = error.raw_os_error().is_some_and(is_lasting);
    SpawnError { message: format!("{what}: {error}"), permanent }
}

/// What the shim reported. What fails in the shim itself (disk, descriptors, processes) may pass.
#[must_use]
pub fn of_shim(failure: SpawnFailure) -> SpawnError {
    let permanent = match failure.step {
        Step::Cwd | Step::Exec => is_lasting(failure.errno),
        Step::Prepare | Step::Fork => false,
    };
    SpawnError { message: failure.message, permanent }
}

fn is_lasting(errno: i32) -> bool {
    LASTING.iter().any(|lasting| lasting.raw_os_error() == errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(step: Step, errno: Errno) -> bool {
        let failure = SpawnFailure { step, errno: errno.raw_os_error(), message: "m".to_owned() };
        of_shim(failure).permanent
    }

    #[test]
    fn no_such_program_lasts_and_a_machine_that_is_full_passes() {
        for errno in LASTING {
            assert!(reported(Step::Exec, errno) && reported(Step::Cwd, errno), "{errno}");
        }
        for errno in [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::TXTBSY, Errno::IO, Errno::NOSPC] {
            assert!(!reported(Step::Exec, errno), "{errno}");
        }
    }

    #[test]
    fn what_fails_in_the_shim_itself_passes() {
        assert!(!reported(Step::Prepare, Errno::NOENT) && !reported(Step::Fork, Errno::PERM));
    }

    #[test]
    fn an_error_of_the_system_keeps_its_words() {
        let error = of_io("cannot use `x`", &io::Error::from_raw_os_error(Errno::NOTDIR.raw_os_error()));
        assert!(error.permanent && error.message.starts_with("cannot use `x`: "), "{error:?}");
        assert!(!of_io("x", &io::Error::other("y")).permanent);
    }
}
