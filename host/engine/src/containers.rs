//! All containers, by id and by name: the records in memory, written through
//! to the store.
//!
//! A record is shared and never changed in place: who reads one holds it as
//! it was. Names are taken before the record is written and freed after it
//! is deleted, so that no lock is held while the disk works.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bulkhead_model::ContainerId;
use bulkhead_store::{ContainerRow, Durability, Store};
use tokio::sync::watch;

use crate::container::{Container, Phase};
use crate::error::EngineError;
use crate::live::Mailbox;

/// One container, shared by everyone who works on it.
#[derive(Debug)]
pub struct Entry {
    record: Mutex<Arc<Container>>,
    operation: Mutex<()>,
    root: RwLock<()>,
    /// How many wait for `root`.
    waiting: watch::Sender<usize>,
    phase: watch::Sender<Phase>,
    /// How its driver is reached.
    pub(crate) mailbox: Mailbox,
}

impl Entry {
    fn new(record: Container) -> Self {
        Self {
            phase: watch::Sender::new(Phase::of(&record)),
            record: Mutex::new(Arc::new(record)),
            operation: Mutex::new(()),
            root: RwLock::new(()),
            waiting: watch::Sender::new(0),
            mailbox: Mailbox::default(),
        }
    }

    /// The record as it stands.
    pub fn record(&self) -> Arc<Container> {
        Arc::clone(&self.lock())
    }

    /// Keeps its driver's work apart from changes of other parts of it, such
    /// as its networks.
    pub(crate) fn exclusive(&self) -> MutexGuard<'_, ()> {
        self.operation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at files of its root filesystem where it is mounted already. A
    /// start waits for those who do: what they hold keeps it mounted, and no
    /// writable layer may be mounted twice.
    pub(crate) fn share_root(&self) -> RwLockReadGuard<'_, ()> {
        self.wait_for_root(|root| root.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Mounts its root filesystem, as nobody else does meanwhile.
    pub(crate) fn mount_root(&self) -> RwLockWriteGuard<'_, ()> {
        self.wait_for_root(|root| root.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn wait_for_root<'a, G>(&'a self, take: impl FnOnce(&'a RwLock<()>) -> G) -> G {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let guard = take(&self.root);
        self.waiting.send_modify(|waiting| *waiting -= 1);
        guard
    }

    /// How many wait until its root filesystem is not looked at any more. Who
    /// looks at it at a client's pace gives up when the client stalls and
    /// somebody waits.
    pub fn waiting_for_root(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }

    /// Follows its life.
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Whether it runs, or is about to.
    pub(crate) fn is_active(&self) -> bool {
        self.phase.borrow().active
    }

    pub(crate) fn set_phase(&self, change: impl FnOnce(&mut Phase)) {
        self.phase.send_modify(change);
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Container>> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<ContainerId, Arc<Entry>>,
    names: HashMap<String, ContainerId>,
}

/// The table of containers.
#[derive(Debug)]
pub struct Containers {
    store: Arc<Store>,
    table: RwLock<Table>,
    /// Counts changes.
    generation: AtomicU64,
}

impl Containers {
    /// Reads every record.
    pub fn load(store: Arc<Store>) -> Result<Self, EngineError> {
        let mut table = Table::default();
        for row in store.containers()? {
            let record: Container =
                serde_json::from_str(&row.json).map_err(|source| EngineError::Record {
                    id: row.id.to_string(),
                    source,
                })?;
            table.names.insert(record.name.clone(), record.id.clone());
            let id = record.id.clone();
            table.entries.insert(id, Arc::new(Entry::new(record)));
        }
        Ok(Self {
            store,
            table: RwLock::new(table),
            generation: AtomicU64::new(0),
        })
    }

    /// A number that is another one after each change of a record.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Comes after the change, so that nobody who reads the new number sees
    /// what was before.
    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Every container, oldest first.
    pub fn all(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = self.read(|table| table.entries.values().cloned().collect());
        all.sort_by_cached_key(|entry| entry.record().created_at);
        all
    }

    /// By full id, by name (a leading slash is Docker's), or by a unique prefix of the id.
    pub fn find(&self, text: &str) -> Result<Arc<Entry>, EngineError> {
        let name = text.strip_prefix('/').unwrap_or(text);
        self.read(|table| {
            if let Some(entry) = table.entries.get(text) {
                return Ok(entry.clone());
            }
            let named = table.names.get(name);
            if let Some(entry) = named.and_then(|id| table.entries.get(id)) {
                return Ok(entry.clone());
            }
            let mut matches = table
                .entries
                .range::<str, _>((Bound::Included(text), Bound::Unbounded))
                .take_while(|(id, _)| !text.is_empty() && id.as_str().starts_with(text));
            match (matches.next(), matches.next()) {
                (Some((_, entry)), None) => Ok(entry.clone()),
                (Some(_), Some(_)) => Err(EngineError::AmbiguousPrefix(text.to_owned())),
                _ => Err(EngineError::NoSuchContainer(text.to_owned())),
            }
        })
    }

    /// Writes a new container, whose name must be free.
    pub fn insert(&self, record: Container) -> Result<Arc<Entry>, EngineError> {
        self.take_name(&record.name, &record.id)?;
        if let Err(error) = self.write(&record, durability(&record)) {
            self.free_name(&record.name, &record.id);
            return Err(error);
        }
        let id = record.id.clone();
        let entry = Arc::new(Entry::new(record));
        self.change(|table| table.entries.insert(id, entry.clone()));
        Ok(entry)
    }

    /// Changes a record, in memory only after the store has it. What changes
    /// is whether it runs, which a power cut makes untrue anyway.
    pub fn update(
        &self,
        entry: &Entry,
        change: impl FnOnce(&mut Container),
    ) -> Result<Arc<Container>, EngineError> {
        let mut current = entry.lock();
        let mut next = Container::clone(&current);
        change(&mut next);
        self.write(&next, Durability::Crash)?;
        *current = Arc::new(next);
        self.changed();
        Ok(Arc::clone(&current))
    }

    /// Changes a record in memory alone: what the next engine finds out anew.
    pub(crate) fn note(&self, entry: &Entry, change: impl FnOnce(&mut Container)) {
        change(Arc::make_mut(&mut entry.lock()));
        self.changed();
    }

    /// Gives a container another name, which must be free.
    pub(crate) fn rename(&self, entry: &Entry, name: &str) -> Result<(), EngineError> {
        let before = entry.record();
        self.take_name(name, &before.id)?;
        let renamed = {
            let mut current = entry.lock();
            let mut next = Container::clone(&current);
            next.name = name.to_owned();
            (self.write(&next, durability(&next))).map(|()| *current = Arc::new(next))
        };
        let freed = if renamed.is_ok() { &before.name } else { name };
        self.free_name(freed, &before.id);
        renamed
    }

    /// Forgets a container; its name is free.
    pub fn delete(&self, id: &ContainerId) -> Result<(), EngineError> {
        let Some(entry) = self.read(|table| table.entries.get(id).cloned()) else {
            return Ok(());
        };
        let record = entry.record();
        self.store.delete_container(id, durability(&record))?;
        self.change(|table| {
            table.names.remove(&record.name);
            table.entries.remove(id);
        });
        entry.set_phase(|phase| {
            phase.removed = true;
            phase.active = false;
        });
        Ok(())
    }

    fn take_name(&self, name: &str, id: &ContainerId) -> Result<(), EngineError> {
        self.change(|table| match table.names.get(name) {
            Some(holder) => Err(EngineError::NameInUse {
                name: name.to_owned(),
                holder: holder.to_string(),
            }),
            None => {
                table.names.insert(name.to_owned(), id.clone());
                Ok(())
            }
        })
    }

    fn free_name(&self, name: impl AsRef<str>, id: &ContainerId) {
        self.change(|table| {
            let name = name.as_ref();
            if table.names.get(name) == Some(id) {
                table.names.remove(name);
            }
        });
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

    fn read<T>(&self, look: impl FnOnce(&Table) -> T) -> T {
        look(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let changed = change(&mut self.table.write().unwrap_or_else(PoisonError::into_inner));
        self.changed();
        changed
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
