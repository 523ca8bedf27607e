//! What the image says of `/`. An overlay shows mode and owner of its upper
//! directory (kernel `Documentation/filesystems/overlayfs.rst`, "Merged
//! directories"), which is new: it takes those of the nearest layer whose
//! archive had an entry for its root.

use std::os::fd::OwnedFd;

use bulkhead_model::storage::{RootMount, StoragePlan, StorageStep};
use bulkhead_sys::Result;
use bulkhead_sys::directory::{chmod_fd, chown_fd, stat_fd};
use bulkhead_sys::xattr::xattr;

use super::{open_dir, parent_of};

/// The unpacker leaves it at a layer's root; no archive can.
const MARK: &std::ffi::CStr = c"trusted.bulkhead.root";

pub(super) fn inherit(root: &OwnedFd, plan: &StoragePlan) -> Result<()> {
    let Some(RootMount::Overlay {
        lower,
        upper: Some((upper, _)),
        ..
    }) = &plan.mount
    else {
        return Ok(());
    };
    let is_new =
        |step: &StorageStep| matches!(step, StorageStep::CreateDir { dir, .. } if dir == upper);
    if !plan.steps.iter().any(is_new) {
        return Ok(());
    }
    for layer in lower {
        let (above, name) = parent_of(root, layer)?;
        if xattr(&above, &name, MARK)?.is_some() {
            let found = stat_fd(open_dir(root, layer)?)?;
            let upper = open_dir(root, upper)?;
            chown_fd(&upper, found.st_uid, found.st_gid)?;
            return chmod_fd(&upper, found.st_mode & 0o7777);
        }
    }
    Ok(())
}
