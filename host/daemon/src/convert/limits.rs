//! What a new container is held to.

use bulkhead_api::container::{HostConfig, ThrottleDevice, Ulimit};
use bulkhead_engine::spec::{DeviceLimit, Limits};

use super::bad_request::BadRequest;

pub(super) fn limits(host: &HostConfig) -> Limits {
    Limits {
        memory: host.memory,
        memory_swap: host.memory_swap,
        memory_reservation: host.memory_reservation,
        nano_cpus: host.nano_cpus,
        cpu_period: host.cpu_period,
        cpu_quota: host.cpu_quota,
        cpu_shares: host.cpu_shares,
        cpuset_cpus: host.cpuset_cpus.clone(),
        cpuset_mems: host.cpuset_mems.clone(),
        pids: host.pids_limit.unwrap_or(0),
        blkio_weight: host.blkio_weight,
        oom_kill_disable: host.oom_kill_disable.unwrap_or(false),
        memory_swappiness: host.memory_swappiness,
        cpu_realtime_period: host.cpu_realtime_period,
        cpu_realtime_runtime: host.cpu_realtime_runtime,
        device_weights: (host.blkio_weight_device.iter())
            .map(|d| device_limit(&d.path, d.weight.into()))
            .collect(),
        device_read_bps: rates(&host.blkio_device_read_bps),
        device_write_bps: rates(&host.blkio_device_write_bps),
        device_read_iops: rates(&host.blkio_device_read_iops),
        device_write_iops: rates(&host.blkio_device_write_iops),
    }
}

fn rates(devices: &[ThrottleDevice]) -> Vec<DeviceLimit> {
    (devices.iter())
        .map(|d| device_limit(&d.path, d.rate))
        .collect()
}

fn device_limit(path: &str, value: u64) -> DeviceLimit {
    DeviceLimit {
        path: path.to_owned(),
        value,
    }
}

pub(super) fn ulimits(host: &HostConfig) -> Result<Vec<(String, u64, u64)>, BadRequest> {
    let convert = |limit: &Ulimit| {
        let (soft, hard) = (limit.soft, limit.hard);
        if hard != -1 && (soft == -1 || soft > hard) {
            return Err(BadRequest::Ulimit {
                name: limit.name.clone(),
                soft,
                hard,
            });
        }
        Ok((limit.name.clone(), limit_value(soft), limit_value(hard)))
    };
    host.ulimits.iter().map(convert).collect()
}

pub(super) fn oom_score(score: i64) -> Result<i32, BadRequest> {
    i32::try_from(score)
        .ok()
        .filter(|s| (-1000..=1000).contains(s))
        .ok_or(BadRequest::OomScore(score))
}

fn limit_value(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
