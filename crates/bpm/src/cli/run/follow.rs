//! Passes a task's output on while somebody waits for its end: its bytes, each to the stream that it wrote them to. Must
//! not know how its end is told.

use std::io::{self, Write};
use std::time::Duration;

use bpm_api::{Code, Error};
use bpm_logs::Stream;
use tokio::time::{Instant, timeout};

use crate::cli::failure::Failure;
use crate::cli::printer::Printer;
use crate::client::Readable;
use crate::logbook::{Begin, Follow, Selection, What};
use crate::store::paths::Project;

/// How long after its end the last of what it printed may take to reach the disk.
const LAST_WORDS: Duration = Duration::from_secs(2);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Passes on what there is and what comes until `end`; returns what `end` returned. Where that is `true`, the task has
/// ended, and what is left is passed on, too.
pub(super) async fn during(
    project: &Project,
    id: &str,
    printer: &Printer,
    end: impl Future<Output = Result<bool, Error>>,
) -> Result<Result<bool, Error>, Failure> {
    let unwatched =
        |error: io::Error| Error::new(Code::System, format!("cannot watch the task's log: {error}"));
    let selection = Selection { what: What::Runs, processes: vec![id.to_owned()], stream: None };
    let mut follow = Follow::open(project, selection, Begin::default(), true)?;
    let wakeups =
        follow.wakeups().ok_or_else(|| Error::new(Code::Internal, "the task's log is not watched"))?;
    let wakeups = Readable::new(wakeups).map_err(unwatched)?;
    let mut end = std::pin::pin!(end);
    pass_on(&mut follow, printer)?;
    let ended = loop {
        tokio::select! {
            ended = &mut end => break ended,
            woken = wakeups.wait() => woken.map_err(unwatched)?,
        }
        follow.look_again()?;
        pass_on(&mut follow, printer)?;
    };
    let deadline = Instant::now() + LAST_WORDS;
    loop {
        // Asked before the last look: what was written until then is seen by it.
        let is_last = !matches!(ended, Ok(true)) || follow.has_ended() || Instant::now() >= deadline;
        follow.look_again()?;
        pass_on(&mut follow, printer)?;
        if is_last {
            return Ok(ended);
        }
        // Nothing tells that a shim has gone, so it is looked at again, for a short time.
        let _ = timeout(BETWEEN_LOOKS, wakeups.wait()).await;
    }
}

fn pass_on(follow: &mut Follow, printer: &Printer) -> Result<(), Failure> {
    loop {
        let pieces = follow.next_pieces()?;
        if pieces.is_empty() {
            break;
        }
        for printed in &pieces {
            match printed.piece.stream {
                Stream::Stdout => printer.bytes(&printed.piece.bytes)?,
                // Nobody reads it: no reason to stop.
                Stream::Stderr => drop(io::stderr().lock().write_all(&printed.piece.bytes)),
            }
        }
    }
    for (_, _, lost) in follow.take_lost() {
        printer.note(&format!("{} lines ({} bytes) are lost here", lost.lines, lost.bytes));
    }
    Ok(())
}
