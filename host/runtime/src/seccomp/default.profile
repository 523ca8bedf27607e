# Docker's default profile (moby/profiles, seccomp/default.json) as rules. A call
# that no line allows is ENOSYS, but for calls that only lack a capability: EPERM.
#
# allow: NAMES                   always
# arch ARCHITECTURE: NAMES       on one architecture
# cap NUMBER: NAMES              with this capability (linux/capability.h)
# arg INDEX eq VALUES: NAME      when the argument is one of the values
# arg INDEX mask MASK: NAME      when argument & mask is 0
# refuse ERRNO: NAME             this error, unless an earlier line allows it

allow: accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32
allow: clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64
allow: close close_range connect copy_file_range creat dup dup2 dup3
allow: epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
allow: execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir
allow: fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr
allow: fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64
allow: futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat
allow: getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer
allow: getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit
allow: get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat
allow: inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64
allow: ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self
allow: lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64
allow: madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect
allow: mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink
allow: mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect
allow: open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl
allow: pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2
allow: read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat
allow: rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
allow: rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
allow: sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler
allow: sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield
allow: seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto
allow: setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32
allow: setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area
allow: set_tid_address setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4
allow: sigprocmask sigreturn socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat
allow: sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64
allow: timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill
allow: truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice
allow: wait4 waitid waitpid write writev

arch x86_64: arch_prctl modify_ldt
arch x86: modify_ldt
arch riscv64: riscv_flush_icache

# Every address family but AF_ALG (38), AF_VSOCK (40) and what only kernel
# tests use. `socketcall` hides the family from a filter, so the 32-bit ABI
# goes without it: C libraries since 2015 use the direct calls.
arg 0 eq 0 1 2 3 4 5 6 7 8 9 10 11 13 14 15 16 17 18 21 22 24 26 27 28 29 30 31 32 33 35 36 39 41 42 43 44 45: socket
refuse 1: socket

# PER_LINUX, PER_LINUX32, UNAME26, PER_LINUX32 with UNAME26, a question.
arg 0 eq 0x0 0x8 0x20000 0x20008 0xffffffff: personality
refuse 1: personality

cap 2: open_by_handle_at
cap 21: bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr
cap 21: mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare
cap 22: reboot
cap 18: chroot
cap 16: delete_module init_module finit_module
cap 20: acct
cap 19: kcmp pidfd_getfd process_madvise
cap 17: iopl ioperm
cap 25: settimeofday stime clock_settime clock_settime64
cap 26: vhangup
cap 23: get_mempolicy mbind set_mempolicy set_mempolicy_home_node
cap 34: syslog
cap 39: bpf
cap 38: perf_event_open

# The flags of clone3 lie in memory, where no filter can see them; ENOSYS
# makes callers fall back to clone. The mask is all CLONE_NEW* flags.
arg 0 mask 0x7e020000: clone
refuse 1: clone
refuse 38: clone3
