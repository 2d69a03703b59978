//! Process trees: who is in one, a signal to all of it, ending it. Every signal goes through a pidfd that was opened before
//! membership was checked again, so a recycled pid is never hit. Knows no shim and no log.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, process, thread};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, pidfd_open, pidfd_send_signal};

use crate::protocol::{MAX_SURVIVORS, Survivor};
use crate::{cgroup, proc};

/// Scans in one round of killing; what forks faster than that is met again in the next round.
const SCANS_PER_ROUND: usize = 32;
/// How long a round of [`kill_tagged`] waits for the killed to die before it looks again.
const ROUND: Duration = Duration::from_millis(50);
const BETWEEN_CLEAN_LOOKS: Duration = Duration::from_millis(2);
/// Most pidfds held while waiting.
const MAX_HELD: usize = 128;

/// A set of processes that can be listed, and asked about one of them again.
trait Group {
    fn list(&self) -> Vec<u32>;
    /// Whether `pid` is in the group now, given what was listed a moment ago.
    fn has(&self, pid: u32, listed: &[u32]) -> bool;
}

/// A shim's tree: everything below the shim, and everything in the run's cgroup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree<'a> {
    pub(crate) root: u32,
    pub(crate) cgroup: Option<&'a Path>,
}

impl Group for Tree<'_> {
    fn list(&self) -> Vec<u32> {
        let mut pids = proc::descendants(&[self.root]);
        pids.extend(self.cgroup.map(cgroup::procs).unwrap_or_default());
        distinct(pids, self.root)
    }

    fn has(&self, pid: u32, listed: &[u32]) -> bool {
        has_parent_in(pid, listed, self.root)
            || self.cgroup.is_some_and(|dir| cgroup::procs(dir).contains(&pid))
    }
}

impl Tree<'_> {
    /// Sends `signal` once to everyone. What asks a process to end is followed by CONT, so that a stopped one hears it.
    pub(crate) fn signal(&self, signal: Signal) {
        let listed = self.list();
        for pid in &listed {
            let Some(member) = open(self, *pid, &listed) else { continue };
            let _ = pidfd_send_signal(&member, signal);
            if [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT].contains(&signal) {
                let _ = pidfd_send_signal(&member, Signal::CONT);
            }
        }
    }

    /// KILL to everyone, scanning again as long as a scan finds someone new.
    pub(crate) fn kill_round(&self) {
        if let Some(dir) = self.cgroup {
            cgroup::kill(dir);
        }
        let mut killed = Vec::new();
        for _ in 0..SCANS_PER_ROUND {
            if kill_new(self, &mut killed, |_| {}) == 0 {
                break;
            }
        }
    }

    /// How many are left, and the first of them.
    pub(crate) fn survivors(&self) -> (u32, Vec<Survivor>) {
        let mut list: Vec<_> = self.list().into_iter().filter_map(proc::survivor).collect();
        let total = u32::try_from(list.len()).unwrap_or(u32::MAX);
        list.truncate(MAX_SURVIVORS);
        (total, list)
    }
}

/// What is left of a run whose shim is gone: everything that was started with its tag, everything below that,
/// and everything in its cgroup.
struct Tagged<'a> {
    entry: Vec<u8>,
    cgroup: Option<&'a Path>,
}

impl Tagged<'_> {
    /// Root may have lowered a program's rights; everybody else can only have processes of their own.
    fn is_tagged(&self, pid: u32) -> bool {
        let me = geteuid();
        let mine =
            me.is_root() || fs::metadata(format!("/proc/{pid}")).is_ok_and(|dir| dir.uid() == me.as_raw());
        mine && proc::has_variable(pid, &self.entry)
    }
}

impl Group for Tagged<'_> {
    fn list(&self) -> Vec<u32> {
        let mut pids: Vec<u32> = proc::all().filter(|pid| self.is_tagged(*pid)).collect();
        pids.extend(self.cgroup.map(cgroup::procs).unwrap_or_default());
        pids.extend(proc::descendants(&pids));
        distinct(pids, process::id())
    }

    fn has(&self, pid: u32, listed: &[u32]) -> bool {
        self.is_tagged(pid)
            || has_parent_in(pid, listed, 0)
            || self.cgroup.is_some_and(|dir| cgroup::procs(dir).contains(&pid))
    }
}

/// Ends with KILL what a shim that was itself killed left behind: every process of this user with `BPM_RUN=run_tag` in its
/// environment, its descendants, and every process of `cgroup`. Looks until two looks in a row find nobody, for at most
/// `patience` (blocking). Returns who is still there. Does nothing for an empty tag; never touches the caller.
#[must_use]
pub fn kill_tagged(run_tag: &str, cgroup: Option<&Path>, patience: Duration) -> Vec<Survivor> {
    if run_tag.is_empty() {
        return Vec::new();
    }
    let group = Tagged { entry: format!("{}={run_tag}", crate::RUN_TAG_VARIABLE).into_bytes(), cgroup };
    let deadline = Instant::now() + patience;
    let mut clean_looks = 0;
    loop {
        if let Some(dir) = cgroup {
            cgroup::kill(dir);
        }
        let mut dying = Vec::new();
        let found = kill_new(&group, &mut Vec::new(), |member| dying.push(member));
        clean_looks = if found == 0 { clean_looks + 1 } else { 0 };
        if clean_looks == 2 {
            if let Some(dir) = cgroup {
                cgroup::remove(dir);
            }
            return Vec::new();
        }
        if Instant::now() >= deadline {
            return group.list().into_iter().filter_map(proc::survivor).take(MAX_SURVIVORS).collect();
        }
        wait_for_all(&dying, deadline.min(Instant::now() + ROUND));
        if found == 0 {
            // For an instant in the middle of its exec a process shows no environment.
            thread::sleep(BETWEEN_CLEAN_LOOKS);
        }
    }
}

/// KILL to every living member that is not in `killed` yet. How many that were.
fn kill_new(group: &impl Group, killed: &mut Vec<u32>, mut hold: impl FnMut(OwnedFd)) -> usize {
    let listed = group.list();
    let mut found = 0;
    for pid in &listed {
        if killed.contains(pid) || proc::survivor(*pid).is_none() {
            continue;
        }
        let Some(member) = open(group, *pid, &listed) else { continue };
        found += 1;
        killed.push(*pid);
        let _ = pidfd_send_signal(&member, Signal::KILL);
        if found <= MAX_HELD {
            hold(member);
        }
    }
    found
}

/// A descriptor that names exactly the process that is a member now: opened first, checked afterwards. If the pid was
/// recycled before the opening the check fails, if after it the descriptor names the dead one and signals go nowhere.
fn open(group: &impl Group, pid: u32, listed: &[u32]) -> Option<OwnedFd> {
    let fd = pidfd(pid)?;
    group.has(pid, listed).then_some(fd)
}

/// A descriptor for a process.
pub(crate) fn pidfd(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

fn has_parent_in(pid: u32, listed: &[u32], root: u32) -> bool {
    proc::Stat::read(pid)
        .is_some_and(|stat| stat.parent != 0 && (stat.parent == root || listed.contains(&stat.parent)))
}

fn distinct(mut pids: Vec<u32>, without: u32) -> Vec<u32> {
    pids.sort_unstable();
    pids.dedup();
    pids.retain(|pid| *pid > 1 && *pid != without);
    pids
}

/// Waits until each of these has ended, or the deadline.
fn wait_for_all(dying: &[OwnedFd], deadline: Instant) {
    for member in dying {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::from_borrowed_fd(member.as_fd(), PollFlags::IN)], timeout.as_ref()) {
            Ok(0) => return,
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
