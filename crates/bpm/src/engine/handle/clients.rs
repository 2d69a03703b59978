//! How many clients are there: counted by the doors, told to the core.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::engine::Message;

#[derive(Debug, Default)]
pub(super) struct Clients {
    there: Mutex<u32>,
}

/// One client, until it is dropped.
#[derive(Debug)]
pub(super) struct Client {
    clients: Arc<Clients>,
    inbox: mpsc::UnboundedSender<Message>,
}

impl Clients {
    pub(super) fn come(self: &Arc<Self>, inbox: &mpsc::UnboundedSender<Message>) -> Client {
        self.change(inbox, |there| there.saturating_add(1));
        Client { clients: Arc::clone(self), inbox: inbox.clone() }
    }

    /// Told within the lock, so that the last word is the last count.
    fn change(&self, inbox: &mpsc::UnboundedSender<Message>, f: impl FnOnce(u32) -> u32) {
        let mut there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *there;
        *there = f(before);
        // whether there is one at all is what counts
        if (before == 0) != (*there == 0) {
            let _ = inbox.send(Message::Clients(*there));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.clients.change(&self.inbox, |there| there.saturating_sub(1));
    }
}
