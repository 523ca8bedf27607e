//! Where a container's files are looked at from outside.

use std::path::PathBuf;

use super::{BindMount, IdMap};
use crate::ContainerId;
use crate::storage::RootMount;

/// A container's files, as they are to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesPlan {
    /// The container.
    pub id: ContainerId,
    /// Where they are.
    pub files: Files,
    /// How much of them.
    pub scope: FilesScope,
    /// The container's user namespace; empty: the host's.
    pub user_namespace: Vec<IdMap>,
}

/// Where a container's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Files {
    /// In the mount namespace of its first process.
    Running {
        /// That process, in the host's pid namespace.
        pid: u32,
    },
    /// In its snapshot.
    Stopped {
        /// The storage driver whose root `rootfs` refers to.
        driver: String,
        /// The snapshot's mount.
        rootfs: RootMount,
        /// The root filesystem is read-only.
        read_only: bool,
        /// What is mounted in it when it runs.
        mounts: Vec<BindMount>,
        /// The files the engine injects when it runs, those of an earlier
        /// run: name in the container's state folder, place inside.
        injected: Vec<(&'static str, PathBuf)>,
    },
}

/// How much of a container's files is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilesScope {
    /// Its root filesystem with all that is mounted in it.
    Mounts,
    /// Its root filesystem alone; mount points are what they cover.
    RootAlone,
}
