//! What subscribers are told, in both eras.

use bpm::server::StdioOptions;
use bpm_api::{Change, EventKind, State, TaskState};
use hyper::Method;
use serde_json::{Value, json};

use crate::legacy::{ask, begin};
use crate::stdio::{Session, modern};
use crate::support::{Server, Stream, reaches};

const LIST_CHANGED: &str = "notifications/resources/list_changed";
const API: &str = "bpm://process/api/logs";

fn is_updated(message: &Value, uri: &str) -> bool {
    message["method"] == "notifications/resources/updated" && message["params"]["uri"] == uri
}

#[tokio::test]
async fn a_listener_is_told_what_it_asked_for() {
    let server = Server::start();
    server.control.with_process("api", State::Running);
    let wanted = json!({
        "resourceSubscriptions": [API, "bpm://status", "file:///etc/passwd"],
        "resourcesListChanged": true, "toolsListChanged": true,
    });
    let mut stream =
        server.client().await.modern_stream("subscriptions/listen", json!({"notifications": wanted})).await;
    let acknowledged = stream.next().await.unwrap();
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    let expected = json!({"resourceSubscriptions": [API, "bpm://status"], "resourcesListChanged": true});
    assert_eq!(acknowledged["params"]["notifications"], expected);
    // At once, since anything may have changed since the acknowledgement; from then on every change.
    let first = [stream.next().await.unwrap(), stream.next().await.unwrap(), stream.next().await.unwrap()];
    for uri in [API, "bpm://status"] {
        assert!(first.iter().any(|message| is_updated(message, uri)), "{first:?}");
    }
    assert!(first.iter().any(|message| message["method"] == LIST_CHANGED), "{first:?}");
    server.control.happens(Change::Log("api".to_owned())).await;
    let log = stream.next().await.unwrap();
    assert!(is_updated(&log, API), "{log}");
    assert_eq!(log["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 7);
    server.control.event("t1", EventKind::Started, None).await;
    let both = [stream.next().await.unwrap(), stream.next().await.unwrap()];
    assert!(both.iter().any(|message| is_updated(message, "bpm://status")), "{both:?}");
    assert!(both.iter().any(|message| message["method"] == LIST_CHANGED), "{both:?}");
    let faces: Vec<String> = server.control.seen().into_iter().map(|(_, origin)| origin.face).collect();
    assert!(faces.iter().all(|face| face == "resource"), "{faces:?}");
    server.shutdown.cancel();
    while stream.next().await.is_some() {}
}

#[tokio::test]
async fn a_listener_to_nothing_of_ours_stays_and_watches_nothing() {
    let server = Server::start();
    let params = json!({"notifications": {"toolsListChanged": true}});
    let mut client = server.client().await;
    let mut stream = client.modern_stream("subscriptions/listen", params).await;
    assert_eq!(stream.next().await.unwrap()["params"]["notifications"], json!({}));
    let more = tokio::time::timeout(std::time::Duration::from_millis(300), stream.next()).await;
    assert!(more.is_err(), "{more:?}");
    assert_eq!(*server.control.watched.borrow(), 0);
}

#[tokio::test]
async fn an_older_session_subscribes_and_unsubscribes() {
    let server = Server::start();
    server.control.with_process("api", State::Running);
    let mut client = server.client().await;
    let session = begin(&mut client, "2025-11-25").await;
    let headers = [("accept", "text/event-stream"), ("mcp-session-id", session.as_str())];
    let mut listener = server.client().await;
    let mut stream = Stream::of(listener.open(Method::GET, "/mcp", &headers, "").await);
    let subscribed = ask(&mut client, &session, "resources/subscribe", json!({"uri": API})).await;
    assert_eq!(subscribed["result"], json!({}));
    // It has answered, so it watches.
    server.control.happens(Change::Log("api".to_owned())).await;
    assert!(is_updated(&stream.next().await.unwrap(), API));
    ask(&mut client, &session, "resources/subscribe", json!({"uri": "bpm://status"})).await;
    server.control.event("api", EventKind::Crashed, None).await;
    assert!(is_updated(&stream.next().await.unwrap(), "bpm://status"));
    ask(&mut client, &session, "resources/unsubscribe", json!({"uri": API})).await;
    server.control.happens(Change::Log("api".to_owned())).await;
    server.control.event("api", EventKind::Started, None).await;
    assert!(is_updated(&stream.next().await.unwrap(), "bpm://status"), "the log is not watched any more");
}

#[tokio::test]
async fn subscriptions_of_a_session_are_bounded_and_only_to_what_there_can_be() {
    let server = Server::start();
    let mut client = server.client().await;
    let session = begin(&mut client, "2025-06-18").await;
    let unknown = ask(&mut client, &session, "resources/subscribe", json!({"uri": "file:///x"})).await;
    assert_eq!(unknown["error"]["code"], -32002);
    for index in 0..64 {
        let uri = format!("bpm://task/t{index}/logs");
        let answer = ask(&mut client, &session, "resources/subscribe", json!({"uri": uri})).await;
        assert_eq!(answer["result"], json!({}), "{answer}");
    }
    let again = ask(&mut client, &session, "resources/subscribe", json!({"uri": "bpm://task/t3/logs"})).await;
    assert_eq!(again["result"], json!({}));
    let surplus = ask(&mut client, &session, "resources/subscribe", json!({"uri": "bpm://status"})).await;
    assert_eq!(surplus["error"]["code"], -32602);
    assert!(surplus["error"]["message"].as_str().unwrap().starts_with("64 resources"), "{surplus}");
    ask(&mut client, &session, "resources/unsubscribe", json!({"uri": "bpm://task/t3/logs"})).await;
    let room = ask(&mut client, &session, "resources/subscribe", json!({"uri": "bpm://status"})).await;
    assert_eq!(room["result"], json!({}));
}

#[tokio::test]
async fn both_kinds_work_over_a_pipe() {
    let mut old = Session::start(StdioOptions::default());
    old.initialize().await;
    assert_eq!(old.ask("resources/subscribe", json!({"uri": API})).await["result"], json!({}));
    old.control.happens(Change::Log("api".to_owned())).await;
    assert!(is_updated(&old.hear().await, API));

    let mut new = Session::start(StdioOptions::default());
    let params = json!({"notifications": {"resourceSubscriptions": [API]}});
    let acknowledged = new.ask("subscriptions/listen", modern(params, &json!({}))).await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
    reaches(&new.control.watched, 1).await;
    new.control.happens(Change::Log("api".to_owned())).await;
    assert!(is_updated(&new.hear().await, API));
}

#[tokio::test]
async fn a_channel_tells_crashes_and_failed_tasks_together() {
    let mut session = Session::start(StdioOptions { session: "s".to_owned(), channel: true });
    session.control.with_task("t4", None, TaskState::Failed);
    let answer = session.initialize().await;
    assert_eq!(answer["result"]["capabilities"]["experimental"], json!({"claude/channel": {}}));
    reaches(&session.control.watched, 1).await;
    session.control.event("api", EventKind::Started, None).await;
    session.control.event("api", EventKind::Crashed, None).await;
    session.control.event("t4", EventKind::TaskEnded, None).await;
    let told = session.hear().await;
    assert_eq!(told["method"], "notifications/claude/channel");
    assert_eq!(told["params"]["content"], "api: Crashed\nt4: TaskEnded");
    assert_eq!(told["params"]["meta"], json!({"kind": "crash", "targets": "api t4"}));
}

#[tokio::test]
async fn without_the_flag_there_is_no_channel() {
    let mut session = Session::start(StdioOptions::default());
    let answer = session.initialize().await;
    assert!(answer["result"]["capabilities"].get("experimental").is_none(), "{answer}");
    assert_eq!(session.ask("ping", json!({})).await["result"], json!({}));
    assert_eq!(*session.control.watched.borrow(), 0);
}
