//! What the runtime is told to start: a container plan without any name that
//! a client chose for a file on the host, but for the bind mounts.

mod attachment;
mod device;
mod exec;
mod files;
mod log;
mod mount;
mod seccomp;
mod stats;

use std::path::PathBuf;

pub use attachment::Attachment;
pub use device::{DeviceAccess, DeviceKind, DeviceMapping, DeviceRule};
pub use exec::{ExecPlan, ProcessRef};
pub use files::{Files, FilesPlan, FilesScope};
pub use log::{INODE_FIELD, LogConfig, Rotation};
pub use mount::{BindMount, Propagation, ReadOnly, TmpfsMount, TmpfsSetting};
pub use seccomp::{
    SeccompAction, SeccompComparison, SeccompCondition, SeccompProfile, SeccompRule, SeccompRules,
};
pub use stats::{
    BlockIoCount, BlockIoStats, CpuStats, InterfaceStats, MemoryStats, Stats, Traffic,
};

use crate::cgroup_parent::CgroupParent;
use crate::resources::{Resources, Rlimit};
use crate::storage::RootMount;
use crate::{ContainerId, ErrorKind, ExecId};

/// Which namespaces are not a container's own. Whether the network's is the
/// host's is decided by the network plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedNamespaces {
    /// Process ids.
    pub pid: Sharing,
    /// System V IPC and POSIX queues, and /dev/shm with them.
    pub ipc: Sharing,
    /// Another container's network; the network plan has then no steps.
    pub network: Option<Peer>,
    /// Share the host's hostname.
    pub uts: bool,
    /// Share the host's view of cgroups.
    pub cgroup: bool,
}

/// Whose namespace a container is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Its own.
    #[default]
    Private,
    /// The host's.
    Host,
    /// Another container's, while that one runs.
    Container(Peer),
}

impl Sharing {
    /// It is the host's.
    pub fn is_host(&self) -> bool {
        *self == Self::Host
    }
}

/// Another container, with the process that stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The container.
    pub id: ContainerId,
    /// Its first process as the engine knows it; the runtime makes sure that
    /// it is in the container's cgroup before it uses it.
    pub pid: u32,
}

/// A range of uids and gids mapped into a user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMap {
    /// First id inside.
    pub inside: u32,
    /// First id on the host.
    pub host: u32,
    /// How many.
    pub count: u32,
}

/// Which paths inside are covered or write-protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PathList {
    /// Those of /proc and /sys that tell or change something of the host's.
    #[default]
    Default,
    /// Exactly these, absolute.
    Given(Vec<PathBuf>),
}

/// A file the engine writes for the container (`/etc/resolv.conf`, …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectedFile {
    /// `resolv.conf`, `hosts`, `hostname`: its name in the container's state folder.
    pub name: &'static str,
    /// Where it appears inside.
    pub target: PathBuf,
    /// Its bytes.
    pub content: Vec<u8>,
    /// The container whose file of this name it is; absent: its own, with
    /// `content` in it.
    pub of: Option<ContainerId>,
}

/// Everything needed to start one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPlan {
    /// The container.
    pub id: ContainerId,
    /// The storage driver whose root `rootfs` refers to.
    pub storage_driver: String,
    /// The root filesystem's mount.
    pub rootfs: RootMount,
    /// The root filesystem is mounted read-only.
    pub read_only: bool,
    /// The hostname inside.
    pub hostname: String,
    /// The NIS domain name inside; the kernel's default when empty.
    pub domainname: String,
    /// The command line; never empty.
    pub args: Vec<String>,
    /// Run a small init as the first process, which reaps what is left to it
    /// and passes signals on.
    pub init: bool,
    /// The environment, `NAME=value`, complete but for HOME, which comes
    /// from the container's passwd file.
    pub env: Vec<String>,
    /// The working directory inside; made if missing, as Docker does.
    pub cwd: PathBuf,
    /// `name|uid[:group|gid]` as the user or the image wrote it, or empty;
    /// looked up in the container's own passwd and group files.
    pub user: String,
    /// Supplementary groups beside the user's own, names or numbers.
    pub groups: Vec<String>,
    /// Give it a pseudo terminal.
    pub terminal: bool,
    /// Keep its standard input open for clients.
    pub stdin: bool,
    /// Close standard input for good when the first attached client's ends.
    pub stdin_once: bool,
    /// Initial terminal size: columns, rows.
    pub console_size: Option<(u16, u16)>,
    /// The bounding, effective and permitted sets, one bit a capability
    /// (`linux/capability.h`); inheritable and ambient are always empty.
    pub capabilities: u64,
    /// All devices, no masked paths, writable /sys and cgroups.
    pub privileged: bool,
    /// PR_SET_NO_NEW_PRIVS
    pub no_new_privileges: bool,
    /// The system call filter.
    pub seccomp: SeccompProfile,
    /// The AppArmor profile to change to; absent: none is asked for.
    pub apparmor: Option<String>,
    /// Covered paths; a privileged container has none.
    pub masked_paths: PathList,
    /// Write-protected paths; a privileged container has none.
    pub read_only_paths: PathList,
    /// Devices beside the default ones.
    pub devices: Vec<DeviceMapping>,
    /// Device numbers that may be used beside those of `devices`.
    pub device_rules: Vec<DeviceRule>,
    /// Namespaces shared with the host.
    pub shared: SharedNamespaces,
    /// Run in a user namespace with this mapping.
    pub user_namespace: Vec<IdMap>,
    /// The cgroup below which the container's is made, in each hierarchy;
    /// absent: the daemon's.
    pub cgroup_parent: Option<CgroupParent>,
    /// Limits.
    pub resources: Resources,
    /// Resource limits of the process.
    pub rlimits: Vec<Rlimit>,
    /// -1000 to 1000.
    pub oom_score_adj: i32,
    /// Bytes of /dev/shm; 0: it has none.
    pub shm_size: u64,
    /// Namespaced sysctls, dotted.
    pub sysctls: Vec<(String, String)>,
    /// Mounts the user asked for.
    pub mounts: Vec<BindMount>,
    /// Filesystems in memory.
    pub tmpfs: Vec<TmpfsMount>,
    /// Files the engine writes.
    pub files: Vec<InjectedFile>,
    /// Where output is kept.
    pub log: LogConfig,
}

/// How a container's first process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus {
    /// The exit code; 128 plus the signal when a signal killed it.
    pub code: i32,
    /// The kernel killed a process of the container for want of memory.
    pub oom_killed: bool,
    /// Nanoseconds since the epoch.
    pub finished_at: u64,
}

/// Why a container's process could not be started: Docker's exit codes 125 to 127.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartFailure {
    /// [`ErrorKind::CommandNotFound`], [`ErrorKind::CommandNotExecutable`] or another.
    pub kind: ErrorKind,
    /// What failed.
    pub message: String,
}

/// A started process.
#[derive(Debug)]
pub struct Running {
    /// Its pid in the host's pid namespace.
    pub pid: u32,
    /// The control connection to its shim: a SOCK_STREAM unix socket that
    /// speaks the shim protocol and tells the end.
    pub shim: std::os::unix::net::UnixStream,
    /// Where a container whose networks have names asks for them.
    pub resolver: Option<crate::network::ResolverSockets>,
    /// Limits that this machine could not apply, one sentence each.
    pub warnings: Vec<String>,
}

/// The part of the host that carries out plans.
pub trait Runtime: Send + Sync {
    /// Carries out a storage plan's steps beneath the driver's root, with
    /// undo on failure. `RemoveTree` steps come last.
    fn apply_storage(
        &self,
        driver: &str,
        plan: &crate::storage::StoragePlan,
    ) -> Result<(), crate::error::Failure>;
    /// Whether a driver's root, a pool or not, can be opened.
    fn check_storage(&self, driver: &str) -> Result<(), crate::error::Failure>;
    /// Puts a driver's root into a filesystem of its own, which is made
    /// unless it is there; what the root held before is out of reach.
    fn make_pool(
        &self,
        driver: &str,
        pool: &crate::storage::Pool,
    ) -> Result<(), crate::error::Failure>;
    /// Brings what is beneath a driver's root to the disk, where the data
    /// root's own filesystem does not hold it.
    fn sync_storage(&self, driver: &str) -> Result<(), crate::error::Failure>;
    /// Brings the filesystem that a root of a driver's lies in to the disk.
    fn sync_rootfs(
        &self,
        driver: &str,
        root: std::os::fd::BorrowedFd<'_>,
    ) -> Result<(), crate::error::Failure>;
    /// Makes a snapshot's mount in no namespace's tree and gives its root.
    fn open_rootfs(
        &self,
        driver: &str,
        mount: &RootMount,
    ) -> Result<std::os::fd::OwnedFd, crate::error::Failure>;
    /// Calls `work` with a container's root directory, on a thread of its own
    /// that makes files as the container's root. Nothing stays mounted after.
    fn with_files(
        &self,
        plan: &FilesPlan,
        work: &mut (dyn FnMut(std::os::fd::BorrowedFd<'_>) + Send),
    ) -> Result<(), crate::error::Failure>;
    /// The uid and gid of `name|uid[:group|gid]` by the passwd and group files
    /// beneath a container's root directory.
    fn find_user(
        &self,
        root: std::os::fd::BorrowedFd<'_>,
        user: &str,
    ) -> Result<(u32, u32), crate::error::Failure>;
    /// Reads a driver's root for the driver.
    fn driver_root(&self, driver: &str) -> std::sync::Arc<dyn crate::driver::DriverRoot>;
    /// Starts a container: network, cgroup, shim, namespaces, process. On
    /// failure nothing is left. The clients are attached before the process
    /// runs, so that they miss nothing.
    fn start(
        &self,
        plan: &ContainerPlan,
        network: &crate::network::NetworkPlan,
        attached: Vec<Attachment>,
    ) -> Result<Running, crate::error::Failure>;
    /// Starts one more process in a container that runs. On failure nothing
    /// of it is left.
    fn exec(
        &self,
        plan: &ExecPlan,
        attached: Vec<Attachment>,
    ) -> Result<Running, crate::error::Failure>;
    /// The processes that were started in a container since it started, until
    /// each is forgotten: running ones and ended ones.
    fn known_execs(&self, container: &ContainerId) -> Vec<ExecId>;
    /// The note that a process was started with, as long as it is known.
    fn noted_exec(&self, process: &ProcessRef) -> Option<Vec<u8>>;
    /// Takes away what is left of a process that was started later and has
    /// ended; missing things are fine.
    fn forget_exec(&self, process: &ProcessRef) -> Result<(), crate::error::Failure>;
    /// Attaches a client to a process that runs: its output from now on.
    fn attach(
        &self,
        process: &ProcessRef,
        attachment: Attachment,
    ) -> Result<(), crate::error::Failure>;
    /// Tells a process's terminal its size; without a terminal, nothing.
    fn resize(
        &self,
        process: &ProcessRef,
        columns: u16,
        rows: u16,
    ) -> Result<(), crate::error::Failure>;
    /// Every container of which something is left in the kernel or among the
    /// running ones' state: what a new engine compares with its records.
    fn known(&self) -> Vec<ContainerId>;
    /// The network plan a container was started with, as far as it outlives
    /// the start: leases, links, published ports. `None` when it was not.
    fn noted_network(&self, id: &ContainerId) -> Option<crate::network::NetworkPlan>;
    /// The first subnet of `pools` that no address, route or name server of
    /// the host is in and that overlaps none of `used`, as its gateway's
    /// address with the prefix.
    fn free_subnet(
        &self,
        used: &[crate::network::Cidr],
        pools: &[crate::network::DefaultPool],
    ) -> Result<crate::network::Cidr, crate::error::Failure>;
    /// Fails when containers cannot share the host's interface `parent` by links
    /// of the kind `macvlan` or `ipvlan`.
    fn check_parent(
        &self,
        kind: &'static str,
        parent: &crate::network::IfName,
    ) -> Result<(), crate::error::Failure>;
    /// Takes a network's interface, if it was made here, and its packet-filter
    /// entries away; missing ones are fine.
    fn remove_network(
        &self,
        interface: &crate::network::IfName,
    ) -> Result<(), crate::error::Failure>;
    /// Carries out one more network's plan, without published ports, for a
    /// container that runs; the resolver's sockets where it orders some.
    fn connect(
        &self,
        id: &ContainerId,
        network: &crate::network::NetworkPlan,
    ) -> Result<Option<crate::network::ResolverSockets>, crate::error::Failure>;
    /// Replaces the content of a file that was injected when the container
    /// started, in place: it is mounted. Nothing is written when `edit` gives
    /// nothing for what is there.
    fn edit_injected(
        &self,
        id: &ContainerId,
        name: &'static str,
        edit: &mut dyn FnMut(&str) -> Option<String>,
    ) -> Result<(), crate::error::Failure>;
    /// Takes the interface `inner` away from a container that runs, and the
    /// ports that are forwarded to its addresses.
    fn disconnect(&self, id: &ContainerId, inner: &str) -> Result<(), crate::error::Failure>;
    /// Connects to the shim of a process that runs, after a restart of the
    /// engine, and for a container's first process writes again what the
    /// packet filter lost of it.
    fn reconnect(&self, process: &ProcessRef) -> Result<Running, crate::error::Failure>;
    /// The exit a shim recorded, until it is cleaned up.
    fn recorded_exit(&self, process: &ProcessRef) -> Option<ExitStatus>;
    /// Sends a signal to a process, by pidfd through its shim.
    fn signal(&self, process: &ProcessRef, signal: i32) -> Result<(), crate::error::Failure>;
    /// Freezes all processes of a container; returns when they stand still.
    /// A container whose processes do not stop in time goes on.
    fn pause(&self, id: &ContainerId) -> Result<(), crate::error::Failure>;
    /// Lets a frozen container go on; one that is not frozen is fine. A
    /// frozen process may need it to die of a signal (cgroup version 1).
    fn unpause(&self, id: &ContainerId) -> Result<(), crate::error::Failure>;
    /// Changes the limits of a running container that are set, all or none.
    /// What this machine cannot limit is told, one sentence each.
    fn update(
        &self,
        id: &ContainerId,
        limits: &Resources,
    ) -> Result<Vec<String>, crate::error::Failure>;
    /// What a running container uses.
    fn stats(&self, id: &ContainerId) -> Result<Stats, crate::error::Failure>;
    /// The pids of a container's processes in the host's pid namespace; none
    /// when it does not run.
    fn processes(&self, id: &ContainerId) -> Vec<u32>;
    /// Mounts what a volume's driver decided over the volume's directory
    /// `<data-root>/volumes/<name>/_data`; nothing when something is mounted
    /// there already.
    fn mount_volume(
        &self,
        name: &str,
        mount: &crate::volume::VolumeMount,
    ) -> Result<(), crate::error::Failure>;
    /// Whether the filesystem of volumes' directories holds them to sizes.
    fn has_volume_quota(&self) -> bool;
    /// Lets a directory of a volume, in which there is nothing yet, hold at
    /// most so many bytes.
    fn limit_volume(
        &self,
        files: std::os::fd::BorrowedFd<'_>,
        bytes: u64,
    ) -> Result<(), crate::error::Failure>;
    /// Takes the mount over a volume's directory away; nothing when there is none.
    fn unmount_volume(&self, name: &str) -> Result<(), crate::error::Failure>;
    /// Takes away what a stopped container held: cgroups, links, packet-filter
    /// entries, its runtime folder. Missing things are fine; processes that
    /// are left, a shim among them, are killed.
    fn cleanup(&self, id: &ContainerId) -> Result<(), crate::error::Failure>;
}
