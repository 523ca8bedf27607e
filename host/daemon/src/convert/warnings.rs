//! What a `create` asks for and will not get: told in the answer, in Docker's
//! words, so that its client prints it.

use bulkhead_api::container::HostConfig;

use crate::machine::Cgroups;

const NO_SWAP: &str = "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.";
const NO_SWAPPINESS: &str = "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.";
const NO_OOM_KILL_DISABLE: &str =
    "Your kernel does not support OomKillDisable. OomKillDisable discarded.";
const OOM_WITHOUT_LIMIT: &str = "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.";
const NO_REALTIME: &str =
    "Your kernel does not support CPU real-time scheduler. Limitation discarded.";
const NO_WEIGHT: &str =
    "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.";
const NO_DEVICE_WEIGHT: &str = "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.";
const HOST_PORTS: &str = "Published ports are discarded when using host network mode";

/// What of these this machine's cgroups have.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    swap: bool,
    swappiness: bool,
    oom_kill_disable: bool,
    realtime: bool,
    weight: bool,
    device_weight: bool,
}

impl Abilities {
    /// Looks at the cgroups right below the root: not all files are on it.
    pub fn here() -> Self {
        let cgroups = Cgroups::here();
        let memory = |v1, v2| match cgroups.v2 {
            true => cgroups.has_below("memory", v2),
            false => cgroups.has_file("memory", v1),
        };
        let io = |v1: [&str; 2], v2: [&str; 2]| match cgroups.v2 {
            true => v2.iter().any(|file| cgroups.has_below("io", file)),
            false => v1.iter().any(|file| cgroups.has_below("blkio", file)),
        };
        let v1 = !cgroups.v2;
        Self {
            swap: memory("memory.memsw.limit_in_bytes", "memory.swap.max"),
            swappiness: v1 && cgroups.has_file("memory", "memory.swappiness"),
            oom_kill_disable: v1 && cgroups.has_file("memory", "memory.oom_control"),
            realtime: v1 && cgroups.has_file("cpu", "cpu.rt_runtime_us"),
            weight: io(
                ["blkio.bfq.weight", "blkio.weight"],
                ["io.bfq.weight", "io.weight"],
            ),
            device_weight: io(
                ["blkio.bfq.weight_device", "blkio.weight_device"],
                ["io.bfq.weight", "io.weight"],
            ),
        }
    }
}

/// The warnings for a request.
pub fn of(host: &HostConfig, can: Abilities) -> Vec<String> {
    let limited = host.memory > 0;
    let no_oom = host.oom_kill_disable == Some(true);
    let realtime = host.cpu_realtime_period != 0 || host.cpu_realtime_runtime != 0;
    let asked = [
        (limited && host.memory_swap != -1 && !can.swap, NO_SWAP),
        (
            host.memory_swappiness.is_some_and(|s| s != -1) && !can.swappiness,
            NO_SWAPPINESS,
        ),
        (no_oom && !can.oom_kill_disable, NO_OOM_KILL_DISABLE),
        (
            no_oom && can.oom_kill_disable && !limited,
            OOM_WITHOUT_LIMIT,
        ),
        (realtime && !can.realtime, NO_REALTIME),
        (host.blkio_weight > 0 && !can.weight, NO_WEIGHT),
        (
            !host.blkio_weight_device.is_empty() && !can.device_weight,
            NO_DEVICE_WEIGHT,
        ),
        (
            host.network_mode == "host" && !host.port_bindings.is_empty(),
            HOST_PORTS,
        ),
    ];
    let told = asked.into_iter().filter(|(lacking, _)| *lacking);
    told.map(|(_, text)| text.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Abilities = Abilities {
        swap: false,
        swappiness: false,
        oom_kill_disable: false,
        realtime: false,
        weight: false,
        device_weight: false,
    };

    #[test]
    fn only_what_was_asked_for_is_told() {
        assert!(of(&HostConfig::default(), NOTHING).is_empty());
        let limited = HostConfig {
            memory: 64 << 20,
            memory_swappiness: Some(-1),
            ..HostConfig::default()
        };
        assert_eq!(of(&limited, NOTHING), [NO_SWAP]);
    }

    #[test]
    fn no_oom_killer_without_a_limit_is_told_where_it_can_be_had() {
        let host = HostConfig {
            oom_kill_disable: Some(true),
            ..HostConfig::default()
        };
        assert_eq!(of(&host, NOTHING), [NO_OOM_KILL_DISABLE]);
        let able = Abilities {
            oom_kill_disable: true,
            ..NOTHING
        };
        assert_eq!(of(&host, able), [OOM_WITHOUT_LIMIT]);
    }
}
