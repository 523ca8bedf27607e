//! Joining and leaving namespaces (`namespaces(7)`).

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sched::CloneFlags;

use crate::error::{Result, named};
use crate::path::{OFlag, open_host};

pub use nix::sched::CloneFlags as Namespaces;

/// `unshare(2)`
pub fn unshare(namespaces: CloneFlags) -> Result<()> {
    named(
        nix::sched::unshare(namespaces),
        "unshare",
        format_args!("{namespaces:?}"),
    )
}

/// `setns(2)`: `kind` is checked by the kernel against the descriptor.
pub fn join(namespace: impl AsFd, kind: CloneFlags) -> Result<()> {
    named(
        nix::sched::setns(&namespace, kind),
        "setns",
        format_args!("{}, {kind:?}", namespace.as_fd().as_raw_fd()),
    )
}

/// A descriptor of the calling thread's namespace: `kind` is a name in
/// /proc/thread-self/ns, such as `net`.
pub fn current(kind: &str) -> Result<OwnedFd> {
    open_host(format!("/proc/thread-self/ns/{kind}"), OFlag::O_RDONLY, 0)
}

/// A new network namespace with its loopback up. Made on a thread of its own,
/// so that the caller stays where it is.
pub fn new_network() -> Result<OwnedFd> {
    let make = || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        raise_loopback()?;
        current("net")
    };
    let panicked = |_| {
        Err(crate::Error::new(
            "unshare",
            "CLONE_NEWNET",
            std::io::Error::other("the thread panicked"),
        ))
    };
    std::thread::scope(|scope| scope.spawn(make).join()).unwrap_or_else(panicked)
}

/// SIOCSIFFLAGS on `lo` of the calling thread's namespace (`netdevice(7)`).
fn raise_loopback() -> Result<()> {
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Datagram,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    );
    let socket = named(socket, "socket", "AF_INET")?;
    // SAFETY: ifreq is plain data; zeroes are a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *place = *byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an ifreq.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request) };
    crate::error::check(result.into(), "ioctl", "SIOCSIFFLAGS, lo").map(drop)
}

/// `sethostname(2)`
pub fn set_hostname(name: &str) -> Result<()> {
    named(nix::unistd::sethostname(name), "sethostname", name)
}

/// `setdomainname(2)`
pub fn set_domainname(name: &str) -> Result<()> {
    // SAFETY: the pointer and the length describe `name`.
    let result = unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
    crate::error::check(result.into(), "setdomainname", name).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_can_leave_and_rejoin_a_namespace() {
        std::thread::spawn(|| {
            let before = current("uts").unwrap();
            unshare(CloneFlags::CLONE_NEWUTS).unwrap();
            set_hostname("elsewhere").unwrap();
            assert_eq!(nix::unistd::gethostname().unwrap(), "elsewhere");
            join(&before, CloneFlags::CLONE_NEWUTS).unwrap();
            assert_ne!(nix::unistd::gethostname().unwrap(), "elsewhere");
            assert!(join(&before, CloneFlags::CLONE_NEWNET).is_err());
        })
        .join()
        .unwrap();
    }
}
