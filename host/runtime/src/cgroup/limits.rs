//! Applying limits, by the controllers of `cgroups-rs`. What this machine
//! cannot do becomes a sentence for the user, in Docker's words where it has any.

use std::error::Error as StdError;
use std::path::Path;

use bulkhead_model::resources::{DeviceRate, Resources};
use cgroups_rs::MaxValue;
use cgroups_rs::blkio::BlkIoController;
use cgroups_rs::cpu::CpuController;
use cgroups_rs::cpuset::CpuSetController;
use cgroups_rs::memory::MemController;
use cgroups_rs::pid::PidController;

use super::update::io_weight;
use super::{Hierarchy, Parent, Version};

type Applied = Result<(), cgroups_rs::error::Error>;

/// Writes every limit that is set.
pub(super) fn apply(parent: &Parent, id: &str, limits: &Resources, warnings: &mut Vec<String>) {
    let mut pass = Pass {
        parent,
        id,
        warnings,
    };
    pass.memory(limits);
    pass.cpu(limits);
    pass.realtime(limits);
    pass.cpuset(limits);
    pass.pids(limits);
    pass.block_io(limits);
}

struct Pass<'a> {
    parent: &'a Parent,
    id: &'a str,
    warnings: &'a mut Vec<String>,
}

impl Pass<'_> {
    /// The hierarchy with a controller, or a warning that there is none.
    fn controller(
        &mut self,
        name: &'static str,
        what: &str,
    ) -> Option<(std::path::PathBuf, Version)> {
        let found = self
            .parent
            .with_controller(name)
            .map(|h: &Hierarchy| (self.parent.path(h, self.id), h.version));
        if found.is_none() {
            self.warnings.push(format!("Your kernel does not support {what} limit capabilities or the cgroup is not mounted. Limitation discarded."));
        }
        found
    }

    fn note(&mut self, what: &str, result: Applied) {
        if let Err(error) = result {
            let cause = error
                .source()
                .map(|s| format!(" ({s})"))
                .unwrap_or_default();
            self.warnings.push(format!(
                "The {what} could not be set: {error}{cause}. Limitation discarded."
            ));
        }
    }

    fn memory(&mut self, limits: &Resources) {
        if limits.memory.is_none()
            && limits.memory_reservation.is_none()
            && limits.memory_swap.is_none()
            && limits.memory_swappiness.is_none()
            && !limits.oom_kill_disable
        {
            return;
        }
        let Some((path, version)) = self.controller("memory", "memory") else {
            return;
        };
        let memory = MemController::new(path.clone(), version == Version::Two);
        if let Some(bytes) = limits.memory {
            self.note("memory limit", memory.set_limit(bytes as i64));
        }
        if let Some(bytes) = limits.memory_reservation {
            self.note("memory reservation", memory.set_soft_limit(bytes as i64));
        }
        if let Some(swap) = swap_value(limits, version) {
            self.note("swap limit", memory.set_memswap_limit(swap));
        }
        if let Some(swappiness) = limits.memory_swappiness {
            self.write_first(&path, &[("memory.swappiness", &swappiness.to_string())],
                "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.");
        }
        if limits.oom_kill_disable {
            let done = version == Version::One
                && std::fs::write(path.join("memory.oom_control"), "1").is_ok();
            if !done {
                self.warnings.push(
                    "Your kernel does not support OomKillDisable. OomKillDisable discarded."
                        .to_owned(),
                );
            }
        }
    }

    fn cpu(&mut self, limits: &Resources) {
        let (period, quota) = cpu_bandwidth(limits);
        if limits.cpu_shares.is_none() && period.is_none() && quota.is_none() {
            return;
        }
        let Some((path, version)) = self.controller("cpu", "CPU") else {
            return;
        };
        let cpu = CpuController::new(path, version == Version::Two);
        if let Some(shares) = limits.cpu_shares.filter(|s| *s != 0) {
            let value = if version == Version::Two {
                weight_of_shares(shares)
            } else {
                shares
            };
            self.note("CPU shares", cpu.set_shares(value));
        }
        if let Some(period) = period {
            self.note("CPU period", cpu.set_cfs_period(period));
        }
        if let Some(quota) = quota {
            self.note("CPU quota", cpu.set_cfs_quota(quota));
        }
    }

    /// Version 2 has none; a version 1 parent has to have some to give.
    fn realtime(&mut self, limits: &Resources) {
        let asked = [
            ("cpu.rt_period_us", limits.cpu_realtime_period),
            ("cpu.rt_runtime_us", limits.cpu_realtime_runtime),
        ];
        for (file, value) in asked {
            let Some(value) = value else { continue };
            let Some((path, _)) = self.controller("cpu", "CPU") else {
                return;
            };
            self.write_first(
                &path,
                &[(file, &value.to_string())],
                "Your kernel does not support CPU real-time scheduler. Limitation discarded.",
            );
        }
    }

    /// BFQ takes Docker's numbers, the cost model of version 2 its own.
    fn weight(&mut self, limits: &Resources, path: &Path) {
        let Some(weight) = limits.blkio_weight.filter(|w| *w != 0) else {
            return;
        };
        let weight = weight.to_string();
        let files: [(&str, &str); 4] = [
            ("blkio.bfq.weight", &weight),
            ("blkio.weight", &weight),
            ("io.bfq.weight", &weight),
            ("io.weight", &io_weight(&weight)),
        ];
        self.write_first(path, &files,
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.");
    }

    /// Weights of single devices need the BFQ scheduler or the cost model.
    fn device_weights(&mut self, limits: &Resources, path: &Path) {
        for weight in &limits.device_weights {
            let device = format!("{}:{}", weight.major, weight.minor);
            let line = format!("{device} {}", weight.rate);
            let scaled = format!("{device} {}", io_weight(&weight.rate.to_string()));
            let files: [(&str, &str); 4] = [
                ("blkio.bfq.weight_device", &line),
                ("blkio.weight_device", &line),
                ("io.bfq.weight", &line),
                ("io.weight", &scaled),
            ];
            self.write_first(path, &files,
                "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.");
        }
    }

    /// Writes the first of `files` that takes its value, or warns.
    fn write_first(&mut self, path: &Path, files: &[(&str, &str)], otherwise: &str) {
        let write = |(file, value): &(&str, &str)| {
            let open = std::fs::OpenOptions::new()
                .write(true)
                .open(path.join(file));
            open.and_then(|mut f| std::io::Write::write_all(&mut f, value.as_bytes()))
        };
        if !files.iter().any(|file| write(file).is_ok()) {
            self.warnings.push(otherwise.to_owned());
        }
    }

    fn cpuset(&mut self, limits: &Resources) {
        if limits.cpuset_cpus.is_none() && limits.cpuset_mems.is_none() {
            return;
        }
        let Some((path, version)) = self.controller("cpuset", "cpuset") else {
            return;
        };
        let cpuset = CpuSetController::new(path, version == Version::Two);
        if let Some(cpus) = &limits.cpuset_cpus {
            self.note("set of CPUs", cpuset.set_cpus(cpus));
        }
        if let Some(nodes) = &limits.cpuset_mems {
            self.note("set of memory nodes", cpuset.set_mems(nodes));
        }
    }

    fn pids(&mut self, limits: &Resources) {
        let Some(most) = limits.pids.filter(|most| *most != 0) else {
            return;
        };
        let Some((path, version)) = self.controller("pids", "PIDs") else {
            return;
        };
        let value = if most < 0 {
            MaxValue::Max
        } else {
            MaxValue::Value(most)
        };
        let result = PidController::new(path, version == Version::Two).set_pid_max(value);
        self.note("PIDs limit", result);
    }

    fn block_io(&mut self, limits: &Resources) {
        let rates = [
            &limits.device_read_bps,
            &limits.device_write_bps,
            &limits.device_read_iops,
            &limits.device_write_iops,
            &limits.device_weights,
        ];
        if limits.blkio_weight.is_none() && rates.iter().all(|list| list.is_empty()) {
            return;
        }
        let version_two = self.parent.with_controller("io").is_some();
        let Some((path, version)) =
            self.controller(if version_two { "io" } else { "blkio" }, "block I/O")
        else {
            return;
        };
        self.weight(limits, &path);
        self.device_weights(limits, &path);
        let io = BlkIoController::new(path, version == Version::Two);
        let mut each = |what, list: &[DeviceRate], set: &dyn Fn(&DeviceRate) -> Applied| {
            list.iter().for_each(|rate| self.note(what, set(rate)));
        };
        each("device read rate", &limits.device_read_bps, &|r| {
            io.throttle_read_bps_for_device(r.major, r.minor, r.rate)
        });
        each("device write rate", &limits.device_write_bps, &|r| {
            io.throttle_write_bps_for_device(r.major, r.minor, r.rate)
        });
        each("device read rate", &limits.device_read_iops, &|r| {
            io.throttle_read_iops_for_device(r.major, r.minor, r.rate)
        });
        each("device write rate", &limits.device_write_iops, &|r| {
            io.throttle_write_iops_for_device(r.major, r.minor, r.rate)
        });
    }
}

/// Docker's memory-swap is memory plus swap; absent, it is twice the memory.
/// Version 1 takes the sum, version 2 the swap alone; -1 is no limit.
pub(super) fn swap_value(limits: &Resources, version: Version) -> Option<i64> {
    let memory = limits.memory? as i64;
    let total = match limits.memory_swap {
        None | Some(0) => memory.saturating_mul(2),
        Some(-1) => return Some(-1),
        Some(total) => total,
    };
    Some(if version == Version::One {
        total
    } else {
        (total - memory).max(0)
    })
}

/// Period and quota in microseconds; `--cpus` is a quota of 100 ms periods.
pub(super) fn cpu_bandwidth(limits: &Resources) -> (Option<u64>, Option<i64>) {
    match limits.nano_cpus.filter(|n| *n != 0) {
        Some(billionths) => (Some(100_000), Some((billionths / 10_000) as i64)),
        None => (
            limits.cpu_period.filter(|p| *p != 0),
            limits.cpu_quota.filter(|q| *q != 0),
        ),
    }
}

/// The OCI runtime specification's mapping of 2..=262144 onto 1..=10000.
pub(super) fn weight_of_shares(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_is_counted_as_each_version_does() {
        let limits = |swap| Resources {
            memory: Some(100),
            memory_swap: swap,
            ..Resources::default()
        };
        assert_eq!(swap_value(&limits(None), Version::One), Some(200));
        assert_eq!(swap_value(&limits(None), Version::Two), Some(100));
        assert_eq!(swap_value(&limits(Some(100)), Version::Two), Some(0));
        assert_eq!(swap_value(&limits(Some(-1)), Version::One), Some(-1));
        assert_eq!(swap_value(&Resources::default(), Version::One), None);
    }

    #[test]
    fn cpu_settings_convert() {
        let half = Resources {
            nano_cpus: Some(500_000_000),
            ..Resources::default()
        };
        assert_eq!(cpu_bandwidth(&half), (Some(100_000), Some(50_000)));
        assert_eq!(
            (
                weight_of_shares(2),
                weight_of_shares(1024),
                weight_of_shares(262_144)
            ),
            (1, 39, 10_000)
        );
    }
}
