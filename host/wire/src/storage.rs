//! A storage driver's calls.

use serde::{Deserialize, Serialize};

/// What the driver may read without asking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The snapshot's key; empty for `probe` and `gc`.
    pub key: String,
    /// How many committed ancestors there are.
    pub parents: u32,
    /// What the host found out about kernel and filesystem.
    pub host: Vec<String>,
}

/// An export of `storage-driver` with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Function {
    /// `probe`
    Probe,
    /// `prepare(purpose)`
    Prepare(String),
    /// `mounts(purpose)`
    Mounts(String),
    /// `commit(name)`
    Commit(String),
    /// `remove`
    Remove,
    /// `usage`
    Usage,
    /// `gc(live)`
    Gc(Vec<String>),
    /// `status`
    Status,
}

/// Where a directory handle came from. It says nothing about whether the
/// plugin may use it: that is for the broker to judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Base {
    /// The call's own snapshot.
    Snapshot,
    /// `snapshot-named`
    Named(String),
    /// An ancestor, nearest first.
    Parent(u32),
}

/// A directory: a handle the host gave, and names below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dir {
    /// The handle.
    pub base: Base,
    /// Components below it.
    pub below: Vec<String>,
}

/// A call of a `dir` or a `txn`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostCall {
    /// `dir.exists`: a flag.
    Exists(Dir),
    /// `dir.entries(after, max)`: names.
    Entries(Dir, Option<String>, u32),
    /// `dir.read-small(name)`: bytes.
    ReadSmall(Dir, String),
    /// `dir.usage`: usage.
    Usage(Dir),
    /// `snapshots(after, max)`: names.
    Snapshots(Option<String>, u32),
    /// `state-get(key)`: bytes or none.
    StateGet(String),
    /// An effect: unit.
    Order(Order),
    /// `pool-status`: rows.
    PoolStatus,
    /// `options`: rows.
    Options,
    /// `size`: a number or none.
    Size,
    /// `dir.usage-over(base)`: usage.
    UsageOver(Dir, Dir),
}

/// An effect the driver orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// `state-put(key, value)`
    StatePut(String, Option<Vec<u8>>),
    /// `create-dir(dir, mode)`
    CreateDir(Dir, u32),
    /// `clone-tree(source, dest)`
    CloneTree(Dir, Dir),
    /// `rename(source, dest)`
    Rename(Dir, Dir),
    /// `remove-tree(victim)`
    RemoveTree(Dir),
    /// `mount-overlay(lower, upper, work, options)`
    MountOverlay {
        /// Uppermost first.
        lower: Vec<Dir>,
        /// The writable layer.
        upper: Option<Dir>,
        /// Its work directory.
        work: Option<Dir>,
        /// Option words.
        options: Vec<String>,
    },
    /// `mount-bind(source, read-only)`
    MountBind(Dir, bool),
    /// `create-volume(dir, size, filesystem)`
    CreateVolume(Dir, u64, String),
    /// `snapshot-volume(source, dest)`
    SnapshotVolume(Dir, Dir),
    /// `grow-volume(dir, size)`
    GrowVolume(Dir, u64),
    /// `mount-volume(source, read-only, options)`
    MountVolume(Dir, bool, Vec<String>),
    /// `create-subvolume(dir, mode)`
    CreateSubvolume(Dir, u32),
    /// `snapshot-subvolume(source, dest, read-only)`
    SnapshotSubvolume(Dir, Dir, bool),
    /// `seal-subvolume(dir)`
    SealSubvolume(Dir),
    /// `limit-subvolume(dir, bytes)`
    LimitSubvolume(Dir, u64),
    /// `pool(filesystem, size, options)`
    Pool {
        /// Such as "btrfs".
        filesystem: String,
        /// Bytes.
        size: Option<u64>,
        /// Names and values.
        options: Vec<(String, String)>,
    },
    /// `limit-dir(dir, bytes)`
    LimitDir(Dir, u64),
}
