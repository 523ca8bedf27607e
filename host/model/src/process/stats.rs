//! What the kernel counted for one container.

/// A container's use of the machine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Processors.
    pub cpu: CpuStats,
    /// Memory.
    pub memory: MemoryStats,
    /// Block devices.
    pub block_io: BlockIoStats,
    /// Processes and threads that there are.
    pub pids: u64,
    /// How many there may be; `u64::MAX` for no limit.
    pub pids_limit: Option<u64>,
    /// The container's own network interfaces; none when it shares the host's.
    pub interfaces: Vec<InterfaceStats>,
}

/// Processor time, nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// All of it.
    pub total: u64,
    /// Spent in the kernel.
    pub kernel: u64,
    /// Spent in user mode.
    pub user: u64,
    /// For each processor that may ever be; empty where cgroups don't tell.
    pub per_cpu: Vec<u64>,
    /// What the whole machine spent, idle time included.
    pub machine: u64,
    /// Processors that are online.
    pub online: u32,
    /// Periods in which a quota was in force.
    pub periods: u64,
    /// Those in which it ran out.
    pub throttled_periods: u64,
    /// How long the container waited for the next period.
    pub throttled: u64,
}

/// Memory, bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// In use, page cache included.
    pub usage: u64,
    /// The most that was ever in use; absent where cgroups don't tell.
    pub max_usage: Option<u64>,
    /// How often the limit was hit.
    pub failures: u64,
    /// The limit, or the machine's memory when that is less.
    pub limit: u64,
    /// `memory.stat`, under the kernel's names.
    pub details: Vec<(&'static str, u64)>,
}

/// Reads and writes of block devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockIoStats {
    /// Bytes.
    pub bytes: Vec<BlockIoCount>,
    /// Operations; `None` where cgroups don't tell.
    pub operations: Option<Vec<BlockIoCount>>,
}

/// One device's count of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockIoCount {
    /// Major device number.
    pub major: u64,
    /// Minor device number.
    pub minor: u64,
    /// `Read`, `Write`, `Total`, … in version 1; `read`, `write` in version 2.
    pub operation: String,
    /// How many.
    pub value: u64,
}

/// One network interface, seen from inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceStats {
    /// Its name inside.
    pub name: String,
    /// What it received.
    pub received: Traffic,
    /// What it sent.
    pub sent: Traffic,
}

/// Traffic in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with errors.
    pub errors: u64,
    /// Packets dropped.
    pub dropped: u64,
}
