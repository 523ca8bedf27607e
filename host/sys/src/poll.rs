//! Waiting for descriptors (`poll(2)`) and moving bytes without blocking.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::error::{Error, Result, named};

pub use nix::poll::PollFlags as Events;

/// What to wait for, one entry a descriptor.
pub type Interest<'a> = (BorrowedFd<'a>, PollFlags);

/// Waits until something is ready; the answer has one entry for each of
/// `interests`, in their order. A signal or the timeout gives empty events.
pub fn wait(interests: &[Interest<'_>], timeout_ms: Option<u16>) -> Result<Vec<PollFlags>> {
    let mut fds: Vec<PollFd<'_>> = interests
        .iter()
        .map(|(fd, flags)| PollFd::new(*fd, *flags))
        .collect();
    let timeout = timeout_ms.map_or(PollTimeout::NONE, PollTimeout::from);
    match nix::poll::poll(&mut fds, timeout) {
        Err(nix::errno::Errno::EINTR) => Ok(vec![PollFlags::empty(); interests.len()]),
        Err(errno) => Err(Error::new("poll", interests.len(), errno)),
        Ok(_) => Ok(fds
            .iter()
            .map(|fd| fd.revents().unwrap_or(PollFlags::empty()))
            .collect()),
    }
}

/// What a read or a write without blocking came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many bytes; 0 from a read is the end.
    Bytes(usize),
    /// Nothing for now.
    WouldBlock,
}

/// `read(2)`; EINTR is tried again.
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> Result<Progress> {
    loop {
        match nix::unistd::read(&fd, buffer) {
            Ok(n) => return Ok(Progress::Bytes(n)),
            Err(nix::errno::Errno::EAGAIN) => return Ok(Progress::WouldBlock),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(Error::new("read", buffer.len(), errno)),
        }
    }
}

/// `write(2)`; EINTR is tried again. SIGPIPE must be ignored by the caller.
pub fn write(fd: impl AsFd, bytes: &[u8]) -> Result<Progress> {
    loop {
        match nix::unistd::write(&fd, bytes) {
            Ok(n) => return Ok(Progress::Bytes(n)),
            Err(nix::errno::Errno::EAGAIN) => return Ok(Progress::WouldBlock),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(Error::new("write", bytes.len(), errno)),
        }
    }
}

/// Sets O_NONBLOCK.
pub fn set_nonblocking(fd: impl AsFd) -> Result<()> {
    let flags = named(
        nix::fcntl::fcntl(&fd, nix::fcntl::F_GETFL),
        "fcntl",
        "F_GETFL",
    )?;
    let flags = nix::fcntl::OFlag::from_bits_retain(flags) | nix::fcntl::OFlag::O_NONBLOCK;
    named(
        nix::fcntl::fcntl(&fd, nix::fcntl::F_SETFL(flags)),
        "fcntl",
        "F_SETFL",
    )
    .map(drop)
}

/// FIONREAD: bytes that a read would find now.
pub fn readable(fd: impl AsFd) -> Result<u64> {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes an int.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::FIONREAD, &mut count) };
    crate::error::check(result.into(), "ioctl", "FIONREAD")?;
    Ok(u64::try_from(count).unwrap_or(0))
}
