//! The client and the Unix door together: many calls at once, watches, news, and who counts as present.

use bpm::client::Client;
use bpm::control::Control;
use bpm::server::serve_unix;
use bpm::store::paths::Project;
use bpm_api::{Apply, Change, Code, GetStatus, Origin, OsText, Restart, Watch};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{DEADLINE, Pretended, reaches};

struct Manager {
    control: Pretended,
    project: Project,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    _directory: TempDir,
}

impl Manager {
    fn start() -> Manager {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().to_owned();
        let project = Project { root: "/srv/shop".into(), id: "0".repeat(16), state };
        let listener = UnixListener::bind(project.socket()).unwrap();
        let (control, shutdown) = (Pretended::new(), CancellationToken::new());
        let task = tokio::spawn(serve_unix(listener, control.clone(), shutdown.clone()));
        Manager { control, project, shutdown, task, _directory: directory }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.project).await.unwrap()
    }
}

fn origin() -> Origin {
    Origin::new("cli", "ann")
}

fn slow() -> Restart {
    Restart { process: Some("slow".to_owned()), ..Restart::default() }
}

fn everything() -> Watch {
    Watch { events: true, ..Watch::default() }
}

#[tokio::test]
async fn two_hundred_calls_wait_and_another_is_answered_meanwhile() {
    const MANY: usize = 200;
    let manager = Manager::start();
    let client = manager.client().await;
    let mut waits = JoinSet::new();
    for _ in 0..MANY {
        let client = client.clone();
        waits.spawn(async move { client.ask(slow(), origin()).await });
    }
    reaches(&manager.control.waiting, MANY).await;
    timeout(DEADLINE, client.ask(GetStatus::default(), origin())).await.expect("it has to wait").unwrap();
    manager.control.let_go();
    let answers = timeout(DEADLINE, waits.join_all()).await.expect("a wait was lost");
    assert_eq!(answers.len(), MANY);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn a_watch_tells_what_happens_and_ends_with_its_watcher() {
    let manager = Manager::start();
    let client = manager.client().await;
    let mut watch = client.watch(everything()).await.unwrap();
    reaches(&manager.control.present, 1).await;
    for number in 1..=3 {
        manager.control.happens(Change::Missed(number)).await;
        assert_eq!(timeout(DEADLINE, watch.next()).await.expect("told"), Some(Change::Missed(number)));
    }
    client.ask(GetStatus::default(), origin()).await.unwrap();
    drop(watch);
    let mut present = manager.control.present.subscribe();
    timeout(DEADLINE, present.wait_for(|count| *count == 0)).await.expect("it still counts").unwrap();
    let refused = client.watch(Watch::default()).await.unwrap_err();
    assert_eq!((refused.code, refused.message.as_str()), (Code::InvalidParameter, "nothing to watch"));
}

#[tokio::test]
async fn a_watch_ends_with_the_manager_and_does_not_hold_it_up() {
    let manager = Manager::start();
    let client = manager.client().await;
    let mut watch = client.watch(everything()).await.unwrap();
    manager.shutdown.cancel();
    timeout(DEADLINE, manager.task).await.expect("the watch holds the manager up").unwrap();
    assert_eq!(timeout(DEADLINE, watch.next()).await.expect("it goes on"), None);
}

#[tokio::test]
async fn news_are_known_for_the_session_that_asked() {
    let manager = Manager::start();
    let client = manager.client().await;
    let (curious, other) = (
        Origin { session: Some("curious".to_owned()), ..origin() },
        Origin { session: Some("other".to_owned()), ..origin() },
    );
    assert!(!client.has_news(&curious));
    for asking in [&curious, &other] {
        client.ask(GetStatus::default(), asking.clone()).await.unwrap();
    }
    assert!(client.has_news(&curious) && !client.has_news(&other) && !client.has_news(&origin()));
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_it_is_sent() {
    let manager = Manager::start();
    let client = manager.client().await;
    let env = vec![(OsText::Text("LONG".to_owned()), OsText::Text("x".repeat(10_000_000)))];
    let error = client.ask(Apply { fresh: false, env: Some(env) }, origin()).await.unwrap_err();
    assert_eq!(error.code, Code::LimitReached);
    assert!(error.message.contains("expected at most 4194304"), "{error}");
    assert!(manager.control.seen().is_empty());
    client.ask(GetStatus::default(), origin()).await.unwrap();
}
