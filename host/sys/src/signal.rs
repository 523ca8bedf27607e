//! Signal dispositions and masks.

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal};

use crate::error::{Error, Result, check, named};

/// Ignores a signal: writes to closed pipes then fail with EPIPE.
pub fn ignore_sigpipe() -> Result<()> {
    // SAFETY: SIG_IGN installs no handler.
    let result = unsafe { nix::sys::signal::signal(Signal::SIGPIPE, SigHandler::SigIgn) };
    named(result, "signal", "SIGPIPE").map(drop)
}

/// Ignores what a terminal or a logout would send to a supervisor.
pub fn ignore_hangup() -> Result<()> {
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTTIN,
        Signal::SIGTTOU,
        Signal::SIGTSTP,
    ] {
        // SAFETY: SIG_IGN installs no handler.
        let result = unsafe { nix::sys::signal::signal(signal, SigHandler::SigIgn) };
        named(result, "signal", signal)?;
    }
    Ok(())
}

/// Default dispositions and an empty mask, as a new program expects them.
/// 1 to 64 includes the real-time signals.
pub fn reset_all() -> Result<()> {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL installs no handler. The C library refuses its own
        // two signals, SIGKILL and SIGSTOP with EINVAL, which is as good.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    named(
        nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None),
        "sigprocmask",
        "",
    )
}

/// `kill(2)` of one process by number; prefer a pidfd.
pub fn kill(pid: u32, signal: i32) -> Result<()> {
    let pid = libc::pid_t::try_from(pid)
        .map_err(|_| Error::new("kill", pid, nix::errno::Errno::ESRCH))?;
    // SAFETY: integers only.
    check(
        unsafe { libc::kill(pid, signal) }.into(),
        "kill",
        format_args!("{pid}, {signal}"),
    )
    .map(drop)
}
