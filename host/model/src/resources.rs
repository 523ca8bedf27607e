//! Resource limits of one container, in Docker's units.

/// Limits; absent means unlimited (or the kernel's default).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Memory, bytes. At least 6 MiB, as Docker.
    pub memory: Option<u64>,
    /// Memory plus swap, bytes; `Some(-1)` unlimited swap.
    pub memory_swap: Option<i64>,
    /// Soft memory limit, bytes.
    pub memory_reservation: Option<u64>,
    /// How readily the kernel swaps, 0 to 100 (cgroup v1 only).
    pub memory_swappiness: Option<u64>,
    /// CPU time, in billionths of a CPU (`--cpus`).
    pub nano_cpus: Option<u64>,
    /// CFS period, microseconds.
    pub cpu_period: Option<u64>,
    /// CFS quota, microseconds.
    pub cpu_quota: Option<i64>,
    /// Relative weight, 2 to 262144; 1024 is the default.
    pub cpu_shares: Option<u64>,
    /// Period of real-time scheduling, microseconds (cgroup v1 only).
    pub cpu_realtime_period: Option<u64>,
    /// Real-time CPU time in each period, microseconds (cgroup v1 only).
    pub cpu_realtime_runtime: Option<u64>,
    /// CPUs, such as `0-1,3`.
    pub cpuset_cpus: Option<String>,
    /// NUMA nodes.
    pub cpuset_mems: Option<String>,
    /// Processes and threads.
    pub pids: Option<i64>,
    /// Block I/O weight, 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// Weights of single devices, 10 to 1000, in `rate`.
    pub device_weights: Vec<DeviceRate>,
    /// Bytes a second read from a device.
    pub device_read_bps: Vec<DeviceRate>,
    /// Bytes a second written to a device.
    pub device_write_bps: Vec<DeviceRate>,
    /// Reads a second.
    pub device_read_iops: Vec<DeviceRate>,
    /// Writes a second.
    pub device_write_iops: Vec<DeviceRate>,
    /// Do not kill when out of memory (cgroup v1 only).
    pub oom_kill_disable: bool,
}

/// A rate limit on one block device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRate {
    /// Major device number.
    pub major: u64,
    /// Minor device number.
    pub minor: u64,
    /// Bytes or operations a second.
    pub rate: u64,
}

/// One `setrlimit` pair, by the name `getrlimit(2)` documents without `RLIMIT_` (`nofile`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rlimit {
    /// `nofile`, `nproc`, `core`, …
    pub name: String,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}
