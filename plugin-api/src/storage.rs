//! World `storage`: lay out snapshots beneath the driver's own root and order
//! the mount that shows them.

use crate::{Error, Result};

mod export;
pub use export::Export;

/// Why a snapshot is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A container will run in it: writable.
    Run,
    /// It will only be looked at: read-only.
    View,
    /// The host unpacks a layer into it: writable.
    Extract,
}

impl Purpose {
    /// Reads the word the contract uses.
    ///
    /// # Errors
    /// `unsupported` for a purpose of a newer host.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "run" => Ok(Purpose::Run),
            "view" => Ok(Purpose::View),
            "extract" => Ok(Purpose::Extract),
            other => Err(Error::unsupported(format!(
                "snapshots for the purpose {other:?} are not supported"
            ))),
        }
    }
}

impl Purpose {
    /// How the directory that a container or the host sees is mounted.
    pub fn access(self) -> Access {
        match self {
            Purpose::View => Access::ReadOnly,
            Purpose::Run | Purpose::Extract => Access::ReadWrite,
        }
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

/// The overlay options the host allows (kernel `overlayfs.rst`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayOption {
    /// `metacopy=on`: a change of metadata copies no data up.
    Metacopy,
    /// `redirect_dir=on`: directories of lower layers can be renamed.
    RedirectDir,
    /// `volatile`: no sync to the upper layer; lost with a power cut.
    Volatile,
    /// `userxattr`: overlay's marks live in `user.*`.
    UserXattr,
    /// `index=off`: hard links may break on copy-up; needed when a lower
    /// directory is shared by mounts of different uppers.
    NoIndex,
}

impl OverlayOption {
    /// The word the contract uses.
    pub fn as_str(self) -> &'static str {
        match self {
            OverlayOption::Metacopy => "metacopy",
            OverlayOption::RedirectDir => "redirect-dir",
            OverlayOption::Volatile => "volatile",
            OverlayOption::UserXattr => "userxattr",
            OverlayOption::NoIndex => "no-index",
        }
    }
}

/// The writable half of an overlay.
#[derive(Debug)]
pub struct Upper<'a, D> {
    /// Takes every change.
    pub dir: &'a D,
    /// The kernel's workshop, empty and on the same filesystem.
    pub work: &'a D,
}

/// An overlay mount.
#[derive(Debug)]
pub struct Overlay<'a, D> {
    /// Read-only layers, uppermost first; at least one.
    pub lower: &'a [D],
    /// The writable layer; without it the mount is read-only.
    pub upper: Option<Upper<'a, D>>,
    /// Options.
    pub options: &'a [OverlayOption],
}

/// A directory beneath the driver's root; it need not exist.
pub trait Dir: Sized {
    /// The directory `name` in this one.
    ///
    /// # Errors
    /// `invalid` unless `name` is one component: 1 to 128 of `A-Z a-z 0-9 . _ -`, no leading dot.
    fn child(&self, name: &str) -> Result<Self>;
    /// Whether it exists now; what this call ordered does not show.
    fn exists(&self) -> bool;
    /// Up to `max` names, sorted, after `after`.
    ///
    /// # Errors
    /// `not-found` when the directory does not exist.
    fn entries(&self, after: Option<&str>, max: u32) -> Result<Vec<String>>;
    /// A file's bytes, at most 1 MiB.
    ///
    /// # Errors
    /// `not-found`, `invalid` name, `exhausted` when it is larger.
    fn read_small(&self, name: &str) -> Result<Vec<u8>>;
    /// Bytes and inodes below it.
    ///
    /// # Errors
    /// `not-found` when the directory does not exist.
    fn usage(&self) -> Result<Usage>;
    /// Bytes and inodes below it that `base` does not have alike, by name: what
    /// changed in a copy or a snapshot of it.
    ///
    /// # Errors
    /// `not-found` when one of the two does not exist.
    fn usage_over(&self, base: &Self) -> Result<Usage>;
}

/// Facts, and orders the host carries out together once the export returned
/// `Ok`. Each order is checked as it is given: `denied` names a missing grant.
pub trait Txn {
    /// A directory of this host.
    type Dir: Dir;

    /// The snapshot this call is about; empty for `probe` and `gc`.
    fn key(&self) -> String;
    /// The directory kept for that snapshot.
    fn snapshot(&self) -> Result<Self::Dir>;
    /// The directory of the snapshot that `commit` makes, or that `gc` may look at.
    fn snapshot_named(&self, key: &str) -> Result<Self::Dir>;
    /// Directories of the committed ancestors, nearest first.
    fn parents(&self) -> Vec<Self::Dir>;
    /// Up to `max` names of snapshots that have a directory, sorted, after `after`.
    fn snapshots(&self, after: Option<&str>, max: u32) -> Result<Vec<String>>;
    /// What the host found out: "overlay", "overlay-volatile",
    /// "overlay-metacopy", "reflink", "fs-ext4", …
    fn facts(&self) -> Vec<String>;
    /// What the administrator set for this driver by `--storage-opt
    /// DRIVER.name=value`: names and values.
    fn options(&self) -> Vec<(String, String)>;
    /// The bytes that the snapshot may hold, by `--storage-opt size=`. A driver
    /// that cannot limit a snapshot refuses with `unsupported` when it is set.
    fn size(&self) -> Option<u64>;
    /// Bytes the driver kept before.
    fn state(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Keeps bytes (`None` forgets), at most 64 KiB a value.
    fn put_state(&self, key: &str, value: Option<&[u8]>) -> Result<()>;

    /// mkdir with these permission bits.
    fn create_dir(&self, dir: &Self::Dir, mode: u32) -> Result<()>;
    /// Fills an empty directory with a copy of a tree; the host reflinks where it can.
    fn clone_tree(&self, source: &Self::Dir, dest: &Self::Dir) -> Result<()>;
    /// Moves a directory; the new name must not exist.
    fn rename(&self, source: &Self::Dir, dest: &Self::Dir) -> Result<()>;
    /// Removes a tree and the subvolumes in it after everything else
    /// succeeded; a missing one is fine.
    fn remove_tree(&self, victim: &Self::Dir) -> Result<()>;
    /// The snapshot's mount is this overlay.
    fn mount_overlay(&self, overlay: Overlay<'_, Self::Dir>) -> Result<()>;
    /// The snapshot's mount is this directory.
    fn mount_bind(&self, source: &Self::Dir, access: Access) -> Result<()>;

    /// A block device of `size` bytes with an empty filesystem, kept in `dir`,
    /// which exists and holds no volume; it goes when the directory does.
    fn create_volume(&self, dir: &Self::Dir, size: u64, filesystem: Filesystem) -> Result<()>;
    /// A copy-on-write snapshot of the volume in `source`, kept in `dest`.
    fn snapshot_volume(&self, source: &Self::Dir, dest: &Self::Dir) -> Result<()>;
    /// Makes the volume and its filesystem `size` bytes large.
    fn grow_volume(&self, dir: &Self::Dir, size: u64) -> Result<()>;
    /// The snapshot's mount is the filesystem of the volume in `source`.
    fn mount_volume(
        &self,
        source: &Self::Dir,
        access: Access,
        options: &[VolumeOption],
    ) -> Result<()>;
    /// What the host knows of the volumes' pool: open names such as "backend"
    /// and "data-used", numbers in bytes.
    fn pool_status(&self) -> Vec<(String, String)>;
    /// Makes an empty Btrfs subvolume with these permission bits.
    fn create_subvolume(&self, dir: &Self::Dir, mode: u32) -> Result<()>;
    /// Makes `dest`, which must not exist, a snapshot of the subvolume `source`.
    fn snapshot_subvolume(
        &self,
        source: &Self::Dir,
        dest: &Self::Dir,
        access: Access,
    ) -> Result<()>;
    /// Makes a subvolume read-only.
    fn seal_subvolume(&self, dir: &Self::Dir) -> Result<()>;
    /// Lets a subvolume hold at most so many bytes of its own (a Btrfs qgroup).
    fn limit_subvolume(&self, dir: &Self::Dir, bytes: u64) -> Result<()>;
    /// Lets a directory, in which there is nothing yet, and all that will be
    /// made in it hold at most so many bytes; see [`PROJECT_QUOTA`].
    fn limit_dir(&self, dir: &Self::Dir, bytes: u64) -> Result<()>;
    /// In `probe` only: the driver's root is to be in a filesystem of its own
    /// in a sparse file on a loop device; `probe` is then called once more.
    fn pool(&self, pool: &Pool) -> Result<()>;

    /// For drivers without options: refuses whatever was set.
    ///
    /// # Errors
    /// `invalid`
    fn refuse_options(&self) -> Result<()> {
        match self.options().first() {
            Some((name, _)) => Err(Error::invalid(format!("unknown option {name:?}"))),
            None => Ok(()),
        }
    }

    /// For drivers that cannot limit a snapshot: refuses with `why` when one
    /// is to be limited.
    ///
    /// # Errors
    /// `unsupported`
    fn refuse_size(&self, why: &str) -> Result<()> {
        match self.size() {
            Some(_) => Err(Error::unsupported(why)),
            None => Ok(()),
        }
    }

    /// Whether the host found `fact`.
    fn has_fact(&self, fact: &str) -> bool {
        self.facts().iter().any(|known| known == fact)
    }
}

/// How a directory is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Writable.
    ReadWrite,
    /// `MOUNT_ATTR_RDONLY`
    ReadOnly,
}

/// A filesystem that the host can make on a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filesystem {
    /// Fact "mkfs.ext4".
    Ext4,
    /// Fact "mkfs.xfs".
    Xfs,
}

impl Filesystem {
    /// The word the contract uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Filesystem::Ext4 => "ext4",
            Filesystem::Xfs => "xfs",
        }
    }
}

/// Options of a volume's mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeOption {
    /// What is deleted inside is given back to the pool.
    Discard,
    /// Reading changes no access times.
    NoAtime,
}

impl VolumeOption {
    /// The word the contract uses.
    pub fn as_str(self) -> &'static str {
        match self {
            VolumeOption::Discard => "discard",
            VolumeOption::NoAtime => "noatime",
        }
    }
}

/// A filesystem for the driver alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// "btrfs" or "xfs".
    pub filesystem: String,
    /// Bytes; without it the host takes what the disk has to give.
    pub size: Option<u64>,
    /// Names and values for later contracts; none are known.
    pub options: Vec<(String, String)>,
}

/// Layers are unpacked without their parents, in any order, with overlay's
/// whiteouts. A driver without this feature gets each layer applied over a
/// copy of its parent.
pub const OVERLAY_LAYERS: &str = "overlay-layers";

/// The fact that the root's filesystem can limit directories: XFS or ext4,
/// mounted with `prjquota`.
pub const PROJECT_QUOTA: &str = "project-quota";

const PAGE: u32 = 256;
/// Removals of one `gc`: fewer than the steps a call may order, so that a
/// great heap goes in several calls instead of never.
const MAX_REMOVALS: usize = 500;

/// A storage driver. Only `prepare` and `mounts` must be written; the rest
/// does what is right for a driver that keeps everything of a snapshot in the
/// snapshot's own directory.
pub trait StorageDriver {
    /// What the driver declares, such as [`OVERLAY_LAYERS`].
    const FEATURES: &'static [&'static str] = &[];

    /// Whether the driver can work here; the error says why not.
    fn probe<T: Txn>(txn: &T) -> Result<()> {
        txn.refuse_options()
    }

    /// Lays out a new snapshot and orders its mount.
    fn prepare<T: Txn>(txn: &T, purpose: Purpose) -> Result<()>;

    /// Orders the mount of a snapshot that exists.
    fn mounts<T: Txn>(txn: &T, purpose: Purpose) -> Result<()>;

    /// Makes an extracted snapshot the committed one called `name`.
    fn commit<T: Txn>(txn: &T, name: &str) -> Result<()> {
        txn.rename(&txn.snapshot()?, &txn.snapshot_named(name)?)
    }

    /// Removes the snapshot; a missing one is fine.
    fn remove<T: Txn>(txn: &T) -> Result<()> {
        txn.remove_tree(&txn.snapshot()?)
    }

    /// Bytes and inodes that this snapshot alone holds: by default, what its
    /// directory has otherwise than the parent's.
    fn usage<T: Txn>(txn: &T) -> Result<Usage> {
        let own = txn.snapshot()?;
        match txn.parents().first() {
            Some(parent) => own.usage_over(parent),
            None => own.usage(),
        }
    }

    /// Rows for people: what the driver works with here.
    fn status<T: Txn>(_txn: &T) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    /// Removes snapshots that are not in `live`; of many, the first 500.
    fn gc<T: Txn>(txn: &T, live: &[String]) -> Result<()> {
        let mut after = None;
        let mut removals = 0;
        loop {
            let names = txn.snapshots(after.as_deref(), PAGE)?;
            for name in names.iter().filter(|name| !live.contains(name)) {
                if removals == MAX_REMOVALS {
                    return Ok(());
                }
                removals += 1;
                txn.remove_tree(&txn.snapshot_named(name)?)?;
            }
            match names.last() {
                Some(last) if names.len() >= PAGE as usize => after = Some(last.clone()),
                _ => return Ok(()),
            }
        }
    }
}

/// Makes a [`StorageDriver`] the component's export.
///
/// ```no_run
/// # use bulkhead_plugin_api::{Result, storage::{Purpose, StorageDriver, Txn}};
/// struct Plain;
///
/// impl StorageDriver for Plain {
///     fn prepare<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
///         txn.create_dir(&txn.snapshot()?, 0o755)?;
///         Self::mounts(txn, purpose)
///     }
///
///     fn mounts<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
///         txn.mount_bind(&txn.snapshot()?, purpose.access())
///     }
/// }
///
/// bulkhead_plugin_api::export_storage!(Plain);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_storage {
    ($driver:ty) => {
        // The ABI's names, such as `world#function`, are none that a native linker takes.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::storage::Export<$driver>;
            $crate::bindings::storage::__export_storage_world!(Component with_types_in $crate::bindings::storage);
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn implements<T: $crate::storage::StorageDriver>() {}
            implements::<$driver>()
        };
    };
}
