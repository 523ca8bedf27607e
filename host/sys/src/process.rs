//! What a process may change about itself: identity, privileges, limits,
//! descriptors.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::unistd::{Gid, Uid};

use crate::error::{Error, Result, check, named};

/// `prctl(PR_SET_NO_NEW_PRIVS)`: from now on no exec grants privileges.
pub fn set_no_new_privs() -> Result<()> {
    named(
        nix::sys::prctl::set_no_new_privs(),
        "prctl",
        "PR_SET_NO_NEW_PRIVS",
    )
}

/// `prctl(PR_SET_DUMPABLE)`: without it, /proc/PID belongs to root and nobody
/// unprivileged may ptrace the process.
pub fn set_dumpable(dumpable: bool) -> Result<()> {
    named(
        nix::sys::prctl::set_dumpable(dumpable),
        "prctl",
        "PR_SET_DUMPABLE",
    )
}

/// `prctl(PR_SET_KEEPCAPS)`: permitted capabilities stay through a change of uid.
pub fn set_keepcaps(keep: bool) -> Result<()> {
    named(
        nix::sys::prctl::set_keepcaps(keep),
        "prctl",
        "PR_SET_KEEPCAPS",
    )
}

/// `prctl(PR_SET_PDEATHSIG, SIGKILL)`: dies with the parent *thread*.
pub fn die_with_parent() -> Result<()> {
    named(
        nix::sys::prctl::set_pdeathsig(Some(nix::sys::signal::Signal::SIGKILL)),
        "prctl",
        "PR_SET_PDEATHSIG",
    )
}

/// `prctl(PR_SET_CHILD_SUBREAPER)`: orphans below this process become its children.
pub fn set_child_subreaper() -> Result<()> {
    named(
        nix::sys::prctl::set_child_subreaper(true),
        "prctl",
        "PR_SET_CHILD_SUBREAPER",
    )
}

/// `prctl(PR_SET_NAME)`; cut to 15 bytes by the kernel.
pub fn set_name(name: &CStr) -> Result<()> {
    named(nix::sys::prctl::set_name(name), "prctl", "PR_SET_NAME")
}

/// `setgroups(2)`, then `setresgid(2)`, then `setresuid(2)`, in the order in
/// which each is still permitted.
pub fn set_identity(uid: u32, gid: u32, groups: &[u32]) -> Result<()> {
    set_groups(groups)?;
    set_gid(gid)?;
    set_uid(uid)
}

/// `setfsgid(2)` and `setfsuid(2)` of the calling thread: what it makes belongs
/// to them. The kernel takes the capabilities over files away with that; they
/// are made effective again.
///
/// # Errors
/// EPERM when the ids did not change.
pub fn set_filesystem_identity(uid: u32, gid: u32) -> Result<()> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    nix::unistd::setfsgid(group);
    nix::unistd::setfsuid(user);
    // Both give the former value, and no error.
    if nix::unistd::setfsgid(group) != group || nix::unistd::setfsuid(user) != user {
        return Err(Error::new("setfsuid", uid, nix::errno::Errno::EPERM));
    }
    raise_permitted()
}

/// `setegid(2)` and `seteuid(2)` of the whole process, real and saved ids
/// unchanged. The kernel takes the effective capabilities away with that; they
/// are given back.
pub fn set_effective_identity(uid: u32, gid: u32) -> Result<()> {
    named(nix::unistd::setegid(Gid::from_raw(gid)), "setegid", gid)?;
    named(nix::unistd::seteuid(Uid::from_raw(uid)), "seteuid", uid)?;
    raise_permitted()
}

fn raise_permitted() -> Result<()> {
    let held = capabilities()?;
    set_capabilities(Capabilities {
        effective: held.permitted,
        ..held
    })
}

/// `setgroups(2)`
pub fn set_groups(groups: &[u32]) -> Result<()> {
    let list: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
    named(
        nix::unistd::setgroups(&list),
        "setgroups",
        format_args!("{groups:?}"),
    )
}

/// `setresgid(2)` with all three the same.
pub fn set_gid(gid: u32) -> Result<()> {
    let id = Gid::from_raw(gid);
    named(nix::unistd::setresgid(id, id, id), "setresgid", gid)
}

/// `setresuid(2)` with all three the same.
pub fn set_uid(uid: u32) -> Result<()> {
    let id = Uid::from_raw(uid);
    named(nix::unistd::setresuid(id, id, id), "setresuid", uid)
}

/// The five capability sets, one bit a capability (`capabilities(7)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Checked by the kernel.
    pub effective: u64,
    /// May be made effective.
    pub permitted: u64,
    /// Kept over exec of a file with inheritable capabilities.
    pub inheritable: u64,
}

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: two 32-bit halves per set.
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// `capset(2)` of the calling thread.
pub fn set_capabilities(sets: Capabilities) -> Result<()> {
    let header = CapHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let half = |shift: u32| CapData {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: version 3 reads a header and exactly two data structures.
    let result = unsafe { libc::syscall(libc::SYS_capset, &header, data.as_ptr()) };
    check(result, "capset", format_args!("{sets:x?}")).map(drop)
}

/// `capget(2)` of the calling thread.
pub fn capabilities() -> Result<Capabilities> {
    let mut header = CapHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let mut data = [CapData::default(); 2];
    // SAFETY: version 3 writes exactly two data structures.
    let result = unsafe { libc::syscall(libc::SYS_capget, &mut header, data.as_mut_ptr()) };
    check(result, "capget", "")?;
    let join =
        |pick: fn(&CapData) -> u32| u64::from(pick(&data[0])) | u64::from(pick(&data[1])) << 32;
    Ok(Capabilities {
        effective: join(|d| d.effective),
        permitted: join(|d| d.permitted),
        inheritable: join(|d| d.inheritable),
    })
}

/// Takes every capability outside `keep` from the bounding set for good, and
/// clears the ambient set.
pub fn limit_bounding_set(keep: u64) -> Result<()> {
    for capability in 0..64u64 {
        if keep & 1 << capability != 0 {
            continue;
        }
        // SAFETY: prctl with integers.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if result < 0 {
            let error = Error::last("prctl", format_args!("PR_CAPBSET_DROP, {capability}"));
            // EINVAL is how the kernel says that there is no such capability.
            if error.errno() == libc::EINVAL {
                break;
            }
            return Err(error);
        }
    }
    clear_ambient()
}

fn clear_ambient() -> Result<()> {
    // SAFETY: prctl with integers.
    let result = unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        )
    };
    check(result.into(), "prctl", "PR_CAP_AMBIENT_CLEAR_ALL").map(drop)
}

/// The bounding set of the calling thread.
pub fn bounding_set() -> u64 {
    let has = |capability: u64| {
        // SAFETY: prctl with integers.
        unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability, 0, 0, 0) == 1 }
    };
    (0..64).filter(|&c| has(c)).map(|c| 1 << c).sum()
}

/// Empties all five capability sets. Call it before the uid changes: dropping
/// from the bounding set needs CAP_SETPCAP.
pub fn drop_all_capabilities() -> Result<()> {
    limit_bounding_set(0)?;
    set_capabilities(Capabilities::default())
}

/// A resource that `setrlimit(2)` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource(libc::__rlimit_resource_t);

impl Resource {
    /// By the name `getrlimit(2)` documents, lower case, without `RLIMIT_`.
    pub fn named(name: &str) -> Option<Self> {
        Some(Self(match name {
            "as" => libc::RLIMIT_AS,
            "core" => libc::RLIMIT_CORE,
            "cpu" => libc::RLIMIT_CPU,
            "data" => libc::RLIMIT_DATA,
            "fsize" => libc::RLIMIT_FSIZE,
            "locks" => libc::RLIMIT_LOCKS,
            "memlock" => libc::RLIMIT_MEMLOCK,
            "msgqueue" => libc::RLIMIT_MSGQUEUE,
            "nice" => libc::RLIMIT_NICE,
            "nofile" => libc::RLIMIT_NOFILE,
            "nproc" => libc::RLIMIT_NPROC,
            "rss" => libc::RLIMIT_RSS,
            "rtprio" => libc::RLIMIT_RTPRIO,
            "rttime" => libc::RLIMIT_RTTIME,
            "sigpending" => libc::RLIMIT_SIGPENDING,
            "stack" => libc::RLIMIT_STACK,
            _ => return None,
        }))
    }
}

/// `setrlimit(2)`; `u64::MAX` is unlimited.
///
/// # Errors
/// EPERM when `hard` is above the present hard limit and the caller lacks
/// CAP_SYS_RESOURCE.
pub fn set_rlimit(resource: Resource, soft: u64, hard: u64) -> Result<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the structure outlives the call.
    let result = unsafe { libc::setrlimit(resource.0, &limit) };
    check(
        result.into(),
        "setrlimit",
        format_args!("{}, {soft}:{hard}", resource.0),
    )
    .map(drop)
}

/// `getrlimit(2)`: soft and hard.
pub fn rlimit(resource: Resource) -> Result<(u64, u64)> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure is writable and outlives the call.
    let result = unsafe { libc::getrlimit(resource.0, &mut limit) };
    check(result.into(), "getrlimit", resource.0)?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// Marks every descriptor from `first` on close-on-exec (`close_range(2)`
/// with CLOSE_RANGE_CLOEXEC, Linux 5.11).
pub fn close_on_exec_from(first: u32) -> Result<()> {
    close_range(first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

/// Closes every descriptor from `first` to `last`, both included.
///
/// Only for a process that has just been cloned or is about to exec: no
/// `OwnedFd` of the range may be used or dropped afterwards.
pub fn close_descriptors(first: u32, last: u32) -> Result<()> {
    if first > last {
        return Ok(());
    }
    close_range(first, last, 0)
}

/// Closes every descriptor but the standard streams and `kept`.
///
/// Only for a process that has just been cloned or is about to exec: no other
/// `OwnedFd` may be used or dropped afterwards.
pub fn close_all_but(kept: &[BorrowedFd<'_>]) -> Result<()> {
    let mut numbers: Vec<u32> = kept.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    numbers.sort_unstable();
    let mut next = 3;
    for number in numbers.into_iter().filter(|number| *number >= 3) {
        if number > next {
            close_descriptors(next, number - 1)?;
        }
        next = number + 1;
    }
    close_descriptors(next, u32::MAX)
}

fn close_range(first: u32, last: u32, flags: u32) -> Result<()> {
    // SAFETY: integers only; the caller answers for the descriptors.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    check(result, "close_range", format_args!("{first}, {last}")).map(drop)
}

/// Takes over a descriptor that this process was started with: a
/// close-on-exec copy with another number; the original is closed.
///
/// # Errors
/// EBADF when there is none.
pub fn take_inherited(number: u32) -> Result<OwnedFd> {
    // SAFETY: integers only; a bad number is an error of the call.
    let fd = unsafe {
        libc::fcntl(
            number as libc::c_int,
            libc::F_DUPFD_CLOEXEC,
            number as libc::c_int + 1,
        )
    };
    let fd = check(
        fd.into(),
        "fcntl",
        format_args!("{number}, F_DUPFD_CLOEXEC"),
    )?;
    close_descriptors(number, number)?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// `setsid(2)`
pub fn set_sid() -> Result<()> {
    named(nix::unistd::setsid(), "setsid", "").map(drop)
}

/// `setpgid(2)`: the process leads a group of its own.
pub fn lead_process_group() -> Result<()> {
    let own = nix::unistd::Pid::from_raw(0);
    named(nix::unistd::setpgid(own, own), "setpgid", "")
}

/// `umask(2)`
pub fn set_umask(mask: u32) {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(mask));
}

/// `fchdir(2)`
pub fn change_dir(dir: impl AsFd) -> Result<()> {
    named(nix::unistd::fchdir(dir), "fchdir", "")
}

/// `fexecve(3)` by `execveat(2)` with AT_EMPTY_PATH: does not return but on error.
///
/// # Errors
/// ENOENT for a script whose `#!` line would have to open a close-on-exec
/// descriptor.
pub fn exec_fd(file: impl AsFd, args: &[CString], env: &[CString]) -> Error {
    let argv = pointers(args);
    let envp = pointers(env);
    // SAFETY: both vectors are NULL-terminated arrays of NUL-terminated strings.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file.as_fd().as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    Error::last("execveat", format_args!("{:?}", args.first()))
}

/// `execve(2)`: does not return but on error.
pub fn exec(path: &CStr, args: &[CString], env: &[CString]) -> Error {
    let argv = pointers(args);
    let envp = pointers(env);
    // SAFETY: both vectors are NULL-terminated arrays of NUL-terminated strings.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    Error::last("execve", path.to_string_lossy())
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|s| s.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// Ends the process at once (`_exit(2)`): no destructors, no buffers flushed.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit does not return and touches no memory of ours.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_and_proc_agree_on_our_capabilities() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|l| l.starts_with(name)).unwrap();
            u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
        };
        let sets = capabilities().unwrap();
        assert_eq!(sets.effective, field("CapEff:"));
        assert_eq!(sets.permitted, field("CapPrm:"));
        assert_eq!(bounding_set(), field("CapBnd:"));
    }

    #[test]
    fn a_thread_can_drop_every_capability() {
        std::thread::spawn(|| {
            drop_all_capabilities().unwrap();
            assert_eq!(capabilities().unwrap(), Capabilities::default());
            assert_eq!(bounding_set(), 0);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn limits_are_found_by_name() {
        let nofile = Resource::named("nofile").unwrap();
        let (soft, hard) = rlimit(nofile).unwrap();
        set_rlimit(nofile, soft, hard).unwrap();
        assert!(Resource::named("NOFILE").is_none());
    }
}
