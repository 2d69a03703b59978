//! The connection to the manager: kept, and made again for as long as it takes. Tells the model of both, and of every
//! event. Must not know what is asked over it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bpm_api::{Code, Error, Watch};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep};

use super::super::message::Message;
use crate::client::Client;
use crate::control::Control;

/// Between two tries to connect: the first ones come quickly, since a manager that was killed is often started anew.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Makes a connection.
pub type Connect = Box<dyn Fn() -> Connecting + Send + Sync>;
pub(crate) type Connecting = Pin<Box<dyn Future<Output = Result<Client, Error>> + Send>>;

/// The client that there is at the moment.
#[derive(Clone, Default)]
pub(super) struct Current(Arc<Mutex<Option<Client>>>);

impl Current {
    pub(super) fn client(&self) -> Option<Client> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, client: Option<Client>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = client;
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Current").field(&self.client()).finish()
    }
}

/// Keeps a connection until nobody listens any more.
pub(super) fn keep(first: Client, connect: Connect, told: Sender<Message>) -> Current {
    let current = Current::default();
    let ours = current.clone();
    tokio::spawn(async move {
        let mut client = first;
        let mut pause = FIRST_PAUSE;
        loop {
            let since = Instant::now();
            let error = match follow(&client, &ours, &told).await {
                Ok(()) => gone(),
                Err(error) => error,
            };
            ours.set(None);
            // one that takes connections and drops them is not asked ever faster
            if since.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            match connect_again(&connect, &client, error, &mut pause, &told).await {
                Some(next) => client = next,
                None => return,
            }
        }
    });
    current
}

/// Passes events on until the manager has gone.
async fn follow(client: &Client, current: &Current, told: &Sender<Message>) -> Result<(), Error> {
    let mut changes = client.watch(Watch { events: true, ..Watch::default() }).await?;
    current.set(Some(client.clone()));
    let up = Message::Connected {
        label: client.label(),
        hello: client.hello().cloned(),
        manager_pid: client.manager_pid(),
    };
    if told.send(up).await.is_err() {
        return Ok(());
    }
    while let Some(change) = changes.next().await {
        if told.send(Message::Change(change)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// `None`: nobody listens any more.
async fn connect_again(
    connect: &Connect,
    before: &Client,
    why: Error,
    pause: &mut Duration,
    told: &Sender<Message>,
) -> Option<Client> {
    let mut error = why;
    loop {
        let orderly = before.ended_in_order();
        told.send(Message::Disconnected { error, again: *pause, orderly }).await.ok()?;
        tokio::select! {
            () = sleep(*pause) => {}
            () = told.closed() => return None,
        }
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        match connect().await {
            Ok(client) => return Some(client),
            Err(failed) => error = failed,
        }
    }
}

fn gone() -> Error {
    Error::new(Code::NoManager, "the connection has ended").hint("`bpm up -d` starts the next one")
}
