//! What a client asked for, in the engine's terms; kept as a container's record.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bulkhead_model::container::RestartPolicy;
use serde::{Deserialize, Serialize};

use crate::health::HealthSpec;

/// The address in `extra_hosts` that stands for the host's own on the
/// container's network.
pub const HOST_GATEWAY: &str = "host-gateway";

/// A request to make a container. Absent fields fall back to the image's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The image as the user wrote it.
    pub image: String,
    /// Overrides the image's entrypoint and drops its command; `Some([])` clears both.
    pub entrypoint: Option<Vec<String>>,
    /// Overrides the image's command.
    pub cmd: Option<Vec<String>>,
    /// `NAME=value`; a bare `NAME` removes the image's.
    pub env: Vec<String>,
    /// `user[:group]`
    pub user: String,
    /// Working directory.
    pub working_dir: String,
    /// Hostname; the short id when empty.
    pub hostname: String,
    /// Pseudo terminal.
    pub tty: bool,
    /// Keep standard input open.
    pub open_stdin: bool,
    /// Close it after the first client.
    pub stdin_once: bool,
    /// Initial terminal size: columns, rows.
    pub console_size: Option<(u16, u16)>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Stop signal; the image's, or SIGTERM.
    pub stop_signal: Option<String>,
    /// Seconds `stop` waits before it kills.
    pub stop_timeout: Option<i64>,
    /// The storage driver; the daemon's default when absent.
    pub storage_driver: Option<String>,
    /// Bytes the writable layer may hold.
    #[serde(default)]
    pub storage_size: Option<u64>,
    /// The network mode: `bridge` (or `default`), `host`, `none`, or a
    /// network's name or id.
    pub network: String,
    /// What was asked of the container's places in networks, the mode's among them.
    #[serde(default)]
    pub endpoints: Vec<EndpointSpec>,
    /// Published ports.
    pub ports: Vec<PortSpec>,
    /// Publish every port the image exposes.
    pub publish_all: bool,
    /// Binds and volumes.
    pub mounts: Vec<MountSpec>,
    /// Limits.
    pub limits: Limits,
    /// Capabilities to add: names or `ALL`.
    pub cap_add: Vec<String>,
    /// Capabilities to drop: names or `ALL`.
    pub cap_drop: Vec<String>,
    /// `--privileged`
    pub privileged: bool,
    /// `--read-only`
    pub read_only: bool,
    /// `--rm`
    pub auto_remove: bool,
    /// `--health-…`
    #[serde(default)]
    pub health: Option<HealthSpec>,
    /// `--restart`
    #[serde(default, with = "crate::container::RestartRecord")]
    pub restart: RestartPolicy,
    /// `--security-opt`
    pub security_opt: Vec<String>,
    /// `--pid=host`
    pub host_pid: bool,
    /// `--ipc=host`
    pub host_ipc: bool,
    /// `--uts=host`
    pub host_uts: bool,
    /// `--cgroupns=host`
    pub host_cgroup: bool,
    /// `--userns=host`
    #[serde(default)]
    pub host_user: bool,
    /// `-1000` to `1000`
    pub oom_score_adj: i32,
    /// Bytes of /dev/shm; 64 MiB when 0.
    pub shm_size: u64,
    /// Sysctls.
    pub sysctls: BTreeMap<String, String>,
    /// Process limits: name, soft, hard.
    pub ulimits: Vec<(String, u64, u64)>,
    /// `container:alias`, on the default bridge.
    #[serde(default)]
    pub links: Vec<String>,
    /// Ports it declares beyond its image's: `80/tcp`.
    #[serde(default)]
    pub exposed: Vec<String>,
    /// `host:address`
    pub extra_hosts: Vec<String>,
    /// Name servers.
    pub dns: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// Resolver options.
    pub dns_options: Vec<String>,
    /// NIS domain name.
    #[serde(default)]
    pub domainname: String,
    /// A small init as the first process.
    #[serde(default)]
    pub init: bool,
    /// Supplementary groups, names or numbers.
    #[serde(default)]
    pub group_add: Vec<String>,
    /// Filesystems in memory.
    #[serde(default)]
    pub tmpfs: Vec<TmpfsSpec>,
    /// Containers whose mounts are taken over: `id[:ro|:rw]`.
    #[serde(default)]
    pub volumes_from: Vec<String>,
    /// Devices of the host's.
    #[serde(default)]
    pub devices: Vec<DeviceSpec>,
    /// Device numbers that may be used: `c 1:3 rwm`, checked.
    #[serde(default)]
    pub device_rules: Vec<String>,
    /// Covered paths; absent: the default ones.
    #[serde(default)]
    pub masked_paths: Option<Vec<String>>,
    /// Write-protected paths; absent: the default ones.
    #[serde(default)]
    pub read_only_paths: Option<Vec<String>>,
    /// The container whose pid namespace is joined.
    #[serde(default)]
    pub pid_of: Option<String>,
    /// The container whose IPC namespace is joined.
    #[serde(default)]
    pub ipc_of: Option<String>,
    /// Others may join its IPC namespace.
    #[serde(default)]
    pub shareable_ipc: bool,
    /// Without /dev/shm.
    #[serde(default)]
    pub no_shm: bool,
    /// The parent of its cgroups; the daemon's when empty.
    #[serde(default)]
    pub cgroup_parent: String,
    /// Log driver: `json-file` or `none`.
    pub log_driver: String,
    /// Log options: `max-size`, `max-file`.
    pub log_opts: BTreeMap<String, String>,
    /// The request's `Config` as it came, for `inspect`.
    pub config_json: String,
    /// The request's `HostConfig` as it came, for `inspect`.
    pub host_config_json: String,
}

/// What is asked of a container's place in a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSpec {
    /// The network's name or id.
    pub network: String,
    /// Names the container answers to on it, beside its own.
    pub aliases: Vec<String>,
    /// Addresses of the network's subnets, one of a family at most.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// The hardware address.
    #[serde(default)]
    pub mac: Option<String>,
    /// The network with the highest is the way out.
    #[serde(default)]
    pub gateway_priority: i64,
    /// Options of the network's driver.
    #[serde(default)]
    pub driver_options: BTreeMap<String, String>,
    /// `container:alias`: names of others that it alone asks for.
    #[serde(default)]
    pub links: Vec<String>,
}

/// One published port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSpec {
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The container's port.
    pub container_port: u16,
    /// The host's address; absent: the network's own choice, of each family.
    pub host_addr: Option<IpAddr>,
    /// The host's port; 0 for any free one.
    pub host_port: u16,
    /// The last of the host's ports, of which a free one is taken, when there
    /// are several.
    #[serde(default)]
    pub last_host_port: Option<u16>,
}

/// One bind mount or volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountSpec {
    /// Where it comes from.
    pub source: MountSource,
    /// Where it appears.
    pub target: String,
    /// Read-only.
    pub read_only: bool,
    /// The rest.
    #[serde(default)]
    pub options: MountOptions,
}

/// How a bind or volume is mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountOptions {
    /// Options as they were written after the last colon, for `inspect`.
    pub mode: String,
    /// `rprivate`, `rslave`, `shared`, …; empty for the default.
    pub propagation: String,
    /// Leave the mounts below out.
    pub non_recursive: bool,
    /// Only the mount itself is read-only, not those below it.
    pub shallow_read_only: bool,
    /// Don't fill an empty volume from the image.
    pub no_copy: bool,
    /// Make a missing source; otherwise it must be there when the container
    /// is made.
    pub create_source: bool,
    /// A path inside the volume that is mounted in its place.
    pub subpath: String,
    /// Labels of a volume that is made for it.
    pub labels: BTreeMap<String, String>,
    /// The driver of a volume that is made for it; `local` when empty.
    #[serde(default)]
    pub volume_driver: String,
    /// The driver's options.
    #[serde(default)]
    pub volume_options: BTreeMap<String, String>,
}

/// A filesystem in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmpfsSpec {
    /// Where it appears.
    pub target: String,
    /// `size=1m`, `exec`, …, checked.
    pub options: Vec<String>,
}

/// A device of the host's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSpec {
    /// Path on the host.
    pub source: String,
    /// Path inside.
    pub target: String,
    /// Some of `rwm`.
    pub access: String,
}

/// Where a mount comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// An absolute path of the host.
    Host(String),
    /// A volume by name.
    Volume(String),
    /// A volume that only this container names.
    Anonymous,
}

/// Resource limits as the API has them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes; 0 none.
    pub memory: i64,
    /// Bytes of memory plus swap; 0 twice the memory, -1 unlimited.
    pub memory_swap: i64,
    /// Bytes; 0 none.
    pub memory_reservation: i64,
    /// Billionths of a CPU; 0 none.
    pub nano_cpus: i64,
    /// Microseconds; 0 none.
    pub cpu_period: i64,
    /// Microseconds; 0 none.
    pub cpu_quota: i64,
    /// Weight; 0 default.
    pub cpu_shares: i64,
    /// CPUs.
    pub cpuset_cpus: String,
    /// NUMA nodes.
    pub cpuset_mems: String,
    /// Tasks; 0 or less none.
    pub pids: i64,
    /// 10 to 1000; 0 none.
    pub blkio_weight: u16,
    /// Only cgroup v1.
    pub oom_kill_disable: bool,
    /// 0 to 100; -1 or absent the kernel's.
    pub memory_swappiness: Option<i64>,
    /// Microseconds; 0 none.
    pub cpu_realtime_period: i64,
    /// Microseconds; 0 none.
    pub cpu_realtime_runtime: i64,
    /// Weights of block devices.
    pub device_weights: Vec<DeviceLimit>,
    /// Bytes a second.
    pub device_read_bps: Vec<DeviceLimit>,
    /// Bytes a second.
    pub device_write_bps: Vec<DeviceLimit>,
    /// Operations a second.
    pub device_read_iops: Vec<DeviceLimit>,
    /// Operations a second.
    pub device_write_iops: Vec<DeviceLimit>,
}

/// A rate or a weight of one block device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLimit {
    /// The device's path on the host.
    pub path: String,
    /// Bytes or operations a second, or the weight.
    pub value: u64,
}
