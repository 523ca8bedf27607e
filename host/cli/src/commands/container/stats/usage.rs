//! A container's numbers as docker shows them.

use bulkhead_api::stats::{MemoryStats, Stats};
use serde_json::json;

use crate::output::{self, Heading, binary_size, decimal_size, short_id};
use crate::template::{Labels, Row};

pub(super) const HEADINGS: &[Heading] = &[
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

pub(super) const COLUMNS: &[&str] = &[
    "ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs",
];

/// One container's row; dashes until its first numbers are there.
pub(super) fn row(container: &str, id: &str, stats: Option<&Stats>, whole: bool) -> Row {
    let id = match whole {
        true => id.to_owned(),
        false => short_id(id),
    };
    let Some(stats) = stats else {
        let fields = json!({
            "Container": container, "ID": id, "Name": "--", "CPUPerc": "--", "MemUsage": "-- / --",
            "MemPerc": "--", "NetIO": "-- / --", "BlockIO": "-- / --", "PIDs": "--",
        });
        return output::row(fields, Labels::new());
    };
    let used = memory(&stats.memory_stats);
    let limit = stats.memory_stats.limit;
    let share = match limit {
        0 => 0.0,
        limit => used as f64 / limit as f64 * 100.0,
    };
    let received = stats
        .networks
        .values()
        .map(|network| network.rx_bytes)
        .sum();
    let sent = stats
        .networks
        .values()
        .map(|network| network.tx_bytes)
        .sum();
    let fields = json!({
        "Container": container,
        "ID": id,
        "Name": stats.name.trim_start_matches('/'),
        "CPUPerc": format!("{:.2}%", cpu_percent(stats)),
        "MemUsage": format!("{} / {}", binary_size(signed(used)), binary_size(signed(limit))),
        "MemPerc": format!("{share:.2}%"),
        "NetIO": both(received, sent),
        "BlockIO": both(blocks(stats, 'r'), blocks(stats, 'w')),
        "PIDs": stats.pids_stats.current.to_string(),
    });
    output::row(fields, Labels::new())
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn both(first: u64, second: u64) -> String {
    format!(
        "{} / {}",
        decimal_size(signed(first), 3),
        decimal_size(signed(second), 3)
    )
}

/// The share of one CPU between the last two samples, so that two busy ones
/// are 200%.
fn cpu_percent(stats: &Stats) -> f64 {
    let (now, before) = (&stats.cpu_stats, &stats.precpu_stats);
    let used = now
        .cpu_usage
        .total_usage
        .saturating_sub(before.cpu_usage.total_usage);
    let passed = now.system_cpu_usage.saturating_sub(before.system_cpu_usage);
    let cpus = match now.online_cpus {
        0 => now.cpu_usage.percpu_usage.len() as f64,
        count => f64::from(count),
    };
    match passed {
        0 => 0.0,
        passed => used as f64 / passed as f64 * cpus * 100.0,
    }
}

/// What cannot be given back at once: the page cache that nobody used lately
/// is not counted. Its name differs between the cgroup versions.
fn memory(stats: &MemoryStats) -> u64 {
    let cache = stats
        .stats
        .get("total_inactive_file")
        .or_else(|| stats.stats.get("inactive_file"));
    let cache = cache.copied().filter(|cache| *cache < stats.usage);
    stats.usage - cache.unwrap_or(0)
}

fn blocks(stats: &Stats, first_letter: char) -> u64 {
    let entries = stats
        .blkio_stats
        .io_service_bytes_recursive
        .iter()
        .flatten();
    entries
        .filter(|entry| entry.op.to_ascii_lowercase().starts_with(first_letter))
        .map(|entry| entry.value)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_dockers() {
        let stats: Stats = serde_json::from_value(json!({
            "name": "/web", "id": "ad101c467650d8940f1ee5a4",
            "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 4},
            "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
            "memory_stats": {"usage": 3_145_728, "limit": 25_276_514_304_u64, "stats": {"inactive_file": 1_048_576}},
            "pids_stats": {"current": 3},
            "networks": {"eth0": {"rx_bytes": 1010, "tx_bytes": 0}, "eth1": {"rx_bytes": 1, "tx_bytes": 5}},
            "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 2_000_000}, {"op": "write", "value": 7}]},
        }))
        .unwrap();
        let row = row("web", &stats.id, Some(&stats), false);
        let cell = |field: &str| row.data.get(field).unwrap().to_string();
        assert_eq!(cell("ID"), "ad101c467650");
        assert_eq!(cell("CPUPerc"), "80.00%");
        assert_eq!(cell("MemUsage"), "2MiB / 23.54GiB");
        assert_eq!(cell("MemPerc"), "0.01%");
        assert_eq!(cell("NetIO"), "1.01kB / 5B");
        assert_eq!(cell("BlockIO"), "2MB / 7B");
        assert_eq!(cell("PIDs"), "3");
    }
}
