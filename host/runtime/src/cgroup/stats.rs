//! What the kernel counted in a container's cgroups (kernel `cgroup-v2.rst`;
//! `cgroup-v1/memory.rst`, `cpuacct.rst`, `blkio-controller.rst`, `pids.rst`).
//!
//! A counter that a machine does not have is 0 or absent, never an error:
//! whoever asks for the memory wants it without block devices, too.

use std::os::fd::OwnedFd;
use std::str::FromStr;

use bulkhead_model::process::{BlockIoCount, BlockIoStats, CpuStats, MemoryStats, Stats};
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::poll;

use super::{Parent, Version};

/// `USER_HZ`: what times in /proc and in version 1 are counted in, a second
/// (`time(7)`).
const TICKS: u64 = 100;
const NANOS_PER_TICK: u64 = 1_000_000_000 / TICKS;

/// What is told of version 1's `memory.stat`: Docker's choice, in its order.
const DETAILS_V1: [&str; 32] = [
    "active_anon",
    "active_file",
    "cache",
    "dirty",
    "hierarchical_memory_limit",
    "hierarchical_memsw_limit",
    "inactive_anon",
    "inactive_file",
    "mapped_file",
    "pgfault",
    "pgmajfault",
    "pgpgin",
    "pgpgout",
    "rss",
    "rss_huge",
    "total_active_anon",
    "total_active_file",
    "total_cache",
    "total_dirty",
    "total_inactive_anon",
    "total_inactive_file",
    "total_mapped_file",
    "total_pgfault",
    "total_pgmajfault",
    "total_pgpgin",
    "total_pgpgout",
    "total_rss",
    "total_rss_huge",
    "total_unevictable",
    "total_writeback",
    "unevictable",
    "writeback",
];

/// What is told of version 2's.
const DETAILS_V2: [&str; 31] = [
    "active_anon",
    "active_file",
    "anon",
    "anon_thp",
    "file",
    "file_dirty",
    "file_mapped",
    "file_writeback",
    "inactive_anon",
    "inactive_file",
    "kernel_stack",
    "pgactivate",
    "pgdeactivate",
    "pgfault",
    "pglazyfree",
    "pglazyfreed",
    "pgmajfault",
    "pgrefill",
    "pgscan",
    "pgsteal",
    "shmem",
    "slab",
    "slab_reclaimable",
    "slab_unreclaimable",
    "sock",
    "thp_collapse_alloc",
    "thp_fault_alloc",
    "unevictable",
    "workingset_activate",
    "workingset_nodereclaim",
    "workingset_refault",
];

/// Reads everything but the network's counters.
pub(super) fn read(parent: &Parent, id: &str) -> Stats {
    let mut reader = Reader {
        parent,
        id,
        buffer: Vec::with_capacity(4096),
    };
    let mut stats = Stats {
        cpu: reader.cpu(),
        memory: reader.memory(),
        block_io: reader.block_io(),
        ..Stats::default()
    };
    if let Some(pids) = reader.open("pids") {
        stats.pids = reader.number(&pids, "pids.current").unwrap_or(0);
        // Version 1's "max" is left out by Docker, version 2's is the largest number.
        let limit = reader.limit(&pids, "pids.max");
        stats.pids_limit = limit.filter(|n| pids.version == Version::Two || *n != u64::MAX);
    }
    stats
}

/// A container's directory in the hierarchy of one controller.
struct Dir {
    dir: OwnedFd,
    version: Version,
}

/// Reads small files one after the other into one buffer.
struct Reader<'a> {
    parent: &'a Parent,
    id: &'a str,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    fn open(&self, controller: &str) -> Option<Dir> {
        let at = (self.parent.hierarchies.iter()).position(|h| h.has(controller))?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        Some(Dir {
            dir: open_beneath(&self.parent.dirs[at], self.id, flags, 0).ok()?,
            version: self.parent.hierarchies[at].version,
        })
    }

    fn text(&mut self, dir: &Dir, file: &str) -> Option<&str> {
        let file = open_beneath(&dir.dir, file, OFlag::O_RDONLY, 0).ok()?;
        fill(&mut self.buffer, &file)
    }

    fn number<T: FromStr>(&mut self, dir: &Dir, file: &str) -> Option<T> {
        self.text(dir, file)?.trim().parse().ok()
    }

    /// A number, or the largest for `max`.
    fn limit(&mut self, dir: &Dir, file: &str) -> Option<u64> {
        match self.text(dir, file)?.trim() {
            "max" => Some(u64::MAX),
            number => number.parse().ok(),
        }
    }

    fn cpu(&mut self) -> CpuStats {
        let mut out = CpuStats::default();
        machine(&mut self.buffer, &mut out);
        // Version 2 tells the time used even where the controller is not.
        let cpu = self.open("cpu");
        if let Some(accounts) = self.open("cpuacct") {
            out.total = self.number(&accounts, "cpuacct.usage").unwrap_or(0);
            let times = self.text(&accounts, "cpuacct.stat").unwrap_or_default();
            out.user = value(times, "user") * NANOS_PER_TICK;
            out.kernel = value(times, "system") * NANOS_PER_TICK;
            let each = (self.text(&accounts, "cpuacct.usage_percpu")).unwrap_or_default();
            out.per_cpu = (each.split_whitespace())
                .filter_map(|n| n.parse().ok())
                .collect();
        }
        let Some(cpu) = cpu else { return out };
        let text = self.text(&cpu, "cpu.stat").unwrap_or_default();
        out.periods = value(text, "nr_periods");
        out.throttled_periods = value(text, "nr_throttled");
        if cpu.version == Version::One {
            out.throttled = value(text, "throttled_time");
        } else {
            out.throttled = value(text, "throttled_usec") * 1000;
            out.total = value(text, "usage_usec") * 1000;
            out.user = value(text, "user_usec") * 1000;
            out.kernel = value(text, "system_usec") * 1000;
        }
        out
    }

    fn memory(&mut self) -> MemoryStats {
        let mut out = MemoryStats::default();
        let Some(memory) = self.open("memory") else {
            return out;
        };
        let files = match memory.version {
            Version::One => ["memory.usage_in_bytes", "memory.limit_in_bytes"],
            Version::Two => ["memory.current", "memory.max"],
        };
        out.usage = self.number(&memory, files[0]).unwrap_or(0);
        let limit = self.limit(&memory, files[1]).unwrap_or(u64::MAX);
        out.limit = limit.min(machine_memory(&mut self.buffer));
        if memory.version == Version::One {
            out.max_usage = self.number(&memory, "memory.max_usage_in_bytes");
            out.failures = self.number(&memory, "memory.failcnt").unwrap_or(0);
        } else {
            let events = self.text(&memory, "memory.events").unwrap_or_default();
            out.failures = value(events, "oom");
        }
        let names: &[&'static str] = match memory.version {
            Version::One => &DETAILS_V1,
            Version::Two => &DETAILS_V2,
        };
        let text = self.text(&memory, "memory.stat").unwrap_or_default();
        out.details = details(text, names);
        out
    }

    fn block_io(&mut self) -> BlockIoStats {
        let mut out = BlockIoStats::default();
        if let Some(io) = self.open("io") {
            out.bytes = io_stat(self.text(&io, "io.stat").unwrap_or_default());
        } else if let Some(blkio) = self.open("blkio") {
            out.bytes = self.counts(&blkio, "io_service_bytes_recursive");
            out.operations = Some(self.counts(&blkio, "io_serviced_recursive"));
        }
        out
    }

    /// A device counts with the policy of its scheduler, or, without one,
    /// with throttling alone.
    fn counts(&mut self, blkio: &Dir, what: &str) -> Vec<BlockIoCount> {
        for policy in ["bfq.", "throttle.", ""] {
            let text = self.text(blkio, &format!("blkio.{policy}{what}"));
            let counts: Vec<_> = text.unwrap_or_default().lines().filter_map(count).collect();
            if !counts.is_empty() {
                return counts;
            }
        }
        Vec::new()
    }
}

/// Reads a whole file of the kernel's; its text, or nothing when that fails.
pub(crate) fn fill<'a>(buffer: &'a mut Vec<u8>, file: &OwnedFd) -> Option<&'a str> {
    buffer.resize(buffer.capacity().max(4096), 0);
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            buffer.resize(2 * filled, 0);
        }
        match poll::read(file, &mut buffer[filled..]).ok()? {
            poll::Progress::Bytes(0) | poll::Progress::WouldBlock => break,
            poll::Progress::Bytes(count) => filled += count,
        }
    }
    std::str::from_utf8(&buffer[..filled]).ok()
}

fn fill_from<'a>(buffer: &'a mut Vec<u8>, path: &str) -> &'a str {
    let file = bulkhead_sys::path::open_host(path, OFlag::O_RDONLY, 0).ok();
    file.and_then(|file| fill(buffer, &file))
        .unwrap_or_default()
}

/// `proc_stat(5)`: the first line sums up all processors; guests' time is
/// counted among the users' already, and so left out.
fn machine(buffer: &mut Vec<u8>, out: &mut CpuStats) {
    let text = fill_from(buffer, "/proc/stat");
    let mut lines = text.lines();
    let times = lines.next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: u64 = times.take(7).filter_map(|n| n.parse::<u64>().ok()).sum();
    out.machine = ticks * NANOS_PER_TICK;
    let online = lines.take_while(|line| line.starts_with("cpu")).count();
    out.online = u32::try_from(online).unwrap_or(u32::MAX);
}

/// `proc_meminfo(5)`
fn machine_memory(buffer: &mut Vec<u8>) -> u64 {
    let text = fill_from(buffer, "/proc/meminfo");
    value(text, "MemTotal:").saturating_mul(1024)
}

/// The number after a name, 0 if there is none.
fn value(text: &str, name: &str) -> u64 {
    let found = pairs(text).find(|(key, _)| *key == name);
    found.map_or(0, |(_, value)| value)
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        Some((words.next()?, words.next()?.parse().ok()?))
    })
}

fn details(text: &str, names: &[&'static str]) -> Vec<(&'static str, u64)> {
    let mut out: Vec<(&'static str, u64)> = names.iter().map(|name| (*name, 0)).collect();
    for (name, value) in pairs(text) {
        // The names are sorted.
        if let Ok(at) = names.binary_search(&name) {
            out[at].1 = value;
        }
        // Version 2 has counted anonymous memory and files apart since Linux 5.9.
        let both = "workingset_refault";
        if let Some(at) = names.iter().position(|n| *n == both)
            && (name.strip_prefix(both)).is_some_and(|rest| matches!(rest, "_anon" | "_file"))
        {
            out[at].1 += value;
        }
    }
    out
}

/// `8:0 Read 4096`
fn count(line: &str) -> Option<BlockIoCount> {
    let mut words = line.split_ascii_whitespace();
    let (major, minor) = words.next()?.split_once(':')?;
    Some(BlockIoCount {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        operation: words.next()?.to_owned(),
        value: words.next()?.parse().ok()?,
    })
}

/// `8:0 rbytes=4096 wbytes=0 rios=1 …`
fn io_stat(text: &str) -> Vec<BlockIoCount> {
    let mut out = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let numbers = words.next().and_then(|device| device.split_once(':'));
        let Some((Ok(major), Ok(minor))) = numbers.map(|(a, b)| (a.parse(), b.parse())) else {
            continue;
        };
        for word in words {
            let Some((name, Ok(value))) = word.split_once('=').map(|(n, v)| (n, v.parse())) else {
                continue;
            };
            let operation = match name {
                "rbytes" => "read",
                "wbytes" => "write",
                _ => continue,
            };
            out.push(BlockIoCount {
                major,
                minor,
                operation: operation.to_owned(),
                value,
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_details_are_sorted_for_the_search() {
        assert!(DETAILS_V1.is_sorted() && DETAILS_V2.is_sorted());
    }

    #[test]
    fn details_are_the_known_ones_whatever_the_kernel_adds() {
        let text = "anon 5\nnew_thing 7\nworkingset_refault_anon 1\nworkingset_refault_file 2\n";
        let read = details(text, &DETAILS_V2);
        assert_eq!(read.len(), DETAILS_V2.len());
        assert_eq!(
            (read[2], read[30]),
            (("anon", 5), ("workingset_refault", 3))
        );
    }

    #[test]
    fn both_forms_of_block_counts_are_read() {
        let read = count("8:16 Discard 512").unwrap();
        assert_eq!((read.major, read.minor, read.value), (8, 16, 512));
        assert_eq!(count("Total 9"), None);
        let both = io_stat("8:0 rbytes=1 wbytes=2 rios=3\nbroken\n253:1 \n");
        let told: Vec<_> = both
            .iter()
            .map(|c| (c.operation.as_str(), c.value))
            .collect();
        assert_eq!(told, [("read", 1), ("write", 2)]);
    }
}
