//! Live containers: each is owned by one task, its driver, which alone
//! changes its state.
//!
//! ```text
//! operation ──request──▶ mailbox ─▶ driver ──decides──▶ model::container::Life
//!     ▲                               │ ▲
//!     └────────────answer─────────────┘ └── the shim's end, timers, probes
//! ```
//!
//! Kernel work of one container is done in turn, on a thread that may block.
//! Waiting (a stop's grace, the back-off before a restart, a probe) is a
//! deadline in the driver and holds nothing up: a kill during a stop is
//! served at once.

mod driver;
mod ends;
mod probe;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulkhead_model::container::{Decision, Request};
use bulkhead_model::process::Running;
use tokio::sync::{mpsc, oneshot};

use crate::Engine;
use crate::containers::Entry;
use crate::error::EngineError;

pub(crate) use driver::Driver;
pub use driver::End;

/// Requests that may wait for one container; more wait at the door.
const QUEUE: usize = 32;

/// Where an answer goes.
pub(crate) type Reply<T = Decision> = oneshot::Sender<Result<T, EngineError>>;

/// A change of the record, with what the kernel has to know of it.
pub(crate) type Change = Box<dyn FnOnce(&Engine, &Entry) -> Result<(), EngineError> + Send>;

/// What a driver is asked for.
pub(crate) enum Message {
    Start(Reply),
    Stop(Ending, Reply),
    Kill(i32, Reply),
    Pause(Pausing, Reply),
    Unpause(Reply),
    Restart(Ending, Reply),
    Change(Request, Change, Reply),
    Remove {
        force: bool,
        volumes: bool,
        reply: Reply,
    },
}

/// Who freezes a container, and so has to thaw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pausing {
    /// Somebody who asked for it.
    User,
    /// The engine, for as long as one operation takes.
    Engine,
}

/// How a process is asked to end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ending {
    /// The signal; the container's own when absent.
    pub(crate) signal: Option<i32>,
    /// Seconds until it is killed; the container's own when absent, never
    /// when negative.
    pub(crate) timeout: Option<i64>,
}

/// How a driver begins.
#[derive(Debug)]
pub(crate) enum Begin {
    /// Nothing runs.
    Rest,
    /// A process runs.
    Follow(Running),
    /// Its restart policy starts it after this time.
    StartIn(Duration),
}

/// The way to a driver. It can be written to before the driver runs.
#[derive(Debug)]
pub(crate) struct Mailbox {
    sender: mpsc::Sender<Message>,
    receiver: Mutex<Option<mpsc::Receiver<Message>>>,
}

impl Default for Mailbox {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }
}

impl Mailbox {
    /// The driver's end, once.
    fn open(&self) -> Option<mpsc::Receiver<Message>> {
        self.receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Asks and waits for the answer; `None` when the container is gone.
    pub(crate) async fn ask<T>(
        &self,
        message: impl FnOnce(Reply<T>) -> Message,
    ) -> Option<Result<T, EngineError>> {
        let (reply, answer) = oneshot::channel();
        self.sender.send(message(reply)).await.ok()?;
        answer.await.ok()
    }
}

impl Engine {
    /// Gives a container its driver.
    pub(crate) fn drive(&self, entry: &Arc<Entry>, begin: Begin) {
        let (Some(engine), Some(mailbox)) = (self.me.upgrade(), entry.mailbox.open()) else {
            return;
        };
        let driver = Driver::new(engine, entry.clone());
        self.handle.spawn(driver.run(mailbox, begin));
    }

    /// Asks a container's driver.
    pub(crate) async fn request(
        &self,
        id: &str,
        message: impl FnOnce(Reply) -> Message,
    ) -> Result<Decision, EngineError> {
        let entry = self.containers.find(id)?;
        let gone = || Err(EngineError::NoSuchContainer(id.to_owned()));
        entry.mailbox.ask(message).await.unwrap_or_else(gone)
    }

    /// Carries out a change in a container's turn, when `request` is allowed.
    pub(crate) async fn change(
        &self,
        id: &str,
        request: Request,
        change: impl FnOnce(&Engine, &Entry) -> Result<(), EngineError> + Send + 'static,
    ) -> Result<Decision, EngineError> {
        let change = Box::new(change);
        self.request(id, |reply| Message::Change(request, change, reply))
            .await
    }
}
