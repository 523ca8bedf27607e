//! Clients of a container's streams: those that come before the start wait
//! here and go along with it, the others go to the runtime at once.
//!
//! ```text
//! reserve ─▶ Slot ──fulfil──▶ waiting ──start──▶ the shim
//!              │                 │
//!              └──dropped        └──the container runs already──▶ the shim
//! ```
//!
//! A slot is made before the client is told that it is attached, and fulfilled
//! once its connection is free; a start waits for slots in between.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bulkhead_model::ContainerId;
use bulkhead_model::process::{Attachment, ProcessRef};

use crate::Engine;
use crate::error::EngineError;

/// How long a start waits for connections that are being taken over.
const PATIENCE: Duration = Duration::from_secs(2);

/// Clients that wait for each container.
#[derive(Clone, Debug, Default)]
pub struct Waiting(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    table: Mutex<HashMap<ContainerId, Clients>>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Clients {
    /// Slots that are neither fulfilled nor dropped.
    under_way: usize,
    ready: Vec<Attachment>,
}

/// A place for a client whose connection is not free yet.
#[derive(Debug)]
pub struct Slot {
    waiting: Waiting,
    id: ContainerId,
}

impl Waiting {
    /// A place among a container's clients.
    pub fn reserve(&self, id: &ContainerId) -> Slot {
        self.table().entry(id.clone()).or_default().under_way += 1;
        Slot {
            waiting: self.clone(),
            id: id.clone(),
        }
    }

    /// Takes the clients that are ready, after a moment for those that are
    /// about to be.
    fn collect(&self, id: &ContainerId) -> Vec<Attachment> {
        let until = Instant::now() + PATIENCE;
        let mut table = self.table();
        while table.get(id).is_some_and(|clients| clients.under_way > 0) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.0.changed.wait_timeout(table, left);
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        take(&mut table, id)
    }

    /// Takes the clients that are ready now.
    fn take(&self, id: &ContainerId) -> Vec<Attachment> {
        take(&mut self.table(), id)
    }

    /// Lets go of clients that `gone` says have hung up.
    pub fn prune(&self, gone: impl Fn(&Attachment) -> bool) {
        self.table().retain(|_, clients| {
            clients.ready.retain(|client| !gone(client));
            clients.under_way > 0 || !clients.ready.is_empty()
        });
    }

    fn table(&self) -> MutexGuard<'_, HashMap<ContainerId, Clients>> {
        let table = self.0.table.lock();
        table.unwrap_or_else(PoisonError::into_inner)
    }
}

fn take(table: &mut HashMap<ContainerId, Clients>, id: &ContainerId) -> Vec<Attachment> {
    let Some(clients) = table.get_mut(id) else {
        return Vec::new();
    };
    let ready = std::mem::take(&mut clients.ready);
    if clients.under_way == 0 {
        table.remove(id);
    }
    ready
}

impl Slot {
    fn fulfil(self, attachment: Attachment) {
        let mut table = self.waiting.table();
        let clients = table.entry(self.id.clone()).or_default();
        clients.ready.push(attachment);
        // The slot itself counts until it is dropped, below.
        drop(table);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.waiting.table();
        if let Some(clients) = table.get_mut(&self.id) {
            clients.under_way -= 1;
            if clients.under_way == 0 && clients.ready.is_empty() {
                table.remove(&self.id);
            }
        }
        self.waiting.0.changed.notify_all();
    }
}

impl Engine {
    /// Hands a client's connection over: to the container if it runs, else to
    /// its next start. A client of a container that is gone is let go.
    pub fn attach(&self, slot: Slot, attachment: Attachment) -> Result<(), EngineError> {
        let id = slot.id.clone();
        let entry = self.containers.find(id.as_str())?;
        self.events.container(&entry.record(), "attach", []);
        slot.fulfil(attachment);
        // A start that did not see it looks once more when it is done.
        if entry.record().state.is_running() {
            self.attach_waiting(&id)?;
        }
        Ok(())
    }

    /// Attaches those who came while the container was being started.
    pub(crate) fn attach_waiting(&self, id: &ContainerId) -> Result<(), EngineError> {
        let process = ProcessRef::first(id);
        for attachment in self.waiting.take(id) {
            self.runtime.attach(&process, attachment)?;
        }
        Ok(())
    }

    /// The clients that go along with a start.
    pub(crate) fn clients_of(&self, id: &ContainerId) -> Vec<Attachment> {
        self.waiting.collect(id)
    }

    /// Ends the connections of those who waited for a start that failed, or
    /// for a container that is gone.
    pub(crate) fn let_clients_go(&self, id: &ContainerId) {
        drop(self.waiting.take(id));
    }

    /// A client left by its keys.
    pub fn detached(&self, id: &ContainerId) {
        if let Ok(entry) = self.containers.find(id.as_str()) {
            self.events.container(&entry.record(), "detach", []);
        }
    }

    /// Tells a container's terminal its size.
    ///
    /// # Errors
    /// It does not run.
    pub fn resize(&self, id: &str, columns: u16, rows: u16) -> Result<(), EngineError> {
        let record = self.containers.find(id)?.record();
        if !record.state.is_running() {
            return Err(EngineError::NotRunning {
                id: record.id.to_string(),
            });
        }
        let process = ProcessRef::first(&record.id);
        self.runtime.resize(&process, columns, rows)?;
        let (height, width) = (rows.to_string(), columns.to_string());
        let size = [("height", height.as_str()), ("width", width.as_str())];
        self.events.container(&record, "resize", size);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn id() -> ContainerId {
        ContainerId::from_bytes([7; 32])
    }

    fn client() -> (UnixStream, Attachment) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let attachment = Attachment {
            stream: theirs.into(),
            early: Vec::new(),
            stdin: false,
            stdout: true,
            stderr: true,
            framed: true,
            close_stdin: false,
            detach_keys: Vec::new(),
        };
        (ours, attachment)
    }

    #[test]
    fn a_start_waits_for_a_connection_that_is_being_taken_over() {
        let waiting = Waiting::default();
        let slot = waiting.reserve(&id());
        let late = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            slot.fulfil(client().1);
        });
        let begin = Instant::now();
        assert_eq!(waiting.collect(&id()).len(), 1);
        assert!(begin.elapsed() < PATIENCE);
        late.join().unwrap();
        assert!(waiting.table().is_empty());
    }

    #[test]
    fn a_connection_that_never_comes_is_not_waited_for_long() {
        let waiting = Waiting::default();
        drop(waiting.reserve(&id()));
        assert!(waiting.collect(&id()).is_empty());
        let stuck = waiting.reserve(&id());
        assert!(waiting.collect(&id()).is_empty());
        stuck.fulfil(client().1);
        assert_eq!(waiting.take(&id()).len(), 1);
        assert!(waiting.table().is_empty());
    }

    #[test]
    fn clients_that_hung_up_are_let_go() {
        let waiting = Waiting::default();
        waiting.reserve(&id()).fulfil(client().1);
        waiting.prune(|_| false);
        assert_eq!(waiting.table().len(), 1);
        waiting.prune(|_| true);
        assert!(waiting.table().is_empty());
    }
}
