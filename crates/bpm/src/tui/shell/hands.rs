//! Carries commands out. Whatever goes to the manager is a task of its own, which the loop does not wait for. Must not
//! know why something is to be done.

use std::io::Write;
use std::process::{Command as Program, Stdio};
use std::time::Duration;

use bpm_api::{Code, Error, GetStatus, Origin, Request, Watch};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::message::{Command, Message};
use super::link::Current;
use crate::attach::{self, Left};
use crate::client;
use crate::control::Control;

/// How long a manager may take to answer before its terminals are shown.
const ANSWERS: Duration = Duration::from_secs(3);

/// What is left for the loop, which has the terminal.
#[derive(Debug)]
pub(super) enum Act {
    Done,
    Quit,
    Redraw,
    Mouse(bool),
    Copy(String),
    Suspend,
}

#[derive(Debug)]
pub(super) struct Hands {
    current: Current,
    told: Sender<Message>,
    watch: Option<JoinHandle<()>>,
    origin: Origin,
    /// Targets whose manager answers, so that their terminals can be had.
    answered: (Sender<String>, Receiver<String>),
}

impl Hands {
    pub(super) fn new(current: Current, told: Sender<Message>) -> Hands {
        let origin = Origin { face: "tui".to_owned(), who: who(), ..client::origin() };
        Hands { current, told, watch: None, origin, answered: channel(1) }
    }

    /// What the manager calls whoever asks through here.
    pub(super) fn by(&self) -> String {
        format!("{} {}", self.origin.face, self.origin.who)
    }

    pub(super) fn carry_out(&mut self, command: Command) -> Act {
        match command {
            Command::Ask { ask, request } => {
                let (current, told, origin) = (self.current.clone(), self.told.clone(), self.origin.clone());
                tokio::spawn(async move {
                    let outcome = match current.client() {
                        Some(client) => client.call(complete(request, &client), origin).await,
                        None => Err(gone()),
                    };
                    let _ = told.send(Message::Answered { ask, outcome }).await;
                });
                Act::Done
            }
            Command::Watch { logs, builds } => {
                self.watch(Watch { events: false, logs, builds });
                Act::Done
            }
            Command::Copy { text, lines } => {
                copy_in_tmux(text.clone());
                self.tell(Message::Copied { lines });
                Act::Copy(text)
            }
            Command::Attach { target } => {
                self.begin_to_attach(target);
                Act::Done
            }
            Command::CaptureMouse(on) => Act::Mouse(on),
            Command::Redraw => Act::Redraw,
            Command::Suspend => Act::Suspend,
            Command::Quit => Act::Quit,
        }
    }

    /// Instead of the watch before. It ends with its manager; the model asks for it again when the next one is there.
    fn watch(&mut self, what: Watch) {
        if let Some(before) = self.watch.take() {
            before.abort();
        }
        let Some(client) = self.current.client() else { return };
        if what == Watch::default() {
            return;
        }
        let told = self.told.clone();
        self.watch = Some(tokio::spawn(async move {
            let mut changes = match client.watch(what).await {
                Ok(changes) => changes,
                Err(error) => return tracing::debug!(%error, "a log is not watched"),
            };
            while let Some(change) = changes.next().await {
                if told.send(Message::Change(change)).await.is_err() {
                    return;
                }
            }
        }));
    }

    /// A manager that does not answer now would leave the user before an empty screen: it is asked first.
    fn begin_to_attach(&self, target: String) {
        let (current, told, origin) = (self.current.clone(), self.told.clone(), self.origin.clone());
        let answered = self.answered.0.clone();
        tokio::spawn(async move {
            let asked = async {
                let client = current.client().ok_or_else(gone)?;
                client.ask(GetStatus { process: None, brief: true, ..GetStatus::default() }, origin).await
            };
            let outcome = match timeout(ANSWERS, asked).await {
                Ok(outcome) => outcome.map(|_| ()),
                Err(_) => Err(Error::new(Code::TimedOut, "the manager does not answer")),
            };
            match outcome {
                Ok(()) => drop(answered.try_send(target)),
                Err(error) => drop(told.send(Message::Detached(Err(error))).await),
            }
        });
    }

    /// What is to be attached to now.
    pub(super) async fn attachable(&mut self) -> String {
        match self.answered.1.recv().await {
            Some(target) => target,
            None => std::future::pending().await,
        }
    }

    /// Gives the terminal to a run's own.
    pub(super) async fn attach(&self, target: &str) -> Result<Left, Error> {
        match self.current.client() {
            Some(client) => attach::attach(&client, target, self.origin.clone()).await,
            None => Err(gone()),
        }
    }

    /// Without waiting: the loop must not wait for itself.
    pub(super) fn tell(&self, message: Message) {
        let told = self.told.clone();
        tokio::spawn(async move {
            let _ = told.send(message).await;
        });
    }
}

fn gone() -> Error {
    Error::new(Code::NoManager, "the manager has gone")
}

/// Whoever sits at this terminal: the same user may have several.
fn who() -> String {
    let user = client::origin().who;
    match rustix::termios::ttyname(std::io::stdin(), Vec::new()) {
        Ok(name) => format!("{user} on {}", name.to_string_lossy().trim_start_matches("/dev/")),
        Err(_) => user,
    }
}

/// A task that is started from here has this program's environment, where the manager is on this machine.
fn complete(request: Request, client: &client::Client) -> Request {
    match request {
        Request::RunTask(mut run) if client.manager_pid().is_some() => {
            let all = std::env::vars_os().map(|(name, value)| (name.into(), value.into()));
            run.base_env.get_or_insert_with(|| all.collect());
            Request::RunTask(run)
        }
        request => request,
    }
}

/// tmux keeps what programs write to the clipboard to itself, unless it is told by its own command.
fn copy_in_tmux(text: String) {
    if std::env::var_os("TMUX").is_none() {
        return;
    }
    tokio::task::spawn_blocking(move || {
        let tmux = Program::new("tmux")
            .args(["load-buffer", "-w", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if let Ok(mut tmux) = tmux {
            // dropped with the statement, so that tmux sees the end
            let _ = tmux.stdin.take().map(|mut input| input.write_all(text.as_bytes()));
            let _ = tmux.wait();
        }
    });
}
