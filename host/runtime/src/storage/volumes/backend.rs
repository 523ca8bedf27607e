//! What keeps the volumes' bytes.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use bulkhead_model::storage::{Filesystem, ThinDevice};
use bulkhead_sys::Result;

use super::record::Record;

/// Directories are the caller's to make and to remove; each method leaves the
/// directory's record true.
pub(super) trait Backend: Send + Sync {
    /// A volume of zeros in `dir`.
    fn make(&self, dir: &OwnedFd, size: u64, filesystem: Filesystem) -> Result<Record>;
    /// A copy of a volume that nobody writes to.
    fn snapshot(&self, source: (&OwnedFd, &Record), dest: &OwnedFd) -> Result<()>;
    /// Gives the volume room for as many bytes as `grown` says.
    fn resize(&self, dir: &OwnedFd, grown: &Record) -> Result<()>;
    /// The volume as a device, which goes with its last user.
    fn attach(&self, dir: &OwnedFd, record: &Record) -> Result<Box<dyn Device>>;
    /// Gives back what is not in the directory itself.
    fn forget(&self, dir: &OwnedFd, record: &Record) -> Result<()>;
    /// Whether there is such a thing.
    fn is_outside(&self) -> bool;
    /// Bytes that no other volume shares.
    fn own_bytes(&self, dir: &OwnedFd, record: &Record) -> Result<u64>;
    /// What the volume is in a thin pool.
    fn thin_device(&self, _record: &Record) -> Option<ThinDevice> {
        None
    }
    /// Rows as the contract names them.
    fn status(&self, root: &OwnedFd) -> Vec<(String, String)>;
}

/// A block device in use.
pub(super) trait Device {
    /// A path to it, for this process.
    fn path(&self) -> PathBuf;
    /// It is open.
    fn fd(&self) -> BorrowedFd<'_>;
}
