//! Namespaces of another container, which the engine says is running.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use bulkhead_model::process::{ContainerPlan, Peer, Sharing};
use bulkhead_sys::directory::{TMPFS_MAGIC, filesystem_magic, is_mount_root};
use bulkhead_sys::mount::clone_mount;
use bulkhead_sys::namespace::{self, Namespaces};
use bulkhead_sys::path::{OFlag, open_beneath, open_host_dir, open_in_root, open_namespace};

use crate::error::RuntimeError;

/// What a container takes over of others.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub(super) pid: Option<OwnedFd>,
    pub(super) ipc: Option<OwnedFd>,
    /// The other's /dev/shm, detached.
    pub(super) shared_memory: Option<OwnedFd>,
    pub(super) network: Option<OwnedFd>,
}

impl Joined {
    /// Opens what `plan` names.
    pub(super) fn of(plan: &ContainerPlan) -> Result<Self, RuntimeError> {
        let mut joined = Self::default();
        if let Sharing::Container(peer) = &plan.shared.pid {
            joined.pid = Some(open(peer, "pid")?);
        }
        if let Sharing::Container(peer) = &plan.shared.ipc {
            joined.ipc = Some(open(peer, "ipc")?);
            joined.shared_memory = Some(shared_memory(peer)?);
        }
        if let Some(peer) = &plan.shared.network {
            joined.network = Some(open(peer, "net")?);
        }
        Ok(joined)
    }
}

fn open(peer: &Peer, kind: &str) -> Result<OwnedFd, RuntimeError> {
    let process = process(peer)?;
    open_namespace(process, kind).map_err(|source| not_joined(peer, source))
}

/// The peer's folder in /proc. It stays with its process, so that a number
/// used again leads to nothing; that the process is the container's, its
/// cgroup tells, which no container can leave.
fn process(peer: &Peer) -> Result<OwnedFd, RuntimeError> {
    let gone = || RuntimeError::NotRunning(peer.id.as_str().to_owned());
    let folder = open_host_dir(format!("/proc/{}", peer.pid)).map_err(|_| gone())?;
    let file = open_beneath(&folder, "cgroup", OFlag::O_RDONLY, 0).map_err(|_| gone())?;
    let mut text = String::new();
    let read = File::from(file).take(64 * 1024).read_to_string(&mut text);
    read.map_err(|_| gone())?;
    // `hierarchy:controllers:path`, `cgroups(7)`.
    let within = |line: &str| {
        let path = line.splitn(3, ':').nth(2).unwrap_or_default();
        path.split('/').any(|part| part == peer.id.as_str())
    };
    match text.lines().any(within) {
        true => Ok(folder),
        false => Err(gone()),
    }
}

/// A copy of a mount can only be made in its own mount namespace: a thread
/// goes there, and nowhere else after it. The path is resolved inside the
/// peer's root, and what is there must be a mount of a tmpfs: where the root is
/// a tmpfs too, each of its folders looks like one.
fn shared_memory(peer: &Peer) -> Result<OwnedFd, RuntimeError> {
    let process = process(peer)?;
    let copy = || {
        namespace::unshare(Namespaces::CLONE_FS)?;
        let mounts = open_namespace(process.as_fd(), "mnt")?;
        namespace::join(mounts, Namespaces::CLONE_NEWNS)?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let place = open_in_root(open_host_dir("/")?, "dev/shm", flags, 0)?;
        if filesystem_magic(&place)? != TMPFS_MAGIC || !is_mount_root(&place)? {
            let source = std::io::Error::other("no tmpfs is mounted there");
            return Err(bulkhead_sys::Error::new("open_tree", "/dev/shm", source));
        }
        clone_mount(&place, false)
    };
    let panicked = |_| {
        let source = std::io::Error::other("the thread panicked");
        Err(bulkhead_sys::Error::new("setns", "CLONE_NEWNS", source))
    };
    std::thread::scope(|scope| scope.spawn(copy).join())
        .unwrap_or_else(panicked)
        .map_err(|source| not_joined(peer, source))
}

fn not_joined(peer: &Peer, source: bulkhead_sys::Error) -> RuntimeError {
    RuntimeError::Join {
        id: peer.id.as_str().to_owned(),
        source,
    }
}
