//! Signals, the size of a run's terminal, and what it shows.

use bpm_api::{Code, Done, Error, Origin, Output, ResizeTerminal, SendSignal};

use super::Handle;
use crate::control::Chunks;

impl Handle {
    pub(super) async fn send_signal(&self, op: SendSignal, _origin: Origin) -> Result<Done, Error> {
        Err(Error::new(Code::Internal, format!("{op:?}")))
    }

    pub(super) async fn resize_terminal(&self, op: ResizeTerminal) -> Result<Done, Error> {
        Err(Error::new(Code::Internal, format!("{op:?}")))
    }

    pub(super) async fn output_of(&self, of: Output) -> Result<Chunks, Error> {
        Err(Error::new(Code::Internal, format!("{of:?}")))
    }
}
