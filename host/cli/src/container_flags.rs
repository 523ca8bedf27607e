//! The flags that `run` and `create` share, and the request they make.

mod devices;
mod lifecycle;
mod network;

use std::path::PathBuf;

use bulkhead_api::container::{
    ContainerConfig, CreateRequest, HostConfig, LogConfig, Mount, NetworkingConfig, ThrottleDevice,
    Ulimit,
};
use clap::Args;

use crate::error::{Error, Result};
use crate::flags::{self, InvalidValue, Volume};

/// A container to make.
#[derive(Args, Debug)]
pub(crate) struct ContainerFlags {
    /// Assign a name to the container
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Automatically remove the container and its anonymous volumes when it exits
    #[arg(long)]
    pub(crate) rm: bool,
    /// Set environment variables
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = flags::parse_env)]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Working directory inside the container
    #[arg(
        short,
        long,
        value_name = "DIR",
        default_value = "",
        hide_default_value = true
    )]
    workdir: String,
    /// User name or id, and group (format: <name|uid>[:<group|gid>])
    #[arg(
        short,
        long,
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    user: String,
    /// Overwrite the ENTRYPOINT of the image
    #[arg(long, value_name = "COMMAND")]
    entrypoint: Option<String>,
    /// Set labels on the container
    #[arg(short, long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Read in a file of labels, one a line
    #[arg(long, value_name = "FILE")]
    label_file: Vec<PathBuf>,
    /// Signal to stop the container
    #[arg(
        long,
        value_name = "SIGNAL",
        default_value = "",
        hide_default_value = true
    )]
    stop_signal: String,
    /// Seconds to wait for the container to stop before it is killed
    #[arg(long, value_name = "SECONDS")]
    stop_timeout: Option<i64>,
    /// Write the container's id to a file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) cidfile: Option<PathBuf>,
    /// Pull the image before: always, missing or never
    #[arg(long, value_name = "WHEN", default_value = "missing")]
    pub(crate) pull: String,
    /// The platform of a multi-platform image (os/arch[/variant])
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) platform: String,
    /// Don't show the pull's progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Logging driver for the container
    #[arg(
        long,
        value_name = "DRIVER",
        default_value = "",
        hide_default_value = true
    )]
    log_driver: String,
    /// Log driver options
    #[arg(long, value_name = "NAME=VALUE")]
    log_opt: Vec<String>,
    #[command(flatten, next_help_heading = "Limits")]
    limits: LimitFlags,
    #[command(flatten, next_help_heading = "Lifecycle")]
    lifecycle: lifecycle::LifecycleFlags,
    #[command(flatten, next_help_heading = "Devices")]
    devices: devices::DeviceFlags,
    #[command(flatten, next_help_heading = "Security")]
    security: SecurityFlags,
    #[command(flatten, next_help_heading = "Network")]
    network: network::NetworkFlags,
    #[command(flatten, next_help_heading = "Storage")]
    storage: StorageFlags,
    /// The image, and the command to run in place of its own.
    #[arg(
        required = true,
        trailing_var_arg = true,
        value_name = "IMAGE",
        hide = true
    )]
    words: Vec<String>,
}

#[derive(Args, Debug)]
struct LimitFlags {
    /// Memory limit
    #[arg(short, long, value_name = "BYTES", value_parser = flags::parse_size)]
    memory: Option<i64>,
    /// Memory and swap together: -1 for unlimited swap
    #[arg(long, value_name = "BYTES", value_parser = flags::parse_swap, allow_hyphen_values = true)]
    memory_swap: Option<i64>,
    /// Memory soft limit
    #[arg(long, value_name = "BYTES", value_parser = flags::parse_size)]
    memory_reservation: Option<i64>,
    /// Number of CPUs
    #[arg(long, value_name = "DECIMAL", value_parser = flags::parse_nano_cpus, allow_hyphen_values = true)]
    cpus: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "N")]
    cpu_shares: Option<i64>,
    /// CFS period in microseconds
    #[arg(long, value_name = "N")]
    cpu_period: Option<i64>,
    /// CFS quota in microseconds
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    cpu_quota: Option<i64>,
    /// CPUs in which to run (0-3, 0,1)
    #[arg(
        long,
        value_name = "LIST",
        default_value = "",
        hide_default_value = true
    )]
    cpuset_cpus: String,
    /// NUMA nodes whose memory to use (0-3, 0,1)
    #[arg(
        long,
        value_name = "LIST",
        default_value = "",
        hide_default_value = true
    )]
    cpuset_mems: String,
    /// Processes and threads (-1 for unlimited)
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pids_limit: Option<i64>,
    /// Block IO weight, 10 to 1000
    #[arg(long, value_name = "N")]
    blkio_weight: Option<u16>,
    /// Limit the rate of reads from a device, bytes a second
    #[arg(long, value_name = "DEVICE:RATE", value_parser = flags::parse_bps)]
    device_read_bps: Vec<ThrottleDevice>,
    /// Limit the rate of writes to a device, bytes a second
    #[arg(long, value_name = "DEVICE:RATE", value_parser = flags::parse_bps)]
    device_write_bps: Vec<ThrottleDevice>,
    /// Limit the rate of reads from a device, operations a second
    #[arg(long, value_name = "DEVICE:RATE", value_parser = flags::parse_iops)]
    device_read_iops: Vec<ThrottleDevice>,
    /// Limit the rate of writes to a device, operations a second
    #[arg(long, value_name = "DEVICE:RATE", value_parser = flags::parse_iops)]
    device_write_iops: Vec<ThrottleDevice>,
    /// Don't let the kernel kill when memory runs out
    #[arg(long)]
    oom_kill_disable: bool,
    /// Preference of the kernel when memory runs out (-1000 to 1000)
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    oom_score_adj: Option<i64>,
    /// Resource limits of the process
    #[arg(long, value_name = "NAME=SOFT[:HARD]", value_parser = flags::parse_ulimit)]
    ulimit: Vec<Ulimit>,
}

#[derive(Args, Debug)]
struct SecurityFlags {
    /// Add Linux capabilities
    #[arg(long, value_name = "CAPABILITY")]
    cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "CAPABILITY")]
    cap_drop: Vec<String>,
    /// Give extended privileges to the container
    #[arg(long)]
    privileged: bool,
    /// Security options (no-new-privileges, seccomp=unconfined, ...)
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
    /// Kernel parameters of the container's namespaces
    #[arg(long, value_name = "NAME=VALUE")]
    sysctl: Vec<String>,
    /// PID namespace to use
    #[arg(
        long,
        value_name = "MODE",
        default_value = "",
        hide_default_value = true
    )]
    pid: String,
    /// IPC namespace to use
    #[arg(
        long,
        value_name = "MODE",
        default_value = "",
        hide_default_value = true
    )]
    ipc: String,
    /// UTS namespace to use
    #[arg(
        long,
        value_name = "MODE",
        default_value = "",
        hide_default_value = true
    )]
    uts: String,
    /// User namespace to use
    #[arg(
        long,
        value_name = "MODE",
        default_value = "",
        hide_default_value = true
    )]
    userns: String,
    /// Cgroup namespace to use (host or private)
    #[arg(
        long,
        value_name = "MODE",
        default_value = "",
        hide_default_value = true
    )]
    cgroupns: String,
}

#[derive(Args, Debug)]
struct StorageFlags {
    /// Bind mount a path or a volume ([SOURCE:]TARGET[:OPTIONS])
    #[arg(short, long, value_name = "VOLUME")]
    volume: Vec<String>,
    /// Mount a filesystem (type=bind|volume|tmpfs,source=…,target=…)
    #[arg(long, value_name = "MOUNT", value_parser = flags::parse_mount)]
    mount: Vec<Mount>,
    /// Mount volumes of other containers (CONTAINER[:ro])
    #[arg(long, value_name = "CONTAINER")]
    volumes_from: Vec<String>,
    /// Driver of the container's volumes
    #[arg(
        long,
        value_name = "DRIVER",
        default_value = "",
        hide_default_value = true
    )]
    volume_driver: String,
    /// Options of the storage driver
    #[arg(long, value_name = "NAME=VALUE")]
    storage_opt: Vec<String>,
    /// Mount a tmpfs directory (TARGET[:OPTIONS])
    #[arg(long, value_name = "TARGET")]
    tmpfs: Vec<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "BYTES", value_parser = flags::parse_size)]
    shm_size: Option<i64>,
    /// Mount the container's root filesystem as read only
    #[arg(long)]
    read_only: bool,
    /// The storage driver plugin that makes the root filesystem
    #[arg(
        long,
        value_name = "DRIVER",
        default_value = "",
        hide_default_value = true
    )]
    storage_driver: String,
}

impl ContainerFlags {
    /// The image as the user typed it.
    pub(crate) fn image(&self) -> &str {
        &self.words[0]
    }

    /// The body of the create call.
    pub(crate) fn request(&self) -> Result<CreateRequest> {
        let mut request = CreateRequest {
            config: self.config()?,
            host_config: HostConfig {
                auto_remove: self.rm,
                ..HostConfig::default()
            },
            networking_config: NetworkingConfig::default(),
        };
        request.host_config.log_config = self.log_config()?;
        self.limits.fill(&mut request.host_config);
        self.devices.fill(&mut request.host_config);
        self.lifecycle
            .fill(&mut request.config, &mut request.host_config)?;
        self.security.fill(&mut request.host_config)?;
        self.network.fill(&mut request)?;
        self.storage.fill(&mut request)?;
        Ok(request)
    }

    fn config(&self) -> Result<ContainerConfig> {
        Ok(ContainerConfig {
            image: self.image().to_owned(),
            cmd: (self.words.len() > 1).then(|| self.words[1..].to_vec()),
            entrypoint: self
                .entrypoint
                .as_ref()
                .map(|command| vec![command.clone()]),
            env: flags::env_list(&self.env_file, &self.env)?,
            labels: flags::label_map(&self.label_file, &self.label)?,
            working_dir: self.workdir.clone(),
            user: self.user.clone(),
            tty: self.tty,
            open_stdin: self.interactive,
            stop_signal: self.stop_signal.clone(),
            stop_timeout: self.stop_timeout,
            ..ContainerConfig::default()
        })
    }

    fn log_config(&self) -> Result<LogConfig> {
        let pairs = self
            .log_opt
            .iter()
            .map(|text| flags::key_value(text, "log options"));
        let config = pairs
            .map(|pair| pair.map(owned))
            .collect::<Result<_, InvalidValue>>();
        Ok(LogConfig {
            kind: self.log_driver.clone(),
            config: config.map_err(refused)?,
        })
    }
}

impl LimitFlags {
    fn fill(&self, host: &mut HostConfig) {
        host.memory = self.memory.unwrap_or_default();
        host.memory_swap = self.memory_swap.unwrap_or_default();
        host.memory_reservation = self.memory_reservation.unwrap_or_default();
        host.nano_cpus = self.cpus.unwrap_or_default();
        host.cpu_shares = self.cpu_shares.unwrap_or_default();
        host.cpu_period = self.cpu_period.unwrap_or_default();
        host.cpu_quota = self.cpu_quota.unwrap_or_default();
        host.cpuset_cpus.clone_from(&self.cpuset_cpus);
        host.cpuset_mems.clone_from(&self.cpuset_mems);
        host.pids_limit = self.pids_limit;
        host.blkio_weight = self.blkio_weight.unwrap_or_default();
        host.blkio_device_read_bps.clone_from(&self.device_read_bps);
        host.blkio_device_write_bps
            .clone_from(&self.device_write_bps);
        host.blkio_device_read_iops
            .clone_from(&self.device_read_iops);
        host.blkio_device_write_iops
            .clone_from(&self.device_write_iops);
        host.oom_kill_disable = self.oom_kill_disable.then_some(true);
        host.oom_score_adj = self.oom_score_adj.unwrap_or_default();
        host.ulimits.clone_from(&self.ulimit);
    }
}

impl SecurityFlags {
    fn fill(&self, host: &mut HostConfig) -> Result<()> {
        host.cap_add.clone_from(&self.cap_add);
        host.cap_drop.clone_from(&self.cap_drop);
        host.privileged = self.privileged;
        let security = flags::security_options(&self.security_opt).map_err(refused)?;
        host.security_opt = security.options;
        if security.bare_system_paths {
            host.masked_paths = Some(Vec::new());
            host.readonly_paths = Some(Vec::new());
        }
        let sysctls = self
            .sysctl
            .iter()
            .map(|text| flags::key_value(text, "sysctl"));
        host.sysctls = sysctls
            .map(|pair| pair.map(owned))
            .collect::<Result<_, InvalidValue>>()
            .map_err(refused)?;
        host.pid_mode.clone_from(&self.pid);
        host.ipc_mode.clone_from(&self.ipc);
        host.uts_mode.clone_from(&self.uts);
        host.userns_mode.clone_from(&self.userns);
        host.cgroupns_mode.clone_from(&self.cgroupns);
        Ok(())
    }
}

impl StorageFlags {
    fn fill(&self, request: &mut CreateRequest) -> Result<()> {
        for text in &self.volume {
            match flags::parse_volume(text).map_err(refused)? {
                Volume::Anonymous(target) => {
                    request.config.volumes.insert(target, Default::default());
                }

                Volume::Bind(bind) => request.host_config.binds.push(bind),
            }
        }
        for text in &self.tmpfs {
            let (target, options) = text.split_once(':').unwrap_or((text, ""));
            request
                .host_config
                .tmpfs
                .insert(target.to_owned(), options.to_owned());
        }
        let host = &mut request.host_config;
        host.mounts.clone_from(&self.mount);
        host.volumes_from.clone_from(&self.volumes_from);
        host.volume_driver.clone_from(&self.volume_driver);
        host.storage_opt = crate::options::option_map(&self.storage_opt);
        request.host_config.shm_size = self.shm_size.unwrap_or_default();
        request.host_config.readonly_rootfs = self.read_only;
        request
            .host_config
            .storage_driver
            .clone_from(&self.storage_driver);
        Ok(())
    }
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn refused(error: InvalidValue) -> Error {
    Error::Option(error.to_string())
}
