//! The cell: what a process does to itself before it touches foreign code.
//!
//! The phases must come in this order, and each reads top to bottom:
//! [`isolate`] (own namespaces), [`enter`] (empty root), then the caller
//! loads what it needs, [`drop_privileges`] (uid, capabilities), then it makes
//! its threads, [`seal`] (limits, system call filter).

use bulkhead_sys::namespace::Namespaces;
use bulkhead_sys::process::{self, Capabilities, Resource};
use bulkhead_sys::{clone, mount, path, pidfd};

use crate::filter;

pub use bulkhead_wire::control::DEFAULT_UID;

/// Reads `--uid N`, which both programs take.
///
/// # Errors
/// The words that were not understood. Root is not understood.
pub fn uid_from_args(args: &[String]) -> Result<u32, UnknownArguments> {
    match args {
        [] => Ok(DEFAULT_UID),
        [flag, uid] if flag == "--uid" => match uid.parse() {
            Ok(uid @ 1..=0x7fff_ffff) => Ok(uid),
            _ => Err(UnknownArguments(args.to_vec())),
        },
        _ => Err(UnknownArguments(args.to_vec())),
    }
}

/// The command line is not understood.
#[derive(Debug, thiserror::Error)]
#[error("unknown arguments {0:?}: expected --uid and a number above 0")]
pub struct UnknownArguments(Vec<String>);

/// A phase failed; the process must not go on.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// No new namespaces.
    #[error("cannot make the cell's namespaces")]
    Namespaces(#[source] bulkhead_sys::Error),
    /// No empty root.
    #[error("cannot make the cell's empty root")]
    Root(#[source] bulkhead_sys::Error),
    /// Identity or capabilities stayed.
    #[error("cannot drop privileges")]
    Privileges(#[source] bulkhead_sys::Error),
    /// A limit could not be set.
    #[error("cannot set the cell's limits")]
    Limits(#[source] bulkhead_sys::Error),
    /// The filter could not be loaded.
    #[error("cannot load the system call filter")]
    Filter(#[source] bulkhead_sys::Error),
}

/// What a sealed process may use up.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of address space: RLIMIT_AS.
    pub address_space: u64,
    /// Bytes of writable private memory: RLIMIT_DATA.
    pub data: u64,
    /// Seconds of processor time, if bounded: RLIMIT_CPU.
    pub cpu_seconds: Option<u64>,
}

/// Runs `body` as the only process of new namespaces, and ends the calling
/// process with its exit code. Call it first in `main`: the process must have
/// a single thread, because the pid namespace takes a fork.
///
/// A network namespace without even `lo` up, no IPC objects, no hostname, no
/// view of cgroups or of any other process.
pub fn isolate(uid: u32, body: impl FnOnce() -> i32) -> Result<i32, ConfineError> {
    let namespaces = Namespaces::CLONE_NEWNS
        | Namespaces::CLONE_NEWPID
        | Namespaces::CLONE_NEWNET
        | Namespaces::CLONE_NEWIPC
        | Namespaces::CLONE_NEWUTS
        | Namespaces::CLONE_NEWCGROUP;
    let child = clone::fork_into(namespaces, None, body).map_err(ConfineError::Namespaces)?;
    // All that is left to do here is to wait and to pass on the exit code.
    drop_privileges(uid)?;
    filter::sealed().load().map_err(ConfineError::Filter)?;
    let exit = pidfd::wait(&child.pidfd).map_err(ConfineError::Namespaces)?;
    Ok(exit.status())
}

/// Makes an empty, read-only tmpfs the root: no path leads anywhere.
pub fn enter() -> Result<(), ConfineError> {
    let root = ConfineError::Root;
    // Slaves first, or the unmount of the old root would spread to the host.
    mount::make_root_slave().map_err(root)?;
    let tmpfs = mount::Context::open(c"tmpfs").map_err(root)?;
    tmpfs.set(c"size", "4096").map_err(root)?;
    tmpfs.set(c"nr_inodes", "1").map_err(root)?;
    tmpfs.set(c"mode", "555").map_err(root)?;
    let attributes = mount::Attributes::READ_ONLY
        .and(mount::Attributes::NO_SUID)
        .and(mount::Attributes::NO_DEV)
        .and(mount::Attributes::NO_EXEC);
    let empty = tmpfs.mount(attributes).map_err(root)?;
    // pivot_root wants a mount point; /proc is a directory on every host.
    let place = path::open_host_dir("/proc").map_err(root)?;
    mount::move_mount(&empty, &place).map_err(root)?;
    mount::pivot_into(&empty).map_err(root)
}

/// Becomes `uid` for good: no capability in any set, no supplementary group,
/// nothing gained by exec, no ptrace, no core dump.
pub fn drop_privileges(uid: u32) -> Result<(), ConfineError> {
    let failed = ConfineError::Privileges;
    // Leaving the bounding set takes CAP_SETPCAP, which goes with the uid.
    process::limit_bounding_set(0).map_err(failed)?;
    process::set_identity(uid, uid, &[]).map_err(failed)?;
    process::set_capabilities(Capabilities::default()).map_err(failed)?;
    process::set_no_new_privs().map_err(failed)?;
    // A change of uid resets it, so it comes last (prctl(2)).
    process::set_dumpable(false).map_err(failed)
}

/// Dies with the process that [`isolate`] left outside. Call it after
/// [`drop_privileges`], which clears it. That process itself ends when ours
/// does; it must not die with its own parent, because the kernel means the
/// parent's *thread* (`prctl(2)`, PR_SET_PDEATHSIG).
pub fn die_with_keeper() -> Result<(), ConfineError> {
    process::die_with_parent().map_err(ConfineError::Privileges)
}

/// Sets limits, then loads the filter for all threads. From here on there is
/// no new thread, process, descriptor, file byte or executable page.
pub fn seal(bounds: Bounds) -> Result<(), ConfineError> {
    limit("core", 0)?;
    limit("fsize", 0)?;
    // Open descriptors keep working; a new one would need a number below 0.
    limit("nofile", 0)?;
    limit("nproc", 0)?;
    limit("memlock", 0)?;
    limit("msgqueue", 0)?;
    limit("as", bounds.address_space)?;
    limit("data", bounds.data)?;
    if let Some(seconds) = bounds.cpu_seconds {
        limit("cpu", seconds)?;
    }
    let filter = filter::sealed();
    filter.load_all_threads().map_err(ConfineError::Filter)
}

/// Lowers a limit, soft and hard; one that is lower already stays.
fn limit(name: &str, value: u64) -> Result<(), ConfineError> {
    let Some(resource) = Resource::named(name) else {
        return Ok(());
    };
    let (_, hard) = process::rlimit(resource).map_err(ConfineError::Limits)?;
    let value = value.min(hard);
    process::set_rlimit(resource, value, value).map_err(ConfineError::Limits)
}
