//! What a storage driver decides: directories under the driver's root, what
//! is done to them, and the mount that makes a root filesystem.

use std::fmt;

use crate::SnapshotKey;

/// One path component a plugin chose: 1 to 128 bytes of `[A-Za-z0-9._-]`,
/// not starting with a dot.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct DirName(String);

impl DirName {
    /// Checks `text`; `None` when it is not a safe single component.
    pub fn new(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits =
            (1..=128).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.');
        fits.then(|| Self(text.to_owned()))
    }

    /// The component's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DirName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A directory beneath a driver's root, as components from the root. It may
/// not exist yet: a plan's `CreateDir` makes it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct DirPath(pub Vec<DirName>);

impl fmt::Display for DirPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("/")?;
            }
            f.write_str(name.as_str())?;
        }
        Ok(())
    }
}

/// Why a snapshot is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A container will run in it: writable.
    Run,
    /// It will only be looked at.
    View,
    /// The host unpacks a layer into it.
    Extract,
}

impl Purpose {
    /// The word the contract uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Run => "run",
            Purpose::View => "view",
            Purpose::Extract => "extract",
        }
    }
}

/// A request to lay out one snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotRequest {
    /// The snapshot to make or to look at.
    pub key: SnapshotKey,
    /// Committed ancestors, nearest first.
    pub parents: Vec<SnapshotKey>,
    /// What it is for.
    pub purpose: Purpose,
    /// The bytes it may hold of its own.
    pub size: Option<u64>,
}

/// One effect on the driver's root. Executed in order, each with its undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageStep {
    /// mkdir; its parent exists or was created by an earlier step.
    CreateDir {
        /// The directory to make.
        dir: DirPath,
        /// Permission bits, masked with 0o7777.
        mode: u32,
    },
    /// Copies a whole tree (reflink where the filesystem can) into an
    /// existing, empty directory: modes, owners, xattrs, times, hard links.
    CloneTree {
        /// The tree to read.
        source: DirPath,
        /// The directory to fill.
        dest: DirPath,
    },
    /// renameat2(RENAME_NOREPLACE) within the driver's root.
    Rename {
        /// The directory to move.
        from: DirPath,
        /// Its new name.
        to: DirPath,
    },
    /// Makes an empty Btrfs subvolume.
    CreateSubvolume {
        /// The subvolume to make.
        dir: DirPath,
        /// Permission bits, masked with 0o7777.
        mode: u32,
    },
    /// Makes a snapshot of a Btrfs subvolume.
    SnapshotSubvolume {
        /// The subvolume.
        source: DirPath,
        /// The snapshot to make.
        dest: DirPath,
        /// Nothing in it can be changed.
        read_only: bool,
    },
    /// Makes a Btrfs subvolume read-only.
    SealSubvolume {
        /// The subvolume.
        dir: DirPath,
    },
    /// Lets a Btrfs subvolume hold at most so many bytes of its own.
    LimitSubvolume {
        /// The subvolume.
        dir: DirPath,
        /// Its limit.
        bytes: u64,
    },
    /// Lets an empty directory and all that will be in it hold at most so many bytes.
    LimitDir {
        /// The directory.
        dir: DirPath,
        /// Its limit.
        bytes: u64,
    },
    /// Removes a whole tree and the subvolumes in it; carried out after every
    /// other step succeeded and never undone. Missing is fine.
    RemoveTree {
        /// The tree to remove.
        dir: DirPath,
    },
    /// Keeps a value for the driver; `None` forgets it.
    PutState {
        /// The driver's key.
        key: String,
        /// The driver's bytes.
        value: Option<Vec<u8>>,
    },
    /// Makes a block device with an empty filesystem, kept in an existing
    /// directory. It goes with that directory.
    CreateVolume {
        /// The directory.
        dir: DirPath,
        /// Bytes, as the filesystem sees them.
        size: u64,
        /// What is made on it.
        filesystem: Filesystem,
    },
    /// A copy-on-write snapshot of a volume that nobody writes to.
    SnapshotVolume {
        /// The directory of the volume.
        source: DirPath,
        /// The directory that keeps the snapshot.
        dest: DirPath,
    },
    /// Makes a volume and its filesystem larger. Undone with the volume only.
    GrowVolume {
        /// The directory of the volume.
        dir: DirPath,
        /// Bytes.
        size: u64,
    },
}

/// A filesystem inside a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Filesystem {
    /// `ext4`
    Ext4,
    /// `xfs`
    Xfs,
}

impl Filesystem {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ext4, Self::Xfs];

    /// The kernel's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }
}

/// The mount that makes the snapshot visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootMount {
    /// An overlay mount (kernel `Documentation/filesystems/overlayfs.rst`).
    Overlay {
        /// Lower layers, uppermost first; at least one.
        lower: Vec<DirPath>,
        /// The writable layer and its work directory; absent: read-only.
        upper: Option<(DirPath, DirPath)>,
        /// Options from the closed list the host allows.
        options: Vec<OverlayOption>,
    },
    /// A plain directory.
    Bind {
        /// The directory.
        source: DirPath,
        /// Mounted read-only.
        read_only: bool,
    },
    /// The filesystem of a volume.
    Volume {
        /// The directory that keeps the volume.
        source: DirPath,
        /// Mounted read-only.
        read_only: bool,
        /// Options from the closed list the host allows.
        options: Vec<VolumeOption>,
    },
}

/// The options a driver may ask for when a volume is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeOption {
    /// `discard`: what is deleted inside is given back to the pool.
    Discard,
    /// `MOUNT_ATTR_NOATIME`
    NoAtime,
}

/// The overlay options a driver may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayOption {
    /// `metacopy=on`
    Metacopy,
    /// `redirect_dir=on`
    RedirectDir,
    /// `volatile`: no sync to the upper layer.
    Volatile,
    /// `userxattr`: whiteouts and opaques in `user.*`.
    UserXattr,
    /// `index=off`
    NoIndex,
}

/// What the driver decided for one operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoragePlan {
    /// Effects, in order.
    pub steps: Vec<StorageStep>,
    /// The mount, for operations that give one (`prepare`, `mounts`).
    pub mount: Option<RootMount>,
}

/// A place in sparse files, for one driver alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// What it is made as.
    pub kind: PoolKind,
    /// Bytes; `None`: what the disk has to give.
    pub size: Option<u64>,
}

impl Pool {
    /// No filesystem is made smaller: mkfs.xfs refuses less than 300 MB.
    pub const MIN_SIZE: u64 = 320 << 20;
    /// No filesystem is made larger.
    pub const MAX_SIZE: u64 = 1 << 50;
}

/// What a pool can be made as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// The driver's root is in a filesystem of its own.
    Filesystem(PoolFilesystem),
    /// The driver's volumes are devices of a thin pool.
    Thin,
}

impl PoolKind {
    /// The kind that the contract calls `name`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "thin" => Some(Self::Thin),
            name => PoolFilesystem::parse(name).map(Self::Filesystem),
        }
    }
}

/// The filesystems that a pool can be made as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolFilesystem {
    /// Subvolumes and their snapshots.
    Btrfs,
    /// Files that share extents.
    Xfs,
}

impl PoolFilesystem {
    /// The kernel's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Btrfs => "btrfs",
            Self::Xfs => "xfs",
        }
    }

    /// The filesystem called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Btrfs, Self::Xfs];
        all.into_iter()
            .find(|filesystem| filesystem.as_str() == name)
    }
}

/// Bytes and inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes on disk.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
}

/// What is known of a volume from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeFacts {
    /// Bytes.
    pub size: u64,
    /// What it is in a thin pool.
    pub device: Option<ThinDevice>,
}

/// A device of a thin pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThinDevice {
    /// Its number in the pool.
    pub id: u32,
    /// Its name in /dev/mapper while it is in use.
    pub name: String,
}

/// What a storage driver declares about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageFeatures {
    /// Layers are unpacked without their parents in reach, in any order, with
    /// whiteouts written in overlay's form (character device 0:0 and
    /// `trusted.overlay.opaque`). Otherwise a layer is applied over a copy of
    /// its parent and whiteouts delete.
    pub overlay_layers: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_cannot_name_its_way_out() {
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "/",
            "a\0b",
            "ü",
            &"a".repeat(129),
        ] {
            assert!(DirName::new(bad).is_none(), "{bad:?}");
        }
        assert!(DirName::new("fs").is_some());
    }
}
