//! The daemon's command line, with dockerd's meanings.

use std::path::PathBuf;

use bulkhead_model::network::Cidr;
use clap::Parser;

/// The bulkhead daemon: serves the Docker Engine API and runs containers
/// through sandboxed drivers.
#[derive(Clone, Debug, Parser)]
#[command(name = "bulkheadd", version)]
pub struct Args {
    /// Where images, containers and volumes are kept.
    #[arg(long, default_value = "/var/lib/bulkhead", value_name = "DIR")]
    pub data_root: PathBuf,

    /// Where sockets and the state of running containers are kept.
    #[arg(long, default_value = "/run/bulkhead", value_name = "DIR")]
    pub exec_root: PathBuf,

    /// A socket to listen on (unix://PATH); may be given several times.
    #[arg(short = 'H', long = "host", value_name = "ADDRESS")]
    pub hosts: Vec<String>,

    /// Where the daemon's process id is written.
    #[arg(short = 'p', long, value_name = "FILE")]
    pub pidfile: Option<PathBuf>,

    /// The bridge's address and subnet, such as 10.10.0.1/24; a free subnet is chosen when absent.
    #[arg(long, value_name = "CIDR")]
    pub bip: Option<Cidr>,

    /// The storage driver for containers that name none.
    #[arg(short = 's', long, default_value = "overlay", value_name = "DRIVER")]
    pub storage_driver: String,

    /// Where plugins are found: a folder each, with plugin.toml and plugin.wasm.
    /// Default: `plugins` beside this program, and /usr/lib/bulkhead/plugins.
    #[arg(long = "plugin-dir", value_name = "DIR")]
    pub plugin_dirs: Vec<PathBuf>,

    /// Where compiled plugins are kept. Default: `components` in the data root.
    #[arg(long, value_name = "DIR")]
    pub component_cache: Option<PathBuf>,

    /// A registry that may be spoken to without TLS or with a certificate nobody vouches for.
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]")]
    pub insecure_registries: Vec<String>,

    /// Run containers in a user namespace with this user's ranges of
    /// /etc/subuid and /etc/subgid; `default` is the user dockremap.
    #[arg(long, value_name = "USER")]
    pub userns_remap: Option<String>,

    /// Link MTU of the bridge network.
    #[arg(long, default_value_t = 1500, value_name = "BYTES")]
    pub mtu: u32,

    /// What to log: error, warn, info, debug or trace.
    #[arg(short = 'l', long, default_value = "info", value_name = "LEVEL")]
    pub log_level: String,
}

impl Args {
    /// The sockets to listen on.
    pub fn sockets(&self) -> anyhow::Result<Vec<PathBuf>> {
        if self.hosts.is_empty() {
            return Ok(vec![self.exec_root.join("bulkhead.sock")]);
        }
        let unix = |host: &String| match host.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
            _ => anyhow::bail!(
                "cannot listen on {host:?}: this daemon listens on unix sockets (unix:///path)"
            ),
        };
        self.hosts.iter().map(unix).collect()
    }
}
