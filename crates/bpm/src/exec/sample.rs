//! CPU, memory and listening ports of whole trees, taken when somebody asks, at most once a second, and
//! handed out with their age. Nothing is sampled while nobody asks.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bpm_api::{Sample, Status};
use tokio::sync::Mutex;

use crate::sockets;

const LEAST_AGE: Duration = Duration::from_secs(1);
/// An older sample says nothing any more: whoever asks waits for a new one.
const STALE: Duration = Duration::from_secs(10);

/// The last samples.
#[derive(Debug, Default)]
pub struct Sampler {
    last: std::sync::Mutex<Option<Arc<Taken>>>,
    taking: Mutex<()>,
}

#[derive(Debug)]
struct Taken {
    at: Instant,
    /// CPU ticks of each leader's tree, for the next difference.
    ticks: HashMap<u32, u64>,
    trees: HashMap<u32, Tree>,
}

#[derive(Clone, Debug, Default)]
struct Tree {
    cpu_percent: f64,
    memory_bytes: u64,
    processes: u32,
    ports: Vec<u16>,
}

impl Sampler {
    /// Adds samples to a status: the last ones at once where they are fresh enough to mean something,
    /// while new ones are taken behind its back.
    pub async fn fill(self: &Arc<Self>, status: &mut Status) {
        let leaders: Vec<u32> = status.processes.iter().filter_map(|process| process.pid).collect();
        if leaders.is_empty() {
            return;
        }
        let Some(taken) = self.recent(leaders).await else { return };
        for process in &mut status.processes {
            process.sample = process.pid.and_then(|pid| taken.sample(pid));
        }
    }

    async fn recent(self: &Arc<Self>, leaders: Vec<u32>) -> Option<Arc<Taken>> {
        let last = self.last();
        let age = last.as_ref().map(|taken| taken.at.elapsed());
        let knows_all =
            last.as_ref().is_some_and(|taken| leaders.iter().all(|pid| taken.trees.contains_key(pid)));
        match age {
            Some(age) if age < LEAST_AGE && knows_all => last,
            Some(age) if age < STALE && knows_all => {
                self.refresh(leaders);
                last
            }
            _ => self.take(leaders).await,
        }
    }

    /// One leader's tree.
    pub async fn of(self: &Arc<Self>, leader: u32) -> Option<Sample> {
        let taken = self.recent(vec![leader]).await?;
        taken.sample(leader)
    }

    fn last(&self) -> Option<Arc<Taken>> {
        self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Takes new ones in the background, unless that is being done.
    fn refresh(self: &Arc<Self>, leaders: Vec<u32>) {
        if self.taking.try_lock().is_ok() {
            let sampler = Arc::clone(self);
            tokio::spawn(async move { sampler.take(leaders).await });
        }
    }

    /// One at a time: whoever comes while one is being taken gets that one.
    async fn take(&self, leaders: Vec<u32>) -> Option<Arc<Taken>> {
        let asked = Instant::now();
        let _one = self.taking.lock().await;
        let before = self.last();
        if let Some(taken) = &before
            && taken.at >= asked
            && leaders.iter().all(|pid| taken.trees.contains_key(pid))
        {
            return before;
        }
        // who asks for one process must not make the next one who asks for all wait
        let others = before.iter().flat_map(|before| before.trees.keys().copied());
        let all: HashSet<u32> = leaders.into_iter().chain(others).collect();
        let taken = tokio::task::spawn_blocking(move || sample(&all, before.as_deref()));
        let taken = taken.await.ok().map(Arc::new);
        self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone_from(&taken);
        taken
    }
}

impl Taken {
    fn sample(&self, leader: u32) -> Option<Sample> {
        self.trees.get(&leader).map(|tree| Sample {
            cpu_percent: tree.cpu_percent,
            memory_bytes: tree.memory_bytes,
            processes: tree.processes,
            ports: tree.ports.clone(),
            age_ms: u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// TCP ports that trees listen on, for those who wait for one: nobody tells when one is opened, so it is looked for,
/// by one look for all who want one at about the same time.
#[derive(Debug, Default)]
pub struct Ports {
    last: Mutex<Option<(Instant, Arc<Looked>)>>,
}

/// All processes, and who listens.
#[derive(Debug)]
struct Looked {
    all: HashMap<u32, Seen>,
    children: HashMap<u32, Vec<u32>>,
    listening: HashMap<u64, u16>,
}

impl Ports {
    /// The ports of the trees of these leaders, from a look no older than `oldest`.
    pub async fn of_trees(&self, leaders: Vec<u32>, oldest: Duration) -> HashMap<u32, Vec<u16>> {
        let Some(looked) = self.look(oldest).await else { return HashMap::new() };
        let find = move || {
            let Looked { all, children, listening } = &*looked;
            let known = leaders.iter().filter(|leader| all.contains_key(leader));
            known.map(|leader| (*leader, ports_of(&tree_of(*leader, all, children), listening))).collect()
        };
        tokio::task::spawn_blocking(find).await.unwrap_or_default()
    }

    /// Whoever comes while others look waits for what they see.
    async fn look(&self, oldest: Duration) -> Option<Arc<Looked>> {
        let mut last = self.last.lock().await;
        if let Some((at, looked)) = &*last
            && at.elapsed() <= oldest
        {
            return Some(Arc::clone(looked));
        }
        let at = Instant::now();
        let looked = tokio::task::spawn_blocking(|| Arc::new(Looked::now())).await.ok()?;
        *last = Some((at, Arc::clone(&looked)));
        Some(looked)
    }
}

impl Looked {
    fn now() -> Looked {
        let all = look_at_all();
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (pid, seen) in &all {
            children.entry(seen.parent).or_default().push(*pid);
        }
        Looked { all, children, listening: listening_sockets() }
    }
}

/// What one look at `/proc/PID/stat` gives.
#[derive(Debug)]
struct Seen {
    parent: u32,
    ticks: u64,
    rss_pages: u64,
    started_ticks: u64,
}

fn sample(leaders: &HashSet<u32>, before: Option<&Taken>) -> Taken {
    let at = Instant::now();
    let Looked { all, children, listening } = Looked::now();
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    let page_bytes = rustix::param::page_size() as u64;
    let mut taken = Taken { at, ticks: HashMap::new(), trees: HashMap::new() };
    for leader in leaders.iter().filter(|leader| all.contains_key(leader)) {
        let tree = tree_of(*leader, &all, &children);
        let ticks: u64 = tree.iter().filter_map(|pid| all.get(pid)).map(|seen| seen.ticks).sum();
        let pages: u64 = tree.iter().filter_map(|pid| all.get(pid)).map(|seen| seen.rss_pages).sum();
        let cpu_percent = percent(*leader, ticks, ticks_per_second, at, before, all.get(leader));
        taken.ticks.insert(*leader, ticks);
        taken.trees.insert(
            *leader,
            Tree {
                cpu_percent,
                memory_bytes: pages * page_bytes,
                processes: u32::try_from(tree.len()).unwrap_or(u32::MAX),
                ports: ports_of(&tree, &listening),
            },
        );
    }
    taken
}

/// Of one core, since the sample before; without one, since the leader's start.
fn percent(
    leader: u32,
    ticks: u64,
    per_second: u64,
    at: Instant,
    before: Option<&Taken>,
    now: Option<&Seen>,
) -> f64 {
    let earlier = before.and_then(|before| Some((before.at, *before.ticks.get(&leader)?)));
    let (used, seconds) = match (earlier, now) {
        (Some((then, ticks_then)), _) => {
            (ticks.saturating_sub(ticks_then), at.duration_since(then).as_secs_f64())
        }
        (None, Some(seen)) => {
            let up = fs::read_to_string("/proc/uptime").ok();
            let up = up.and_then(|text| text.split(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0);
            (ticks, up - seen.started_ticks as f64 / per_second as f64)
        }
        (None, None) => return 0.0,
    };
    let percent = used as f64 / per_second as f64 / seconds.max(0.01) * 100.0;
    (percent * 10.0).round() / 10.0
}

fn look_at_all() -> HashMap<u32, Seen> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, look_at(pid)?))).collect()
}

/// Fields of `proc_pid_stat(5)`; the name may hold anything, so they are counted from its last `)`.
fn look_at(pid: u32) -> Option<Seen> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_ascii_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some(Seen {
        parent: u32::try_from(number(1)?).ok()?,
        ticks: number(11)? + number(12)?,
        started_ticks: number(19)?,
        rss_pages: number(21)?,
    })
}

/// The leader's descendants, and what its shim (the leader's parent, a subreaper) adopted from it.
fn tree_of(leader: u32, all: &HashMap<u32, Seen>, children: &HashMap<u32, Vec<u32>>) -> Vec<u32> {
    let shim = all.get(&leader).map(|seen| seen.parent).filter(|parent| *parent > 1);
    let mut waiting: Vec<u32> = match shim.and_then(|shim| children.get(&shim)) {
        Some(siblings) => siblings.clone(),
        None => vec![leader],
    };
    let mut tree = Vec::new();
    let mut met: HashSet<u32> = waiting.iter().copied().collect();
    while let Some(pid) = waiting.pop() {
        tree.push(pid);
        for child in children.get(&pid).into_iter().flatten() {
            if met.insert(*child) {
                waiting.push(*child);
            }
        }
    }
    tree
}

/// Ports by socket inode.
fn listening_sockets() -> HashMap<u64, u16> {
    match sockets::listening() {
        Ok(all) => all.into_iter().map(|(port, inode)| (inode, port)).collect(),
        Err(error) => {
            tracing::debug!("the table of sockets cannot be read: {error}");
            HashMap::new()
        }
    }
}

fn ports_of(tree: &[u32], listening: &HashMap<u64, u16>) -> Vec<u16> {
    if listening.is_empty() {
        return Vec::new();
    }
    let mut ports: Vec<u16> =
        tree.iter().flat_map(|pid| sockets_of(*pid)).filter_map(|i| listening.get(&i).copied()).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn sockets_of(pid: u32) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let links = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let inode =
        |link: std::path::PathBuf| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    links.filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_itself_with_its_listening_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let me = std::process::id();
        let taken = sample(&HashSet::from([me]), None);
        let tree = &taken.trees[&me];
        assert!(tree.memory_bytes > 0);
        assert!(tree.ports.contains(&port), "{:?}", tree.ports);
    }

    #[tokio::test]
    async fn many_who_wait_for_ports_share_a_look() {
        let ports = Arc::<Ports>::default();
        let me = std::process::id();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let old = Duration::from_secs(600);
        assert!(ports.of_trees(vec![me], old).await[&me].contains(&port));
        let first = ports.last.lock().await.as_ref().unwrap().0;
        let all: Vec<_> = (0..50).map(|_| Arc::clone(&ports)).collect();
        for one in
            all.into_iter().map(|ports| tokio::spawn(async move { ports.of_trees(vec![me], old).await }))
        {
            assert!(one.await.unwrap()[&me].contains(&port));
        }
        assert_eq!(ports.last.lock().await.as_ref().unwrap().0, first);
        let later = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(!ports.of_trees(vec![me], Duration::ZERO).await[&me].contains(&later), "it is closed again");
        assert_ne!(ports.last.lock().await.as_ref().unwrap().0, first);
    }

    fn status(pids: &[u32]) -> Status {
        let process = |pid: &u32| {
            serde_json::json!({
                "name": pid.to_string(), "kind": "command", "state": "running", "why": "up", "pid": pid,
                "restarts": 0, "crashes": 0, "keeps_artefact": false,
            })
        };
        serde_json::from_value(serde_json::json!({
            "mode": "dev",
            "manager": {
                "pid": 1, "version": "", "uptime_seconds": 0.0, "containment": "", "closing": false,
                "paths": { "project": "", "config": "", "state": "", "socket": "" },
            },
            "processes": pids.iter().map(process).collect::<Vec<_>>(),
        }))
        .unwrap()
    }

    /// Two programs that wait for their input to end.
    fn two() -> [std::process::Child; 2] {
        [(); 2]
            .map(|()| std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap())
    }

    #[tokio::test]
    async fn one_look_serves_who_asks_for_one_and_who_asks_for_all() {
        let mut children = two();
        let [one, other] = [children[0].id(), children[1].id()];
        let sampler = Arc::<Sampler>::default();
        sampler.fill(&mut status(&[one, other])).await;
        let first = sampler.last().unwrap().at;
        sampler.fill(&mut status(&[one])).await;
        let mut both = status(&[one, other]);
        sampler.fill(&mut both).await;
        assert_eq!(sampler.last().unwrap().at, first, "within a second the same look serves all");
        assert!(both.processes.iter().all(|process| process.sample.is_some()));
        // a look for the sake of one takes the others along
        sampler.take(vec![one]).await.unwrap();
        assert!(sampler.last().unwrap().trees.contains_key(&other));
        for child in &mut children {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
        sampler.take(Vec::new()).await.unwrap();
        assert!(sampler.last().unwrap().trees.is_empty(), "who has ended is forgotten");
    }

    #[test]
    fn the_share_of_a_core_is_since_the_look_before() {
        let then = Instant::now();
        let before = Taken { at: then, ticks: HashMap::from([(7, 100)]), trees: HashMap::new() };
        let now = then + Duration::from_secs(2);
        assert_eq!(percent(7, 150, 100, now, Some(&before), None), 25.0);
        assert_eq!(percent(7, 90, 100, now, Some(&before), None), 0.0, "another process has the number now");
        assert_eq!(percent(8, 150, 100, now, Some(&before), None), 0.0);
    }

    #[test]
    fn a_tree_is_all_that_its_shim_has() {
        let seen = |parent| Seen { parent, ticks: 0, rss_pages: 0, started_ticks: 0 };
        // shim 10: leader 11 with child 12, and 13, which the shim adopted, with child 14; 20 is another's
        let all = HashMap::from([(10, 1), (11, 10), (12, 11), (13, 10), (14, 13), (20, 1)]);
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (pid, parent) in &all {
            children.entry(*parent).or_default().push(*pid);
        }
        let all = all.into_iter().map(|(pid, parent)| (pid, seen(parent))).collect();
        let mut tree = tree_of(11, &all, &children);
        tree.sort_unstable();
        assert_eq!(tree, [11, 12, 13, 14]);
    }
}
