//! A storage host in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::storage::{Access, Dir, Filesystem, Overlay, OverlayOption, Txn, Usage, VolumeOption};
use crate::{Code, Error, Result};

/// One order, with directories as paths beneath the driver's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageOrder {
    /// [`Txn::create_dir`]
    CreateDir {
        /// The directory.
        dir: String,
        /// Permission bits.
        mode: u32,
    },
    /// [`Txn::clone_tree`]
    CloneTree {
        /// The tree to copy.
        source: String,
        /// The directory to fill.
        dest: String,
    },
    /// [`Txn::rename`]
    Rename {
        /// The old name.
        source: String,
        /// The new name.
        dest: String,
    },
    /// [`Txn::remove_tree`]
    RemoveTree {
        /// The tree.
        victim: String,
    },
    /// [`Txn::put_state`]
    PutState {
        /// The key.
        key: String,
        /// The bytes.
        value: Option<Vec<u8>>,
    },
    /// [`Txn::mount_overlay`]
    MountOverlay {
        /// Read-only layers, uppermost first.
        lower: Vec<String>,
        /// The upper and the work directory.
        upper: Option<(String, String)>,
        /// Options.
        options: Vec<OverlayOption>,
    },
    /// [`Txn::mount_bind`]
    MountBind {
        /// The directory.
        source: String,
        /// How.
        access: Access,
    },
    /// [`Txn::create_volume`]
    CreateVolume {
        /// The directory that keeps it.
        dir: String,
        /// Bytes.
        size: u64,
        /// What is made on it.
        filesystem: Filesystem,
    },
    /// [`Txn::snapshot_volume`]
    SnapshotVolume {
        /// The directory of the volume.
        source: String,
        /// The directory that keeps the snapshot.
        dest: String,
    },
    /// [`Txn::grow_volume`]
    GrowVolume {
        /// The directory of the volume.
        dir: String,
        /// Bytes.
        size: u64,
    },
    /// [`Txn::mount_volume`]
    MountVolume {
        /// The directory of the volume.
        source: String,
        /// How.
        access: Access,
        /// Options.
        options: Vec<VolumeOption>,
    },
}

#[derive(Default)]
struct Tree {
    dirs: BTreeSet<String>,
    files: BTreeMap<String, Vec<u8>>,
    usage: BTreeMap<String, Usage>,
    state: BTreeMap<String, Vec<u8>>,
    /// Bytes of the volume that a directory keeps.
    volumes: BTreeMap<String, u64>,
    pool: Vec<(String, String)>,
    facts: Vec<String>,
    denied: Vec<String>,
    orders: Vec<StorageOrder>,
}

/// A storage host for one call after the other. [`FakeStorageHost::apply`]
/// carries out what a call ordered, so that the next call sees it.
pub struct FakeStorageHost {
    tree: Rc<RefCell<Tree>>,
    key: String,
    parents: Vec<String>,
}

/// A directory of a [`FakeStorageHost`].
#[derive(Clone)]
pub struct FakeDir {
    tree: Rc<RefCell<Tree>>,
    path: String,
}

impl FakeStorageHost {
    /// A host with an empty root, called about the snapshot `key`.
    pub fn new(key: &str) -> Self {
        Self {
            tree: Rc::default(),
            key: key.to_owned(),
            parents: Vec::new(),
        }
    }

    /// The same root, called about another snapshot without parents.
    #[must_use]
    pub fn about(&self, key: &str) -> Self {
        Self {
            tree: self.tree.clone(),
            key: key.to_owned(),
            parents: Vec::new(),
        }
    }

    /// Gives the snapshot its committed ancestors, nearest first.
    #[must_use]
    pub fn with_parents(mut self, parents: &[&str]) -> Self {
        self.parents = parents.iter().map(|key| (*key).to_owned()).collect();
        self
    }

    /// Adds something the host found out.
    #[must_use]
    pub fn with_fact(self, fact: &str) -> Self {
        self.tree.borrow_mut().facts.push(fact.to_owned());
        self
    }

    /// Adds a directory that exists, with those above it.
    #[must_use]
    pub fn with_dir(self, path: &str) -> Self {
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            self.tree.borrow_mut().dirs.insert(path[..end].to_owned());
        }
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn with_file(self, path: &str, bytes: &[u8]) -> Self {
        self.tree
            .borrow_mut()
            .files
            .insert(path.to_owned(), bytes.to_owned());
        self
    }

    /// Says what a directory holds; others hold nothing.
    #[must_use]
    pub fn with_usage(self, path: &str, usage: Usage) -> Self {
        self.tree.borrow_mut().usage.insert(path.to_owned(), usage);
        self
    }

    /// Adds a directory that keeps a volume of so many bytes.
    #[must_use]
    pub fn with_volume(self, path: &str, size: u64) -> Self {
        let host = self.with_dir(path);
        host.tree.borrow_mut().volumes.insert(path.to_owned(), size);
        host
    }

    /// Adds what the host knows of the volumes' pool.
    #[must_use]
    pub fn with_pool_status(self, name: &str, value: &str) -> Self {
        let row = (name.to_owned(), value.to_owned());
        self.tree.borrow_mut().pool.push(row);
        self
    }

    /// The volumes there are: the directory of each, and its bytes.
    pub fn volumes(&self) -> Vec<(String, u64)> {
        self.tree.borrow().volumes.clone().into_iter().collect()
    }

    /// Refuses an order (by the name of its method in the contract, such as
    /// `mount-overlay`), as for a plugin without the grant.
    #[must_use]
    pub fn without_grant(self, order: &str) -> Self {
        self.tree.borrow_mut().denied.push(order.to_owned());
        self
    }

    /// Everything ordered since the last [`FakeStorageHost::apply`].
    pub fn orders(&self) -> Vec<StorageOrder> {
        self.tree.borrow().orders.clone()
    }

    /// Paths of all directories there are.
    pub fn dirs(&self) -> Vec<String> {
        self.tree.borrow().dirs.iter().cloned().collect()
    }

    /// Carries out the orders: removals last.
    ///
    /// # Panics
    /// When an order cannot be carried out, as the real host would fail.
    pub fn apply(&self) {
        let mut tree = self.tree.borrow_mut();
        let orders = std::mem::take(&mut tree.orders);
        let (removals, others): (Vec<_>, Vec<_>) = orders
            .into_iter()
            .partition(|order| matches!(order, StorageOrder::RemoveTree { .. }));
        for order in others.into_iter().chain(removals) {
            tree.carry_out(order);
        }
    }

    fn dir(&self, path: &str) -> FakeDir {
        FakeDir {
            tree: self.tree.clone(),
            path: path.to_owned(),
        }
    }

    fn order(&self, name: &str, order: StorageOrder) -> Result<()> {
        let mut tree = self.tree.borrow_mut();
        if tree.denied.iter().any(|denied| denied == name) {
            return Err(Error::denied(format!("the plugin was not granted {name}")));
        }
        tree.orders.push(order);
        Ok(())
    }
}

fn below(path: &str, dir: &str) -> bool {
    path == dir
        || path
            .strip_prefix(dir)
            .is_some_and(|rest| rest.starts_with('/'))
}

impl Tree {
    fn carry_out(&mut self, order: StorageOrder) {
        match order {
            StorageOrder::CreateDir { dir, .. } => {
                let parent = dir.rsplit_once('/').map(|(parent, _)| parent);
                assert!(
                    parent.is_none_or(|parent| self.dirs.contains(parent)),
                    "mkdir {dir}: no parent"
                );
                assert!(self.dirs.insert(dir.clone()), "mkdir {dir}: exists");
            }
            StorageOrder::CloneTree { source, dest } => {
                assert!(self.dirs.contains(&source), "clone {source}: not there");
                assert!(self.dirs.contains(&dest), "clone to {dest}: not there");
            }
            StorageOrder::Rename { source, dest } => {
                assert!(self.dirs.contains(&source), "rename {source}: not there");
                assert!(!self.dirs.contains(&dest), "rename to {dest}: exists");
                let moved = |path: String| {
                    if below(&path, &source) {
                        dest.clone() + &path[source.len()..]
                    } else {
                        path
                    }
                };
                self.dirs = std::mem::take(&mut self.dirs)
                    .into_iter()
                    .map(moved)
                    .collect();
                self.volumes = std::mem::take(&mut self.volumes)
                    .into_iter()
                    .map(|(path, size)| (moved(path), size))
                    .collect();
            }
            StorageOrder::RemoveTree { victim } => {
                self.dirs.retain(|path| !below(path, &victim));
                self.volumes.retain(|path, _| !below(path, &victim));
            }
            StorageOrder::PutState {
                key,
                value: Some(value),
            } => {
                self.state.insert(key, value);
            }
            StorageOrder::PutState { key, value: None } => {
                self.state.remove(&key);
            }
            StorageOrder::MountOverlay { lower, upper, .. } => {
                assert!(!lower.is_empty(), "overlay: no lower directory");
                let upper = upper.into_iter().flat_map(|(upper, work)| [upper, work]);
                for dir in lower.into_iter().chain(upper) {
                    assert!(self.dirs.contains(&dir), "overlay: {dir} is not there");
                }
            }
            StorageOrder::MountBind { source, .. } => {
                assert!(self.dirs.contains(&source), "bind {source}: not there");
            }
            StorageOrder::CreateVolume { dir, size, .. } => self.add_volume(dir, size),
            StorageOrder::SnapshotVolume { source, dest } => {
                let size = self.volume(&source);
                self.add_volume(dest, size);
            }
            StorageOrder::GrowVolume { dir, size } => {
                assert!(self.volume(&dir) <= size, "grow {dir}: it is larger");
                self.volumes.insert(dir, size);
            }
            StorageOrder::MountVolume { source, .. } => {
                self.volume(&source);
            }
        }
    }
}

impl Tree {
    fn volume(&self, dir: &str) -> u64 {
        let found = self.volumes.get(dir).copied();
        found.unwrap_or_else(|| panic!("{dir} keeps no volume"))
    }

    fn add_volume(&mut self, dir: String, size: u64) {
        assert!(self.dirs.contains(&dir), "volume in {dir}: not there");
        let before = self.volumes.insert(dir.clone(), size);
        assert!(before.is_none(), "volume in {dir}: it keeps one");
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
        self.tree.borrow().dirs.contains(&self.path)
    }

    fn entries(&self, after: Option<&str>, max: u32) -> Result<Vec<String>> {
        if !self.exists() {
            return Err(Error::not_found(format!("{}: not found", self.path)));
        }
        let tree = self.tree.borrow();
        let prefix = format!("{}/", self.path);
        let all = tree.dirs.iter().chain(tree.files.keys());
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
        self.tree
            .borrow()
            .files
            .get(&path)
            .cloned()
            .ok_or_else(|| Error::not_found(format!("{path}: not found")))
    }

    fn usage(&self) -> Result<Usage> {
        if !self.exists() {
            return Err(Error::not_found(format!("{}: not found", self.path)));
        }
        Ok(self
            .tree
            .borrow()
            .usage
            .get(&self.path)
            .copied()
            .unwrap_or_default())
    }
}

impl Txn for FakeStorageHost {
    type Dir = FakeDir;

    fn key(&self) -> String {
        self.key.clone()
    }

    fn snapshot(&self) -> Result<FakeDir> {
        match self.key.as_str() {
            "" => Err(Error::invalid("this call is about no snapshot")),
            key => Ok(self.dir(key)),
        }
    }

    fn snapshot_named(&self, key: &str) -> Result<FakeDir> {
        check_name(key)?;
        Ok(self.dir(key))
    }

    fn parents(&self) -> Vec<FakeDir> {
        self.parents.iter().map(|key| self.dir(key)).collect()
    }

    fn snapshots(&self, after: Option<&str>, max: u32) -> Result<Vec<String>> {
        let tree = self.tree.borrow();
        let names = tree.dirs.iter().filter(|path| !path.contains('/')).cloned();
        Ok(page(names, after, max))
    }

    fn facts(&self) -> Vec<String> {
        self.tree.borrow().facts.clone()
    }

    fn state(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.tree.borrow().state.get(key).cloned())
    }

    fn put_state(&self, key: &str, value: Option<&[u8]>) -> Result<()> {
        if value.is_some_and(|value| value.len() > 64 * 1024) {
            return Err(Error::new(
                Code::Exhausted,
                format!("the value of {key:?} is larger than 64 KiB"),
            ));
        }
        self.order(
            "state-put",
            StorageOrder::PutState {
                key: key.to_owned(),
                value: value.map(<[u8]>::to_owned),
            },
        )
    }

    fn create_dir(&self, dir: &FakeDir, mode: u32) -> Result<()> {
        self.order(
            "create-dir",
            StorageOrder::CreateDir {
                dir: dir.path.clone(),
                mode,
            },
        )
    }

    fn clone_tree(&self, source: &FakeDir, dest: &FakeDir) -> Result<()> {
        self.order(
            "clone-tree",
            StorageOrder::CloneTree {
                source: source.path.clone(),
                dest: dest.path.clone(),
            },
        )
    }

    fn rename(&self, source: &FakeDir, dest: &FakeDir) -> Result<()> {
        self.order(
            "rename",
            StorageOrder::Rename {
                source: source.path.clone(),
                dest: dest.path.clone(),
            },
        )
    }

    fn remove_tree(&self, victim: &FakeDir) -> Result<()> {
        self.order(
            "remove-tree",
            StorageOrder::RemoveTree {
                victim: victim.path.clone(),
            },
        )
    }

    fn mount_overlay(&self, overlay: Overlay<'_, FakeDir>) -> Result<()> {
        let order = StorageOrder::MountOverlay {
            lower: overlay.lower.iter().map(|dir| dir.path.clone()).collect(),
            upper: overlay
                .upper
                .map(|upper| (upper.dir.path.clone(), upper.work.path.clone())),
            options: overlay.options.to_owned(),
        };
        self.order("mount-overlay", order)
    }

    fn mount_bind(&self, source: &FakeDir, access: Access) -> Result<()> {
        self.order(
            "mount-bind",
            StorageOrder::MountBind {
                source: source.path.clone(),
                access,
            },
        )
    }
    fn create_volume(&self, dir: &FakeDir, size: u64, filesystem: Filesystem) -> Result<()> {
        let dir = dir.path.clone();
        self.order(
            "create-volume",
            StorageOrder::CreateVolume {
                dir,
                size,
                filesystem,
            },
        )
    }

    fn snapshot_volume(&self, source: &FakeDir, dest: &FakeDir) -> Result<()> {
        self.order(
            "snapshot-volume",
            StorageOrder::SnapshotVolume {
                source: source.path.clone(),
                dest: dest.path.clone(),
            },
        )
    }

    fn grow_volume(&self, dir: &FakeDir, size: u64) -> Result<()> {
        let dir = dir.path.clone();
        self.order("grow-volume", StorageOrder::GrowVolume { dir, size })
    }

    fn mount_volume(
        &self,
        source: &FakeDir,
        access: Access,
        options: &[VolumeOption],
    ) -> Result<()> {
        self.order(
            "mount-volume",
            StorageOrder::MountVolume {
                source: source.path.clone(),
                access,
                options: options.to_owned(),
            },
        )
    }

    fn pool_status(&self) -> Vec<(String, String)> {
        self.tree.borrow().pool.clone()
    }
}
