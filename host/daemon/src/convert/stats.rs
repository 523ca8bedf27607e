//! What a container uses, in Docker's form.

use std::time::SystemTime;

use bulkhead_api::stats;
use bulkhead_model::process::{
    BlockIoCount, BlockIoStats, CpuStats, InterfaceStats, MemoryStats, Stats,
};

use crate::samplers::Sample;

/// Go's zero time.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// One sample beside the one before it.
pub fn stats(name: &str, id: &str, sample: &Sample, before: Option<&Sample>) -> stats::Stats {
    let taken = |sample: &Sample| sample.taken.as_ref().map(|(at, _)| rfc3339(*at));
    let never = || NEVER.to_owned();
    let mut out = stats::Stats {
        read: taken(sample).unwrap_or_else(never),
        preread: before.and_then(taken).unwrap_or_else(never),
        name: format!("/{name}"),
        id: id.to_owned(),
        ..stats::Stats::default()
    };
    if let Some((_, before)) = before.and_then(|sample| sample.taken.as_ref()) {
        out.precpu_stats = cpu(&before.cpu);
    }
    if let Some((_, now)) = &sample.taken {
        fill(&mut out, now);
    }
    out
}

fn fill(out: &mut stats::Stats, now: &Stats) {
    out.cpu_stats = cpu(&now.cpu);
    out.memory_stats = memory(&now.memory);
    out.blkio_stats = block_io(&now.block_io);
    out.pids_stats = stats::PidsStats {
        current: now.pids,
        limit: now.pids_limit.unwrap_or(0),
    };
    out.networks = now.interfaces.iter().map(interface).collect();
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_nanos(time).to_string()
}

fn cpu(cpu: &CpuStats) -> stats::CpuStats {
    stats::CpuStats {
        cpu_usage: stats::CpuUsage {
            total_usage: cpu.total,
            percpu_usage: cpu.per_cpu.clone(),
            usage_in_kernelmode: cpu.kernel,
            usage_in_usermode: cpu.user,
        },
        system_cpu_usage: cpu.machine,
        online_cpus: cpu.online,
        throttling_data: stats::ThrottlingData {
            periods: cpu.periods,
            throttled_periods: cpu.throttled_periods,
            throttled_time: cpu.throttled,
        },
    }
}

fn memory(memory: &MemoryStats) -> stats::MemoryStats {
    let details = memory.details.iter();
    stats::MemoryStats {
        usage: memory.usage,
        max_usage: memory.max_usage.unwrap_or(0),
        stats: details
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
        failcnt: memory.failures,
        limit: memory.limit,
    }
}

fn block_io(io: &BlockIoStats) -> stats::BlkioStats {
    let list = |counts: &[BlockIoCount]| counts.iter().map(entry).collect::<Vec<_>>();
    let bytes = list(&io.bytes);
    let Some(operations) = &io.operations else {
        return stats::BlkioStats {
            io_service_bytes_recursive: Some(bytes).filter(|list| !list.is_empty()),
            ..stats::BlkioStats::default()
        };
    };
    stats::BlkioStats {
        io_service_bytes_recursive: Some(bytes),
        io_serviced_recursive: Some(list(operations)),
        io_queue_recursive: Some(Vec::new()),
        io_service_time_recursive: Some(Vec::new()),
        io_wait_time_recursive: Some(Vec::new()),
        io_merged_recursive: Some(Vec::new()),
        io_time_recursive: Some(Vec::new()),
        sectors_recursive: Some(Vec::new()),
    }
}

fn entry(count: &BlockIoCount) -> stats::BlkioEntry {
    stats::BlkioEntry {
        major: count.major,
        minor: count.minor,
        op: count.operation.clone(),
        value: count.value,
    }
}

fn interface(interface: &InterfaceStats) -> (String, stats::NetworkStats) {
    let (received, sent) = (interface.received, interface.sent);
    let counters = stats::NetworkStats {
        rx_bytes: received.bytes,
        rx_packets: received.packets,
        rx_errors: received.errors,
        rx_dropped: received.dropped,
        tx_bytes: sent.bytes,
        tx_packets: sent.packets,
        tx_errors: sent.errors,
        tx_dropped: sent.dropped,
    };
    (interface.name.clone(), counters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_does_not_run_uses_nothing() {
        let json = serde_json::to_value(stats("x", "1", &Sample { taken: None }, None)).unwrap();
        assert_eq!(
            (&json["read"], &json["name"]),
            (&NEVER.into(), &"/x".into())
        );
        assert_eq!(json["pids_stats"], serde_json::json!({}));
        assert_eq!(json["memory_stats"], serde_json::json!({}));
        assert!(json["blkio_stats"]["io_service_bytes_recursive"].is_null());
        assert!(json.get("networks").is_none());
    }
}
