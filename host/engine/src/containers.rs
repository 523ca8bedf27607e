//! All containers, by id and by name: the records in memory, written through
//! to the store, and one lock each that keeps its operations apart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use bulkhead_model::ContainerId;
use bulkhead_model::container::State;
use bulkhead_store::{ContainerRow, Durability, Store};
use tokio::sync::watch;

use crate::container::{Container, Phase};
use crate::error::EngineError;

/// One container, shared by everyone who works on it.
#[derive(Debug)]
pub struct Entry {
    record: Mutex<Container>,
    operation: Mutex<()>,
    phase: watch::Sender<Phase>,
}

impl Entry {
    fn new(record: Container) -> Self {
        let code = match &record.state {
            State::Exited { status, .. } => status.code,
            _ => 0,
        };
        let phase = Phase {
            running: record.state.is_running(),
            exits: record.exits,
            code,
            removed: false,
        };
        Self {
            record: Mutex::new(record),
            operation: Mutex::new(()),
            phase: watch::Sender::new(phase),
        }
    }

    /// The record as it stands.
    pub fn record(&self) -> Container {
        self.record.lock().expect("record lock").clone()
    }

    /// Keeps start, exit and removal of this container apart.
    pub(crate) fn exclusive(&self) -> MutexGuard<'_, ()> {
        self.operation
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Follows its life.
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(crate) fn set_phase(&self, change: impl FnOnce(&mut Phase)) {
        self.phase.send_modify(change);
    }
}

/// The table of containers.
#[derive(Debug)]
pub struct Containers {
    store: Arc<Store>,
    entries: RwLock<BTreeMap<ContainerId, Arc<Entry>>>,
}

impl Containers {
    /// Reads every record.
    pub fn load(store: Arc<Store>) -> Result<Self, EngineError> {
        let mut entries = BTreeMap::new();
        for row in store.containers()? {
            let record: Container =
                serde_json::from_str(&row.json).map_err(|source| EngineError::Record {
                    id: row.id.to_string(),
                    source,
                })?;
            entries.insert(record.id.clone(), Arc::new(Entry::new(record)));
        }
        Ok(Self {
            store,
            entries: RwLock::new(entries),
        })
    }

    /// Every container, oldest first.
    pub fn all(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = self
            .entries
            .read()
            .expect("container table")
            .values()
            .cloned()
            .collect();
        all.sort_by_key(|e| e.record.lock().expect("record lock").created_at);
        all
    }

    /// By full id, by name (a leading slash is Docker's), or by a unique prefix of the id.
    pub fn find(&self, text: &str) -> Result<Arc<Entry>, EngineError> {
        let entries = self.entries.read().expect("container table");
        let name = text.strip_prefix('/').unwrap_or(text);
        if let Some(entry) = text
            .parse::<ContainerId>()
            .ok()
            .and_then(|id| entries.get(&id))
        {
            return Ok(entry.clone());
        }
        if let Some(entry) = entries
            .values()
            .find(|e| e.record.lock().expect("record lock").name == name)
        {
            return Ok(entry.clone());
        }
        let mut matches = entries
            .iter()
            .filter(|(id, _)| !text.is_empty() && id.as_str().starts_with(text));
        match (matches.next(), matches.next()) {
            (Some((_, entry)), None) => Ok(entry.clone()),
            (Some(_), Some(_)) => Err(EngineError::AmbiguousPrefix(text.to_owned())),
            _ => Err(EngineError::NoSuchContainer(text.to_owned())),
        }
    }

    /// Writes a new container, whose name must be free.
    pub fn insert(&self, record: Container) -> Result<Arc<Entry>, EngineError> {
        let mut entries = self.entries.write().expect("container table");
        if let Some(holder) = entries
            .values()
            .map(|e| e.record())
            .find(|r| r.name == record.name)
        {
            return Err(EngineError::NameInUse {
                name: record.name,
                holder: holder.id.to_string(),
            });
        }
        self.write(&record, durability(&record))?;
        let entry = Arc::new(Entry::new(record.clone()));
        entries.insert(record.id, entry.clone());
        Ok(entry)
    }

    /// Changes a record, in memory only after the store has it. What changes
    /// is whether it runs, which a power cut makes untrue anyway.
    pub fn update(
        &self,
        entry: &Entry,
        change: impl FnOnce(&mut Container),
    ) -> Result<Container, EngineError> {
        let mut current = entry.record.lock().expect("record lock");
        let mut next = current.clone();
        change(&mut next);
        self.write(&next, Durability::Crash)?;
        *current = next.clone();
        Ok(next)
    }

    /// Forgets a container.
    pub fn delete(&self, id: &ContainerId) -> Result<(), EngineError> {
        if let Some(entry) = self.entries.read().expect("container table").get(id) {
            self.store
                .delete_container(id, durability(&entry.record()))?;
        }
        if let Some(entry) = self.entries.write().expect("container table").remove(id) {
            entry.set_phase(|p| {
                p.removed = true;
                p.running = false;
            });
        }
        Ok(())
    }

    fn write(&self, record: &Container, durability: Durability) -> Result<(), EngineError> {
        let json = serde_json::to_string(record).map_err(|source| EngineError::Record {
            id: record.id.to_string(),
            source,
        })?;
        let row = ContainerRow {
            id: record.id.clone(),
            name: record.name.clone(),
            image: record.image_id.parse().ok(),
            state: record.state.status().to_owned(),
            json,
        };
        Ok(self.store.put_container(&row, durability)?)
    }
}

/// That a container exists survives a power cut once the client was told;
/// one that goes with its end is not worth a disk flush.
fn durability(record: &Container) -> Durability {
    if record.spec.auto_remove {
        Durability::Crash
    } else {
        Durability::PowerCut
    }
}
