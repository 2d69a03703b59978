//! Subscriptions of both eras: `subscriptions/listen`, one request each, and `resources/subscribe`, a set for each
//! session. Nothing here counts as use of a tool.

use std::collections::HashSet;
use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bpm_api::Origin;
use rmcp::model::{ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, SubscriptionContext, SubscriptionSink};
use rmcp::{ErrorData, RoleServer};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::resources::{fault, known, processes, tasks};
use super::updates::{Known, Notice, Updates};
use super::uris::Uri;
use crate::control::Control;

/// Resources that one client may watch at once.
const MAX_WATCHED: usize = 64;

/// What of a filter can be served. The SDK takes only what was asked for as well.
pub(super) fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let mut accepted = SubscriptionFilter::new();
    accepted.resources_list_changed = Some(true);
    let ours = requested.resource_subscriptions.iter().flatten().filter(|uri| Uri::parse(uri).is_some());
    accepted.resource_subscriptions = Some(ours.take(MAX_WATCHED).cloned().collect());
    accepted
}

/// Until the client ends it, or the manager does.
pub(super) async fn listen<C: Control>(
    control: &C,
    subscription: &SubscriptionContext,
    origin: Origin,
) -> Result<(), ErrorData> {
    let accepted = subscription.accepted();
    let asked: Vec<&String> = accepted.resource_subscriptions.iter().flatten().collect();
    let wanted = asked.iter().filter_map(|uri| Uri::parse(uri)).collect();
    let list = match accepted.resources_list_changed {
        Some(true) => Some(names(control, &origin).await?),
        _ => None,
    };
    if asked.is_empty() && list.is_none() {
        // There is nothing of ours to tell.
        subscription.cancelled().await;
        return Ok(());
    }
    let mut updates = Updates::open(control, wanted, list).await.map_err(|error| fault(&error))?;
    // The SDK has acknowledged it before it was begun; what changed in between is not known.
    updates.missed();
    let tells = async {
        while let Some(notice) = updates.next().await {
            if !tell(subscription.sink(), &notice, &asked).await {
                break;
            }
        }
    };
    tokio::select! {
        () = tells => {}
        () = subscription.cancelled() => {}
    }
    Ok(())
}

/// Under the address that was subscribed to, however it was written.
async fn tell(sink: &SubscriptionSink, notice: &Notice, asked: &[&String]) -> bool {
    match notice {
        Notice::ListChanged => sink.notify_resource_list_changed().await.is_ok(),
        Notice::Updated(uri) => {
            for address in asked.iter().filter(|address| Uri::parse(address).as_ref() == Some(uri)) {
                if sink.notify_resource_updated(address.as_str()).await.is_err() {
                    return false;
                }
            }
            true
        }
    }
}

async fn names<C: Control>(control: &C, origin: &Origin) -> Result<Known, ErrorData> {
    let mut names: Known = processes(control, origin).await?.into_iter().collect();
    names.extend(tasks(control, origin).await.into_iter().map(|(id, _)| id));
    Ok(names)
}

/// The subscriptions of one session. They end when this is dropped.
#[derive(Default)]
pub(super) struct Subscriptions(Mutex<Option<Running>>);

struct Running {
    commands: mpsc::Sender<Command>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

enum Command {
    Subscribe(String, oneshot::Sender<Result<(), ErrorData>>),
    Unsubscribe(String, oneshot::Sender<Result<(), ErrorData>>),
}

impl Subscriptions {
    /// From when it returns on every change is told.
    pub(super) async fn subscribe<C: Control>(
        &self,
        control: &C,
        address: String,
        peer: &Peer<RoleServer>,
        origin: Origin,
    ) -> Result<(), ErrorData> {
        known(&address)?;
        let commands = {
            let mut running = self.running();
            let live = running.take().filter(|live| !live.task.is_finished());
            let live = live.unwrap_or_else(|| {
                let (commands, receiver) = mpsc::channel(1);
                let follow = Follower::new(control.clone(), peer.clone(), origin).follow(receiver);
                Running { commands, task: tokio::spawn(follow).abort_handle() }
            });
            running.insert(live).commands.clone()
        };
        ask(&commands, |done| Command::Subscribe(address, done)).await
    }

    /// What was not subscribed to stays so.
    pub(super) async fn unsubscribe(&self, address: String) -> Result<(), ErrorData> {
        let commands = self.running().as_ref().map(|running| running.commands.clone());
        match commands {
            Some(commands) => ask(&commands, |done| Command::Unsubscribe(address, done)).await,
            None => Ok(()),
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(
    commands: &mpsc::Sender<Command>,
    command: impl FnOnce(oneshot::Sender<Result<(), ErrorData>>) -> Command,
) -> Result<(), ErrorData> {
    let ended = || ErrorData::internal_error("the session's subscriptions have ended", None);
    let (done, answer) = oneshot::channel();
    commands.send(command(done)).await.map_err(|_| ended())?;
    answer.await.map_err(|_| ended())?
}

/// Tells a session of its resources, whatever they are at the time.
struct Follower<C> {
    control: C,
    peer: Peer<RoleServer>,
    origin: Origin,
    addresses: HashSet<String>,
    updates: Option<Updates>,
}

impl<C: Control> Follower<C> {
    fn new(control: C, peer: Peer<RoleServer>, origin: Origin) -> Follower<C> {
        Follower { control, peer, origin, addresses: HashSet::new(), updates: None }
    }

    async fn follow(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                notice = next(&mut self.updates) => match notice {
                    Some(notice) if self.tell(&notice).await => {}
                    _ => return,
                },
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        let (addresses, done) = match command {
            Command::Subscribe(address, done) => {
                let mut addresses = self.addresses.clone();
                addresses.insert(address);
                (addresses, done)
            }
            Command::Unsubscribe(address, done) => {
                let mut addresses = self.addresses.clone();
                addresses.remove(&address);
                (addresses, done)
            }
        };
        // Who has asked may be gone.
        let _ = done.send(self.want(addresses).await);
    }

    async fn want(&mut self, addresses: HashSet<String>) -> Result<(), ErrorData> {
        if addresses.len() > MAX_WATCHED {
            let message = format!("{MAX_WATCHED} resources are subscribed to already; unsubscribe from one");
            return Err(ErrorData::invalid_params(message, None));
        }
        let wanted: HashSet<Uri> = addresses.iter().filter_map(|address| Uri::parse(address)).collect();
        match &mut self.updates {
            _ if wanted.is_empty() => self.updates = None,
            Some(updates) => updates.want(&self.control, wanted).await.map_err(|error| fault(&error))?,
            None => {
                let list = names(&self.control, &self.origin).await?;
                let updates = Updates::open(&self.control, wanted, Some(list)).await;
                self.updates = Some(updates.map_err(|error| fault(&error))?);
            }
        }
        self.addresses = addresses;
        Ok(())
    }

    async fn tell(&self, notice: &Notice) -> bool {
        match notice {
            Notice::ListChanged => self.peer.notify_resource_list_changed().await.is_ok(),
            Notice::Updated(uri) => {
                for address in self.addresses.iter().filter(|one| Uri::parse(one).as_ref() == Some(uri)) {
                    let updated = ResourceUpdatedNotificationParam::new(address);
                    if self.peer.notify_resource_updated(updated).await.is_err() {
                        return false;
                    }
                }
                true
            }
        }
    }
}

async fn next(updates: &mut Option<Updates>) -> Option<Notice> {
    match updates {
        Some(updates) => updates.next().await,
        None => pending().await,
    }
}
