//! Bind mounts and injected files, opened on the host's side as detached
//! mounts: the container's side only decides where they appear.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bulkhead_model::process::{
    BindMount, ContainerPlan, IdMap, InjectedFile, ReadOnly, TmpfsMount, TmpfsSetting,
};
use bulkhead_sys::Error;
use bulkhead_sys::directory::{chown_fd, entries, file_type, stat_fd};
use bulkhead_sys::mount::clone_mount;
use bulkhead_sys::path::{OFlag, open_beneath, open_host, open_in_root};

use super::{Runtime, propagation};
use crate::error::RuntimeError;
use crate::order::{Content, MountTarget, Propagation, TmpfsOrder, WriteProtection};
use crate::user_namespace::host_id;

/// What is mounted where, and the descriptor of what is not made inside.
pub(super) type Mounts = Vec<(MountTarget, Option<OwnedFd>)>;

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
        let tmpfs = plan.tmpfs.iter();
        out.extend(tmpfs.map(|tmpfs| (tmpfs_target(tmpfs, &plan.user_namespace), None)));
        let folder = self.layout.container(plan.id.as_str())?;
        for file in &plan.files {
            // The user's own comes instead of the engine's.
            let replaced = |mount: &&(MountTarget, _)| same_path(&mount.0.target, &file.target);
            if out.iter().find(replaced).is_none() {
                let mounted = match &file.of {
                    Some(peer) => {
                        let folder = self.layout.container(peer.as_str())?;
                        let shared = open_beneath(&folder, file.name, OFlag::O_PATH, 0)?;
                        clone_mount(shared, false)?
                    }
                    None => inject(file, &folder, owner)?,
                };
                out.push((injected_target(file), Some(mounted)));
            }
        }
        outer_first(&mut out);
        Ok(out)
    }
}

/// Outer targets before inner ones.
pub(super) fn outer_first(mounts: &mut Mounts) {
    mounts.sort_by_key(|(target, _)| components(&target.target).count());
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_name = |part: &&[u8]| !part.is_empty() && *part != b".";
    path.split(|b| *b == b'/').filter(is_name)
}

fn same_path(left: &[u8], right: &Path) -> bool {
    components(left).eq(components(right.as_os_str().as_bytes()))
}

pub(super) fn open_bind(
    bind: &BindMount,
    rootfs: &OwnedFd,
    owner: Option<u32>,
) -> Result<(MountTarget, Option<OwnedFd>), RuntimeError> {
    let failed = |source| RuntimeError::BindSource {
        path: bind.source.clone(),
        source,
    };
    let source = open_source(bind).map_err(failed)?;
    if bind.copy_up {
        let failed = |source| RuntimeError::CopyUp {
            path: bind.target.clone(),
            source,
        };
        copy_up(&source, rootfs, &bind.target, owner).map_err(failed)?;
    }
    let propagation = propagation::check(bind, &source)?;
    let directory = file_type(&stat_fd(&source).map_err(failed)?) == S_IFDIR;
    let mounted = clone_mount(&source, !bind.non_recursive).map_err(failed)?;
    let target = MountTarget {
        target: bind.target.as_os_str().as_bytes().to_vec(),
        content: Content::Detached {
            directory,
            propagation,
        },
        read_only: match bind.read_only {
            ReadOnly::No => WriteProtection::No,
            ReadOnly::Top => WriteProtection::Top,
            ReadOnly::Recursive => WriteProtection::Recursive,
        },
    };
    Ok((target, Some(mounted)))
}

/// A path that the host's administrator chose; what lies below a volume was
/// written by containers and is resolved inside it.
fn open_source(bind: &BindMount) -> bulkhead_sys::Result<OwnedFd> {
    let source = match open_host(&bind.source, OFlag::O_PATH, 0) {
        Err(e) if bind.create_source && e.io_kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(&bind.source)
                .map_err(|e| Error::new("mkdir", bind.source.display(), e))?;
            open_host(&bind.source, OFlag::O_PATH, 0)?
        }
        other => other?,
    };
    match &bind.subpath {
        None => Ok(source),
        Some(path) => open_in_root(&source, path, OFlag::O_PATH, 0),
    }
}

fn tmpfs_target(tmpfs: &TmpfsMount, maps: &[IdMap]) -> MountTarget {
    let named =
        |(setting, value): &(TmpfsSetting, String)| (setting.name().to_owned(), value.clone());
    let mut settings: Vec<_> = tmpfs.settings.iter().map(named).collect();
    for (key, id) in [("uid", tmpfs.uid), ("gid", tmpfs.gid)] {
        // An id that the mapping lacks is refused by the kernel.
        let on_host = |id| match maps {
            [] => id,
            maps => host_id(maps, id).unwrap_or(u32::MAX),
        };
        settings.extend(id.map(|id| (key.to_owned(), on_host(id).to_string())));
    }
    MountTarget {
        target: tmpfs.target.as_os_str().as_bytes().to_vec(),
        content: Content::Tmpfs(TmpfsOrder {
            settings,
            exec: tmpfs.exec,
            suid: tmpfs.suid,
            dev: tmpfs.dev,
        }),
        read_only: match tmpfs.read_only {
            true => WriteProtection::Top,
            false => WriteProtection::No,
        },
    }
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
) -> Result<OwnedFd, RuntimeError> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW;
    let fd = open_beneath(folder, file.name, flags, 0o644)?;
    bulkhead_sys::directory::chmod_fd(&fd, 0o644)?;
    // Also when another start had another owner.
    let owner = owner.unwrap_or(0);
    chown_fd(&fd, owner, owner)?;
    let mounted = clone_mount(fd.as_fd(), false)?;
    let failed = |source| RuntimeError::State {
        path: file.target.clone(),
        source,
    };
    File::from(fd).write_all(&file.content).map_err(failed)?;
    Ok(mounted)
}

fn injected_target(file: &InjectedFile) -> MountTarget {
    MountTarget {
        target: file.target.as_os_str().as_bytes().to_vec(),
        content: Content::Detached {
            directory: false,
            propagation: Propagation::Private,
        },
        read_only: WriteProtection::No,
    }
}
