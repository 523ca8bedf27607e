//! Bind mounts and injected files, opened on the host's side as detached
//! mounts: the container's side only decides where they appear.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bulkhead_model::process::{BindMount, ContainerPlan, InjectedFile};
use bulkhead_sys::directory::{chown_fd, entries, file_type, stat_fd};
use bulkhead_sys::mount::clone_mount;
use bulkhead_sys::path::{OFlag, open_beneath, open_host, open_in_root};

use super::Runtime;
use crate::error::RuntimeError;
use crate::order::MountTarget;

pub(super) type Mounts = Vec<(MountTarget, OwnedFd)>;

const S_IFDIR: u32 = 0o040_000;

impl Runtime {
    /// All mounts of a plan, outer targets before inner ones. `owner` is the
    /// container's root on the host, when that is not the host's root.
    pub(super) fn open_mounts(
        &self,
        plan: &ContainerPlan,
        rootfs: &OwnedFd,
        owner: Option<u32>,
    ) -> Result<Mounts, RuntimeError> {
        let mut out = Vec::with_capacity(plan.mounts.len() + plan.files.len());
        for bind in &plan.mounts {
            out.push(open_bind(bind, rootfs, owner)?);
        }
        let folder = self.layout.container(plan.id.as_str())?;
        for file in &plan.files {
            out.push(inject(file, &folder, owner)?);
        }
        outer_first(&mut out);
        Ok(out)
    }
}

/// Outer targets before inner ones.
pub(super) fn outer_first(mounts: &mut Mounts) {
    let depth = |target: &[u8]| {
        let parts = target.split(|b| *b == b'/');
        parts.filter(|part| !part.is_empty()).count()
    };
    mounts.sort_by_key(|(target, _)| depth(&target.target));
}

pub(super) fn open_bind(
    bind: &BindMount,
    rootfs: &OwnedFd,
    owner: Option<u32>,
) -> Result<(MountTarget, OwnedFd), RuntimeError> {
    let failed = |source| RuntimeError::BindSource {
        path: bind.source.clone(),
        source,
    };
    let source = open_host(&bind.source, OFlag::O_PATH, 0).map_err(failed)?;
    if bind.copy_up {
        let failed = |source| RuntimeError::CopyUp {
            path: bind.target.clone(),
            source,
        };
        copy_up(&source, rootfs, &bind.target, owner).map_err(failed)?;
    }
    let directory = file_type(&stat_fd(&source).map_err(failed)?) == S_IFDIR;
    let mounted = clone_mount(&source, true).map_err(failed)?;
    let target = bind.target.as_os_str().as_bytes().to_vec();
    Ok((
        MountTarget {
            target,
            directory,
            read_only: bind.read_only,
        },
        mounted,
    ))
}

/// Fills an empty volume with what the image has at its target.
fn copy_up(
    volume: &OwnedFd,
    rootfs: &OwnedFd,
    target: &Path,
    owner: Option<u32>,
) -> bulkhead_sys::Result<()> {
    if !entries(volume)?.is_empty() {
        return Ok(());
    }
    if let Some(owner) = owner {
        chown_fd(volume, owner, owner)?;
    }
    match open_in_root(rootfs, target, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0) {
        Ok(source) => bulkhead_sys::copy::copy_tree(source, volume),
        Err(e)
            if matches!(
                e.io_kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(())
        }
        Err(e) => Err(e),
    }
}

/// Writes a file into the container's state folder and mounts it alone.
fn inject(
    file: &InjectedFile,
    folder: &OwnedFd,
    owner: Option<u32>,
) -> Result<(MountTarget, OwnedFd), RuntimeError> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW;
    let fd = open_beneath(folder, file.name, flags, 0o644)?;
    bulkhead_sys::directory::chmod_fd(&fd, 0o644)?;
    // Also when another start had another owner.
    let owner = owner.unwrap_or(0);
    chown_fd(&fd, owner, owner)?;
    let mounted = clone_mount(fd.as_fd(), false)?;
    let failed = |source| RuntimeError::State {
        path: file.name.into(),
        source,
    };
    File::from(fd).write_all(&file.content).map_err(failed)?;
    let target = file.target.as_os_str().as_bytes().to_vec();
    Ok((
        MountTarget {
            target,
            directory: false,
            read_only: false,
        },
        mounted,
    ))
}
