//! A client that outlives the manager behind it: starts one where none runs, and sends a request again, under the
//! same key, when a manager died over it. Must not know how a manager is started, nor MCP.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bpm_api::{Change, Code, Error, Origin, OsText, Output, Reply, Request, Watch};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Client, random_id};
use crate::control::{Changes, Chunks, Control};
use crate::store::paths::Project;
use crate::store::{lock, place};

/// How long a manager may take to come up, or an old one to go.
const PATIENCE: Duration = Duration::from_secs(10);
/// Managers that may die over one request. More than one is bad luck, more than that is the request.
const MOST_DEATHS: u32 = 3;
/// Until a manager that has the lock has its socket, too.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);
/// Changes that wait for a watcher.
const WAITING: usize = 256;

/// Starts a manager and returns when it is ready. Called on a thread of its own.
pub type Start = Box<dyn Fn(&Project) -> Result<(), Error> + Send + Sync>;

/// See the top of the file. Clones share everything.
#[derive(Clone)]
pub struct Persistent {
    shared: Arc<Shared>,
}

struct Shared {
    /// Where the project cannot be told, every call says why. Its state may have to go elsewhere when it is made.
    project: Mutex<Result<Project, Error>>,
    start: Start,
    /// What tasks inherit that this client starts.
    environment: Vec<(OsText, OsText)>,
    current: Mutex<Option<Client>>,
    /// Held by the one who connects or starts.
    connecting: tokio::sync::Mutex<()>,
    /// How often a connection was made.
    connected: watch::Sender<u64>,
}

impl Persistent {
    /// Tasks that are started through it inherit `environment`.
    pub fn new(
        project: Result<Project, Error>,
        start: Start,
        environment: Vec<(OsText, OsText)>,
    ) -> Persistent {
        let shared = Shared {
            project: Mutex::new(project),
            start,
            environment,
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            connected: watch::Sender::new(0),
        };
        Persistent { shared: Arc::new(shared) }
    }

    /// Is a client of the project's manager for as long as it is polled. Starts one at once, and anew when one dies;
    /// not when it was told to end: then the next call does.
    pub async fn stay(&self) {
        loop {
            match self.watch(Watch::default()).await {
                Ok(mut changes) => while changes.next().await.is_some() {},
                Err(error) => tracing::debug!(%error, "no manager is there to stay with"),
            }
            let mut connected = self.shared.connected.subscribe();
            if connected.changed().await.is_err() {
                return;
            }
        }
    }

    fn project(&self) -> Result<Project, Error> {
        self.shared.project.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn current(&self) -> Option<Client> {
        self.shared.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// This one's manager is gone.
    fn forget(&self, gone: &Client) {
        let mut current = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(&current.shared, &gone.shared)) {
            *current = None;
        }
    }

    /// The connection that there is, else a new one, to a new manager if need be.
    async fn client(&self) -> Result<Client, Error> {
        match self.current() {
            Some(client) if client.manager_has_ended() => self.forget(&client),
            Some(client) => return Ok(client),
            None => {}
        }
        self.project()?;
        let _turn = self.shared.connecting.lock().await;
        if let Some(client) = self.current() {
            return Ok(client);
        }
        let client = self.connect().await?;
        *self.shared.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        self.shared.connected.send_modify(|count| *count += 1);
        Ok(client)
    }

    async fn connect(&self) -> Result<Client, Error> {
        let deadline = Instant::now() + PATIENCE;
        let mut refusal = None;
        loop {
            let project = self.project()?;
            match Client::connect(&project).await {
                Err(error) if error.code == Code::NoManager => {}
                connected => return connected,
            }
            if Instant::now() >= deadline {
                // somebody has the project whose socket is not where it should be: another state directory, say
                return Err(refusal.unwrap_or_else(|| absent(&project)));
            }
            if lock::is_managed(&project) {
                // It has just begun, or just died: a child that it was about to start holds copies of its locks.
                sleep(BETWEEN_TRIES).await;
                continue;
            }
            match timeout_at(deadline, self.start(project)).await {
                Ok(Err(error)) if error.code != Code::AlreadyManaged => return Err(error),
                Ok(Err(error)) => {
                    refusal = Some(error);
                    sleep(BETWEEN_TRIES).await;
                }
                Ok(Ok(())) | Err(_) => {}
            }
        }
    }

    /// On a thread that nobody waits for when this process ends meanwhile.
    async fn start(&self, project: Project) -> Result<(), Error> {
        let (reply, started) = tokio::sync::oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("start".to_owned()).spawn(move || {
            let started = place::settle(&project).and_then(|settled| {
                *shared.project.lock().unwrap_or_else(PoisonError::into_inner) = Ok(settled.project.clone());
                (shared.start)(&settled.project)
            });
            let _ = reply.send(started);
        });
        thread.map_err(|error| Error::new(Code::System, format!("cannot start a thread: {error}")))?;
        let lost = |_| Error::new(Code::Internal, "the manager's start was given up");
        started.await.map_err(lost)?
    }

    /// Carries out `attempt` with a manager, with the next one if that dies over it.
    async fn insist<T, F>(&self, attempt: impl Fn(Client) -> F) -> Result<(Client, T), Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut deaths = 0;
        loop {
            let client = self.client().await?;
            match attempt(client.clone()).await {
                Err(error) if error.code == Code::NoManager => {
                    self.forget(&client);
                    let _ = client.manager_gone(PATIENCE).await;
                    if !self.died() {
                        return Err(told_to_end(&error));
                    }
                    deaths += 1;
                    if deaths == MOST_DEATHS {
                        return Err(deadly(&error));
                    }
                    tracing::debug!(%error, "sent again");
                }
                outcome => return outcome.map(|outcome| (client, outcome)),
            }
        }
    }

    async fn begin_watch(&self, what: &Watch) -> Result<(Client, Changes), Error> {
        self.insist(|client| async move { client.watch(what.clone()).await }).await
    }

    /// `None`: nobody watches any more.
    async fn pass_on(
        &self,
        mut client: Client,
        mut changes: Changes,
        what: &Watch,
        told: &mpsc::Sender<Change>,
    ) -> Option<Infallible> {
        loop {
            while let Some(change) = changes.next().await {
                told.send(change).await.ok()?;
            }
            (client, changes) = self.watch_again(&client, what).await?;
            told.send(Change::Missed(1)).await.ok()?;
        }
    }

    /// Watches on with the next manager, once there is one.
    async fn watch_again(&self, before: &Client, what: &Watch) -> Option<(Client, Changes)> {
        self.forget(before);
        let _ = before.manager_gone(PATIENCE).await;
        loop {
            let mut connected = self.shared.connected.subscribe();
            connected.mark_unchanged();
            let begun = match self.current() {
                Some(_) => self.begin_watch(what).await,
                None if self.died() => self.begin_watch(what).await,
                None => Err(Error::new(Code::NoManager, "the manager was told to end")),
            };
            match begun {
                Ok(begun) => return Some(begun),
                Err(error) => tracing::debug!(%error, "a watch waits for the next manager"),
            }
            connected.changed().await.ok()?;
        }
    }

    /// A manager that ends in order takes its socket away.
    fn died(&self) -> bool {
        self.project().is_ok_and(|project| project.socket().exists())
    }

    /// A key that no other request has, and the environment that a task is to have.
    fn complete(&self, request: &mut Request, origin: &mut Origin) {
        if origin.key.is_none() {
            // without one a repetition may do a thing twice
            origin.key = random_id();
        }
        let run = match request {
            Request::SubmitCall(submit) => &mut *submit.request,
            request => request,
        };
        if let Request::RunTask(run) = run {
            run.base_env.get_or_insert_with(|| self.shared.environment.clone());
        }
    }
}

impl Control for Persistent {
    async fn call(&self, mut request: Request, mut origin: Origin) -> Result<Reply, Error> {
        self.complete(&mut request, &mut origin);
        let (request, origin) = (&request, &origin);
        let answered =
            self.insist(|client| async move { client.call(request.clone(), origin.clone()).await });
        answered.await.map(|(_, reply)| reply)
    }

    fn has_news(&self, origin: &Origin) -> bool {
        self.current().is_some_and(|client| client.has_news(origin))
    }

    /// Goes on with the next manager when one dies; what was missed between the two is told as missed.
    async fn watch(&self, what: Watch) -> Result<Changes, Error> {
        let (client, changes) = self.begin_watch(&what).await?;
        let (told, all) = mpsc::channel(WAITING);
        let this = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = this.pass_on(client, changes, &what, &told) => {}
                () = told.closed() => {}
            }
        });
        Ok(Changes(all))
    }

    /// Of the manager that there is: it ends with it.
    async fn output(&self, of: Output) -> Result<Chunks, Error> {
        let begun = self.insist(|client| {
            let of = of.clone();
            async move { client.output(of).await }
        });
        begun.await.map(|(_, chunks)| chunks)
    }
}

impl fmt::Debug for Persistent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.project().map(|project| project.root);
        f.debug_struct("Persistent").field("project", &root).field("current", &self.current()).finish()
    }
}

fn absent(project: &Project) -> Error {
    let (root, seconds) = (project.root.display(), PATIENCE.as_secs());
    Error::new(
        Code::NoManager,
        format!("no manager of `{root}` answers, and none came up within {seconds} s"),
    )
    .hint(format!(
        "`bpm up -d` says why; `{}` is what managers said",
        project.state.join("manager.log").display()
    ))
}

/// What somebody ended is not started again by what was under way.
fn told_to_end(last: &Error) -> Error {
    Error::new(Code::Closing, last.message.clone())
        .hint("it was told to end; the next call, or `bpm up`, starts it again")
}

fn deadly(last: &Error) -> Error {
    Error::new(
        Code::NoManager,
        format!("{MOST_DEATHS} managers in a row went away over this: {}", last.message),
    )
    .hint("what was running goes on; look at `manager.log` in the state directory")
}
