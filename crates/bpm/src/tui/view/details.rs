//! Top right: everything about the one that is selected, then what happened to it, the newest first.

use std::cmp::Reverse;

use bpm_api::{BuildStatus, Event, EventKind, ProcessStatus, Sample, State, TaskState, TaskStatus};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::page::Page;
use super::paint::{Painter, Titles, row};
use super::processes::{mark, task_mark};
use super::spark::sparkline;
use super::style::{Ink, STOPPED, Theme};
use super::text::{Clock, line, tilde, width};
use super::{focused, title};
use crate::render;
use crate::tui::layout::{Areas, inside};
use crate::tui::model::history::Point;
use crate::tui::model::{Model, Panel};

/// Columns of a sparkline, at most.
const SPARK: usize = 40;
/// Columns that two sparklines beside each other have to have.
const ABREAST: usize = 76;
/// CPU that fills a sparkline at least, so that what idles looks so.
const LEAST_CPU: f64 = 10.0;

pub(super) fn draw(model: &Model, painter: &mut Painter<'_>, area: Rect) {
    let mut top = title(model, Panel::Details, "Process Details");
    if let Some(target) = &model.selected {
        let name = model.task().and_then(|task| task.name.as_deref()).unwrap_or(target.name());
        top.push_span(painter.theme.span(Ink::Strong, format!(" {name}")));
    }
    painter.border(area, focused(model, Panel::Details), &Titles { top, ..Titles::default() });
    let room = inside(area);
    let Some(page) = page(model, usize::from(room.width)) else {
        let text = if model.targets.is_empty() { "" } else { "select a process or a task with ↑ and ↓" };
        return super::say(painter, room, Ink::Faint, text);
    };
    let height = usize::from(room.height);
    let top = model.details_top.min(page.lines.len().saturating_sub(height));
    for (number, line) in page.lines.iter().skip(top).take(height).enumerate() {
        painter.line(row(room, number), line);
    }
    painter.thumb(area, page.lines.len() as u64, top as u64, height as u64);
}

/// The first line that is shown when the last one is.
pub(super) fn last_top(model: &Model) -> usize {
    let room = inside(Areas::of(model).details);
    let lines = page(model, usize::from(room.width)).map_or(0, |page| page.lines.len());
    lines.saturating_sub(usize::from(room.height))
}

fn page(model: &Model, columns: usize) -> Option<Page> {
    let mut page = Page::new(Theme::of(&model.look), columns);
    match (model.process(), model.task()) {
        (Some(process), _) => page.process(model, process),
        (None, Some(task)) => page.task(model, task),
        (None, None) => return None,
    }
    page.events(model);
    Some(page)
}

impl Page {
    fn process(&mut self, model: &Model, process: &ProcessStatus) {
        let age = model.status_age_seconds();
        let theme = self.theme;
        if model.is_shut_down() {
            return self.shut_down(process.last_build.as_ref().map(|build| aged(build, age)));
        }
        let (sign, ink) = mark(process);
        // the run's time is not the build's
        let building = process.building.as_ref().filter(|_| process.state == State::Running);
        let state = if building.is_some() { "running".to_owned() } else { render::state(process) };
        let mut head = vec![theme.span(ink, format!("{sign} {state}"))];
        if let Some(uptime) = process.uptime_seconds {
            head.push(theme.span(Ink::Text, format!(" for {}", render::seconds(uptime + age))));
        }
        if let Some(build) = building {
            let took = build.took_seconds.map(|took| format!(" for {}", render::seconds(took + age)));
            head.push(theme.span(Ink::Waiting, format!(" · building{}", took.unwrap_or_default())));
        }
        if let Some(left) = process.restart_in_seconds.map(|left| left - age).filter(|left| *left > 0.0) {
            let left = render::seconds(left.ceil());
            head.push(theme.span(Ink::Waiting, format!(", restarts in {left}")));
        }
        head.extend(process.run.map(|run| self.fact(&format!("run {run}"))));
        head.extend(process.pid.map(|pid| self.fact(&format!("pid {pid}"))));
        head.extend(process.recipe.map(|recipe| self.fact(recipe.as_str())));
        head.extend(process.pty.then(|| self.fact("terminal")));
        self.lines.push(Line::from(head));
        // of one that simply runs, there is no more to say
        if process.state != State::Running || process.next.is_some() {
            self.wrapped("why", ink_of_why(process.state), &process.why);
        }
        if let Some(next) = &process.next {
            self.wrapped("next", Ink::Text, &by_keys(process, next));
        }
        if let Some(build) = &process.building {
            self.building(build);
        }
        if let Some(build) = &process.last_build {
            self.built(&aged(build, age));
        }
        self.sample(model, process.sample.as_ref());
        self.restarts(process);
        if let Some(last) = &process.last_exit {
            let mut last = last.clone();
            last.ago_seconds += age;
            self.wrapped("last exit", Ink::Text, &render::exit(&last));
        }
    }

    /// Nothing of what was known of a run is true any more.
    fn shut_down(&mut self, build: Option<BuildStatus>) {
        let head = self.theme.span(Ink::Text, format!("{STOPPED} ended with the manager"));
        self.lines.push(line([head]));
        if let Some(build) = build {
            self.built(&build);
        }
    }

    fn task(&mut self, model: &Model, task: &TaskStatus) {
        let age = model.status_age_seconds();
        let theme = self.theme;
        if model.is_shut_down() && task.state == TaskState::Running {
            self.shut_down(None);
            return self.wrapped("command", Ink::Strong, &task.command);
        }
        let (sign, ink) = task_mark(task);
        let state = match (task.state, &task.signal) {
            // an exit code says nothing about what was ended on purpose
            (TaskState::Killed, Some(signal)) => format!("ended by {signal}"),
            (TaskState::Killed, None) => "killed".to_owned(),
            _ => render::task_state(task),
        };
        let mut head = vec![theme.span(ink, format!("{sign} {state}"))];
        let runs = task.state == TaskState::Running;
        let seconds = render::seconds(if runs { task.seconds + age } else { task.seconds });
        head.push(theme.span(Ink::Text, format!("{}{seconds}", if runs { " for " } else { " after " })));
        if let Some(ago) = task.ended_ago_seconds {
            head.push(theme.span(Ink::Text, format!(", {} ago", render::seconds(ago + age))));
        }
        head.push(self.fact(&format!("task {}", task.task_id)));
        head.extend(task.pid.filter(|_| runs).map(|pid| self.fact(&format!("pid {pid}"))));
        head.extend(task.pty.then(|| self.fact("terminal")));
        self.lines.push(Line::from(head));
        self.wrapped("command", Ink::Strong, &task.command);
        if let Some(note) = &task.note {
            self.wrapped("note", Ink::Bad, note);
        }
        if let Some(asked) = &task.kill_requested {
            let ago = render::seconds(asked.ago_seconds + age);
            self.wrapped("asked", Ink::Waiting, &format!("to end by {}, {ago} ago", asked.by));
        }
        if let Some(left) = task.kill_in_seconds.filter(|_| runs) {
            let left = render::seconds((left - age).max(0.0));
            self.wrapped("limit", Ink::Waiting, &format!("is ended in {left}"));
        }
        for survivor in &task.survivors {
            self.wrapped("alive", Ink::Bad, survivor);
        }
        self.sample(model, task.sample.as_ref().filter(|_| runs));
        self.wrapped("directory", Ink::Text, &tilde(&task.cwd, model.look.home.as_deref()));
        if !task.by.is_empty() {
            self.wrapped("by", Ink::Text, &task.by);
        }
    }

    /// CPU, memory, processes, ports.
    fn sample(&mut self, model: &Model, sample: Option<&Sample>) {
        let Some(sample) = sample else { return };
        let points = model.selected.as_ref().and_then(|target| model.history.points.get(target));
        let points = || points.into_iter().flatten();
        let most_cpu = points().map(|point| point.cpu_percent).fold(sample.cpu_percent, f64::max);
        let most_memory = points().map(|point| point.memory_bytes).fold(sample.memory_bytes, u64::max);
        let cpu = (format!("{:>4.0}%", sample.cpu_percent), format!(" max {most_cpu:.0}%"));
        let memory = (
            format!("{:>5}", render::bytes(sample.memory_bytes)),
            format!(" max {}", render::bytes(most_memory)),
        );
        let abreast = self.columns >= ABREAST;
        let room = if abreast { self.columns / 2 } else { self.columns };
        let (_, label) = self.label("memory");
        let spark =
            room.saturating_sub(label + cpu.0.len() + 1 + cpu.1.len().max(memory.1.len()) + 2).min(SPARK);
        let full = most_cpu.max(LEAST_CPU);
        let cpu_line = sparkline(points().map(|point| point.cpu_percent), (0.0, full), spark);
        let memory_line = sparkline(points().map(memory_of), around(points().map(memory_of)), spark);
        let row = |page: &Page, name: &str, (now, most): (String, String), spark: String| {
            let theme = page.theme;
            let most = theme.span(Ink::Faint, most);
            vec![page.label(name).0, theme.span(Ink::Text, now + " "), theme.span(Ink::Picture, spark), most]
        };
        let mut first = row(self, "cpu", cpu, cpu_line);
        let second = row(self, "memory", memory, memory_line);
        if abreast {
            let used: usize = first.iter().map(|span| width(&span.content)).sum();
            first.push(Span::raw(" ".repeat(room.saturating_sub(used))));
            first.extend(second);
            self.lines.push(Line::from(first));
        } else {
            self.lines.push(Line::from(first));
            self.lines.push(Line::from(second));
        }
        self.tree(sample);
    }

    fn tree(&mut self, sample: &Sample) {
        let ports: Vec<String> = sample.ports.iter().map(u16::to_string).collect();
        let ports = ports.join(", ");
        let processes = format!("{} processes", sample.processes);
        match (ports.is_empty(), sample.processes > 1) {
            (true, true) => self.wrapped("tree", Ink::Text, &processes),
            (false, true) => self.wrapped("ports", Ink::Text, &format!("{ports} · {processes}")),
            (false, false) => self.wrapped("ports", Ink::Text, &ports),
            (true, false) => {}
        }
    }

    /// What happened, the newest first.
    fn events(&mut self, model: &Model) {
        let Some(target) = &model.selected else { return };
        let known = model.events.get(target.name()).into_iter().flatten();
        let mut events: Vec<&Event> =
            known.filter(|event| event.kind != EventKind::BuildProgress).rev().collect();
        events.sort_by_key(|event| Reverse(&event.time));
        // a build's failure is also what its process is down for
        events.dedup_by(|one, other| (&one.time, &one.text) == (&other.time, &other.text));
        let clock = Clock { offset_seconds: model.look.offset_seconds, now_ms: model.now.wall_ms };
        for Event { time, text, by, .. } in events {
            let by = by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
            let theme = self.theme;
            self.lines.push(line([
                theme.span(Ink::Faint, clock.told(time) + " "),
                theme.span(Ink::Text, text.clone()),
                theme.span(Ink::Faint, by),
            ]));
        }
    }
}

/// The next step as it is taken here: the key instead of the command. How long it takes is said in the headline.
fn by_keys(process: &ProcessStatus, next: &str) -> String {
    if process.restart_in_seconds.is_some() {
        return "r restarts it now, W says more".to_owned();
    }
    let name = &process.name;
    let mut next = next.to_owned();
    for (command, key) in [("restart", "r"), ("start", "s"), ("build-log", "b"), ("why", "W")] {
        next = next.replace(&format!("`bpm {command} {name}`"), &format!("`{key}`"));
    }
    next
}

fn ink_of_why(state: State) -> Ink {
    match state {
        State::CrashLooping | State::BuildFailed | State::CannotStart | State::Stuck => Ink::Bad,
        State::BackingOff => Ink::Waiting,
        State::Starting | State::Running | State::Stopping | State::Stopped | State::Idle | State::Ended => {
            Ink::Text
        }
    }
}

fn memory_of(point: &Point) -> f64 {
    point.memory_bytes as f64
}

/// A scale on which what grows by a tenth is seen to grow, and what does not is low.
fn around(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::MAX, 0.0), |(low, high), value| (value.min(low), value.max(high)));
    let span = (high - low).max(high / 10.0);
    (low - span / 4.0, low + span)
}

/// A build as it is now that some time has passed.
fn aged(build: &BuildStatus, age: f64) -> BuildStatus {
    BuildStatus { ago_seconds: build.ago_seconds.map(|ago| ago + age), ..build.clone() }
}
