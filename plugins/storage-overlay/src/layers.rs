//! Which directories make a snapshot's mount.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::storage::{Access, Dir, Overlay, OverlayOption, Purpose, Txn, Upper};

pub(crate) const FS: &str = "fs";
pub(crate) const WORK: &str = "work";

/// Orders the mount of `snapshot`, whose directories exist or are ordered.
pub(crate) fn mount<T: Txn>(txn: &T, snapshot: &T::Dir, purpose: Purpose) -> Result<()> {
    let own = snapshot.child(FS)?;
    let lower = txn
        .parents()
        .iter()
        .map(|parent| parent.child(FS))
        .collect::<Result<Vec<_>>>()?;
    match (purpose, lower.as_slice()) {
        // Layers are unpacked alone: the host writes whiteouts in overlay's form.
        (Purpose::Extract, _) | (Purpose::Run, []) => txn.mount_bind(&own, Access::ReadWrite),
        (Purpose::View, []) => txn.mount_bind(&own, Access::ReadOnly),
        // An overlay wants two lower directories when it has no upper one.
        (Purpose::View, [only]) => txn.mount_bind(only, Access::ReadOnly),
        (Purpose::View, _) => {
            let options = options(txn);
            txn.mount_overlay(Overlay {
                lower: &lower,
                upper: None,
                options: &options,
            })
        }
        (Purpose::Run, _) => {
            let work = snapshot.child(WORK)?;
            let options = options(txn);
            let upper = Some(Upper {
                dir: &own,
                work: &work,
            });
            txn.mount_overlay(Overlay {
                lower: &lower,
                upper,
                options: &options,
            })
        }
    }
}

/// With its index on, overlay refuses an upper directory that was once mounted
/// over other lower ones, and counts links in `work/index`; neither is of use
/// to layers that never change (kernel `overlayfs.rst`, "Sharing and copying
/// layers"). Metadata-only copies stay off: their redirects trust the content
/// of an upper directory that a container wrote.
fn options<T: Txn>(txn: &T) -> Vec<OverlayOption> {
    if txn.has_fact("overlay-index") {
        vec![OverlayOption::NoIndex]
    } else {
        Vec::new()
    }
}
