//! New processes: `clone3(2)` with a pidfd, and spawning of a program held in
//! a descriptor.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::error::{Error, Result};
use crate::namespace::Namespaces;
use crate::process;

/// `struct clone_args` (`linux/sched.h`), the 88 bytes of Linux 5.7.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A child made by [`fork_into`].
#[derive(Debug)]
pub struct Child {
    /// Its pid in the caller's pid namespace.
    pub pid: u32,
    /// Its pidfd.
    pub pidfd: OwnedFd,
}

/// Forks into new namespaces, and into a version 2 cgroup when one is given.
/// The child runs `body` and exits with what it returns.
///
/// The calling process must have one thread only: the child inherits its
/// memory as it is, with whatever locks other threads held.
///
/// # Errors
/// EINVAL for namespaces that do not go together, ENOSPC at a limit of
/// namespaces, EAGAIN at a limit of processes.
pub fn fork_into(
    namespaces: Namespaces,
    cgroup: Option<BorrowedFd<'_>>,
    body: impl FnOnce() -> i32,
) -> Result<Child> {
    let mut pidfd: libc::c_int = -1;
    let mut args = CloneArgs {
        flags: CLONE_PIDFD | namespaces.bits() as u32 as u64,
        pidfd: std::ptr::from_mut(&mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM the child has a copy of our memory, as after
    // fork(2); the structure has the size that is given.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &args, size_of::<CloneArgs>()) };
    match pid {
        0 => process::exit_now(body()),
        pid if pid > 0 => {
            // SAFETY: the kernel just gave us this descriptor.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Child {
                pid: pid as u32,
                pidfd,
            })
        }
        _ => Err(Error::last(
            "clone3",
            format_args!("{namespaces:?}, cgroup: {}", cgroup.is_some()),
        )),
    }
}

/// Forks a child of our own parent's: a sibling, in the namespaces that
/// children get after `setns(2)`. It runs `body` and exits with what it
/// returns. Its pid is told in our pid namespace.
///
/// # Errors
/// As [`fork_into`]; EINVAL for the first process of a pid namespace.
pub fn fork_sibling(body: impl FnOnce() -> i32) -> Result<Child> {
    let mut pidfd: libc::c_int = -1;
    // The signal at its end is ours, and must not be given (clone(2)).
    let args = CloneArgs {
        flags: CLONE_PIDFD | libc::CLONE_PARENT as u64,
        pidfd: std::ptr::from_mut(&mut pidfd) as u64,
        ..CloneArgs::default()
    };
    // SAFETY: as in `fork_into`.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &args, size_of::<CloneArgs>()) };
    match pid {
        0 => process::exit_now(body()),
        pid if pid > 0 => {
            // SAFETY: the kernel just gave us this descriptor.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Child {
                pid: pid as u32,
                pidfd,
            })
        }
        _ => Err(Error::last("clone3", "CLONE_PARENT")),
    }
}

/// A process that does nothing but keep namespaces alive while they are being
/// prepared. It is killed on drop, and with the thread that made it.
#[derive(Debug)]
pub struct Holder(Child);

impl Holder {
    /// Forks into new namespaces; the caller may have any number of threads.
    ///
    /// # Errors
    /// As [`fork_into`].
    pub fn new(namespaces: Namespaces) -> Result<Self> {
        // A handler of ours that ran in the copy would write to our pipes.
        let before = block_all_signals();
        let child = fork_into(namespaces, None, wait_for_the_end);
        restore_signals(&before);
        child.map(Self)
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.0.pid
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Our own child, not reaped yet: neither call can fail.
        let _ = crate::pidfd::send_signal(&self.0.pidfd, libc::SIGKILL);
        let _ = crate::pidfd::wait(&self.0.pidfd);
    }
}

/// Allocates nothing and takes no lock: other threads may have held one when
/// the memory was copied.
fn wait_for_the_end() -> i32 {
    // SAFETY: plain integers.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        loop {
            libc::pause();
        }
    }
}

/// A program to spawn.
pub struct Program<'a> {
    /// The executable, such as a sealed memfd.
    pub file: BorrowedFd<'a>,
    /// Its arguments, the first being its name.
    pub args: &'a [CString],
    /// Its environment.
    pub env: &'a [CString],
    /// Descriptors that become 0, 1, 2 and so on. All others are closed.
    pub descriptors: &'a [BorrowedFd<'a>],
    /// The version 2 cgroup to be born in.
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// Spawns a program as the leader of a session of its own, in the way of
/// `vfork(2)`: no page table is copied, the calling thread waits for the exec.
///
/// # Errors
/// What `clone` or the child's exec failed with.
pub fn spawn(program: &Program<'_>) -> Result<Child> {
    let argv = pointers(program.args);
    let envp = pointers(program.env);
    let fds: Vec<i32> = program.descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let mut scratch = fds.clone();
    let order = Exec {
        file: program.file.as_fd().as_raw_fd(),
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
        fds: fds.as_ptr(),
        scratch: scratch.as_mut_ptr(),
        count: fds.len(),
        errno: 0,
    };
    spawn_order(order, program.cgroup)
}

struct Exec {
    file: i32,
    argv: *const *const libc::c_char,
    envp: *const *const libc::c_char,
    fds: *const i32,
    scratch: *mut i32,
    count: usize,
    errno: i32,
}

const STACK: usize = 64 * 1024;

fn spawn_order(mut order: Exec, cgroup: Option<BorrowedFd<'_>>) -> Result<Child> {
    let mut stack = vec![0u128; STACK / 16];
    let mut pidfd: libc::c_int = -1;
    let mut args = CloneArgs {
        flags: CLONE_PIDFD | (libc::CLONE_VM | libc::CLONE_VFORK) as u64,
        pidfd: std::ptr::from_mut(&mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        stack: stack.as_mut_ptr() as u64,
        stack_size: STACK as u64,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // The child shares our memory: no handler of ours may run in it.
    let before = block_all_signals();
    // SAFETY: the child runs `run_exec` on a stack of its own, which outlives
    // it, since CLONE_VFORK holds us here until it has exec'd or exited; it
    // touches nothing but `order` and makes only async-signal-safe calls.
    let result = unsafe { clone3_call(&args, run_exec, std::ptr::from_mut(&mut order).cast()) };
    restore_signals(&before);
    if result < 0 {
        let error = std::io::Error::from_raw_os_error(-result as i32);
        return Err(Error::new("clone3", "CLONE_VM | CLONE_VFORK", error));
    }
    // SAFETY: the kernel just gave us this descriptor.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    if order.errno != 0 {
        let _ = crate::pidfd::wait(&pidfd);
        return Err(Error::new(
            "execveat",
            "spawn",
            std::io::Error::from_raw_os_error(order.errno),
        ));
    }
    Ok(Child {
        pid: result as u32,
        pidfd,
    })
}

/// `clone3(2)` onto a new stack, which the C library does not wrap: the child
/// calls `body(argument)` there and exits with what it returns. Gives the pid,
/// or the negated errno.
///
/// # Safety
/// `args` names a stack that stays valid while the child uses it; `body` obeys
/// the rules of a child that shares the caller's memory.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3_call(
    args: &CloneArgs,
    body: extern "C" fn(*mut libc::c_void) -> libc::c_int,
    argument: *mut libc::c_void,
) -> i64 {
    let result: i64;
    // SAFETY: the kernel clobbers rcx and r11. The child starts behind the
    // call with rax 0 and rsp at the top of its stack, aligned to 16, and
    // never leaves this block.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "mov edi, eax",
            "mov eax, {exit}",
            "syscall",
            "ud2",
            "2:",
            exit = const libc::SYS_exit,
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") args,
            in("rsi") size_of::<CloneArgs>(),
            in("r12") argument,
            in("r13") body,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// As above.
///
/// # Safety
/// As above.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3_call(
    args: &CloneArgs,
    body: extern "C" fn(*mut libc::c_void) -> libc::c_int,
    argument: *mut libc::c_void,
) -> i64 {
    let result: i64;
    // SAFETY: the kernel keeps all registers but x0. The child starts behind
    // the call with x0 0 and sp at the top of its stack, and never leaves
    // this block.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x0, x20",
            "blr x21",
            "mov x8, {exit}",
            "svc 0",
            "brk 1",
            "2:",
            exit = const libc::SYS_exit,
            in("x8") libc::SYS_clone3,
            inlateout("x0") args => result,
            in("x1") size_of::<CloneArgs>(),
            in("x20") argument,
            in("x21") body,
        );
    }
    result
}

extern "C" fn run_exec(argument: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the parent passed its `Exec`, and waits; all pointers in it are
    // valid for `count` elements or NULL-terminated.
    unsafe {
        let order = &mut *argument.cast::<Exec>();
        reset_signals();
        libc::setsid();
        // First out of the way of the numbers that are to be set.
        let clear = order.count as i32 + 1;
        for i in 0..order.count {
            *order.scratch.add(i) =
                libc::fcntl(*order.fds.add(i), libc::F_DUPFD_CLOEXEC, clear + 1);
        }
        let file = libc::fcntl(order.file, libc::F_DUPFD_CLOEXEC, clear + 1);
        for i in 0..order.count {
            if libc::dup2(*order.scratch.add(i), i as i32) < 0 {
                order.errno = *libc::__errno_location();
                return 127;
            }
        }
        libc::syscall(
            libc::SYS_close_range,
            order.count as u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
        libc::syscall(
            libc::SYS_execveat,
            file,
            c"".as_ptr(),
            order.argv,
            order.envp,
            libc::AT_EMPTY_PATH,
        );
        order.errno = *libc::__errno_location();
        127
    }
}

/// Handlers are gone after exec anyway; ignored and blocked signals are not.
unsafe fn reset_signals() {
    // SAFETY: both calls take plain integers and a set on this stack.
    unsafe {
        for signal in 1..32 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
}

fn block_all_signals() -> libc::sigset_t {
    // SAFETY: both sets are writable and outlive the calls.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut before);
        before
    }
}

fn restore_signals(before: &libc::sigset_t) {
    // SAFETY: the set is readable.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|s| s.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pidfd::{Exit, wait};
    use std::io::Read;

    #[test]
    fn a_program_in_a_sealed_memfd_runs_with_exactly_its_descriptors() {
        let mut busybox = std::fs::File::open("/bin/busybox").unwrap();
        let file = crate::memfd::sealed(c"program", &mut busybox).unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let args = [c"busybox", c"ls", c"/proc/self/fd"].map(CString::from);
        let null = std::fs::File::open("/dev/null").unwrap();
        let descriptors = [null.as_fd(), writer.as_fd(), null.as_fd()];
        let child = spawn(&Program {
            file: file.as_fd(),
            args: &args,
            env: &[],
            descriptors: &descriptors,
            cgroup: None,
        })
        .unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(wait(&child.pidfd).unwrap(), Exit::Code(0));
        // 3 is the directory that ls itself reads.
        assert_eq!(
            text.split_whitespace().collect::<Vec<_>>(),
            ["0", "1", "2", "3"]
        );
    }

    #[test]
    fn a_program_that_cannot_be_executed_is_an_error() {
        let file = crate::memfd::create_sealed(c"nonsense", b"\x7fnot a program").unwrap();
        let error = spawn(&Program {
            file: file.as_fd(),
            args: &[],
            env: &[],
            descriptors: &[],
            cgroup: None,
        })
        .unwrap_err();
        assert_eq!(error.errno(), libc::ENOEXEC);
    }
}
