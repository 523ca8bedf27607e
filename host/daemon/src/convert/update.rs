//! `POST /containers/{id}/update`: the wire's request into the engine's.

use bulkhead_api::container::{HostConfig, UpdateRequest};
use bulkhead_engine::spec::{ContainerSpec, Limits};
use bulkhead_engine::update::Update;

use super::bad_request::BadRequest;
use super::restart;

/// Converts the whole request; what cannot be changed is refused by name.
pub fn update(request: &UpdateRequest) -> Result<Update, BadRequest> {
    refuse_unsupported(request)?;
    let named = !request.restart_policy.name.is_empty();
    Ok(Update {
        limits: Limits {
            memory: request.memory,
            memory_swap: request.memory_swap,
            memory_reservation: request.memory_reservation,
            nano_cpus: request.nano_cpus,
            cpu_period: request.cpu_period,
            cpu_quota: request.cpu_quota,
            cpu_shares: request.cpu_shares,
            cpuset_cpus: request.cpuset_cpus.clone(),
            cpuset_mems: request.cpuset_mems.clone(),
            blkio_weight: request.blkio_weight,
            ..Limits::default()
        },
        pids: request.pids_limit,
        restart: named
            .then(|| restart::policy(&request.restart_policy))
            .transpose()?,
    })
}

fn refuse_unsupported(request: &UpdateRequest) -> Result<(), BadRequest> {
    let rates = [
        &request.blkio_device_read_bps,
        &request.blkio_device_write_bps,
        &request.blkio_device_read_iops,
        &request.blkio_device_write_iops,
    ];
    let asked = [
        (
            !request.blkio_weight_device.is_empty(),
            "updating block I/O weights of devices",
        ),
        (
            rates.iter().any(|list| !list.is_empty()),
            "updating device rates",
        ),
        (
            request.cpu_realtime_period != 0 || request.cpu_realtime_runtime != 0,
            "updating real-time scheduling",
        ),
        (
            request.memory_swappiness.is_some_and(|value| value != -1),
            "updating the swappiness",
        ),
        (
            request.oom_kill_disable == Some(true),
            "updating the OOM killer",
        ),
    ];
    match asked.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(BadRequest::Unsupported((*what).to_owned())),
        None => Ok(()),
    }
}

/// What `inspect` says of limits: those that are in force.
pub fn in_force(spec: &ContainerSpec, config: &mut HostConfig) {
    let limits = &spec.limits;
    config.memory = limits.memory;
    config.memory_reservation = limits.memory_reservation;
    config.nano_cpus = limits.nano_cpus;
    config.cpu_period = limits.cpu_period;
    config.cpu_quota = limits.cpu_quota;
    config.cpu_shares = limits.cpu_shares;
    config.cpuset_cpus.clone_from(&limits.cpuset_cpus);
    config.cpuset_mems.clone_from(&limits.cpuset_mems);
    config.blkio_weight = limits.blkio_weight;
    config.memory_swap = match limits.memory_swap {
        0 => limits.memory.saturating_mul(2),
        swap => swap,
    };
    if limits.pids != 0 {
        config.pids_limit = Some(limits.pids);
    }
    config.restart_policy = restart::wire(spec.restart, &config.restart_policy);
}
