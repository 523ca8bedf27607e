//! Processes by descriptor: a pid can be reused, a pidfd cannot
//! (`pidfd_open(2)`).

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::error::{Error, Result, check};

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl Exit {
    /// The shell's number: the code, or 128 plus the signal.
    pub fn status(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// `pidfd_open(2)`
pub fn open(pid: u32) -> Result<OwnedFd> {
    // SAFETY: integers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
    let fd = check(fd, "pidfd_open", pid)?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// `pidfd_send_signal(2)`; signal 0 only asks whether the process is there.
///
/// # Errors
/// ESRCH when it has ended.
pub fn send_signal(process: impl AsFd, signal: i32) -> Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    let fd = process.as_fd().as_raw_fd();
    // SAFETY: NULL stands for the same information as kill(2) sends.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, no_info, 0) };
    check(result, "pidfd_send_signal", signal).map(drop)
}

/// Waits for a child to end and reaps it.
pub fn wait(child: impl AsFd) -> Result<Exit> {
    loop {
        match wait_with(child.as_fd().as_raw_fd(), libc::WEXITED) {
            Ok(Some(exit)) => return Ok(exit),
            Ok(None) => {}
            Err(e) if e.errno() == libc::EINTR => {}
            Err(e) => return Err(e),
        }
    }
}

/// Reaps a child if it has ended.
pub fn try_wait(child: impl AsFd) -> Result<Option<Exit>> {
    wait_with(child.as_fd().as_raw_fd(), libc::WEXITED | libc::WNOHANG)
}

/// Reaps any child that has ended, such as an orphan that this process was
/// given; its pid and its end.
///
/// # Errors
/// ECHILD: there are no children.
pub fn try_wait_any() -> Result<Option<(u32, Exit)>> {
    wait_for(libc::P_ALL, 0, libc::WEXITED | libc::WNOHANG)
}

fn wait_with(fd: i32, options: i32) -> Result<Option<Exit>> {
    let ended = wait_for(libc::P_PIDFD, fd as libc::id_t, options)?;
    Ok(ended.map(|(_, exit)| exit))
}

fn wait_for(kind: libc::idtype_t, id: libc::id_t, options: i32) -> Result<Option<(u32, Exit)>> {
    // SAFETY: siginfo_t is plain data; zeroes are a valid value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is writable and outlives the call.
    let result = unsafe { libc::waitid(kind, id, &mut info, options) };
    if result < 0 {
        return Err(Error::last("waitid", kind));
    }
    // SAFETY: waitid filled the child's part, or left zeroes.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let exit = match info.si_code {
        libc::CLD_EXITED => Exit::Code(status),
        _ => Exit::Signal(status),
    };
    Ok(Some((pid as u32, exit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_signalled_and_reaped_by_descriptor() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let fd = open(child.id()).unwrap();
        assert_eq!(try_wait(&fd).unwrap(), None);
        send_signal(&fd, libc::SIGKILL).unwrap();
        assert_eq!(wait(&fd).unwrap(), Exit::Signal(libc::SIGKILL));
        assert_eq!(send_signal(&fd, 0).unwrap_err().errno(), libc::ESRCH);
        assert!(child.wait().is_err(), "it is reaped already");
    }
}
