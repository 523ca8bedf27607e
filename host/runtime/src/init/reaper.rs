//! The first process of a container that was asked to have an init: ours,
//! with the program as its child.
//!
//! ```text
//! all that `init` does ──clone──▶ program: group of its own ─▶ filter ─▶ exec
//!          └─▶ nothing open ─▶ filter ─▶ signals on, orphans reaped ─▶ the program's code
//! ```
//!
//! It runs what the shim runs, from the same sealed memfd, but has no
//! descriptor, no more rights than the program, and cannot be traced by
//! anything in the container.

use std::convert::Infallible;
use std::os::fd::OwnedFd;

use bulkhead_sys::clone::fork_into;
use bulkhead_sys::namespace::Namespaces;
use bulkhead_sys::signal::Forwarded;
use bulkhead_sys::{command_line, pidfd, process, signal, terminal};

use super::{InitError, fail, identity, limits};
use crate::order::InitOrder;
use crate::passwd::Identity;

/// What Docker's users see in `ps`.
const NAME: &str = "/sbin/docker-init";
const EINVAL: i32 = 22;
const SIGCHLD: i32 = 17;

/// Shows this process as an init with the program's command line.
pub(super) fn show_as(order: &InitOrder) -> Result<(), InitError> {
    process::set_name(c"docker-init")?;
    let own = [NAME, "--"].into_iter();
    let all = own.chain(order.args.iter().map(String::as_str));
    let text: String = all.flat_map(|argument| [argument, "\0"]).collect();
    match command_line::set(text.as_bytes()) {
        // Kernels without checkpoint and restore: its name alone is right.
        Err(e) if e.errno() == EINVAL => Ok(()),
        other => Ok(other?),
    }
}

/// Starts the program as a child and looks after it; ends with its code.
/// `program` confines itself and execs.
pub(super) fn run(
    order: &InitOrder,
    identity: &Identity,
    proc: &OwnedFd,
    report: &OwnedFd,
    program: impl FnOnce() -> Result<Infallible, InitError>,
) -> Result<Infallible, InitError> {
    let signals = Forwarded::block()?;
    let child = fork_into(Namespaces::empty(), None, || {
        let Err(error) = lead().and_then(|()| program());
        fail(report, &error)
    })?;
    // Changes of ids have reset it.
    process::set_dumpable(false)?;
    if let Some(profile) = &order.apparmor {
        limits::change_profile_now(proc, profile)?;
    }
    // With it goes the connection to the shim: the program may fail alone.
    process::close_descriptors(0, u32::MAX)?;
    let code = match identity::confine_reaper(order, identity) {
        Ok(()) => look_after(child.pid, &signals).unwrap_or(125),
        Err(_) => 125,
    };
    process::exit_now(code)
}

/// The program gets the terminal's signals itself, and first.
fn lead() -> Result<(), InitError> {
    process::lead_process_group()?;
    // ENOTTY: there is no terminal. While SIGTTOU is blocked it may be taken.
    let _ = terminal::make_foreground(std::io::stdin());
    Ok(signal::reset_all()?)
}

/// Until the child ends. Signals wait while it is busy, and one of SIGCHLD
/// stands for any number of children.
fn look_after(child: u32, signals: &Forwarded) -> Result<i32, bulkhead_sys::Error> {
    loop {
        match signals.wait()? {
            SIGCHLD => {
                while let Some((pid, exit)) = pidfd::try_wait_any()? {
                    if pid == child {
                        return Ok(exit.status());
                    }
                }
            }
            // Not reaped, so its number is its own; EPERM when it has become
            // somebody else, and nobody to tell.
            number => drop(signal::kill(child, number)),
        }
    }
}
