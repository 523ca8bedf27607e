//! Devices, groups and cgroups of a container.

use bulkhead_api::container::{DeviceMapping, DeviceRequest, HostConfig, WeightDevice};
use clap::Args;

use crate::flags;

#[derive(Args, Debug)]
pub(super) struct DeviceFlags {
    /// Add a host device to the container (HOST[:CONTAINER[:rwm]])
    #[arg(long, value_name = "DEVICE", value_parser = flags::parse_device)]
    device: Vec<DeviceMapping>,
    /// Add a rule to the list of devices that can be used (c 42:* rwm)
    #[arg(long, value_name = "RULE")]
    device_cgroup_rule: Vec<String>,
    /// GPU devices to add to the container ('all' to pass all)
    #[arg(long, value_name = "REQUEST", value_parser = flags::parse_gpus)]
    gpus: Option<DeviceRequest>,
    /// Add groups to join
    #[arg(long, value_name = "GROUP")]
    group_add: Vec<String>,
    /// The parent cgroup of the container's
    #[arg(
        long,
        value_name = "CGROUP",
        default_value = "",
        hide_default_value = true
    )]
    cgroup_parent: String,
    /// Weight of a block device among others, 10 to 1000
    #[arg(long, value_name = "DEVICE:WEIGHT", value_parser = flags::parse_weight_device)]
    blkio_weight_device: Vec<WeightDevice>,
    /// How readily memory is swapped, 0 to 100
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    memory_swappiness: Option<i64>,
    /// Limit of kernel memory; kernels have none any more
    #[arg(long, value_name = "BYTES", hide = true)]
    kernel_memory: Option<String>,
    /// Period of real-time scheduling in microseconds
    #[arg(long, value_name = "N")]
    cpu_rt_period: Option<i64>,
    /// Real-time CPU time in each period in microseconds
    #[arg(long, value_name = "N")]
    cpu_rt_runtime: Option<i64>,
}

impl DeviceFlags {
    pub(super) fn fill(&self, host: &mut HostConfig) {
        host.devices.clone_from(&self.device);
        host.device_cgroup_rules
            .clone_from(&self.device_cgroup_rule);
        host.device_requests = self.gpus.clone().into_iter().collect();
        host.group_add.clone_from(&self.group_add);
        host.cgroup_parent.clone_from(&self.cgroup_parent);
        host.blkio_weight_device
            .clone_from(&self.blkio_weight_device);
        host.memory_swappiness = self.memory_swappiness;
        host.cpu_realtime_period = self.cpu_rt_period.unwrap_or_default();
        host.cpu_realtime_runtime = self.cpu_rt_runtime.unwrap_or_default();
        if self.kernel_memory.is_some() {
            eprintln!(
                "WARNING: Specifying a kernel memory limit is deprecated and will be removed in a future release."
            );
        }
    }
}
