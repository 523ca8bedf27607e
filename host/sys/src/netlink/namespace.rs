//! Network namespaces (network_namespaces(7)), made and entered by threads
//! that end right after, so that the process stays where it is.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

use super::socket::RouteSocket;
use crate::error::{Error, Result, named};

/// The index `lo` has in every network namespace (LOOPBACK_IFINDEX).
const LOOPBACK: u32 = 1;
/// These threads make a handful of calls.
const STACK: usize = 64 * 1024;

/// A network namespace and a socket that works in it.
///
/// It lives as long as something refers to it: this descriptor, the socket or
/// a process in it. When the last goes, the kernel deletes its links; the far
/// end of a veth pair disappears with the end inside.
#[derive(Debug)]
pub struct Namespace {
    /// Its nsfs descriptor, for setns(2) and `IFLA_NET_NS_FD`.
    pub fd: OwnedFd,
    /// A socket that acts inside.
    pub route: RouteSocket,
}

impl Namespace {
    /// Makes a namespace with `lo` up. Interfaces that appear in it later have
    /// IPv6 off, as Docker's have on networks without an IPv6 subnet; `lo`
    /// keeps `::1`.
    pub fn create() -> Result<Self> {
        on_thread(|| {
            named(unshare(CloneFlags::CLONE_NEWNET), "unshare", "CLONE_NEWNET")?;
            Self::prepare()
        })?
    }

    /// Prepares a namespace that somebody else made as [`Namespace::create`]
    /// prepares its own.
    pub fn adopt(namespace: BorrowedFd<'_>) -> Result<Self> {
        in_namespace(namespace, Self::prepare)?
    }

    fn prepare() -> Result<Self> {
        let mut namespace = Self::current()?;
        disable_ipv6_by_default()?;
        namespace.route.set_up(LOOPBACK)?;
        Ok(namespace)
    }

    /// The calling thread's namespace.
    pub fn current() -> Result<Self> {
        let path = "/proc/thread-self/ns/net";
        let file = File::open(path).map_err(|e| Error::new("open", path, e))?;
        Ok(Self {
            fd: file.into(),
            route: RouteSocket::open()?,
        })
    }
}

/// Runs `work` on a thread inside `namespace` and returns what it returned.
pub fn in_namespace<T: Send>(
    namespace: BorrowedFd<'_>,
    work: impl FnOnce() -> T + Send,
) -> Result<T> {
    on_thread(|| {
        named(
            setns(namespace, CloneFlags::CLONE_NEWNET),
            "setns",
            "CLONE_NEWNET",
        )?;
        Ok(work())
    })?
}

/// Runs `work` on a thread of its own; a panic continues on the caller's.
fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    thread::scope(|scope| {
        let builder = thread::Builder::new()
            .name("netns".to_owned())
            .stack_size(STACK);
        let handle = builder
            .spawn_scoped(scope, work)
            .map_err(|e| Error::new("clone", "thread for a network namespace", e))?;
        Ok(handle
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// `/proc/sys/net` shows the namespace of the thread that opens it. A kernel
/// without IPv6 has no such file.
fn disable_ipv6_by_default() -> Result<()> {
    let path = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
    match std::fs::write(path, "1") {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::new("write", path, e)),
        _ => Ok(()),
    }
}
