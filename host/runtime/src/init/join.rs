//! One more process in a container that runs.
//!
//! ```text
//! shim ──clone──▶ helper: cgroups ─▶ limits ─▶ namespaces ─▶ user, directory, terminal
//!   │               └──clone, sibling──▶ process: identity ─▶ exec
//!   └── its parent ◀────────────────────────┘
//! ```
//!
//! The helper stays in the host's pid namespace: nothing in the container can
//! see it, trace it or reach its descriptors. The process is born into the
//! container's, and has by then nothing of the host's but its streams and the
//! close-on-exec connection for a last report.

use std::os::fd::{AsFd, OwnedFd};

use bulkhead_sys::clone::fork_sibling;
use bulkhead_sys::directory::{DEVPTS_MAGIC, filesystem_magic};
use bulkhead_sys::namespace::{self, Namespaces};
use bulkhead_sys::path::{OFlag, open_host_dir, open_in_root};
use bulkhead_sys::{process, signal, terminal};

use super::{
    InitError, Report, become_streams, cgroups, exec, fail, give_terminal, identity, limits,
    rootfs, send_report,
};
use crate::order::{InitOrder, Join};
use crate::passwd::Identity;

/// What the helper brings along.
#[derive(Debug)]
pub struct Joining {
    /// The pidfd of the container's first process.
    pub container: OwnedFd,
    /// `tasks` files of the container's version 1 cgroups.
    pub cgroup_tasks: Vec<OwnedFd>,
    /// Standard input, output and error; absent: a terminal is made.
    pub streams: Option<[OwnedFd; 3]>,
    /// The connection to the shim.
    pub report: OwnedFd,
}

/// What the new process is made of.
struct Ready {
    identity: Identity,
    cwd: OwnedFd,
    streams: [OwnedFd; 3],
    /// The streams are a terminal.
    terminal: bool,
}

/// Makes the new process and ends. Failures have been reported.
pub fn join(order: &InitOrder, container: Join, joining: Joining) -> i32 {
    let Joining {
        container: first,
        cgroup_tasks,
        streams,
        report,
    } = joining;
    let entered = enter_container(order, container, first, cgroup_tasks, &report);
    let done = entered
        .and_then(|()| prepare(order, streams, &report))
        .and_then(|ready| start(order, &ready, &report));
    match done {
        Ok(()) => 0,
        Err(error) => fail(&report, &error),
    }
}

/// Everything for which the host is needed comes before the namespaces.
fn enter_container(
    order: &InitOrder,
    container: Join,
    first: OwnedFd,
    cgroup_tasks: Vec<OwnedFd>,
    report: &OwnedFd,
) -> Result<(), InitError> {
    process::set_dumpable(false)?;
    signal::reset_all()?;
    process::set_umask(0o022);
    cgroups::enter(&cgroup_tasks)?;
    limits::adjust_oom_score_outside(order.oom_score_adj, report)?;
    limits::apply_rlimits(&order.rlimits, report)?;
    if let Some(profile) = &order.apparmor {
        // The new process is a copy of this one, and has it, too.
        limits::change_profile_at_exec(&open_host_dir("/proc")?, profile)?;
    }
    join_namespaces(container, &first)
}

/// Sees the container's files alone, through its root.
fn prepare(
    order: &InitOrder,
    streams: Option<[OwnedFd; 3]>,
    report: &OwnedFd,
) -> Result<Ready, InitError> {
    let root = open_host_dir("/")?;
    Ok(Ready {
        identity: identity::resolve(root.as_fd(), &order.user, &order.groups)?,
        cwd: rootfs::open_cwd(&root, order)?,
        terminal: streams.is_none(),
        streams: match streams {
            Some(streams) => streams,
            None => open_terminal(&root, order, report)?,
        },
    })
}

/// All at once, by the process itself and not by files that it could have
/// prepared (`setns(2)`, Linux 5.8). The kernel makes the root of the mount
/// namespace ours.
fn join_namespaces(container: Join, first: &OwnedFd) -> Result<(), InitError> {
    let mut all = Namespaces::CLONE_NEWPID
        | Namespaces::CLONE_NEWNS
        | Namespaces::CLONE_NEWNET
        | Namespaces::CLONE_NEWIPC
        | Namespaces::CLONE_NEWUTS
        | Namespaces::CLONE_NEWCGROUP;
    // One that is ours already cannot be joined.
    all.set(Namespaces::CLONE_NEWUSER, container.user_namespace);
    namespace::join(first, all)?;
    if container.user_namespace {
        process::set_identity(0, 0, &[])?;
    }
    // The kernel resets it with every change of ids.
    Ok(process::set_dumpable(false)?)
}

/// The container may have put anything on /dev/pts.
fn open_terminal(
    root: &OwnedFd,
    order: &InitOrder,
    report: &OwnedFd,
) -> Result<[OwnedFd; 3], InitError> {
    let devpts = open_in_root(root, "/dev/pts", OFlag::O_PATH | OFlag::O_DIRECTORY, 0)?;
    if filesystem_magic(&devpts)? != DEVPTS_MAGIC {
        return Err(InitError::ForgedDevpts);
    }
    let (master, slave, _number) = terminal::open(&devpts)?;
    give_terminal(order, report, &master, slave)
}

/// From here on nothing of the host's is open but what `ready` names.
fn start(order: &InitOrder, ready: &Ready, report: &OwnedFd) -> Result<(), InitError> {
    let [input, output, error] = &ready.streams;
    let streams = [input.as_fd(), output.as_fd(), error.as_fd()];
    let kept = [&streams[..], &[ready.cwd.as_fd(), report.as_fd()]].concat();
    process::close_all_but(&kept)?;
    let child = fork_sibling(|| {
        let Err(error) = become_process(order, ready);
        fail(report, &error)
    })?;
    send_report(report, &Report::Process(child.pid), Some(&child.pidfd));
    Ok(())
}

fn become_process(order: &InitOrder, ready: &Ready) -> Result<std::convert::Infallible, InitError> {
    process::set_sid()?;
    become_streams(ready.terminal, &ready.streams)?;
    identity::assume(order, &ready.identity, &ready.cwd)?;
    let program = exec::prepare(order, &ready.identity)?;
    identity::confine(order)?;
    Err(exec::exec(&program))
}
