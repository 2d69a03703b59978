//! What a wait answers: the condition that held, the lines that show it, where every target stands, and how to go on.

use bpm_api::{Condition, Error, LogPage, LogQuery, Met, TargetState, WaitAnswer};
use bpm_logs::errors::Finding;

use super::cursor::{Place, WaitCursor};
use super::decide::{Shows, Verdict};
use super::tail::{Hit, Tail};
use super::{End, Target, Wait};
use crate::logbook::What;

/// Lines that are shown before what decided, and for an end.
const LINES_BEFORE: u64 = 3;
const LINES_OF_AN_END: u32 = 15;
/// After a cursor: before it, the caller has seen them.
const LINES_OF_A_FAILURE: u32 = 40;
const LINES_OF_A_TIMEOUT: u32 = 5;
/// Numbers of a command line that are looked up as ports.
const MOST_PORTS: usize = 8;

impl Wait<'_> {
    pub(super) async fn end_of_verdict(&self, target: usize, verdict: Verdict) -> End {
        let Verdict { condition, what, bad, shows } = verdict;
        let process = Some(self.targets[target].name.to_string());
        let lines = match shows {
            Shows::LastLines(run) => {
                let run = run.filter(|run| *run > 0);
                let cursor = self.seen_so_far(target, run).await;
                let tail = match (condition == Condition::Exit, bad, &cursor) {
                    // the cause may be far above the last lines: the whole log, condensed
                    (true, true, None) => None,
                    (true, true, Some(_)) => Some(LINES_OF_A_FAILURE),
                    (true, false, _) => Some(LINES_OF_AN_END),
                    (false, _, _) => Some(LINES_OF_A_TIMEOUT),
                };
                let run = run.filter(|_| cursor.is_none());
                let query = LogQuery { process, run, tail, cursor, ..LogQuery::default() };
                self.handle.search(What::Runs, query).await.ok()
            }
            Shows::Build(build) if bad => self.handle.errors_of_build(process, build).await,
            Shows::Build(_) => None,
        };
        let lines = lines.filter(|page| !page.lines.is_empty());
        let met = Met { condition, target: self.targets[target].label.clone(), what, bad, port_holder: None };
        End { met, lines }
    }

    pub(super) async fn end_of_hit(&self, target: usize, hit: Hit) -> Result<End, Error> {
        let of = &self.targets[target];
        let (condition, what, run, lines, deciding, port) = match hit {
            Hit::Pattern { run, line } => {
                let what = format!("printed a line that matches, line {line} of run {run}");
                (Condition::Pattern, what, run, line..=line, line, Vec::new())
            }
            Hit::Error { run, finding } => {
                let what = format!("printed an error, line {} of run {run}", finding.deciding);
                let lines = finding.first..=finding.last;
                let port = taken_port(&finding, &of.facts.why);
                (Condition::Error, what, run, lines, finding.deciding, port)
            }
        };
        let before = lines.start().saturating_sub(LINES_BEFORE + 1);
        let count = lines.end().saturating_sub(before).min(80);
        let query = LogQuery {
            process: Some(of.name.to_string()),
            cursor: Some(format!("{}:{run}:{before}", of.name)),
            head: u32::try_from(count).ok(),
            ..LogQuery::default()
        };
        let mut page = self.handle.search(What::Runs, query).await?;
        for line in &mut page.lines {
            line.is_match = (line.number..line.number + line.times.max(1)).contains(&deciding);
        }
        let bad = condition == Condition::Error;
        let mut port_holder = None;
        for port in port {
            if let Some(holder) = self.handle.port_holder(port).await {
                port_holder = Some(format!("{holder}; port {port}"));
                break;
            }
        }
        let met = Met { condition, target: of.label.clone(), what, bad, port_holder };
        Ok(End { met, lines: Some(page) })
    }

    pub(super) async fn answer(self, end: Option<End>, cursor: &WaitCursor) -> WaitAnswer {
        let mut end = end;
        let lines = match &mut end {
            Some(end) => end.lines.take(),
            None => self.last_lines().await,
        };
        let in_vain = end.is_none();
        let states = self.targets.iter().map(|target| TargetState {
            target: target.label.clone(),
            state: target.facts.state.clone(),
            why: target.facts.why.clone() + self.advice(target, in_vain),
        });
        WaitAnswer {
            met: end.map(|end| end.met),
            waited_seconds: (self.began.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            targets: states.collect(),
            lines,
            cursor: cursor.to_string(),
        }
    }

    async fn last_lines(&self) -> Option<LogPage> {
        let process = Some(self.targets.first()?.name.to_string());
        let cursor = self.seen_so_far(0, None).await;
        let query = LogQuery { process, tail: Some(LINES_OF_A_TIMEOUT), cursor, ..LogQuery::default() };
        self.handle.search(What::Runs, query).await.ok().filter(|page| !page.lines.is_empty())
    }

    /// Where the caller's cursor is in this run (the newest); what was before it, he has.
    async fn seen_so_far(&self, target: usize, run: Option<u64>) -> Option<String> {
        let name = &self.targets[target].name;
        let seen = self.question.cursor.as_ref()?.place(name)?;
        let run = match run {
            Some(run) => run,
            None => self.handle.ends_of_logs(std::iter::once(name.clone())).await.pop()??.0,
        };
        (run == seen.run).then(|| format!("{name}:{run}:{}", seen.line))
    }

    /// For whoever waited in vain for a task to be ready that says nothing of it.
    fn advice(&self, target: &Target, in_vain: bool) -> &'static str {
        let hopes = self.question.asks_for(Condition::Ready) && target.facts.never_ready;
        match in_vain && hopes && target.facts.up.is_some() {
            true => {
                "; started without `ready`, so it never counts as ready: `port`, `pattern` or `quiet` may tell"
            }
            false => "",
        }
    }

    /// Up to here everything has been seen.
    pub(super) async fn cursor(&self) -> WaitCursor {
        let places: Vec<Option<Place>> = match self.question.reads_logs() {
            true => self.targets.iter().map(|target| target.tail.as_ref().and_then(Tail::place)).collect(),
            false => {
                let ends = self.handle.ends_of_logs(self.targets.iter().map(|target| target.name.clone()));
                let place = |(run, line)| Place { run, line, begun: 0 };
                ends.await.into_iter().map(|end| end.map(place)).collect()
            }
        };
        let places = self.targets.iter().zip(places);
        let places = places.filter_map(|(target, place)| Some((target.name.to_string(), place?)));
        let marks =
            self.targets.iter().map(|target| (target.name.to_string(), target.known.unwrap_or_default()));
        WaitCursor { places: places.collect(), at: self.learnt, marks: marks.collect() }
    }
}

/// Ports that an address in use may be: the one that the error names, else those that the command names.
fn taken_port(finding: &Finding, command: &str) -> Vec<u16> {
    if let Some(port) = finding.port() {
        return vec![port];
    }
    let line = finding.deciding_line().to_ascii_lowercase();
    if !line.contains("address already in use") && !line.contains("eaddrinuse") {
        return Vec::new();
    }
    let numbers =
        command.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u16>().ok());
    numbers.filter(|port| *port > 0).take(MOST_PORTS).collect()
}
