//! What a process can still do once it went through the cell's phases, tried
//! by a process that goes through them and then misbehaves.
//!
//! Without the standard harness, because [`confine::isolate`] takes a process
//! with one thread: this program starts itself once for each attempt.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use bulkhead_sandbox::confine::{self, Bounds};
use nix::errno::Errno;

const PROBE: &str = "BULKHEAD_ESCAPE_PROBE";

/// It worked: the cell has a hole.
const ESCAPED: i32 = 99;
/// A phase failed.
const NO_CELL: i32 = 98;
/// 128 and SIGSYS, as a shell has it.
const KILLED: i32 = 159;

/// What a misbehaving process tries; the errno, when it fails and lives.
type Attempt = fn() -> Result<(), Errno>;

const EPERM: i32 = Errno::EPERM as i32;

/// Each attempt with how it must end.
const ATTEMPTS: &[(&str, Attempt, i32)] = &[
    ("open", || io(std::fs::File::open("/")), EPERM),
    ("create", || io(std::fs::File::create("/x")), EPERM),
    ("list", || io(std::fs::read_dir("/")), EPERM),
    ("mkdir", || io(std::fs::create_dir("/x")), EPERM),
    ("proc", || io(std::fs::read("/proc/1/status")), EPERM),
    ("pipe", || io(std::io::pipe()), EPERM),
    (
        "dup",
        || nix::unistd::dup(std::io::stdin()).map(drop),
        EPERM,
    ),
    ("memfd", || sys(bulkhead_sys::memfd::create(c"x")), EPERM),
    (
        "signal-outside",
        || nix::sys::signal::kill(nix::unistd::getppid(), None),
        EPERM,
    ),
    ("rlimit", || sys(raise_limit()), EPERM),
    (
        "tcp",
        || io(std::net::TcpStream::connect("127.0.0.1:1")),
        KILLED,
    ),
    (
        "udp",
        || io(std::net::UdpSocket::bind("127.0.0.1:0")),
        KILLED,
    ),
    (
        "unix",
        || io(std::os::unix::net::UnixDatagram::unbound()),
        KILLED,
    ),
    (
        "thread",
        || io(std::thread::Builder::new().spawn(|| {})),
        KILLED,
    ),
    (
        "exec",
        || io::<()>(Err(Command::new("/bin/sh").exec())),
        KILLED,
    ),
    ("ptrace", || nix::sys::ptrace::traceme(), KILLED),
    (
        "unshare",
        || sys(bulkhead_sys::namespace::unshare(user_namespace())),
        KILLED,
    ),
    (
        "mount",
        || sys(bulkhead_sys::mount::Context::open(c"tmpfs")),
        KILLED,
    ),
    (
        "setuid",
        || nix::unistd::setuid(nix::unistd::Uid::from_raw(0)),
        KILLED,
    ),
    ("executable-memory", || io(executable_page()), KILLED),
];

fn io<T>(result: std::io::Result<T>) -> Result<(), Errno> {
    result.map(drop).map_err(|error| {
        let number = error.raw_os_error().unwrap_or(0);
        Errno::from_raw(number)
    })
}

fn sys<T>(result: bulkhead_sys::Result<T>) -> Result<(), Errno> {
    result.map(drop).map_err(|e| Errno::from_raw(e.errno()))
}

fn raise_limit() -> bulkhead_sys::Result<()> {
    use bulkhead_sys::process::{Resource, set_rlimit};
    Resource::named("nofile").map_or(Ok(()), |nofile| set_rlimit(nofile, 64, 64))
}

fn user_namespace() -> bulkhead_sys::namespace::Namespaces {
    bulkhead_sys::namespace::Namespaces::CLONE_NEWUSER
}

fn executable_page() -> std::io::Result<memmap2::Mmap> {
    memmap2::MmapMut::map_anon(4096)?.make_exec()
}

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(PROBE) {
        return ExitCode::from(probe(&name) as u8);
    }
    let asked = |flag: &str| std::env::args().any(|argument| argument == flag);
    if asked("--list") {
        // What is listed with `--ignored` is taken for left out.
        if !asked("--ignored") {
            println!("escape: test");
        }
        return ExitCode::SUCCESS;
    }
    let failed: Vec<&str> = ATTEMPTS
        .iter()
        .filter(|(name, _, expected)| !ends_as_expected(name, *expected))
        .map(|(name, _, _)| *name)
        .collect();
    if failed.is_empty() {
        println!("test escape ... ok ({} attempts)", ATTEMPTS.len());
        return ExitCode::SUCCESS;
    }
    eprintln!("test escape ... FAILED: {failed:?}");
    ExitCode::FAILURE
}

fn ends_as_expected(name: &str, expected: i32) -> bool {
    let exe = std::env::current_exe().expect("this program's path");
    let output = Command::new(exe)
        .env(PROBE, name)
        .output()
        .expect("start this program again");
    let code = output.status.code();
    if code != Some(expected) {
        let words = String::from_utf8_lossy(&output.stderr);
        eprintln!(
            "{name}: expected {expected}, ended with {:?} {words}",
            output.status
        );
    }
    code == Some(expected)
}

/// The phases, then the attempt.
fn probe(name: &str) -> i32 {
    let Some((_, attempt, _)) = ATTEMPTS.iter().find(|(other, _, _)| *other == name) else {
        return NO_CELL;
    };
    let misbehave = || match cell() {
        Ok(()) => match attempt() {
            Ok(()) => ESCAPED,
            Err(errno) => errno as i32,
        },
        Err(_) => NO_CELL,
    };
    confine::isolate(confine::DEFAULT_UID, misbehave).unwrap_or(NO_CELL)
}

fn cell() -> Result<(), confine::ConfineError> {
    confine::enter()?;
    confine::drop_privileges(confine::DEFAULT_UID)?;
    confine::die_with_keeper()?;
    confine::seal(Bounds {
        address_space: 4 << 30,
        data: 1 << 30,
        cpu_seconds: Some(10),
    })
}
