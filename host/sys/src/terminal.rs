//! Pseudo terminals of a devpts instance that is not ours (`pts(4)`).

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::error::{Result, check};
use crate::path::{OFlag, open_beneath};

/// A new terminal in the devpts mounted at `devpts`: the master, the slave
/// and the slave's number. The slave is opened by TIOCGPTPEER (Linux 4.13), by
/// way of the master, so that no path of a container is trusted.
pub fn open(devpts: impl AsFd) -> Result<(OwnedFd, OwnedFd, u32)> {
    let master = open_beneath(devpts, "ptmx", OFlag::O_RDWR | OFlag::O_NOCTTY, 0)?;
    let unlock: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads an int.
    let result = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &unlock) };
    check(result.into(), "ioctl", "TIOCSPTLCK")?;
    let mut number: libc::c_uint = 0;
    // SAFETY: TIOCGPTN writes an unsigned int.
    let result = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN, &mut number) };
    check(result.into(), "ioctl", "TIOCGPTN")?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes open flags and gives a descriptor.
    let slave = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    let slave = check(slave.into(), "ioctl", "TIOCGPTPEER")?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok((
        master,
        unsafe { OwnedFd::from_raw_fd(slave as i32) },
        number,
    ))
}

/// TIOCSWINSZ
pub fn resize(terminal: impl AsFd, columns: u16, rows: u16) -> Result<()> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCSWINSZ reads a winsize.
    let result = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &size) };
    check(
        result.into(),
        "ioctl",
        format_args!("TIOCSWINSZ, {columns}x{rows}"),
    )
    .map(drop)
}

/// TIOCSCTTY: the terminal becomes the controlling one of this session.
pub fn make_controlling(terminal: impl AsFd) -> Result<()> {
    // SAFETY: the argument 0 asks not to steal it from another session.
    let result = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSCTTY, 0) };
    check(result.into(), "ioctl", "TIOCSCTTY").map(drop)
}

/// `tcsetpgrp(3)`: the calling process's group becomes the one that reads from
/// the terminal and gets its signals.
///
/// # Errors
/// ENOTTY when it is not this session's terminal.
pub fn make_foreground(terminal: impl AsFd) -> Result<()> {
    let group: libc::pid_t = nix::unistd::getpgrp().as_raw();
    // SAFETY: TIOCSPGRP reads a pid_t.
    let result = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSPGRP, &group) };
    check(result.into(), "ioctl", "TIOCSPGRP").map(drop)
}

/// `dup2(2)` onto 0, 1 or 2.
pub fn become_standard(file: impl AsFd, number: i32) -> Result<()> {
    assert!((0..=2).contains(&number), "only standard streams");
    // SAFETY: nothing in this program owns 0, 1 and 2.
    let result = unsafe { libc::dup2(file.as_fd().as_raw_fd(), number) };
    check(result.into(), "dup2", number).map(drop)
}
