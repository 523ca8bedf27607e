//! What the daemon tells a shim: one message with descriptors over the
//! connection that then becomes the first client's.
//!
//! Wire form: payload length and number of descriptors, each a little-endian
//! u32; the descriptors, in batches that ride on one byte each; the payload,
//! in postcard. Daemon and shim are one build, so there is no version.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use bulkhead_model::process::Attachment;
use serde::{Deserialize, Serialize};

/// What a descriptor that came along is for; in the order of the descriptors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The detached mount of the root filesystem.
    RootFilesystem,
    /// The shim's state directory: socket, exit record.
    State,
    /// The directory of the container's log files.
    Logs,
    /// The network namespace to join; absent: the host's.
    Network,
    /// The user namespace to enter; absent: the host's.
    UserNamespace,
    /// The IPC namespace to join: another container's, or one that the user
    /// namespace owns.
    IpcNamespace,
    /// The pid namespace to join; absent: a new one or the host's.
    PidNamespace,
    /// A detached mount for /dev/shm, with an IPC namespace that is joined.
    SharedMemory,
    /// `memory.events` or `memory.oom_control`, read at the end.
    OomEvents,
    /// The container's version 2 cgroup.
    Cgroup,
    /// The container's cgroup in version 1's freezer, when it shares the
    /// host's pid namespace and there is no version 2.
    Freezer,
    /// `tasks` of a version 1 cgroup of the container's.
    CgroupTasks,
    /// `tasks` of a version 1 cgroup of the shims'.
    ShimTasks,
    /// A detached mount of the container's cgroup in one hierarchy; its name
    /// below /sys/fs/cgroup, or nothing for a machine with version 2 alone.
    CgroupMount(String),
    /// A detached mount the user or the engine asked for; `mounts` has its target.
    Mount,
    /// A socket bound to a published port, kept open while the shim lives.
    Reserved,
    /// The pidfd of the first process of a container to join.
    Container,
    /// A client's socket, attached from the first byte on.
    Attached(AttachOrder),
}

/// What a client that is attached gets and gives; its socket comes along.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachOrder {
    /// Its bytes are the process's standard input.
    pub stdin: bool,
    /// It gets standard output, or the terminal's.
    pub stdout: bool,
    /// It gets standard error.
    pub stderr: bool,
    /// Output is framed as Docker's multiplexed stream.
    pub framed: bool,
    /// The end of its input is the end of the process's.
    pub close_stdin: bool,
    /// What detaches it; empty: nothing does.
    pub detach_keys: Vec<u8>,
    /// The beginning of its input.
    pub early: Vec<u8>,
}

/// What the shim is told of a client, and the client's socket.
pub(crate) fn attach_order(a: Attachment) -> (AttachOrder, OwnedFd) {
    let order = AttachOrder {
        stdin: a.stdin,
        stdout: a.stdout,
        stderr: a.stderr,
        framed: a.framed,
        close_stdin: a.close_stdin,
        detach_keys: a.detach_keys,
        early: a.early,
    };
    (order, a.stream)
}

/// A mount the user or the engine asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountTarget {
    /// An absolute path inside.
    pub target: Vec<u8>,
    /// What is mounted.
    pub content: Content,
    /// What cannot be written.
    pub read_only: WriteProtection,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// The next descriptor with [`Role::Mount`].
    Detached {
        /// The mount's root is a directory.
        directory: bool,
        /// How it is connected to the mount it is a copy of.
        propagation: Propagation,
    },
    /// A new filesystem in memory.
    Tmpfs(TmpfsOrder),
}

/// How much of a mount is write-protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteProtection {
    /// Nothing.
    #[default]
    No,
    /// The mount itself.
    Top,
    /// With everything below it.
    Recursive,
}

/// How a mount is connected to the one it is a copy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    /// Not at all.
    Private,
    /// It receives mounts.
    Slave,
    /// It receives and sends mounts.
    Shared,
}

/// A filesystem in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmpfsOrder {
    /// Checked settings by the kernel's names, `mode` among them if given.
    pub settings: Vec<(String, String)>,
    /// Programs can be executed.
    pub exec: bool,
    /// Set-user-id bits count.
    pub suid: bool,
    /// Device files work.
    pub dev: bool,
}

/// A device file to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFile {
    /// An absolute path inside.
    pub path: Vec<u8>,
    /// Kind and permissions.
    pub mode: u32,
    /// `makedev(3)`
    pub device: u64,
    /// Owner and group on the host.
    pub owner: (u32, u32),
}

/// Paths inside that are covered or write-protected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protected {
    /// Covered; absent: the default ones.
    pub masked: Option<Vec<Vec<u8>>>,
    /// Not to be written; absent: the default ones.
    pub read_only: Option<Vec<Vec<u8>>>,
}

/// A resource limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RlimitOrder {
    /// As `getrlimit(2)` has it, without `RLIMIT_`.
    pub name: String,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// How the log is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOrder {
    /// The current file's name.
    pub name: String,
    /// Each line is an object of JSON with these members in `attrs`; absent:
    /// the files are binary.
    pub json: Option<Vec<(String, String)>>,
    /// Rotate at this size, bytes.
    pub max_size: u64,
    /// Keep this many files, the current one included.
    pub max_files: u32,
    /// Compress all but the current one.
    pub compress: bool,
}

/// Namespaces that are not the container's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// Process ids.
    pub pid: bool,
    /// System V IPC and queues.
    pub ipc: bool,
    /// Hostname.
    pub uts: bool,
    /// The view of cgroups.
    pub cgroup: bool,
}

/// Ids of the container's user namespace as the host has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedIds {
    /// What 0 inside is.
    pub root: u32,
    /// What the terminals' group, 5 inside, is.
    pub tty: Option<u32>,
}

/// A container that is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// It has a user namespace of its own.
    pub user_namespace: bool,
}

/// Everything a shim needs to start a container, beside descriptors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartOrder {
    /// The container's id.
    pub id: String,
    /// What the descriptors are.
    pub roles: Vec<Role>,
    /// Keep a log.
    pub log: Option<LogOrder>,
    /// Standard input stays open for clients.
    pub stdin: bool,
    /// A pseudo terminal.
    pub terminal: bool,
    /// The process is one more in a container that runs.
    pub join: Option<Join>,
    /// What happens in the child.
    pub init: InitOrder,
}

/// Everything the child needs to become the container's first process. One
/// that joins a container needs what is the process's own, from the command
/// line to the identity and the limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitOrder {
    /// Command line.
    pub args: Vec<String>,
    /// The first process is ours and has the program as its child.
    pub reaper: bool,
    /// Environment.
    pub env: Vec<String>,
    /// Working directory.
    pub cwd: Vec<u8>,
    /// As the user wrote it.
    pub user: String,
    /// Supplementary groups beside the user's own.
    pub groups: Vec<String>,
    /// The terminal's first size: columns, rows.
    pub console_size: Option<(u16, u16)>,
    /// Hostname inside.
    pub hostname: String,
    /// NIS domain name inside; the kernel's when empty.
    pub domainname: String,
    /// Bounding, effective and permitted capabilities.
    pub capabilities: u64,
    /// All devices, nothing masked.
    pub privileged: bool,
    /// PR_SET_NO_NEW_PRIVS
    pub no_new_privileges: bool,
    /// The system call filter: opcode, jumps, operand.
    pub seccomp: Vec<(u16, u8, u8, u32)>,
    /// The AppArmor profile to change to.
    pub apparmor: Option<String>,
    /// What is covered and write-protected.
    pub protected: Protected,
    /// Devices beside the default ones.
    pub devices: Vec<DeviceFile>,
    /// Namespaces that are not the container's own.
    pub shared: Shared,
    /// It runs in a user namespace of its own.
    pub mapped: Option<MappedIds>,
    /// Resource limits.
    pub rlimits: Vec<RlimitOrder>,
    /// -1000 to 1000.
    pub oom_score_adj: i32,
    /// Bytes of /dev/shm; 0: it has none.
    pub shm_size: u64,
    /// Checked and with slashes, below /proc/sys.
    pub sysctls: Vec<(String, String)>,
    /// The root filesystem is read-only.
    pub read_only: bool,
    /// Mounts, outer targets before inner ones; those that are detached in the
    /// order of the descriptors with [`Role::Mount`].
    pub mounts: Vec<MountTarget>,
}

/// SCM_MAX_FD is 253 (`unix(7)`).
const BATCH: usize = 200;

/// Longest order, bytes: arguments and environment are at most 6 MiB for the
/// kernel, too.
const MAX_ORDER: usize = 16 << 20;

/// Sends an order and its descriptors.
///
/// # Errors
/// EPIPE when the shim died.
pub fn send(connection: &UnixStream, order: &StartOrder, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let payload =
        postcard::to_stdvec(order).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    let mut head = (payload.len() as u32).to_le_bytes().to_vec();
    head.extend_from_slice(&(fds.len() as u32).to_le_bytes());
    let mut stream = connection;
    stream.write_all(&head)?;
    for batch in fds.chunks(BATCH) {
        bulkhead_sys::socket::send(connection, &[0], batch)?;
    }
    stream.write_all(&payload)
}

/// Receives an order and its descriptors.
///
/// # Errors
/// `UnexpectedEof` when the daemon gave up; `InvalidData` for a broken order.
pub fn receive(connection: &UnixStream) -> io::Result<(StartOrder, Vec<OwnedFd>)> {
    let mut stream = connection;
    let mut head = [0u8; 8];
    stream.read_exact(&mut head)?;
    let [a, b, c, d, e, f, g, h] = head;
    let (length, count) = (
        u32::from_le_bytes([a, b, c, d]) as usize,
        u32::from_le_bytes([e, f, g, h]) as usize,
    );
    if length > MAX_ORDER {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the order is too long",
        ));
    }
    let mut fds = Vec::with_capacity(count.min(BATCH));
    while fds.len() < count {
        let received = bulkhead_sys::socket::recv(connection.as_fd(), &mut [0], BATCH)?;
        if received.len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        fds.extend(received.fds);
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    let order: StartOrder = postcard::from_bytes(&payload)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    if order.roles.len() != fds.len() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "roles and descriptors disagree",
        ));
    }
    Ok((order, fds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_arrives_with_more_descriptors_than_one_message_takes() {
        let (a, b) = UnixStream::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let fds = vec![null.as_fd(); 450];
        let order = StartOrder {
            id: "x".into(),
            roles: vec![Role::Mount; 450],
            init: InitOrder {
                env: vec!["A=".to_owned() + &"b".repeat(100_000)],
                ..InitOrder::default()
            },
            ..StartOrder::default()
        };
        let reader = std::thread::spawn(move || receive(&b).unwrap());
        send(&a, &order, &fds).unwrap();
        let (back, got) = reader.join().unwrap();
        assert_eq!((back, got.len()), (order, 450));
    }
}
