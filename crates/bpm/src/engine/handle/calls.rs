//! Calls that go on without their caller: carried out in the background, written down, and taken up again by the
//! next manager under the same idempotency key.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bpm_api::{Answer, CallState, CallStatus, Code, Error, Origin, Reply, Request, SubmitCall};
use tokio::task::AbortHandle;

use super::{Handle, LONGEST_WAIT};
use crate::engine::clock;
use crate::engine::tasks::now_ms;
use crate::store::calls::{self, CallRecord};
use crate::store::paths::Project;

/// Calls that are under way or kept.
const MAX_CALLS: usize = 256;
const USUAL_KEEP: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
pub(super) struct Calls {
    known: Mutex<HashMap<String, Call>>,
    /// Calls that were ever put into it.
    count: AtomicU64,
}

#[derive(Debug)]
struct Call {
    record: CallRecord,
    work: Option<AbortHandle>,
    /// Which of those that ended in the same millisecond came first.
    order: u64,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Call>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// Forgets what has been kept for long enough.
    fn sweep(&self, project: &Project) {
        let now = now_ms();
        self.lock().retain(|id, call| {
            let keep = Duration::try_from_secs_f64(call.record.status.keep_seconds).unwrap_or(USUAL_KEEP);
            let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
            let kept = call.record.over_ms.is_none_or(|over| now.saturating_sub(over) < keep_ms);
            if !kept {
                calls::remove(project, id);
            }
            kept
        });
    }
}

impl Handle {
    pub(super) fn submit(&self, op: SubmitCall, mut origin: Origin) -> Result<Reply, Error> {
        let keep = op.keep_seconds.map_or(Ok(USUAL_KEEP), Duration::try_from_secs_f64);
        let keep = keep.ok().filter(|keep| *keep <= LONGEST_WAIT).ok_or_else(|| {
            let most = LONGEST_WAIT.as_secs();
            Error::new(Code::InvalidParameter, format!("`keep_seconds` is no number from 0 to {most}"))
        })?;
        if matches!(*op.request, Request::SubmitCall(_) | Request::GetCall(_) | Request::CancelCall(_)) {
            return Err(Error::new(Code::InvalidParameter, "a call about calls cannot go on by itself"));
        }
        let calls = self.calls();
        calls.sweep(self.project());
        // held until it is known: the same submission again, even at the same time, is the same call
        let mut known = calls.lock();
        if let Some(key) = &origin.key {
            let again = known.values().find(|call| call.record.origin.key.as_ref() == Some(key));
            if let Some(again) = again {
                return Ok(Reply::Call(again.record.status.clone()));
            }
        }
        if known.len() >= MAX_CALLS {
            let oldest = oldest_that_is_over(&known).ok_or_else(too_many)?;
            known.remove(&oldest);
            calls::remove(self.project(), &oldest);
        }
        let id = random_id()?;
        let now = clock::wall_text();
        let status = CallStatus {
            call_id: id.clone(),
            state: CallState::Working,
            created: now.clone(),
            updated: now,
            keep_seconds: keep.as_secs_f64(),
            message: op.request.name().to_owned(),
            answer: None,
        };
        origin.key.get_or_insert_with(|| id.clone());
        let request = Some(*op.request);
        let record =
            CallRecord { status: status.clone(), created_ms: now_ms(), over_ms: None, origin, request };
        calls::save(self.project(), &record)
            .map_err(|error| Error::new(Code::System, format!("cannot write down the call: {error}")))?;
        self.begin_call(record, &mut known);
        Ok(Reply::Call(status))
    }

    /// Takes up what the manager before had accepted.
    pub(in crate::engine) fn resume_calls(&self) {
        for record in calls::load(self.project()) {
            if record.over_ms.is_some() {
                let (id, order) = (record.status.call_id.clone(), self.calls().order());
                self.calls().lock().insert(id, Call { record, work: None, order });
            } else {
                self.begin_call(record, &mut self.calls().lock());
            }
        }
        self.calls().sweep(self.project());
    }

    fn begin_call(&self, record: CallRecord, known: &mut HashMap<String, Call>) {
        let (handle, id) = (self.clone(), record.status.call_id.clone());
        let Some(request) = record.request.clone() else { return };
        let (request, origin) = (patient(request), record.origin.clone());
        let name = id.clone();
        let work = tokio::spawn(async move {
            // boxed: a call may carry out any call
            let outcome = Box::pin(handle.carry_out_any(request, origin)).await;
            // the manager ends: the next one takes it up
            if matches!(&outcome, Err(error) if error.code == Code::Closing) {
                return;
            }
            handle.finish_call(&name, CallState::Done, Some(outcome));
        });
        let order = self.calls().order();
        known.insert(id, Call { record, work: Some(work.abort_handle()), order });
    }

    fn finish_call(&self, id: &str, state: CallState, outcome: Option<Result<Reply, Error>>) {
        let mut known = self.calls().lock();
        let Some(call) = known.get_mut(id).filter(|call| call.record.over_ms.is_none()) else { return };
        let record = &mut call.record;
        record.status.state = state;
        record.status.updated = clock::wall_text();
        record.status.answer =
            outcome.map(|outcome| Box::new(outcome.map_or_else(Answer::Error, Answer::Reply)));
        record.over_ms = Some(now_ms());
        record.request = None;
        call.work = None;
        if let Err(error) = calls::save(self.project(), record) {
            tracing::warn!("cannot write down the outcome of a call: {error}");
        }
    }

    pub(super) fn call_status(&self, id: &str) -> Result<Reply, Error> {
        self.calls().sweep(self.project());
        let known = self.calls().lock();
        known.get(id).map(|call| Reply::Call(call.record.status.clone())).ok_or_else(|| unknown(id))
    }

    /// What it began goes on.
    pub(super) fn cancel_call(&self, id: &str) -> Result<Reply, Error> {
        let work = self.calls().lock().get_mut(id).ok_or_else(|| unknown(id))?.work.take();
        if let Some(work) = work {
            work.abort();
        }
        self.finish_call(id, CallState::Cancelled, None);
        self.call_status(id)
    }
}

/// Nobody waits at the other end, so there is no reason to give up early.
fn patient(mut request: Request) -> Request {
    let long = Some(LONGEST_WAIT.as_secs_f64());
    match &mut request {
        Request::Restart(op) => op.timeout_seconds = op.timeout_seconds.or(long),
        Request::Start(op) => op.timeout_seconds = op.timeout_seconds.or(long),
        Request::Stop(op) => op.timeout_seconds = op.timeout_seconds.or(long),
        _ => {}
    }
    request
}

/// The call whose outcome has been kept the longest.
fn oldest_that_is_over(known: &HashMap<String, Call>) -> Option<String> {
    let over = known.iter().filter_map(|(id, call)| Some((call.record.over_ms?, call.order, id)));
    over.min().map(|(_, _, id)| id.clone())
}

fn too_many() -> Error {
    Error::new(
        Code::LimitReached,
        format!("{MAX_CALLS} calls are under way, more than that are not carried out"),
    )
    .hint("`tasks/cancel` ends the wait of one")
}

fn unknown(id: &str) -> Error {
    let shown: String = id.chars().filter(char::is_ascii_graphic).take(60).collect();
    Error::new(Code::UnknownCall, format!("there is no call `{shown}`, or its outcome is kept no more"))
        .hint("`get_status` and `get_task_status` tell where things stand")
}

/// 128 bits that nobody can guess, in hexadecimal.
fn random_id() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    if got.is_ok_and(|got| got == bytes.len()) {
        let mut id = String::new();
        for byte in bytes {
            let _ = write!(id, "{byte:02x}");
        }
        return Ok(id);
    }
    Err(Error::new(Code::System, "the system gives no random numbers"))
}

pub(super) type Shared = Arc<Calls>;
