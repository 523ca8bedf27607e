//! The child's side: from a fresh clone of the shim to the container's program.
//!
//! One downward function; the order of the phases is the security argument.
//!
//! ```text
//! cgroups ─▶ namespaces ─▶ root filesystem ─▶ limits ─▶ identity ─▶ exec
//!   host's descriptors and /proc         │ pivot_root │ nothing of the host's left
//! ```
//!
//! The process has one thread. It runs from a sealed memfd, so that what the
//! container sees as /proc/1/exe can be read at most. Failures go to the shim
//! over a close-on-exec socket; its end means that the program runs.

mod cgroups;
mod devices;
mod error;
mod exec;
mod identity;
mod join;
mod limits;
pub(crate) mod mask;
mod mounts;
mod reaper;
mod rootfs;
mod special;
pub(crate) mod target;
mod user;

use std::os::fd::{AsFd, OwnedFd};

use bulkhead_model::process::StartFailure;
use bulkhead_sys::namespace::{self, Namespaces};
use bulkhead_sys::{process, signal, socket, terminal};

pub use error::InitError;
pub(crate) use identity::resolve as find_user;
pub use join::{Joining, join};

use crate::order::InitOrder;

/// What the child brings along.
#[derive(Debug)]
pub struct Descriptors {
    /// The detached mount of the root filesystem.
    pub rootfs: OwnedFd,
    /// The network namespace; absent: the host's.
    pub network: Option<OwnedFd>,
    /// The user namespace; absent: the host's.
    pub user: Option<OwnedFd>,
    /// The IPC namespace to join: another container's, or one that the user
    /// namespace owns.
    pub ipc: Option<OwnedFd>,
    /// Another container's /dev/shm, detached.
    pub shared_memory: Option<OwnedFd>,
    /// `tasks` files of version 1 cgroups, or `cgroup.procs` when the clone
    /// could not be born in its cgroup.
    pub cgroup_tasks: Vec<OwnedFd>,
    /// Detached cgroup mounts with their names.
    pub cgroup_mounts: Vec<(String, OwnedFd)>,
    /// Detached mounts, in the order of `InitOrder::mounts`.
    pub mounts: Vec<OwnedFd>,
    /// Standard input, output and error; absent: a terminal is made.
    pub streams: Option<[OwnedFd; 3]>,
    /// The connection to the shim.
    pub report: OwnedFd,
}

/// What the child tells the shim before its program runs.
#[derive(Debug)]
pub enum Report {
    /// A limit that could not be applied.
    Warning(String),
    /// The terminal's master is attached to the message.
    Terminal,
    /// The process in the container that was joined, in the host's pid
    /// namespace; its pidfd is attached to the message.
    Process(u32),
    /// It failed.
    Failed(StartFailure),
}

/// The namespaces a container is cloned into. The network's is joined, the
/// cgroup namespace comes after the cgroups.
pub fn namespaces(order: &InitOrder) -> Namespaces {
    let mut flags = Namespaces::CLONE_NEWNS;
    flags.set(Namespaces::CLONE_NEWPID, !order.shared.pid);
    // With a user namespace, these two must belong to it.
    let here = order.mapped.is_none();
    flags.set(Namespaces::CLONE_NEWIPC, here && !order.shared.ipc);
    flags.set(Namespaces::CLONE_NEWUTS, here && !order.shared.uts);
    flags
}

/// Becomes the container's first process. Returns only on failure, which has
/// then been reported, with an exit code for nobody.
pub fn run(order: &InitOrder, descriptors: Descriptors) -> i32 {
    let report = match descriptors.report.try_clone() {
        Ok(report) => report,
        Err(_) => return 125,
    };
    let Err(error) = become_container(order, descriptors);
    fail(&report, &error)
}

fn fail(report: &OwnedFd, error: &InitError) -> i32 {
    let failure = StartFailure {
        kind: error.failure_kind(),
        message: error.message(),
    };
    send_report(report, &Report::Failed(failure), None);
    125
}

fn become_container(
    order: &InitOrder,
    d: Descriptors,
) -> Result<std::convert::Infallible, InitError> {
    // Nobody unprivileged may look into this process while it holds
    // descriptors of the host's; exec lifts this again.
    process::set_dumpable(false)?;
    process::set_sid()?;
    signal::reset_all()?;
    process::set_umask(0o022);
    cgroups::enter(&d.cgroup_tasks)?;
    if order.reaper {
        reaper::show_as(order)?;
    }
    join_namespaces(order, d.network.as_ref())?;
    user::prepare(order, d.ipc.as_ref())?;
    let mut root = rootfs::Root::attach(&d.rootfs)?;
    let proc = special::mount_all(&mut root, order, &d.cgroup_mounts, d.shared_memory)?;
    let terminal = d.streams.is_none();
    let streams = match d.streams {
        Some(streams) => streams,
        None => open_terminal(&root, order, &d.report)?,
    };
    mounts::mount_requested(&root, order, d.mounts)?;
    let cwd = rootfs::prepare_cwd(&root, order)?;
    limits::write_sysctls(&proc, &order.sysctls)?;
    limits::adjust_oom_score(&proc, order.oom_score_adj, &d.report)?;
    if !order.privileged {
        mask::apply(&root, &proc, &order.protected)?;
    }
    root.finish(order.read_only)?;
    limits::apply_rlimits(&order.rlimits, &d.report)?;
    let identity = identity::resolve(root.fd(), &order.user, &order.groups)?;
    if let Some(profile) = &order.apparmor {
        limits::change_profile_at_exec(&proc, profile)?;
    }
    root.pivot()?;
    let proc = Some(proc).filter(|_| order.reaper);
    become_streams(terminal, &streams)?;
    let cwd = match &d.user {
        Some(namespace) => user::enter(order, namespace)?,
        None => cwd,
    };
    identity::assume(order, &identity, &cwd)?;
    // Without its shim nobody would see its end. A change of ids or a gain of
    // capabilities clears this (`prctl(2)`), so it comes after them; a
    // profile of the user's may close it, so it comes before that.
    process::die_with_parent()?;
    let program = exec::prepare(order, &identity)?;
    let start = || {
        identity::confine(order)?;
        Err(exec::exec(&program))
    };
    match proc {
        Some(proc) => reaper::run(order, &identity, &proc, &d.report, start),
        None => start(),
    }
}

fn join_namespaces(order: &InitOrder, network: Option<&OwnedFd>) -> Result<(), InitError> {
    if let Some(network) = network {
        namespace::join(network, Namespaces::CLONE_NEWNET)?;
    }
    if order.mapped.is_some() {
        return Ok(());
    }
    if !order.shared.cgroup {
        namespace::unshare(Namespaces::CLONE_NEWCGROUP)?;
    }
    if !order.shared.uts {
        set_names(order)?;
    }
    Ok(())
}

/// In a UTS namespace of the container's own.
fn set_names(order: &InitOrder) -> Result<(), InitError> {
    namespace::set_hostname(&order.hostname)?;
    if !order.domainname.is_empty() {
        namespace::set_domainname(&order.domainname)?;
    }
    Ok(())
}

/// The terminal belongs to the container's own devpts; the shim gets the master.
fn open_terminal(
    root: &rootfs::Root,
    order: &InitOrder,
    report: &OwnedFd,
) -> Result<[OwnedFd; 3], InitError> {
    let (master, slave, _number) = terminal::open(root.devpts()?)?;
    special::mount_console(root, &slave)?;
    give_terminal(order, report, &master, slave)
}

/// It has its size before the program can ask for it.
fn give_terminal(
    order: &InitOrder,
    report: &OwnedFd,
    master: &OwnedFd,
    slave: OwnedFd,
) -> Result<[OwnedFd; 3], InitError> {
    if let Some((columns, rows)) = order.console_size {
        terminal::resize(master, columns, rows)?;
    }
    send_report(report, &Report::Terminal, Some(master));
    let copy = || slave.try_clone().map_err(InitError::Duplicate);
    Ok([copy()?, copy()?, slave])
}

fn become_streams(controlling: bool, streams: &[OwnedFd; 3]) -> Result<(), InitError> {
    if controlling {
        terminal::make_controlling(&streams[0])?;
    }
    for (number, stream) in streams.iter().enumerate() {
        terminal::become_standard(stream, number as i32)?;
    }
    // Whatever else is open goes with the exec, the report socket included.
    Ok(process::close_on_exec_from(3)?)
}

/// One byte of type, one of kind, text. A shim that is gone cannot be told.
fn send_report(socket: &OwnedFd, report: &Report, fd: Option<&OwnedFd>) {
    use crate::shim_protocol::{Event, Message};
    let mut bytes = Vec::new();
    match report {
        Report::Warning(text) => Event::Warning(text.clone()).encode(&mut bytes),
        Report::Terminal => bytes.push(0),
        Report::Process(pid) => {
            bytes.push(1);
            bytes.extend_from_slice(&pid.to_le_bytes());
        }
        Report::Failed(failure) => Event::StartFailed(failure.clone()).encode(&mut bytes),
    }
    let fds: Vec<_> = fd.iter().map(|fd| fd.as_fd()).collect();
    let _ = socket::send(socket, &bytes, &fds);
}

/// Reads the child's next report; `None` when its program runs. The second
/// part is the terminal's master.
///
/// # Errors
/// The socket failed, or the report is broken.
pub fn read_report(socket: &OwnedFd) -> std::io::Result<Option<(Report, Option<OwnedFd>)>> {
    use crate::shim_protocol::{Decoder, Event};
    let mut buffer = vec![0; 16 * 1024];
    let received = socket::recv(socket, &mut buffer, 1)?;
    let bytes = &buffer[..received.len];
    match bytes {
        [] => return Ok(None),
        [0] => return Ok(Some((Report::Terminal, received.fds.into_iter().next()))),
        &[1, a, b, c, d] => {
            let process = Report::Process(u32::from_le_bytes([a, b, c, d]));
            return Ok(Some((process, received.fds.into_iter().next())));
        }
        _ => {}
    }
    let mut decoder = Decoder::<Event>::default();
    decoder.push(bytes);
    match decoder.next_message() {
        Ok(Some(Event::Warning(text))) => Ok(Some((Report::Warning(text), None))),
        Ok(Some(Event::StartFailed(failure))) => Ok(Some((Report::Failed(failure), None))),
        _ => Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "a broken report",
        )),
    }
}

fn warn(report: &OwnedFd, text: String) {
    send_report(report, &Report::Warning(text), None);
}
