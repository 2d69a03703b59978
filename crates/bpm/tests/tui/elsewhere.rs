//! Managers by their URL: one that is there, goes and comes back, and everything else that may be at a port.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::lab::{Lab, shell};
use crate::tmux::Screen;

/// Somebody at a port who does that with everyone who connects, until the test is over.
fn answers(deed: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(deed));
    format!("http://{address}/mcp")
}

/// Reads a request's head, then says that.
fn says(text: &'static [u8]) -> impl Fn(TcpStream) + Send + 'static {
    move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(text);
    }
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_what_is_no_manager_is_told_apart() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/mcp", listener.local_addr().unwrap())
    };
    let page = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<html";
    let cases = [
        (nobody, 3, "nothing listens on port"),
        (answers(drop), 3, "closed the connection"),
        (answers(says(b"SSH-2.0-OpenSSH_9.6\r\n")), 2, "does not speak HTTP"),
        (answers(says(page)), 2, "neither bpm nor an MCP server"),
        ("localhost:3001".to_owned(), 2, "http://"),
        ("https://localhost/".to_owned(), 2, "http"),
    ];
    let lab = Lab::new("");
    for (url, code, words) in cases {
        let screen = Screen::tui(&lab, 300, 10, &[&url]);
        assert_eq!(screen.ended(), code, "{url} {}", screen.text());
        let shown = screen.text();
        assert!(shown.contains(words), "{url}: {words}\n{shown}");
        assert_eq!(screen.asked("#{alternate_on} #{mouse_any_flag}"), "0 0", "{url}");
    }
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_who_is_silent_is_not_waited_for_without_end() {
    let held = std::sync::Mutex::new(Vec::new());
    let url = answers(move |stream| held.lock().unwrap().push(stream));
    let screen = Screen::tui(&Lab::new(""), 300, 10, &[&url]);
    assert_eq!(screen.ended(), 3);
    assert!(screen.text().contains("silent for 5 s"), "{}", screen.text());
}

#[test]
#[ignore = "needs tmux"]
fn needs_tmux_a_manager_at_a_url_is_shown_and_steered() {
    let config =
        "mcp_port = \"auto\"\n".to_owned() + &shell("app", "while :; do echo alive; sleep 0.1; done", "");
    let mut lab = Lab::up(&config);
    let first = lab.running("app");
    let url = lab.status().manager.mcp_url.unwrap();
    // from a directory that has nothing to do with it
    let elsewhere = Lab::new("");
    let screen = Screen::tui(&elsewhere, 100, 30, &[&url]);
    screen.wait_for("alive");
    screen.press(&["r"]);
    let second = lab.running_other_than("app", first.run.unwrap());
    lab.kill_manager();
    screen.wait_for("no manager for");
    lab.start();
    screen.wait_without("no manager for");
    assert_eq!(lab.running("app").pid, second.pid);
    screen.press(&["c"]);
    screen.wait_for("alive");
    screen.press(&["q"]);
    assert_eq!(screen.ended(), 0);
}
