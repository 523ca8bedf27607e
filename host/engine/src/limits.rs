//! Turns the API's limits into the runtime's, refusing the impossible in
//! Docker's words.

use bulkhead_model::resources::Resources;

use crate::spec::{DeviceLimit, Limits};

const MIB: i64 = 1 << 20;
/// What Linux clamps `cpu.shares` to (`kernel/sched/sched.h`).
const MIN_SHARES: i64 = 2;
const MAX_SHARES: i64 = 1 << 18;

/// A limit nobody can have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidLimit {
    /// Below six MiB nothing starts.
    #[error("Minimum memory limit allowed is 6MB")]
    MemoryTooSmall,
    /// The same for the soft limit.
    #[error("Minimum memory reservation allowed is 6MB")]
    ReservationTooSmall,
    /// Swap includes memory.
    #[error("Minimum memoryswap limit should be larger than memory limit, see usage")]
    SwapBelowMemory,
    /// Swap alone means nothing.
    #[error("You should always set the Memory limit when using Memoryswap limit, see usage")]
    SwapWithoutMemory,
    /// The soft limit lies above the hard one.
    #[error("Minimum memory limit can not be less than memory reservation limit, see usage")]
    ReservationAboveMemory,
    /// More CPUs than there are.
    #[error("range of CPUs is from 0.01 to {0}.00, as there are only {0} CPUs available")]
    TooManyCpus(u64),
    /// Two ways to say the same.
    #[error("Conflicting options: Nano CPUs and CPU {0} cannot both be set.")]
    NanoCpusConflict(&'static str),
    /// Outside the kernel's range.
    #[error("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")]
    Period,
    /// Below the kernel's minimum.
    #[error("CPU cfs quota can not be less than 1ms (i.e. 1000)")]
    Quota,
    /// Outside Docker's range.
    #[error("Range of blkio weight is from 10 to 1000")]
    BlkioWeight,
    /// Not a list of CPUs or nodes.
    #[error("Invalid value {0} for {1}")]
    Cpuset(String, &'static str),
    /// A CPU that is not there.
    #[error("Requested CPUs are not available - requested {0}, available: 0-{1}")]
    CpuNotThere(String, u64),
    /// Below zero.
    #[error("invalid CPU shares ({0}): value must be a positive integer")]
    NegativeShares(i64),
    /// Below the kernel's minimum; runc's words.
    #[error("the minimum allowed cpu-shares is {MIN_SHARES}")]
    SharesTooLow,
    /// Above the kernel's maximum; runc's words.
    #[error("the maximum allowed cpu-shares is {MAX_SHARES}")]
    SharesTooHigh,
    /// A device that a limit names.
    #[error("block device {0}: {1}")]
    BlockDevice(String, String),
    /// Outside the kernel's range.
    #[error("Invalid value: {0}, valid memory swappiness range is 0-100")]
    Swappiness(i64),
    /// Outside Docker's range.
    #[error("Range of blkio weight is from 10 to 1000")]
    DeviceWeight,
    /// More of a period than there is.
    #[error("cpu real-time runtime cannot be higher than cpu real-time period")]
    Realtime,
    /// Below zero.
    #[error("{0} can not be negative")]
    Negative(&'static str),
}

/// Checks `limits` against a machine with `cpus` processors.
pub fn resources(limits: &Limits, cpus: u64) -> Result<Resources, InvalidLimit> {
    check_memory(limits)?;
    check_cpu(limits, cpus)?;
    check_rest(limits)?;
    if limits.blkio_weight != 0 && !(10..=1000).contains(&limits.blkio_weight) {
        return Err(InvalidLimit::BlkioWeight);
    }
    let positive = |n: i64| u64::try_from(n).ok().filter(|n| *n > 0);
    let text = |s: &str| (!s.is_empty()).then(|| s.to_owned());
    Ok(Resources {
        memory: positive(limits.memory),
        memory_swap: match (limits.memory, limits.memory_swap) {
            (0, _) => None,
            (memory, 0) => Some(memory.saturating_mul(2)),
            (_, swap) => Some(swap),
        },
        memory_reservation: positive(limits.memory_reservation),
        memory_swappiness: limits.memory_swappiness.and_then(|s| u64::try_from(s).ok()),
        cpu_realtime_period: positive(limits.cpu_realtime_period),
        cpu_realtime_runtime: positive(limits.cpu_realtime_runtime),
        nano_cpus: positive(limits.nano_cpus),
        cpu_period: positive(limits.cpu_period),
        cpu_quota: Some(limits.cpu_quota).filter(|q| *q > 0),
        cpu_shares: positive(limits.cpu_shares),
        cpuset_cpus: text(&limits.cpuset_cpus),
        cpuset_mems: text(&limits.cpuset_mems),
        pids: Some(limits.pids).filter(|p| *p > 0),
        blkio_weight: Some(limits.blkio_weight).filter(|w| *w > 0),
        oom_kill_disable: limits.oom_kill_disable,
        ..Resources::default()
    })
}

fn check_rest(limits: &Limits) -> Result<(), InvalidLimit> {
    match limits.memory_swappiness {
        Some(swappiness) if !(-1..=100).contains(&swappiness) => {
            return Err(InvalidLimit::Swappiness(swappiness));
        }
        _ => {}
    }
    let (period, runtime) = (limits.cpu_realtime_period, limits.cpu_realtime_runtime);
    if period < 0 || runtime < 0 || period != 0 && runtime > period {
        return Err(InvalidLimit::Realtime);
    }
    let fits = |limit: &DeviceLimit| (10..=1000).contains(&limit.value);
    if !limits.device_weights.iter().all(fits) {
        return Err(InvalidLimit::DeviceWeight);
    }
    Ok(())
}

fn check_memory(limits: &Limits) -> Result<(), InvalidLimit> {
    for (value, name) in [
        (limits.memory, "Memory limit"),
        (limits.memory_reservation, "Memory reservation limit"),
    ] {
        if value < 0 {
            return Err(InvalidLimit::Negative(name));
        }
    }
    if limits.memory != 0 && limits.memory < 6 * MIB {
        return Err(InvalidLimit::MemoryTooSmall);
    }
    if limits.memory_reservation != 0 && limits.memory_reservation < 6 * MIB {
        return Err(InvalidLimit::ReservationTooSmall);
    }
    if limits.memory == 0 && limits.memory_swap > 0 {
        return Err(InvalidLimit::SwapWithoutMemory);
    }
    if limits.memory_swap > 0 && limits.memory_swap < limits.memory {
        return Err(InvalidLimit::SwapBelowMemory);
    }
    if limits.memory > 0 && limits.memory_reservation > limits.memory {
        return Err(InvalidLimit::ReservationAboveMemory);
    }
    Ok(())
}

fn check_cpu(limits: &Limits, cpus: u64) -> Result<(), InvalidLimit> {
    if limits.nano_cpus < 0 || limits.nano_cpus as u64 > cpus * 1_000_000_000 {
        return Err(InvalidLimit::TooManyCpus(cpus));
    }
    match limits.cpu_shares {
        shares if shares < 0 => return Err(InvalidLimit::NegativeShares(shares)),
        0 | MIN_SHARES..=MAX_SHARES => {}
        shares if shares < MIN_SHARES => return Err(InvalidLimit::SharesTooLow),
        _ => return Err(InvalidLimit::SharesTooHigh),
    }
    if limits.nano_cpus > 0 && limits.cpu_period != 0 {
        return Err(InvalidLimit::NanoCpusConflict("Period"));
    }
    if limits.nano_cpus > 0 && limits.cpu_quota != 0 {
        return Err(InvalidLimit::NanoCpusConflict("Quota"));
    }
    if limits.cpu_period != 0 && !(1_000..=1_000_000).contains(&limits.cpu_period) {
        return Err(InvalidLimit::Period);
    }
    if limits.cpu_quota > 0 && limits.cpu_quota < 1_000 {
        return Err(InvalidLimit::Quota);
    }
    check_cpuset(&limits.cpuset_cpus, "cpuset cpus")?;
    check_cpuset(&limits.cpuset_mems, "cpuset mems")?;
    let highest = limits
        .cpuset_cpus
        .split([',', '-'])
        .filter_map(|n| n.parse::<u64>().ok())
        .max();
    match highest {
        Some(n) if n >= cpus => Err(InvalidLimit::CpuNotThere(
            limits.cpuset_cpus.clone(),
            cpus - 1,
        )),
        _ => Ok(()),
    }
}

/// `0-3,5` as `cpuset(7)` documents the list format.
fn check_cpuset(list: &str, what: &'static str) -> Result<(), InvalidLimit> {
    let number = |n: &str| n.parse::<u16>().ok();
    let range = |r: &str| match r.split_once('-') {
        Some((a, b)) => matches!((number(a), number(b)), (Some(a), Some(b)) if a <= b),
        None => number(r).is_some(),
    };
    if list.is_empty() || list.split(',').all(range) {
        Ok(())
    } else {
        Err(InvalidLimit::Cpuset(list.to_owned(), what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_limits_are_refused_in_dockers_words() {
        let check = |limits: Limits| resources(&limits, 2).unwrap_err().to_string();
        assert_eq!(
            check(Limits {
                memory: 1024,
                ..Default::default()
            }),
            "Minimum memory limit allowed is 6MB"
        );
        assert_eq!(
            check(Limits {
                nano_cpus: 3_000_000_000,
                ..Default::default()
            }),
            "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"
        );
        assert_eq!(
            check(Limits {
                cpuset_cpus: "0-7".into(),
                ..Default::default()
            }),
            "Requested CPUs are not available - requested 0-7, available: 0-1"
        );
        assert_eq!(
            check(Limits {
                cpuset_cpus: "a".into(),
                ..Default::default()
            }),
            "Invalid value a for cpuset cpus"
        );
        assert!(
            resources(
                &Limits {
                    memory: -5,
                    ..Default::default()
                },
                2
            )
            .is_err()
        );
        assert!(
            resources(
                &Limits {
                    memory: 8 * MIB,
                    memory_swap: MIB,
                    ..Default::default()
                },
                2
            )
            .is_err()
        );
    }

    #[test]
    fn swap_defaults_to_twice_the_memory() {
        let limits = Limits {
            memory: 8 * MIB,
            ..Default::default()
        };
        assert_eq!(resources(&limits, 2).unwrap().memory_swap, Some(16 * MIB));
        assert_eq!(
            resources(&Limits::default(), 2).unwrap(),
            Resources::default()
        );
    }
}
