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

/// What a supervisor passes on: all signals but SIGKILL and SIGSTOP, which
/// nobody catches, and those that tell of a fault of its own.
#[derive(Clone, Copy, Debug)]
pub struct Forwarded(SigSet);

impl Forwarded {
    /// Blocks them, so that they wait for [`Self::wait`]. Also the first
    /// process of a pid namespace then gets those that nobody handles
    /// (`pid_namespaces(7)`).
    pub fn block() -> Result<Self> {
        let mut set = SigSet::all();
        for fault in [
            Signal::SIGABRT,
            Signal::SIGBUS,
            Signal::SIGFPE,
            Signal::SIGILL,
            Signal::SIGSEGV,
            Signal::SIGSYS,
            Signal::SIGTRAP,
        ] {
            set.remove(fault);
        }
        named(
            nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&set), None),
            "sigprocmask",
            "SIG_SETMASK",
        )?;
        Ok(Self(set))
    }

    /// Waits for the next one and gives its number. Several of one number may
    /// be one.
    pub fn wait(&self) -> Result<i32> {
        loop {
            // SAFETY: the set is readable; nothing is written for NULL.
            let number = unsafe { libc::sigwaitinfo(self.0.as_ref(), std::ptr::null_mut()) };
            match check(number.into(), "rt_sigtimedwait", "") {
                Err(e) if e.errno() == libc::EINTR => {}
                other => return other.map(|number| number as i32),
            }
        }
    }
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
