//! A storage host in memory.

mod contents;
mod judge;
mod subvolumes;
mod tree;
mod txn;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::storage::{Access, Dir, Filesystem, OverlayOption, Pool, Purpose, Usage, VolumeOption};
use crate::{Error, Result};

pub use contents::LayerChange;
pub(crate) use contents::mount_of;
pub(crate) use judge::name as order_name;
pub use subvolumes::Subvolume;
use tree::{Node, Tree};

/// One order, with directories as paths beneath the driver's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageOrder {
    /// [`Txn::create_dir`](crate::storage::Txn::create_dir)
    CreateDir {
        /// The directory.
        dir: String,
        /// Permission bits.
        mode: u32,
    },
    /// [`Txn::clone_tree`](crate::storage::Txn::clone_tree)
    CloneTree {
        /// The tree to copy.
        source: String,
        /// The directory to fill.
        dest: String,
    },
    /// [`Txn::rename`](crate::storage::Txn::rename)
    Rename {
        /// The old name.
        source: String,
        /// The new name.
        dest: String,
    },
    /// [`Txn::remove_tree`](crate::storage::Txn::remove_tree)
    RemoveTree {
        /// The tree.
        victim: String,
    },
    /// [`Txn::put_state`](crate::storage::Txn::put_state)
    PutState {
        /// The key.
        key: String,
        /// The bytes.
        value: Option<Vec<u8>>,
    },
    /// [`Txn::mount_overlay`](crate::storage::Txn::mount_overlay)
    MountOverlay {
        /// Read-only layers, uppermost first.
        lower: Vec<String>,
        /// The upper and the work directory.
        upper: Option<(String, String)>,
        /// Options.
        options: Vec<OverlayOption>,
    },
    /// [`Txn::mount_bind`](crate::storage::Txn::mount_bind)
    MountBind {
        /// The directory.
        source: String,
        /// How.
        access: Access,
    },
    /// [`Txn::create_volume`](crate::storage::Txn::create_volume)
    CreateVolume {
        /// The directory that keeps it.
        dir: String,
        /// Bytes.
        size: u64,
        /// What is made on it.
        filesystem: Filesystem,
    },
    /// [`Txn::snapshot_volume`](crate::storage::Txn::snapshot_volume)
    SnapshotVolume {
        /// The directory of the volume.
        source: String,
        /// The directory that keeps the snapshot.
        dest: String,
    },
    /// [`Txn::grow_volume`](crate::storage::Txn::grow_volume)
    GrowVolume {
        /// The directory of the volume.
        dir: String,
        /// Bytes.
        size: u64,
    },
    /// [`Txn::mount_volume`](crate::storage::Txn::mount_volume)
    MountVolume {
        /// The directory of the volume.
        source: String,
        /// How.
        access: Access,
        /// Options.
        options: Vec<VolumeOption>,
    },
    /// [`Txn::create_subvolume`](crate::storage::Txn::create_subvolume)
    CreateSubvolume {
        /// The subvolume.
        dir: String,
        /// Permission bits.
        mode: u32,
    },
    /// [`Txn::snapshot_subvolume`](crate::storage::Txn::snapshot_subvolume)
    SnapshotSubvolume {
        /// The subvolume to take a snapshot of.
        source: String,
        /// The new one.
        dest: String,
        /// Whether it can be changed.
        access: Access,
    },
    /// [`Txn::seal_subvolume`](crate::storage::Txn::seal_subvolume)
    SealSubvolume {
        /// The subvolume.
        dir: String,
    },
    /// [`Txn::limit_subvolume`](crate::storage::Txn::limit_subvolume)
    LimitSubvolume {
        /// The subvolume.
        dir: String,
        /// Its limit.
        bytes: u64,
    },
    /// [`Txn::limit_dir`](crate::storage::Txn::limit_dir)
    LimitDir {
        /// The directory.
        dir: String,
        /// Its limit.
        bytes: u64,
    },
    /// [`Txn::pool`](crate::storage::Txn::pool)
    Pool(Pool),
}

/// What a call is for; it decides what may be ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `probe`
    Probe,
    /// `prepare`
    Prepare(Purpose),
    /// `mounts`
    Mounts(Purpose),
    /// `commit`, with the committed name.
    Commit(String),
    /// `remove`
    Remove,
    /// `usage`
    Usage,
    /// `gc`, with what is alive.
    Gc(Vec<String>),
}

/// A storage host for one call after the other. [`FakeStorageHost::apply`]
/// carries out what a call ordered, so that the next call sees it.
#[derive(Clone)]
pub struct FakeStorageHost {
    tree: Arc<Mutex<Tree>>,
    key: String,
    parents: Vec<String>,
    size: Option<u64>,
    operation: Option<Operation>,
}

/// A directory of a [`FakeStorageHost`].
#[derive(Clone)]
pub struct FakeDir {
    tree: Arc<Mutex<Tree>>,
    path: String,
}

fn lock(tree: &Mutex<Tree>) -> MutexGuard<'_, Tree> {
    tree.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeStorageHost {
    /// A host with an empty root, called about the snapshot `key`.
    pub fn new(key: &str) -> Self {
        Self {
            tree: Arc::default(),
            key: key.to_owned(),
            parents: Vec::new(),
            size: None,
            operation: None,
        }
    }

    /// The same root, called about another snapshot without parents.
    #[must_use]
    pub fn about(&self, key: &str) -> Self {
        Self {
            tree: self.tree.clone(),
            key: key.to_owned(),
            parents: Vec::new(),
            size: None,
            operation: None,
        }
    }

    /// Gives the snapshot its committed ancestors, nearest first.
    #[must_use]
    pub fn with_parents(mut self, parents: &[&str]) -> Self {
        self.parents = parents.iter().map(|key| (*key).to_owned()).collect();
        self
    }

    /// Judges orders as the real host does for this operation; without it
    /// every order is taken.
    #[must_use]
    pub fn during(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Adds something the host found out.
    #[must_use]
    pub fn with_fact(self, fact: &str) -> Self {
        lock(&self.tree).facts.push(fact.to_owned());
        self
    }

    /// Adds a directory that exists, with those above it.
    #[must_use]
    pub fn with_dir(self, path: &str) -> Self {
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            lock(&self.tree).dirs.insert(path[..end].to_owned());
        }
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn with_file(self, path: &str, bytes: &[u8]) -> Self {
        let file = Node::File(bytes.to_owned());
        lock(&self.tree).nodes.insert(path.to_owned(), file);
        self
    }

    /// Says what a directory holds; others hold nothing.
    #[must_use]
    pub fn with_usage(self, path: &str, usage: Usage) -> Self {
        lock(&self.tree).usage.insert(path.to_owned(), usage);
        self
    }

    /// Adds a directory that keeps a volume of so many bytes.
    #[must_use]
    pub fn with_volume(self, path: &str, size: u64) -> Self {
        let host = self.with_dir(path);
        lock(&host.tree).volumes.insert(path.to_owned(), size);
        host
    }

    /// Adds what the host knows of the volumes' pool.
    #[must_use]
    pub fn with_pool_status(self, name: &str, value: &str) -> Self {
        let row = (name.to_owned(), value.to_owned());
        lock(&self.tree).pool.push(row);
        self
    }

    /// The volumes there are: the directory of each, and its bytes.
    pub fn volumes(&self) -> Vec<(String, u64)> {
        lock(&self.tree).volumes.clone().into_iter().collect()
    }

    /// Refuses an order (by the name of its method in the contract, such as
    /// `mount-overlay`), as for a plugin without the grant.
    #[must_use]
    pub fn without_grant(self, order: &str) -> Self {
        lock(&self.tree).denied.push(order.to_owned());
        self
    }

    /// Everything ordered since the last [`FakeStorageHost::apply`].
    pub fn orders(&self) -> Vec<StorageOrder> {
        lock(&self.tree).orders.clone()
    }

    /// Paths of all directories there are.
    pub fn dirs(&self) -> Vec<String> {
        lock(&self.tree).dirs.iter().cloned().collect()
    }

    /// Everything ordered since the last [`FakeStorageHost::apply`], which is
    /// now forgotten here.
    pub fn take_orders(&self) -> Vec<StorageOrder> {
        std::mem::take(&mut lock(&self.tree).orders)
    }

    /// Carries out the orders: removals last.
    ///
    /// # Panics
    /// When an order cannot be carried out, as the real host would fail.
    pub fn apply(&self) {
        if let Err(reason) = self.carry_out(&self.take_orders()) {
            panic!("{reason}");
        }
    }

    /// Carries out orders: removals last, and all or none.
    ///
    /// # Errors
    /// Why the real host would fail.
    pub fn carry_out(&self, orders: &[StorageOrder]) -> std::result::Result<(), String> {
        lock(&self.tree).carry_out_all(orders)
    }

    /// Carries out the first `steps` of the orders and no more, as a host that
    /// is killed on the way.
    ///
    /// # Errors
    /// Why the real host would fail.
    pub fn carry_out_some(
        &self,
        orders: &[StorageOrder],
        steps: usize,
    ) -> std::result::Result<(), String> {
        let mut tree = lock(&self.tree);
        let mut first = tree::in_turn(orders).take(steps);
        first.try_for_each(|order| tree.carry_out(order))
    }

    /// Takes an order into the plan, or refuses it, as for the driver's own call.
    ///
    /// # Errors
    /// What the driver would be told.
    pub fn record(&self, order: StorageOrder) -> Result<()> {
        self.order(judge::name(&order), order)
    }

    /// The committed ancestors of the snapshot that is called about, nearest first.
    pub fn parent_keys(&self) -> &[String] {
        &self.parents
    }

    /// A directory by its path beneath the driver's root.
    pub fn dir_at(&self, path: &str) -> FakeDir {
        self.dir(path)
    }

    /// The keys under which the driver keeps bytes.
    pub fn state_keys(&self) -> Vec<String> {
        lock(&self.tree).state.keys().cloned().collect()
    }

    /// Puts bytes where the driver kept its own, as a damaged disk would.
    pub fn damage_state(&self, key: &str, bytes: &[u8]) {
        let mut tree = lock(&self.tree);
        tree.state.insert(key.to_owned(), bytes.to_owned());
    }

    fn dir(&self, path: &str) -> FakeDir {
        FakeDir {
            tree: self.tree.clone(),
            path: path.to_owned(),
        }
    }

    fn order(&self, name: &str, order: StorageOrder) -> Result<()> {
        judge::order(self, &order)?;
        let mut tree = lock(&self.tree);
        if tree.denied.iter().any(|denied| denied == name) {
            return Err(Error::denied(format!("the plugin was not granted {name}")));
        }
        tree.orders.push(order);
        Ok(())
    }
}

fn check_name(name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=128).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.') {
        return Ok(());
    }
    Err(Error::invalid(format!("{name:?} is not a directory name")))
}

fn page(names: impl Iterator<Item = String>, after: Option<&str>, max: u32) -> Vec<String> {
    let sorted: BTreeSet<String> = names.collect();
    sorted
        .into_iter()
        .filter(|name| after.is_none_or(|after| name.as_str() > after))
        .take(max as usize)
        .collect()
}

impl Dir for FakeDir {
    fn child(&self, name: &str) -> Result<Self> {
        check_name(name)?;
        Ok(Self {
            tree: self.tree.clone(),
            path: format!("{}/{name}", self.path),
        })
    }

    fn exists(&self) -> bool {
        lock(&self.tree).dirs.contains(&self.path)
    }

    fn entries(&self, after: Option<&str>, max: u32) -> Result<Vec<String>> {
        if !self.exists() {
            return Err(Error::not_found(format!("{}: not found", self.path)));
        }
        let tree = lock(&self.tree);
        let prefix = format!("{}/", self.path);
        let all = tree.dirs.iter().chain(tree.nodes.keys());
        let names = all.filter_map(|path| {
            path.strip_prefix(&prefix)?
                .split('/')
                .next()
                .map(str::to_owned)
        });
        Ok(page(names, after, max))
    }

    fn read_small(&self, name: &str) -> Result<Vec<u8>> {
        check_name(name)?;
        let path = format!("{}/{name}", self.path);
        match lock(&self.tree).nodes.get(&path) {
            Some(Node::File(bytes)) => Ok(bytes.clone()),
            _ => Err(Error::not_found(format!("{path}: not found"))),
        }
    }

    fn usage(&self) -> Result<Usage> {
        if !self.exists() {
            return Err(Error::not_found(format!("{}: not found", self.path)));
        }
        Ok(lock(&self.tree).usage(&self.path))
    }

    fn usage_over(&self, base: &Self) -> Result<Usage> {
        if let Some(missing) = [self, base].into_iter().find(|dir| !dir.exists()) {
            return Err(Error::not_found(format!("{}: not found", missing.path)));
        }
        Ok(lock(&self.tree).usage_over(&self.path, &base.path))
    }
}
