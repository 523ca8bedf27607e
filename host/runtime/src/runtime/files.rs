//! A container's files, seen from the daemon.
//!
//! What a container can change is only ever reached through a descriptor of
//! its root directory, as if chrooted and without magic links. No thread of
//! the daemon's own enters a container; one that joins a mount namespace
//! copies a mount there, looks up no name and ends.
//!
//! ```text
//! running, with mounts   /proc/<pid>/root
//! running, root alone    a copy of that mount without those in it
//! stopped                the snapshot, and its mounts put into it where
//!                        nobody sees them; a copy of the tree in no namespace
//! ```

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bulkhead_model::process::{BindMount, Files, FilesPlan, FilesScope};
use bulkhead_sys::mount::{self, Attributes, clone_mount, move_mount};
use bulkhead_sys::namespace::{self, Namespaces};
use bulkhead_sys::path::{OFlag, open_beneath, open_host, open_host_dir, proc_path};
use bulkhead_sys::{directory, pidfd, process};

use super::Runtime;
use super::mounts::{Mounts, open_bind, outer_first};
use crate::error::RuntimeError;
use crate::init::target;
use crate::order::{Content, MountTarget, Propagation, WriteProtection};
use crate::storage::in_private_namespace;
use crate::user_namespace::UserNamespace;

impl Runtime {
    pub(super) fn see_files(
        &self,
        plan: &FilesPlan,
        work: &mut (dyn FnMut(BorrowedFd<'_>) + Send),
    ) -> Result<(), RuntimeError> {
        let user = UserNamespace::mapping(&plan.user_namespace)?;
        let owner = user.as_ref().map(|user| user.ids.root);
        let root = match &plan.files {
            Files::Running { pid } => self.files_of_process(plan, *pid)?,
            Files::Stopped {
                driver,
                rootfs,
                read_only,
                mounts,
                injected,
            } => {
                let shift = user.as_ref().map(UserNamespace::shift);
                let root = self.storage.mount(driver, rootfs, shift)?;
                if plan.scope == FilesScope::RootAlone {
                    root
                } else {
                    let mounts = self.open_all(plan, &root, mounts, injected, owner)?;
                    assemble(&root, &mounts, *read_only, owner)?
                }
            }
        };
        on_own_thread(|| {
            if let Some(owner) = owner {
                process::set_filesystem_identity(owner, owner)?;
            }
            work(root.as_fd());
            Ok(())
        })
    }

    /// The root directory of a container's first process. That the pid is
    /// still that process's is certain: its descriptor came first, and it has
    /// not ended when all is open.
    fn files_of_process(&self, plan: &FilesPlan, pid: u32) -> Result<OwnedFd, RuntimeError> {
        let id = plan.id.as_str();
        let gone = || RuntimeError::NotRunning(id.to_owned());
        let process = pidfd::open(pid).map_err(|_| gone())?;
        if !self.cgroups_of(id).is_member(id, pid) {
            return Err(gone());
        }
        let folder = open_host_dir(format!("/proc/{pid}")).map_err(|_| gone())?;
        // Magic links, both; the kernel's own, not the container's.
        let open =
            |name: &str, flags| open_host(format!("{}/{name}", proc_path(&folder)), flags, 0);
        let root = open("root", OFlag::O_PATH | OFlag::O_DIRECTORY).map_err(|_| gone())?;
        let namespace = open("ns/mnt", OFlag::O_RDONLY).map_err(|_| gone())?;
        pidfd::send_signal(&process, 0).map_err(|_| gone())?;
        match plan.scope {
            FilesScope::Mounts => Ok(root),
            FilesScope::RootAlone => copy_of_root(&namespace, &root),
        }
    }

    fn open_all(
        &self,
        plan: &FilesPlan,
        root: &OwnedFd,
        mounts: &[BindMount],
        injected: &[(&'static str, PathBuf)],
        owner: Option<u32>,
    ) -> Result<Mounts, RuntimeError> {
        let mut all = Vec::with_capacity(mounts.len() + injected.len());
        for bind in mounts {
            all.push(open_bind(bind, root, owner)?);
        }
        let folder = self.layout.container(plan.id.as_str())?;
        for (name, target) in injected {
            // Written when it first started.
            let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
            if let Ok(file) = open_beneath(&folder, name, flags, 0) {
                let place = MountTarget {
                    target: target.as_os_str().as_bytes().to_vec(),
                    content: Content::Detached {
                        directory: false,
                        propagation: Propagation::Private,
                    },
                    read_only: WriteProtection::No,
                };
                all.push((place, Some(clone_mount(file, false)?)));
            }
        }
        outer_first(&mut all);
        Ok(all)
    }
}

/// A detached copy of a mount of another namespace, without what is mounted
/// in it: `open_tree(2)` copies mounts of the calling thread's namespace only.
fn copy_of_root(mount_namespace: &OwnedFd, root: &OwnedFd) -> Result<OwnedFd, RuntimeError> {
    on_own_thread(|| {
        // setns(2): a thread that shares its root directory with others cannot.
        namespace::unshare(Namespaces::CLONE_FS)?;
        namespace::join(mount_namespace, Namespaces::CLONE_NEWNS)?;
        Ok(clone_mount(root, false)?)
    })
}

/// Puts the mounts where they belong, in a mount namespace that ends with its
/// thread, and takes a copy of the tree, which goes with its descriptor.
fn assemble(
    root: &OwnedFd,
    mounts: &Mounts,
    read_only: bool,
    owner: Option<u32>,
) -> Result<OwnedFd, RuntimeError> {
    let assembled = in_private_namespace(|| {
        move_mount(root, open_host_dir("/")?)?;
        mount::set_private(root, false)?;
        if let Some(owner) = owner {
            process::set_filesystem_identity(owner, owner)?;
        }
        for (wanted, mounted) in mounts {
            // What is in memory goes with the container's end.
            let (
                Content::Detached {
                    directory: of_directory,
                    ..
                },
                Some(mounted),
            ) = (&wanted.content, mounted)
            else {
                continue;
            };
            let path = Path::new(std::ffi::OsStr::from_bytes(&wanted.target));
            let place = if *of_directory {
                target::directory(root.as_fd(), path, 0o755)?
            } else {
                target::file(root.as_fd(), path)?
            };
            let is_dir = directory::file_type(&directory::stat_fd(&place)?) == 0o040_000;
            if is_dir != *of_directory {
                // A start would fail; looking at the rest need not.
                continue;
            }
            if wanted.read_only != WriteProtection::No {
                let deep = wanted.read_only == WriteProtection::Recursive;
                mount::set_attributes(mounted, Attributes::READ_ONLY, deep)?;
            }
            move_mount(mounted, place)?;
            mount::set_private(mounted, true)?;
        }
        if read_only {
            mount::set_attributes(root, Attributes::READ_ONLY, false)?;
        }
        clone_mount(root, true)
    });
    assembled.map_err(RuntimeError::Files)
}

fn on_own_thread<T: Send>(
    work: impl FnOnce() -> Result<T, RuntimeError> + Send,
) -> Result<T, RuntimeError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("files".to_owned())
            .spawn_scoped(scope, work)
            .map_err(RuntimeError::Thread)?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
