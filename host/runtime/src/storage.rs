//! Storage drivers' plans: carried out beneath the driver's root, with undo.

mod driver_root;
mod executor;
mod facts;
mod image_root;
mod mounts;
pub(crate) mod pool;
mod program;
pub(crate) mod projects;
mod shifted;
mod state;
mod volumes;

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use bulkhead_model::storage::{DirPath, StoragePlan, StorageStep};
use bulkhead_sys::btrfs;
use bulkhead_sys::copy::copy_tree;
use bulkhead_sys::directory::{entries, mkdirat, rename_noreplace, sync_filesystem};
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::tree::remove_tree;
use bulkhead_sys::{Error, Result};

pub use executor::Storage;

pub(crate) use mounts::in_private_namespace;
pub(crate) use pool::PoolError;
pub(crate) use shifted::Shift;

use driver_root::{BeneathRoot, MissingRoot};
use mounts::open_mount;
use volumes::Volumes;

use crate::error::RuntimeError;
use crate::undo::Undo;

/// Where a driver's plans are carried out.
#[derive(Clone, Copy)]
struct Place<'a> {
    root: &'a OwnedFd,
    volumes: &'a Volumes,
    /// The namespace to make copies of the root's mount in.
    home: Option<&'a OwnedFd>,
}

/// Carries out a plan's steps: everything but removals in order, then the
/// removals, which cannot be undone.
fn apply(
    driver: &str,
    place: Place<'_>,
    plan: &StoragePlan,
) -> std::result::Result<(), RuntimeError> {
    let (removals, others): (Vec<_>, Vec<_>) = plan
        .steps
        .iter()
        .partition(|step| matches!(step, StorageStep::RemoveTree { .. }));
    let mut undo = Undo::default();
    for step in others {
        if let Err(source) = apply_step(driver, place, step, &mut undo) {
            return Err(undo.roll_back(failed(driver, step, source)));
        }
    }
    if let Err(source) = image_root::inherit(place.root, plan) {
        return Err(undo.roll_back(RuntimeError::Storage {
            driver: driver.to_owned(),
            step: "give the root the image's mode and owner".to_owned(),
            source,
        }));
    }
    undo.disarm();
    for step in removals {
        apply_step(driver, place, step, &mut Undo::default())
            .map_err(|source| failed(driver, step, source))?;
    }
    Ok(())
}

fn failed(driver: &str, step: &StorageStep, source: Error) -> RuntimeError {
    RuntimeError::Storage {
        driver: driver.to_owned(),
        step: describe(step),
        source,
    }
}

fn describe(step: &StorageStep) -> String {
    match step {
        StorageStep::CreateDir { dir, .. } => format!("create {dir}"),
        StorageStep::CloneTree { source, dest } => format!("clone {source} to {dest}"),
        StorageStep::Rename { from, to } => format!("rename {from} to {to}"),
        StorageStep::RemoveTree { dir } => format!("remove {dir}"),
        StorageStep::PutState { key, .. } => format!("keep state {key:?}"),
        StorageStep::CreateVolume { dir, .. } => format!("make a volume in {dir}"),
        StorageStep::SnapshotVolume { source, dest } => {
            format!("snapshot the volume in {source} to {dest}")
        }
        StorageStep::GrowVolume { dir, size } => {
            format!("make the volume in {dir} {size} bytes large")
        }
        StorageStep::CreateSubvolume { dir, .. } => format!("create subvolume {dir}"),
        StorageStep::SnapshotSubvolume { source, dest, .. } => {
            format!("snapshot {source} as {dest}")
        }
        StorageStep::SealSubvolume { dir } => format!("seal {dir}"),
        StorageStep::LimitSubvolume { dir, .. } | StorageStep::LimitDir { dir, .. } => {
            format!("limit {dir}")
        }
    }
}

fn apply_step<'a>(
    driver: &'a str,
    Place { root, volumes, .. }: Place<'a>,
    step: &'a StorageStep,
    undo: &mut Undo<'a>,
) -> Result<()> {
    let undone = move |what: &'static str, result: Result<()>| {
        result.map_err(|source| RuntimeError::Storage {
            driver: driver.to_owned(),
            step: what.to_owned(),
            source,
        })
    };
    match step {
        StorageStep::CreateDir { dir, mode } => {
            let (parent, name) = parent_of(root, dir)?;
            mkdirat(&parent, &name, mode & 0o7777)?;
            undo.push(move || undone("remove what was created", remove_tree(&parent, &name)));
        }
        StorageStep::CloneTree { source, dest } => {
            let to = open_dir(root, dest)?;
            let emptied = to.try_clone().map_err(|e| Error::new("dup", dest, e))?;
            undo.push(move || undone("empty what was filled", remove_entries(&emptied)));
            copy_tree(open_dir(root, source)?, to)?;
        }
        StorageStep::Rename { from, to } => {
            let (old_parent, old) = parent_of(root, from)?;
            let (new_parent, new) = parent_of(root, to)?;
            rename_noreplace(&old_parent, &old, &new_parent, &new)?;
            undo.push(move || {
                undone(
                    "rename back",
                    rename_noreplace(&new_parent, &new, &old_parent, &old),
                )
            });
        }
        StorageStep::RemoveTree { dir } => match parent_of(root, dir) {
            Err(e) if e.io_kind() == std::io::ErrorKind::NotFound => {}
            other => {
                let (parent, name) = other?;
                volumes.forget_below(&parent, &name)?;
                remove_tree(parent, name)?;
            }
        },
        StorageStep::PutState { key, value } => {
            let before = state::get(root, key)?;
            undo.push(move || undone("restore state", state::put(root, key, before.as_deref())));
            state::put(root, key, value.as_deref())?;
        }
        StorageStep::CreateVolume {
            dir,
            size,
            filesystem,
        } => {
            let dir = open_dir(root, dir)?;
            volumes.create(root, &dir, *size, *filesystem)?;
            undo.push(move || undone("forget the volume", volumes.forget(&dir)));
        }
        StorageStep::SnapshotVolume { source, dest } => {
            let (source, dest) = (open_dir(root, source)?, open_dir(root, dest)?);
            volumes.snapshot(&source, &dest)?;
            undo.push(move || undone("forget the snapshot", volumes.forget(&dest)));
        }
        // It is forgotten with the volume.
        StorageStep::GrowVolume { dir, size } => volumes.grow(&open_dir(root, dir)?, *size)?,
        StorageStep::CreateSubvolume { dir, mode } => {
            let (parent, name) = parent_of(root, dir)?;
            btrfs::create_subvolume(&parent, &name, *mode)?;
            undo.push(move || undone("remove what was created", remove_tree(&parent, &name)));
        }
        StorageStep::SnapshotSubvolume {
            source,
            dest,
            read_only,
        } => {
            let source = open_dir(root, source)?;
            let (parent, name) = parent_of(root, dest)?;
            btrfs::snapshot_subvolume(source, &parent, &name, *read_only)?;
            undo.push(move || undone("remove the snapshot", remove_tree(&parent, &name)));
        }
        StorageStep::SealSubvolume { dir } => {
            let subvolume = open_dir(root, dir)?;
            btrfs::set_read_only(&subvolume, true)?;
            undo.push(move || undone("unseal", btrfs::set_read_only(&subvolume, false)));
        }
        StorageStep::LimitSubvolume { dir, bytes } => limit(root, dir, *bytes)?,
        // The limit goes with the directory.
        StorageStep::LimitDir { dir, bytes } => {
            projects::limit(open_dir(root, dir)?, root, *bytes)?;
        }
    }
    Ok(())
}

/// Counting begins with the first limit: it has its price. The limit goes with
/// the subvolume, so there is nothing to take back.
fn limit(root: &OwnedFd, dir: &DirPath, bytes: u64) -> Result<()> {
    let subvolume = open_dir(root, dir)?;
    match btrfs::limit_subvolume(&subvolume, bytes) {
        // ENOTCONN: nobody counts.
        Err(e) if e.io_kind() == std::io::ErrorKind::NotConnected => {
            pool::enable_quota(root, &subvolume)?;
            btrfs::limit_subvolume(&subvolume, bytes)
        }
        other => other,
    }
}

fn remove_entries(dir: &OwnedFd) -> Result<()> {
    entries(dir)?
        .into_iter()
        .try_for_each(|name| remove_tree(dir, name))
}

/// Brings the filesystem that a directory lies in to the disk. The descriptor
/// may be one that only leads there (`O_PATH`), which syncfs(2) refuses.
pub(crate) fn sync(dir: impl AsFd) -> Result<()> {
    let opened = open_beneath(dir, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)?;
    sync_filesystem(opened)
}

pub(crate) fn to_path(dir: &DirPath) -> PathBuf {
    dir.0.iter().map(|name| name.as_str()).collect()
}

/// Opens a directory of a plan; the empty path is the root itself.
pub(crate) fn open_dir(root: impl AsFd, dir: &DirPath) -> Result<OwnedFd> {
    let path = if dir.0.is_empty() {
        PathBuf::from(".")
    } else {
        to_path(dir)
    };
    open_beneath(root, path, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)
}

fn parent_of(root: &OwnedFd, dir: &DirPath) -> Result<(OwnedFd, String)> {
    let Some((name, above)) = dir.0.split_last() else {
        return Err(Error::new(
            "path",
            "the driver's root itself",
            std::io::Error::from(std::io::ErrorKind::InvalidInput),
        ));
    };
    Ok((
        open_dir(root, &DirPath(above.to_vec()))?,
        name.as_str().to_owned(),
    ))
}

#[cfg(test)]
mod tests;
