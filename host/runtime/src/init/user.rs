//! The container's user namespace (`user_namespaces(7)`).
//!
//! The root filesystem is furnished by the host's root, who alone may make
//! devices and mount sysfs; the process enters the user namespace when all is
//! mounted and the host's root is out of reach. The mount namespace that it
//! makes then belongs to the user namespace: in such a copy every mount is
//! locked, so that no capability inside takes off what hides or
//! write-protects something.

use std::os::fd::OwnedFd;

use bulkhead_sys::namespace::{self, Namespaces};
use bulkhead_sys::path::open_host_dir;
use bulkhead_sys::process;

use super::{InitError, rootfs};
use crate::order::InitOrder;

/// Lets everything that is made from now on belong to the container's root:
/// the root filesystem's mount has no name for the host's. Nor do sysctls of
/// the IPC namespace, which go by the effective user (`ipc_permissions`).
pub(super) fn prepare(order: &InitOrder, ipc: Option<&OwnedFd>) -> Result<(), InitError> {
    if let Some(ipc) = ipc {
        namespace::join(ipc, Namespaces::CLONE_NEWIPC)?;
    }
    if let Some(mapped) = order.mapped {
        process::set_effective_identity(mapped.root, mapped.root)?;
        // The kernel resets it with every change of ids.
        process::set_dumpable(false)?;
    }
    Ok(())
}

/// Becomes root inside, in namespaces that the user namespace owns. Gives the
/// working directory anew: descriptors lead to the mounts of before.
pub(super) fn enter(order: &InitOrder, namespace: &OwnedFd) -> Result<OwnedFd, InitError> {
    namespace::join(namespace, Namespaces::CLONE_NEWUSER)?;
    process::set_identity(0, 0, &[])?;
    process::set_dumpable(false)?;
    let mut own = Namespaces::CLONE_NEWNS;
    own.set(Namespaces::CLONE_NEWUTS, !order.shared.uts);
    own.set(Namespaces::CLONE_NEWCGROUP, !order.shared.cgroup);
    namespace::unshare(own)?;
    if !order.shared.uts {
        super::set_names(order)?;
    }
    rootfs::open_cwd(&open_host_dir("/")?, order)
}
