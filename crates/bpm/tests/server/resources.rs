//! Resources, prompts and completion, over HTTP and of both eras where they differ.

use bpm_api::{Request, State, TaskState};
use serde_json::{Value, json};

use crate::legacy::{ask, begin};
use crate::support::Server;

fn project() -> Server {
    let server = Server::start();
    server.control.with_process("api", State::Running);
    server.control.with_process("my db", State::BackingOff);
    server.control.with_task("t1", Some("web"), TaskState::Running);
    server.control.with_task("t2", None, TaskState::Failed);
    server
}

fn uris(result: &Value) -> Vec<&str> {
    result["resources"].as_array().unwrap().iter().map(|one| one["uri"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn status_and_logs_are_listed_and_read() {
    let server = project();
    let mut client = server.client().await;
    let listed = client.modern("resources/list", json!({})).await.json()["result"].clone();
    let expected = [
        "bpm://status",
        "bpm://process/api/logs",
        "bpm://process/my%20db/logs",
        "bpm://task/t1/logs",
        "bpm://task/t2/logs",
    ];
    assert_eq!(uris(&listed), expected);
    assert!(listed.get("nextCursor").is_none());
    for uri in expected {
        let read = client.modern("resources/read", json!({"uri": uri})).await.json()["result"].clone();
        let contents = &read["contents"][0];
        assert_eq!((&contents["uri"], &contents["mimeType"]), (&json!(uri), &json!("text/plain")));
        let text = contents["text"].as_str().unwrap();
        assert!(text.starts_with(if uri == "bpm://status" { "release mode" } else { "api run 3" }), "{text}");
    }
    let seen = server.control.seen();
    assert!(
        seen.iter().all(|(_, origin)| origin.face == "resource"),
        "reading is no use of a tool: {seen:?}"
    );
    let read: Vec<Option<String>> = seen
        .into_iter()
        .filter_map(|(request, _)| match request {
            Request::SearchLogs(query) => Some(query.0.process),
            _ => None,
        })
        .collect();
    assert_eq!(read, ["api", "my db", "t1", "t2"].map(|name| Some(name.to_owned())));
    let templates = client.modern("resources/templates/list", json!({})).await.json();
    let templates: Vec<&str> = templates["result"]["resourceTemplates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["uriTemplate"].as_str().unwrap())
        .collect();
    assert_eq!(templates, ["bpm://process/{name}/logs", "bpm://task/{id}/logs"]);
}

#[tokio::test]
async fn a_long_list_comes_in_pages_that_what_comes_and_goes_does_not_move() {
    let server = Server::start();
    for index in 0..120 {
        server.control.with_process(&format!("p{index:03}"), State::Running);
    }
    let mut client = server.client().await;
    let (mut all, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let params = cursor.as_ref().map_or(json!({}), |cursor: &String| json!({"cursor": cursor}));
        let page = client.modern("resources/list", params).await.json()["result"].clone();
        assert!(uris(&page).len() <= 50);
        all.extend(uris(&page).into_iter().map(str::to_owned));
        pages += 1;
        // It belongs on a page that was seen already.
        server.control.with_process(&format!("a{pages}"), State::Running);
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, 3);
    let mut expected = vec!["bpm://status".to_owned()];
    expected.extend((0..120).map(|index| format!("bpm://process/p{index:03}/logs")));
    assert_eq!(all, expected);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_in_the_words_of_each_era() {
    let server = project();
    let mut client = server.client().await;
    let mut elder = server.client().await;
    let session = begin(&mut elder, "2025-11-25").await;
    for uri in ["bpm://process/nope/logs", "bpm://nothing", "file:///etc/passwd"] {
        let modern = client.modern("resources/read", json!({"uri": uri})).await.json();
        let old = ask(&mut elder, &session, "resources/read", json!({"uri": uri})).await;
        for (answer, code) in [(modern, -32602), (old, -32002)] {
            assert_eq!(
                (&answer["error"]["code"], &answer["error"]["data"]["uri"]),
                (&json!(code), &json!(uri))
            );
        }
    }
}

#[tokio::test]
async fn names_are_completed() {
    let server = project();
    let mut client = server.client().await;
    let process = json!({"type": "ref/resource", "uri": "bpm://process/{name}/logs"});
    let task = json!({"type": "ref/resource", "uri": "bpm://task/{id}/logs"});
    let prompt = json!({"type": "ref/prompt", "name": "diagnose"});
    for (of, argument, typed, expected) in [
        (&process, "name", "", vec!["api", "my db"]),
        (&process, "name", "M", vec!["my db"]),
        (&process, "name", "x", vec![]),
        (&task, "id", "t", vec!["t1", "t2"]),
        (&task, "id", "we", vec!["t1"]),
        (&prompt, "process", "a", vec!["api"]),
    ] {
        let params = json!({"ref": of, "argument": {"name": argument, "value": typed}});
        let answer = client.modern("completion/complete", params).await.json();
        let completion = &answer["result"]["completion"];
        assert_eq!(completion["values"], json!(expected), "{answer}");
        assert_eq!((&completion["total"], &completion["hasMore"]), (&json!(expected.len()), &json!(false)));
    }
    for (of, argument) in [(&prompt, "mode"), (&json!({"type": "ref/prompt", "name": "x"}), "process")] {
        let params = json!({"ref": of, "argument": {"name": argument, "value": ""}});
        let answer = client.modern("completion/complete", params).await.json();
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

#[tokio::test]
async fn a_completion_of_many_says_how_many() {
    let server = Server::start();
    for index in 0..150 {
        server.control.with_process(&format!("p{index}"), State::Running);
    }
    let of = json!({"type": "ref/resource", "uri": "bpm://process/{name}/logs"});
    let params = json!({"ref": of, "argument": {"name": "name", "value": "p"}});
    let answer = server.client().await.modern("completion/complete", params).await.json();
    let completion = &answer["result"]["completion"];
    assert_eq!(completion["values"].as_array().unwrap().len(), 100);
    assert_eq!((&completion["total"], &completion["hasMore"]), (&json!(150), &json!(true)));
}

#[tokio::test]
async fn prompts_bring_their_evidence() {
    let server = project();
    let mut client = server.client().await;
    let listed = client.modern("prompts/list", json!({})).await.json();
    let names: Vec<&str> = listed["result"]["prompts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|prompt| prompt["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["diagnose", "status"]);
    for (name, arguments, has, has_not) in [
        ("diagnose", json!({"process": "api"}), ["why `api` is not", "api is running", " * panic"], "my db"),
        ("diagnose", json!({}), ["why `my db` is not", "my db is backing_off", " * panic"], "api is running"),
        (
            "diagnose",
            json!({"process": ""}),
            ["why `my db` is not", "my db: backing_off", " * panic"],
            "`api`",
        ),
        ("status", json!({}), ["what needs attention", "api: running", "my db: backing_off"], "panic"),
    ] {
        let got = client.modern("prompts/get", json!({"name": name, "arguments": arguments})).await.json();
        let message = &got["result"]["messages"][0];
        assert_eq!(message["role"], "user", "{got}");
        let text = message["content"]["text"].as_str().unwrap();
        for has in has {
            assert!(text.contains(has), "{has} is not in {text}");
        }
        assert!(!text.contains(has_not), "{has_not} is in {text}");
    }
    for (name, arguments) in [("diagnose", json!({"process": "nope"})), ("x", json!({}))] {
        let got = client.modern("prompts/get", json!({"name": name, "arguments": arguments})).await.json();
        assert_eq!(got["error"]["code"], -32602, "{got}");
    }
}

#[tokio::test]
async fn a_diagnosis_of_a_project_that_is_well_says_so() {
    let server = Server::start();
    server.control.with_process("api", State::Running);
    let got = server.client().await.modern("prompts/get", json!({"name": "diagnose"})).await.json();
    let text = got["result"]["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(text.starts_with("No process is down") && text.contains("api: running"), "{text}");
}
