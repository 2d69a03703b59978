//! A client of `bpm mcp`, written by hand: says lines, hears lines, and takes every line that is no message of the
//! protocol for a failure.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::lab::Lab;

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(40);

pub struct Session {
    child: Child,
    input: Option<ChildStdin>,
    heard: Receiver<Value>,
    /// Answers that came before they were waited for.
    early: Vec<Value>,
    next_id: u64,
}

impl Session {
    /// In the lab's project, with the handshake done.
    pub fn of(lab: &Lab) -> Session {
        Session::with(lab, &[])
    }

    pub fn with(lab: &Lab, flags: &[&str]) -> Session {
        let mut command = lab.command();
        command.arg("mcp").args(flags);
        let mut session = Session::start(command);
        session.initialize();
        session
    }

    pub fn start(mut command: Command) -> Session {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        let (say, heard) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let line = line.unwrap();
                let message: Value =
                    serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault} on stdout: {line:?}"));
                assert_eq!(message["jsonrpc"], "2.0", "on stdout: {line:?}");
                if say.send(message).is_err() {
                    return;
                }
            }
        });
        Session { child, input, heard, early: Vec::new(), next_id: 1 }
    }

    pub fn initialize(&mut self) -> Value {
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "tester", "version": "7"}});
        let answer = self.ask("initialize", params);
        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
        answer
    }

    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(line.as_bytes()).and_then(|()| input.write_all(b"\n")).unwrap();
    }

    pub fn say_bytes(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub fn hear(&mut self) -> Value {
        match self.heard.recv_timeout(PATIENCE) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => panic!("silence"),
            Err(RecvTimeoutError::Disconnected) => panic!("its output has ended"),
        }
    }

    /// Asks without waiting for the answer; returns the request's id.
    pub fn begin(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string());
        id
    }

    /// The answer to a request; answers to others are kept, notifications are passed over.
    pub fn answer(&mut self, id: u64) -> Value {
        if let Some(place) = self.early.iter().position(|message| message["id"] == id) {
            return self.early.swap_remove(place);
        }
        loop {
            let message = self.hear();
            if message["id"] == id {
                return message;
            }
            if message["method"].is_null() {
                self.early.push(message);
            }
        }
    }

    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        let answer = self.answer(id);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    pub fn begin_call(&mut self, tool: &str, arguments: Value) -> u64 {
        self.begin("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// A tool's whole result.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.begin_call(tool, arguments);
        self.answer(id)["result"].clone()
    }

    /// The text of a call that must succeed.
    pub fn done(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments);
        assert_ne!(result["isError"], true, "{tool}: {result}");
        text(&result)
    }

    /// The text of a call that must fail.
    pub fn refused(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], true, "{tool}: {result}");
        text(&result)
    }

    /// Ends the input, and waits for the process; how long that took.
    pub fn end(mut self) -> (ExitStatus, Duration) {
        drop(self.input.take());
        let from = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, from.elapsed());
            }
            assert!(from.elapsed() < PATIENCE, "it does not end with its input");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that a result says to the model.
pub fn text(result: &Value) -> String {
    let parts = result["content"].as_array().unwrap_or_else(|| panic!("no content: {result}"));
    parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
}
