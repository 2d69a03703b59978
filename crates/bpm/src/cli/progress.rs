//! Shows on a terminal what a build prints while somebody waits for it: one line, replaced as it goes.

use bpm_api::{Code, Error};
use bpm_logs::economy;

use super::printer::Printer;
use crate::client::Readable;
use crate::logbook::{Begin, Follow, Selection, What};
use crate::store::paths::Project;

/// The builds of one process from now on.
pub(super) struct Progress<'p> {
    process: String,
    printer: &'p Printer,
    follow: Follow,
    wakeups: Readable,
    /// The last line that was printed.
    last: String,
}

/// `None` where no progress is shown, or none can be seen.
pub(super) fn of_builds<'p>(project: &Project, process: &str, printer: &'p Printer) -> Option<Progress<'p>> {
    printer.progress_width()?;
    let selection = Selection { what: What::Builds, processes: vec![process.to_owned()], stream: None };
    let begin = Begin { only_new: true, ..Begin::default() };
    let follow = Follow::open(project, selection, begin, true).ok()?;
    let wakeups = Readable::new(follow.wakeups()?).ok()?;
    Some(Progress { process: process.to_owned(), printer, follow, wakeups, last: String::new() })
}

impl Progress<'_> {
    /// Waits for `work`, and shows meanwhile what is built.
    pub(super) async fn during<T>(mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let outcome = loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                shown = self.show_next() => if shown.is_err() {
                    break work.await;
                },
            }
        };
        self.printer.progress_done();
        outcome
    }

    async fn show_next(&mut self) -> Result<(), Error> {
        let unwatched = |error| Error::new(Code::System, format!("cannot watch the build: {error}"));
        self.wakeups.wait().await.map_err(unwatched)?;
        self.follow.look_again()?;
        loop {
            let pieces = self.follow.next_pieces()?;
            if pieces.is_empty() {
                break;
            }
            for printed in &pieces {
                let mut lines = printed.piece.bytes.rsplit(|byte| *byte == b'\n');
                if let Some(last) = lines.find(|line| !line.is_empty()) {
                    self.last = economy::plain_text(last).trim().to_owned();
                }
            }
        }
        self.printer.progress(&format!("building {} … {}", self.process, self.last));
        Ok(())
    }
}
