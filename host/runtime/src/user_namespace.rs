//! A container's user namespace and the namespaces that must belong to it,
//! made before the container: its root filesystem is mounted with the mapping.

use std::os::fd::{AsFd, OwnedFd};

use bulkhead_model::network::{NetworkNamespace, NetworkPlan};
use bulkhead_model::process::{ContainerPlan, IdMap, Sharing};
use bulkhead_sys::clone::Holder;
use bulkhead_sys::namespace::Namespaces;
use bulkhead_sys::path::{OFlag, open_beneath, open_host_dir};

use crate::error::RuntimeError;
use crate::order::MappedIds;
use crate::storage::Shift;

/// The group of terminals (`devpts` of every distribution).
const TTY: u32 = 5;

/// Namespaces of a container that no process is in yet.
#[derive(Debug)]
pub(crate) struct UserNamespace {
    pub(crate) user: OwnedFd,
    /// Absent: the host's is shared.
    pub(crate) ipc: Option<OwnedFd>,
    /// Absent: the plan has none of its own.
    pub(crate) network: Option<OwnedFd>,
    pub(crate) ids: MappedIds,
}

impl UserNamespace {
    /// Makes what `plan` wants; `None` when it wants no mapping.
    ///
    /// # Errors
    /// A mapping without root or one that the kernel refuses
    /// (`user_namespaces(7)`, "Defining user and group ID mappings"), a
    /// privileged container, a limit of namespaces.
    pub(crate) fn of(
        plan: &ContainerPlan,
        network: &NetworkPlan,
    ) -> Result<Option<Self>, RuntimeError> {
        let maps = &plan.user_namespace;
        if maps.is_empty() {
            return Ok(None);
        }
        if plan.privileged {
            return Err(RuntimeError::PrivilegedUserNamespace);
        }
        let ids = MappedIds {
            root: host_id(maps, 0).ok_or(RuntimeError::NoMappedRoot)?,
            tty: host_id(maps, TTY),
        };
        let own_ipc = plan.shared.ipc == Sharing::Private;
        let own_network = network.namespace == NetworkNamespace::Private;
        make_as_root(maps, own_ipc, own_network, ids)
            .map(Some)
            .map_err(RuntimeError::UserNamespace)
    }

    /// One that only says how owners are shifted; `None` for an empty mapping.
    ///
    /// # Errors
    /// As [`UserNamespace::of`].
    pub(crate) fn mapping(maps: &[IdMap]) -> Result<Option<Self>, RuntimeError> {
        if maps.is_empty() {
            return Ok(None);
        }
        let ids = MappedIds {
            root: host_id(maps, 0).ok_or(RuntimeError::NoMappedRoot)?,
            tty: host_id(maps, TTY),
        };
        let made = make_as_root(maps, false, false, ids);
        made.map(Some).map_err(RuntimeError::UserNamespace)
    }

    /// How the root filesystem's owners are shifted.
    pub(crate) fn shift(&self) -> Shift<'_> {
        Shift {
            namespace: self.user.as_fd(),
            root: self.ids.root,
        }
    }
}

/// On a thread that has the ids of the root inside: the filesystem of an IPC
/// namespace's queues belongs to its maker.
fn make_as_root(
    maps: &[IdMap],
    ipc: bool,
    network: bool,
    ids: MappedIds,
) -> bulkhead_sys::Result<UserNamespace> {
    let run = || {
        bulkhead_sys::process::set_filesystem_identity(ids.root, ids.root)?;
        make(maps, ipc, network, ids)
    };
    let panicked = |_| {
        let source = std::io::Error::other("the thread panicked");
        Err(bulkhead_sys::Error::new("clone3", "CLONE_NEWUSER", source))
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(panicked)
}

fn make(
    maps: &[IdMap],
    ipc: bool,
    network: bool,
    ids: MappedIds,
) -> bulkhead_sys::Result<UserNamespace> {
    let mut wanted = Namespaces::CLONE_NEWUSER;
    wanted.set(Namespaces::CLONE_NEWIPC, ipc);
    wanted.set(Namespaces::CLONE_NEWNET, network);
    let holder = Holder::new(wanted)?;
    let proc = open_host_dir(format!("/proc/{}", holder.pid()))?;
    let text = map_file(maps);
    for name in ["uid_map", "gid_map"] {
        // The kernel takes a map in one write.
        let file = open_beneath(&proc, name, OFlag::O_WRONLY, 0)?;
        bulkhead_sys::poll::write(&file, text.as_bytes())?;
    }
    let open = |kind: &str| {
        // The links in ns/ are magic ones.
        let path = format!("/proc/{}/ns/{kind}", holder.pid());
        bulkhead_sys::path::open_host(path, OFlag::O_RDONLY, 0)
    };
    Ok(UserNamespace {
        user: open("user")?,
        ipc: ipc.then(|| open("ipc")).transpose()?,
        network: network.then(|| open("net")).transpose()?,
        ids,
    })
}

fn map_file(maps: &[IdMap]) -> String {
    maps.iter()
        .map(|m| format!("{} {} {}\n", m.inside, m.host, m.count))
        .collect()
}

/// What `inside` is on the host.
pub(crate) fn host_id(maps: &[IdMap], inside: u32) -> Option<u32> {
    maps.iter()
        .find(|m| inside >= m.inside && inside - m.inside < m.count)
        .and_then(|m| m.host.checked_add(inside - m.inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: [IdMap; 2] = [
        IdMap {
            inside: 0,
            host: 100_000,
            count: 5,
        },
        IdMap {
            inside: 5,
            host: 200_000,
            count: 10,
        },
    ];

    #[test]
    fn an_id_is_found_in_the_range_that_has_it() {
        assert_eq!(host_id(&MAPS, 4), Some(100_004));
        assert_eq!(host_id(&MAPS, 5), Some(200_000));
        assert_eq!(host_id(&MAPS, 15), None);
        assert_eq!(host_id(&[], 0), None);
    }

    #[test]
    fn the_kernel_takes_the_maps_and_refuses_overlapping_ones() {
        let ids = MappedIds { root: 0, tty: None };
        let made = make(&MAPS, true, true, ids).unwrap();
        assert!(made.ipc.is_some() && made.network.is_some());
        let twice = [MAPS[0], MAPS[0]];
        assert!(make(&twice, false, false, ids).is_err());
    }
}
