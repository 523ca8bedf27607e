//! The system calls of a sealed process (`seccomp(2)`).
//!
//! Everything that is not on the list is refused: with SIGSYS for the whole
//! process where only an attacker would try, with EPERM elsewhere, because the
//! C library probes some calls and lives with their failure.

use std::collections::BTreeMap;

use bulkhead_sys::seccomp::{Action, Architecture, Comparison, Condition, Filter, Rule, Rules};
use libc::c_long;

/// Allowed with any argument. None of them names an object that the process
/// does not already hold.
const ALLOWED: &[c_long] = &[
    // The call sockets and the log pipe.
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    // Memory. Executable pages are refused below.
    libc::SYS_munmap,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_brk,
    // Threads that exist, and time.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_restart_syscall,
    // Guest traps are signals.
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_sigaltstack,
    // For the process outside the cell; inside there are no children.
    libc::SYS_waitid,
    // abort(3); there is nobody else in the pid namespace.
    libc::SYS_tgkill,
    libc::SYS_getrandom,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Nothing here is ever called by the runner, the C library or wasmtime after
/// sealing: whoever tries has taken the process over.
const HOSTILE: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_open_by_handle_at,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_setuid,
    libc::SYS_setresuid,
    libc::SYS_capset,
    libc::SYS_seccomp,
];

/// The filter of [`crate::confine::seal`]. Calls of other ABIs kill the
/// process.
pub fn sealed() -> Filter {
    let always = |action| vec![Rule::always(action)];
    let mut calls = BTreeMap::new();
    for &call in ALLOWED {
        calls.insert(call as u32, always(Action::Allow));
    }
    for &call in HOSTILE {
        calls.insert(call as u32, always(Action::KillProcess));
    }
    #[cfg(target_arch = "x86_64")]
    for call in [libc::SYS_fork, libc::SYS_vfork] {
        calls.insert(call as u32, always(Action::KillProcess));
    }
    calls.insert(libc::SYS_mmap as u32, not_executable());
    calls.insert(libc::SYS_mprotect as u32, not_executable());
    Filter::assemble(&[Rules {
        architecture: Architecture::NATIVE,
        calls,
        otherwise: Action::Errno(libc::EPERM),
    }])
}

/// `prot` is the third argument of mmap(2) and of mprotect(2).
fn not_executable() -> Vec<Rule> {
    let without_exec = Condition {
        argument: 2,
        comparison: Comparison::MaskedEqual {
            mask: libc::PROT_EXEC as u64,
        },
        value: 0,
        low_half: true,
    };
    vec![
        Rule {
            when: vec![without_exec],
            action: Action::Allow,
        },
        Rule::always(Action::KillProcess),
    ]
}
