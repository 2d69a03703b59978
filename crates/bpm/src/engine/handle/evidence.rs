//! Which of a run's last lines show why it ended: its last report of an error, and the very last lines. Must not know how
//! lines are read.

use std::vec::Drain;

use bpm_api::{LogLine, LogPage};
use bpm_logs::errors::{Detector, Extra, Finding};

/// So many lines are looked through,
pub(super) const LOOKED_AT: u32 = 400;
/// and take up to so many bytes.
pub(super) const LOOKED_AT_BYTES: u64 = 64 << 10;
/// Lines that are shown of a report and before it, and at the end.
const OF_REPORT: usize = 12;
const AT_END: usize = 8;
/// Lines that are shown where there is no report, or where it is among them.
const LAST: usize = 20;

/// Leaves what decides. A report that is far above the end, as a panic is above its trace, is shown with its beginning.
pub(super) fn reduced(mut page: LogPage) -> LogPage {
    let count = page.lines.len();
    let last = count.saturating_sub(LAST);
    let report = last_report(&page).and_then(|found| {
        let at = |number: u64| page.lines.iter().position(|line| line.number >= number);
        Some((at(found.first)?, at(found.deciding)?))
    });
    // the first line that is shown, and the lines after it that are not
    let (first, between) = match report {
        Some((first, deciding)) if first < last => {
            // what names the error is to be seen, however long the report is before it
            let first = first.max((deciding + 1).saturating_sub(OF_REPORT));
            let end = first + OF_REPORT;
            (first, end..count.saturating_sub(AT_END).max(end))
        }
        _ => (last, last..last),
    };
    let between = between.start.min(count)..between.end.min(count);
    let omitted = |lines: Drain<'_, LogLine>| lines.map(|line| line.times).sum::<u64>();
    page.omitted_between += omitted(page.lines.drain(between));
    page.omitted_before += omitted(page.lines.drain(..first));
    page
}

fn last_report(page: &LogPage) -> Option<Finding> {
    let mut detector = Detector::new(&Extra::default()).ok()?;
    let mut last = None;
    for line in &page.lines {
        last = detector.feed(line.number, &line.text).pop().or(last);
    }
    detector.flush().or(last)
}

#[cfg(test)]
mod tests {
    use bpm_api::{LogLine, LogPage, Stream};

    use super::reduced;

    fn page(texts: &[String]) -> LogPage {
        let line = |(at, text): (usize, &String)| LogLine {
            process: None,
            run: 1,
            number: at as u64 + 1,
            time: String::new(),
            stream: Stream::Stderr,
            is_match: true,
            text: text.clone(),
            times: 1,
            alike: false,
            by_turns: false,
            last_number: None,
            skipped: None,
        };
        LogPage {
            source: String::new(),
            lines: texts.iter().enumerate().map(line).collect(),
            matches: texts.len() as u64,
            omitted_before: 0,
            omitted_between: 0,
            omitted_after: 0,
            lost_lines: 0,
            lost_bytes: 0,
            cursor: String::new(),
            resumed: false,
        }
    }

    fn numbers(page: &LogPage) -> Vec<u64> {
        page.lines.iter().map(|line| line.number).collect()
    }

    fn frames(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("  {number}: some::function")).collect()
    }

    #[test]
    fn a_panic_is_shown_above_its_long_trace() {
        let mut texts = vec!["ready".to_owned(); 30];
        texts.push("thread 'main' panicked at src/main.rs:4:5:".to_owned());
        texts.push("oh no".to_owned());
        texts.push("stack backtrace:".to_owned());
        texts.extend(frames(60));
        let page = reduced(page(&texts));
        assert_eq!(numbers(&page)[..3], [31, 32, 33]);
        assert_eq!(page.lines.len(), 20);
        assert_eq!(page.lines.last().map(|line| line.number), Some(93));
        assert_eq!((page.omitted_before, page.omitted_between), (30, 43));
    }

    #[test]
    fn without_a_report_or_with_one_at_the_end_they_are_the_last_lines() {
        let mut texts = vec!["ready".to_owned(); 50];
        let quiet = reduced(page(&texts));
        assert_eq!((numbers(&quiet).len(), numbers(&quiet)[0], quiet.omitted_before), (20, 31, 30));
        texts.push("error: no".to_owned());
        let page = reduced(page(&texts));
        assert_eq!((numbers(&page).len(), numbers(&page)[0], page.omitted_between), (20, 32, 0));
        let short = reduced(super::tests::page(&texts[48..]));
        assert_eq!(numbers(&short), [1, 2, 3]);
        assert_eq!(numbers(&reduced(super::tests::page(&[]))), [0; 0]);
    }

    #[test]
    fn a_report_that_overlaps_with_the_end_is_shown_once() {
        let mut texts = vec!["thread 'main' panicked at src/main.rs:4:5:".to_owned(), "oh no".to_owned()];
        texts.extend(frames(20));
        let page = reduced(page(&texts));
        let shown = numbers(&page);
        assert_eq!((shown[0], shown.len() as u64 + page.omitted_between), (1, 22));
        assert!(shown.windows(2).all(|pair| pair[0] < pair[1]), "{shown:?}");
    }
}
