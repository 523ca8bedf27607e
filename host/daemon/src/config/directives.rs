//! Every directive, once: as a flag of the command line and as a key of the
//! configuration file, with dockerd's names and meanings.

use std::path::PathBuf;

use bulkhead_model::network::Cidr;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::values::{Pair, Ulimit, pairs, ulimits};

/// What was set; an absent directive has its default.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Directives {
    /// Where images, containers and volumes are kept [default: /var/lib/bulkhead]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_root: Option<PathBuf>,

    /// Where sockets and the state of running containers are kept [default: /run/bulkhead]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec_root: Option<PathBuf>,

    /// An address to listen on: unix:///path, tcp://ip:port or fd:// (sockets given by systemd);
    /// several times [default: bulkhead.sock in the exec root]
    #[arg(short = 'H', long = "host", value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,

    /// The group that may use the unix sockets [default: bulkhead, where it exists]
    #[arg(short = 'G', long, value_name = "GROUP")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,

    /// Where the daemon's process id is written
    #[arg(short = 'p', long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pidfile: Option<PathBuf>,

    /// Use TLS on tcp:// addresses; anybody may connect
    #[arg(long)]
    #[serde(skip_serializing_if = "is_false")]
    pub tls: bool,

    /// Use TLS on tcp:// addresses and let only clients in whose certificate the authority signed
    #[arg(long)]
    #[serde(skip_serializing_if = "is_false")]
    pub tlsverify: bool,

    /// The authority that signs clients' certificates [default: /etc/bulkhead/ca.pem]
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tlscacert: Option<PathBuf>,

    /// The daemon's certificate [default: /etc/bulkhead/cert.pem]
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tlscert: Option<PathBuf>,

    /// Its key [default: /etc/bulkhead/key.pem]
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tlskey: Option<PathBuf>,

    /// Listen on tcp:// addresses beyond this machine although nobody's certificate is asked for:
    /// whoever reaches the port is root here
    #[arg(long)]
    #[serde(skip_serializing_if = "is_false")]
    pub allow_unauthenticated_tcp: bool,

    /// The storage driver for containers that name none; auto takes the one of last time or else
    /// the best of overlay, btrfs, devmapper and vfs that works here [default: auto]
    #[arg(short = 's', long, value_name = "DRIVER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_driver: Option<String>,

    /// An option of a storage driver: DRIVER.NAME=VALUE such as btrfs.pool_size=50G, or size=SIZE
    /// for containers that ask for none
    #[arg(long = "storage-opt", value_name = "NAME=VALUE")]
    #[serde(skip_serializing_if = "Vec::is_empty", with = "super::values::texts")]
    pub storage_opts: Vec<Pair>,

    /// Where plugins are found: a folder each, with plugin.toml and plugin.wasm
    /// [default: `plugins` beside this program, and /usr/lib/bulkhead/plugins]
    #[arg(long = "plugin-dir", value_name = "DIR")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugin_dirs: Vec<PathBuf>,

    /// Where compiled plugins are kept [default: `components` in the data root]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component_cache: Option<PathBuf>,

    /// A registry that may be spoken to without TLS or with a certificate nobody vouches for
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub insecure_registries: Vec<String>,

    /// A mirror that is asked before Docker Hub
    #[arg(long = "registry-mirror", value_name = "URL")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub registry_mirrors: Vec<String>,

    /// Which images must be signed, and by which keys (JSON; see the documentation)
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_policy: Option<PathBuf>,

    /// Layers of an image that are downloaded at the same time
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent_downloads: Option<usize>,

    /// Layers of an image that are uploaded at the same time
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent_uploads: Option<usize>,

    /// How often a transfer that moves nothing is tried
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_download_attempts: Option<u32>,

    /// Run containers in a user namespace with this user's ranges of /etc/subuid and /etc/subgid;
    /// `default` is the user dockremap
    #[arg(long, value_name = "USER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userns_remap: Option<String>,

    /// The bridge's address and subnet, such as 10.10.0.1/24; a free subnet is chosen when absent
    #[arg(long, value_name = "CIDR")]
    #[serde(skip_serializing_if = "Option::is_none", with = "super::values::cidr")]
    pub bip: Option<Cidr>,

    /// Link MTU of the bridge network [default: 1500]
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,

    /// The address that `host-gateway` stands for in --add-host [default: the container's gateway]
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_gateway_ip: Option<std::net::IpAddr>,

    /// A name server for containers that name none
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,

    /// A resolver option for containers that name none
    #[arg(long = "dns-opt", value_name = "OPTION")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_opts: Vec<String>,

    /// A search domain for containers that name none
    #[arg(long, value_name = "DOMAIN")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,

    /// The log driver for containers that name none [default: json-file]
    #[arg(long, value_name = "DRIVER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_driver: Option<String>,

    /// An option of that log driver
    #[arg(long = "log-opt", value_name = "NAME=VALUE")]
    #[serde(skip_serializing_if = "Vec::is_empty", with = "pairs")]
    pub log_opts: Vec<Pair>,

    /// A process limit for containers that set none, such as nofile=1024:2048
    #[arg(long = "default-ulimit", value_name = "NAME=SOFT[:HARD]")]
    #[serde(skip_serializing_if = "Vec::is_empty", with = "ulimits")]
    pub default_ulimits: Vec<Ulimit>,

    /// The size of /dev/shm for containers that set none [default: 64m]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_shm_size: Option<String>,

    /// Give containers no-new-privileges unless they say otherwise
    #[arg(long)]
    #[serde(skip_serializing_if = "is_false")]
    pub no_new_privileges: bool,

    /// Whether containers go on when the daemon ends [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_restore: Option<bool>,

    /// How many seconds containers have to stop when the daemon ends with live-restore off [default: 15]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown_timeout: Option<i64>,

    /// A label of the daemon, shown by `info`
    #[arg(long = "label", value_name = "NAME=VALUE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,

    /// Log as much as with --log-level debug
    #[arg(short = 'D', long)]
    #[serde(skip_serializing_if = "is_false")]
    pub debug: bool,

    /// What to log: error, warn, info, debug or trace [default: info]
    #[arg(short = 'l', long, value_name = "LEVEL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_level: Option<String>,

    /// How to log: text or json [default: text]
    #[arg(long, value_name = "FORM")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}
