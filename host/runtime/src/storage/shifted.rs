//! Root filesystems whose owners are shifted into a user namespace: on the disk
//! everything belongs to the ids of the image, inside it looks the same, and
//! the processes inside have the host ids of the namespace.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use bulkhead_model::storage::{DirPath, RootMount};
use bulkhead_sys::mount::{clone_mount, move_mount, set_idmap, set_private};
use bulkhead_sys::path::open_host_dir;
use bulkhead_sys::{Error, Result, process};

use super::mounts::{Layers, Way, classic, configured, in_private_namespace, overlay_any_way};
use super::open_dir;

/// How owners are shifted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shift<'a> {
    /// The user namespace that says how.
    pub(crate) namespace: BorrowedFd<'a>,
    /// What uid and gid 0 inside are on the host.
    pub(crate) root: u32,
}

/// An overlay itself cannot be shifted, its layers can (Linux 5.19). They are
/// attached for it in a mount namespace that goes with the thread: overlay
/// clones its layers' mounts, which older kernels do for attached ones alone.
pub(super) fn overlay(host_path: &Path, mount: &RootMount, shift: Shift<'_>) -> Result<OwnedFd> {
    in_private_namespace(|| {
        let layers = layers(&open_host_dir(host_path)?, mount, shift)?;
        // Overlay works in its work directory as the one who mounted it, for
        // whom the shifted mount must have a name.
        process::set_filesystem_identity(shift.root, shift.root)?;
        overlay_any_way(|way| match way {
            Way::Classic => classic(host_path, &layers),
            _ => configured(&layers, way),
        })
    })
}

fn layers<'a>(root: &OwnedFd, mount: &'a RootMount, shift: Shift<'_>) -> Result<Layers<'a>> {
    let RootMount::Overlay {
        lower,
        upper,
        options,
    } = mount
    else {
        return Ok(Layers {
            lower: Vec::new(),
            upper: None,
            options: &[],
        });
    };
    // All are opened before the first clone covers its own directory.
    let base = upper.as_ref().map(|(upper, work)| common(upper, work));
    let below = base.as_ref().map(|base| open_dir(root, base)).transpose()?;
    let opened: Vec<OwnedFd> = lower
        .iter()
        .map(|dir| open_dir(root, dir))
        .collect::<Result<_>>()?;
    let lower = opened
        .iter()
        .map(|dir| attach(dir, shift))
        .collect::<Result<_>>()?;
    let upper = match (upper, base, below) {
        // Overlay wants both in the same mount.
        (Some((upper, work)), Some(base), Some(below)) => {
            let shifted = attach(&below, shift)?;
            let open = |dir: &DirPath| open_dir(&shifted, &DirPath(dir.0[base.0.len()..].to_vec()));
            Some((open(upper)?, open(work)?))
        }
        _ => None,
    };
    Ok(Layers {
        lower,
        upper,
        options,
    })
}

/// A shifted clone of a directory's mount, over the directory itself.
fn attach(dir: &OwnedFd, shift: Shift<'_>) -> Result<OwnedFd> {
    let mounted = clone_mount(dir, false)?;
    set_idmap(&mounted, shift.namespace).map_err(explained)?;
    set_private(&mounted, false)?;
    move_mount(&mounted, dir)?;
    Ok(mounted)
}

/// `mount_setattr(2)`: EINVAL when the filesystem cannot be mapped.
fn explained(error: Error) -> Error {
    if error.io_kind() != std::io::ErrorKind::InvalidInput {
        return error;
    }
    let why = "the data root's filesystem cannot be mapped into a user namespace (ext4, xfs and btrfs can, tmpfs since Linux 6.3)";
    Error::new(
        "mount_setattr",
        why,
        std::io::Error::from_raw_os_error(error.errno()),
    )
}

/// The directory that holds both.
fn common(a: &DirPath, b: &DirPath) -> DirPath {
    let same = a.0.iter().zip(&b.0).take_while(|(a, b)| a == b);
    DirPath(same.map(|(name, _)| name.clone()).collect())
}
