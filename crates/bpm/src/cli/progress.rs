//! Shows on a terminal how far a build is, or else what it prints, while somebody waits for it: one line, replaced
//! as it goes.

use bpm_api::{Code, Error};
use bpm_logs::economy;

use super::printer::Printer;
use crate::client::Readable;
use crate::logbook::{Begin, Follow, Selection, What};
use crate::store::build_progress;
use crate::store::paths::Project;

/// The builds of one process from now on.
pub(super) struct Progress<'p> {
    project: Project,
    process: String,
    /// The newest that has printed something.
    build: Option<u64>,
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
    let (project, process) = (project.clone(), process.to_owned());
    Some(Progress { project, process, build: None, printer, follow, wakeups, last: String::new() })
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
                self.build = self.build.max(Some(printed.run));
                let mut lines = printed.piece.bytes.rsplit(|byte| *byte == b'\n');
                if let Some(last) = lines.find(|line| !line.is_empty()) {
                    self.last = economy::plain_text(last).trim().to_owned();
                }
            }
        }
        self.printer.progress(&self.text());
        Ok(())
    }

    fn text(&self) -> String {
        let builds = self.project.builds(&self.process);
        let steps =
            self.build.and_then(|build| build_progress::Progress::load(&builds.join(build.to_string())));
        match steps {
            Some(steps) if steps.what.is_empty() => {
                format!("building {} {}/{}", self.process, steps.done, steps.total)
            }
            Some(steps) => {
                format!("building {} {}/{}: {}", self.process, steps.done, steps.total, steps.what)
            }
            None => format!("building {} … {}", self.process, self.last),
        }
    }
}
