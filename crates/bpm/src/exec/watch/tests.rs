//! A watch against a pretended shim that speaks the protocol over a socket pair.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream as Socket;
use std::path::Path;
use std::time::Duration;

use bpm_shim::protocol::{
    Decoder, Exit, InputStatus, Leader, LogStatus, Message, Phase, Report, Request, SpawnFailure, Stamp,
    State, Status, Step, Survivor, Tier, Usage, Welcome,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Command, Place, Told, Watch};
use crate::exec::refusal;

const DEADLINE: Duration = Duration::from_secs(20);
const AT: Stamp = Stamp { wall_ns: 1, mono_ns: 2 };
const LEADER: Leader = Leader { pid: 77, start_ticks: 5 };

/// A watch under way, and both ends of what it is connected to.
struct Scene {
    dir: tempfile::TempDir,
    shim: Socket,
    told: mpsc::UnboundedReceiver<Told>,
    commands: Option<mpsc::UnboundedSender<Command>>,
    watch: tokio::task::JoinHandle<()>,
}

/// A shim was here and left no record, unless the test says otherwise.
fn lost_run() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("run.lock"), "").unwrap();
    dir
}

fn place(dir: &Path) -> Place {
    // a tag of this very run, since what carries it may be killed
    let tag = format!("watch-test-{}", dir.file_name().unwrap().display());
    Place { dir: dir.to_owned(), tag, cgroup: None, log_max_bytes: 1 << 20 }
}

impl Scene {
    fn begin() -> Scene {
        let dir = lost_run();
        let (ours, shim) = Socket::pair().unwrap();
        shim.set_read_timeout(Some(DEADLINE)).unwrap();
        let (tell, told) = mpsc::unbounded_channel();
        let (commands, received) = mpsc::unbounded_channel();
        let watch = Watch::new(place(dir.path()), false, move |what| drop(tell.send(what)));
        let watch = tokio::spawn(watch.follow(ours, received));
        Scene { dir, shim, told, commands: Some(commands), watch }
    }

    fn says(&mut self, reports: &[Report]) {
        let bytes: Vec<u8> = reports.iter().flat_map(Message::frame).collect();
        self.shim.write_all(&bytes).unwrap();
    }

    async fn hears(&mut self) -> Told {
        timeout(DEADLINE, self.told.recv()).await.expect("nothing was told").expect("nothing more is told")
    }

    /// All that is told from now on.
    async fn rest(mut self) -> Vec<Told> {
        timeout(DEADLINE, self.watch).await.expect("the watch goes on").unwrap();
        let mut rest = Vec::new();
        while let Ok(told) = self.told.try_recv() {
            rest.push(told);
        }
        rest
    }

    fn is_told(&self, command: Command) {
        self.commands.as_ref().unwrap().send(command).unwrap();
    }
}

async fn request(mut shim: Socket) -> (Socket, Request) {
    let read = tokio::task::spawn_blocking(move || {
        let mut decoder = Decoder::<Request>::default();
        let mut byte = [0];
        loop {
            if let Some(request) = decoder.next().unwrap() {
                return (shim, request);
            }
            shim.read_exact(&mut byte).unwrap();
            decoder.push(&byte);
        }
    });
    read.await.unwrap()
}

fn started() -> Report {
    Report::Started { leader: LEADER, at: AT, tier: Tier::Cgroup }
}

fn told_started() -> Told {
    Told::Started { pid: 77, at_mono_ns: 2, adopted: false, cgroup: true, terminal: false }
}

fn exited() -> Report {
    Report::Exited(Exit { status: Status::Code(3), at: AT, usage: Usage::default() })
}

fn told_exited(tree_empty: bool) -> Told {
    Told::Exited { status: Status::Code(3), at_mono_ns: 2, tree_empty }
}

fn empty() -> Report {
    Report::TreeEmpty { at: AT, empty: true }
}

fn state(phase: Phase, exit: Option<Exit>, disk_errno: Option<i32>) -> Report {
    Report::State(State {
        phase,
        leader: (phase != Phase::Starting).then_some(LEADER),
        started: AT,
        exit,
        tier: Tier::Cgroup,
        killing: false,
        log: LogStatus { disk_errno, ..LogStatus::default() },
        input: InputStatus::default(),
    })
}

#[tokio::test]
async fn an_end_and_an_empty_tree_that_come_together_are_one_fact() {
    let mut scene = Scene::begin();
    scene.says(&[started()]);
    assert_eq!(scene.hears().await, told_started());
    scene.says(&[exited(), empty()]);
    assert_eq!(scene.rest().await, [told_exited(true)]);
}

#[tokio::test]
async fn an_end_and_an_empty_tree_that_come_apart_are_two() {
    let mut scene = Scene::begin();
    scene.says(&[started(), exited()]);
    assert_eq!(scene.hears().await, told_started());
    assert_eq!(scene.hears().await, told_exited(false));
    scene.says(&[empty()]);
    assert_eq!(scene.rest().await, [Told::TreeEmpty]);
}

#[tokio::test]
async fn reports_may_come_in_pieces_of_any_size() {
    let mut scene = Scene::begin();
    for byte in [started(), exited(), empty()].iter().flat_map(Message::frame) {
        scene.shim.write_all(&[byte]).unwrap();
        tokio::task::yield_now().await;
    }
    let told = scene.rest().await;
    assert_eq!(told[0], told_started());
    assert!(matches!(told[1], Told::Exited { status: Status::Code(3), .. }), "{told:?}");
}

#[tokio::test]
async fn what_is_told_twice_is_passed_on_once() {
    let mut scene = Scene::begin();
    let exit = Exit { status: Status::Code(3), at: AT, usage: Usage::default() };
    scene.says(&[state(Phase::Starting, None, None), started(), state(Phase::Running, None, None)]);
    assert_eq!(scene.hears().await, told_started());
    scene.says(&[exited(), state(Phase::Leaderless, Some(exit), None)]);
    assert_eq!(scene.hears().await, told_exited(false));
    scene.says(&[exited(), empty()]);
    assert_eq!(scene.rest().await, [Told::TreeEmpty]);
}

#[tokio::test]
async fn a_connection_that_ends_without_a_word_means_a_lost_run() {
    let mut scene = Scene::begin();
    scene.says(&[started()]);
    assert_eq!(scene.hears().await, told_started());
    scene.shim.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(scene.rest().await, [Told::Lost]);
}

#[tokio::test]
async fn a_shim_that_dies_after_its_leader_is_lost_too() {
    let mut scene = Scene::begin();
    scene.says(&[started(), exited()]);
    assert_eq!(scene.hears().await, told_started());
    assert_eq!(scene.hears().await, told_exited(false));
    scene.shim.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(scene.rest().await, [Told::Lost]);
}

#[tokio::test]
async fn a_run_whose_directory_was_removed_is_lost_when_its_shim_goes_and_not_unstarted() {
    let mut scene = Scene::begin();
    scene.says(&[started()]);
    assert_eq!(scene.hears().await, told_started());
    fs::remove_dir_all(scene.dir.path()).unwrap();
    scene.shim.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(scene.rest().await, [Told::Lost]);
}

#[tokio::test]
async fn a_refused_start_is_all_there_is_to_tell() {
    let mut scene = Scene::begin();
    let failure = SpawnFailure { step: Step::Exec, errno: 2, message: "no `x`".to_owned() };
    scene.says(&[state(Phase::Starting, None, None), Report::SpawnFailed(failure), empty()]);
    assert_eq!(scene.rest().await, [Told::SpawnFailed(refusal::lasting("no `x`"))]);
}

#[tokio::test]
async fn a_disk_alarm_and_its_end_are_passed_on() {
    let mut scene = Scene::begin();
    scene.says(&[started(), state(Phase::Running, None, Some(28)), Report::AlarmCleared]);
    assert_eq!(scene.hears().await, told_started());
    assert_eq!(scene.hears().await, Told::Alarm { errno: Some(28) });
    assert_eq!(scene.hears().await, Told::Alarm { errno: None });
    scene.says(&[Report::Alarm { errno: 5 }]);
    assert_eq!(scene.hears().await, Told::Alarm { errno: Some(5) });
}

#[tokio::test]
async fn commands_reach_the_shim_and_survivors_come_back() {
    let mut scene = Scene::begin();
    scene.is_told(Command::Signal(15));
    let (shim, first) = request(scene.shim.try_clone().unwrap()).await;
    assert_eq!(first, Request::Signal { signal: 15 });
    let (answer, survivors) = oneshot::channel();
    scene.is_told(Command::Survivors(answer));
    let (_, second) = request(shim).await;
    assert_eq!(second, Request::Survivors);
    let list = vec![Survivor { pid: 9, name: "nfsd".to_owned(), state: 'D' }];
    scene.says(&[Report::Survivors { total: 1, list: list.clone() }]);
    assert_eq!(timeout(DEADLINE, survivors).await.unwrap().unwrap(), list);
}

#[tokio::test]
async fn who_asks_for_survivors_is_not_kept_waiting_by_a_dead_shim() {
    let scene = Scene::begin();
    let (answer, survivors) = oneshot::channel();
    scene.is_told(Command::Survivors(answer));
    let (shim, _) = request(scene.shim.try_clone().unwrap()).await;
    shim.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(timeout(DEADLINE, survivors).await.unwrap().is_err());
}

#[tokio::test]
async fn a_run_goes_on_when_nobody_commands_it_any_more() {
    let mut scene = Scene::begin();
    scene.commands = None;
    scene.says(&[started()]);
    assert_eq!(scene.hears().await, told_started());
    scene.says(&[exited(), empty()]);
    assert_eq!(scene.rest().await, [told_exited(true)]);
}

#[tokio::test]
async fn nonsense_ends_the_conversation_and_not_the_manager() {
    let mut scene = Scene::begin();
    scene.says(&[started()]);
    assert_eq!(scene.hears().await, told_started());
    scene.shim.write_all(&[0xff; 4096]).unwrap();
    assert_eq!(scene.rest().await, [Told::Lost]);
}

/// Keeps a run directory's lock, and listens on its socket, as a living shim does.
struct Alive {
    _lock: fs::File,
    listener: std::os::unix::net::UnixListener,
}

impl Alive {
    fn in_dir(dir: &Path) -> Alive {
        let lock = fs::File::create(dir.join("run.lock")).unwrap();
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(dir.join("s")).unwrap();
        Alive { _lock: lock, listener }
    }
}

#[tokio::test]
async fn a_broken_connection_to_a_living_shim_is_made_anew_with_the_pipes_of_the_new_greeting() {
    let dir = tempfile::tempdir().unwrap();
    let alive = Alive::in_dir(dir.path());
    let (tell, mut told) = mpsc::unbounded_channel();
    let (_commands, received) = mpsc::unbounded_channel();
    let watch = Watch::new(place(dir.path()), true, move |what| drop(tell.send(what)));
    let watch = tokio::spawn(watch.adopt(received));
    let shim = tokio::task::spawn_blocking(move || {
        let welcome = Report::Welcome(Welcome {
            version: 1,
            shim_pid: 0,
            run_tag: "t".into(),
            stdout: false,
            stderr: false,
        });
        let mut first = alive.listener.accept().unwrap().0;
        for report in [&welcome, &state(Phase::Running, None, None)] {
            first.write_all(&report.frame()).unwrap();
        }
        drop(first);
        let mut second = alive.listener.accept().unwrap().0;
        for report in [&welcome, &state(Phase::Running, None, None), &exited(), &empty()] {
            second.write_all(&report.frame()).unwrap();
        }
        let _ = second.read_to_end(&mut Vec::new()); // until the watch has heard it
    });
    timeout(DEADLINE, watch).await.unwrap().unwrap();
    timeout(DEADLINE, shim).await.unwrap().unwrap();
    assert_eq!(
        told.recv().await,
        Some(Told::Started { pid: 77, at_mono_ns: 2, adopted: true, cgroup: true, terminal: false })
    );
    assert!(matches!(told.recv().await, Some(Told::Exited { status: Status::Code(3), .. })));
}

async fn adopted(dir: &Path) -> Vec<Told> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let (_commands, received) = mpsc::unbounded_channel();
    let watch = Watch::new(place(dir), true, move |what| drop(tell.send(what)));
    timeout(DEADLINE, watch.adopt(received)).await.unwrap();
    let mut all = Vec::new();
    while let Ok(one) = told.try_recv() {
        all.push(one);
    }
    all
}

#[tokio::test]
async fn an_adopted_run_without_a_lock_never_started_and_one_without_a_record_is_lost() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(adopted(empty.path()).await, [Told::NeverStarted]);
    assert_eq!(adopted(lost_run().path()).await, [Told::Lost]);
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_looked_at_again_and_not_ended() {
    let dir = tempfile::tempdir().unwrap();
    // opening a symbolic link to itself fails, as opening anything does without descriptors
    std::os::unix::fs::symlink("run.lock", dir.path().join("run.lock")).unwrap();
    let (tell, mut told) = mpsc::unbounded_channel();
    let (_commands, received) = mpsc::unbounded_channel();
    let watch = Watch::new(place(dir.path()), true, move |what| drop(tell.send(what)));
    let watch = tokio::spawn(watch.adopt(received));
    assert!(timeout(Duration::from_millis(100), told.recv()).await.is_err(), "a verdict without a look");
    fs::remove_file(dir.path().join("run.lock")).unwrap();
    assert_eq!(timeout(DEADLINE, told.recv()).await.unwrap(), Some(Told::NeverStarted));
    timeout(DEADLINE, watch).await.unwrap().unwrap();
}

#[test]
fn what_is_adopted_is_where_the_manager_before_put_it() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(place(dir.path()).as_planned().tag, place(dir.path()).tag);
    let mut plan = bpm_shim::plan::Plan::new("its tag", "sh", "/");
    plan.cgroup = Some("/its/group".into());
    plan.log_max_bytes = 7;
    plan.write(dir.path()).unwrap();
    let planned = place(dir.path()).as_planned();
    assert_eq!((planned.tag.as_str(), planned.log_max_bytes), ("its tag", 7));
    assert_eq!(planned.cgroup.as_deref(), Some(Path::new("/its/group")));
}
