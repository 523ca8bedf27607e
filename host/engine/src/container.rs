//! A container as the engine keeps it: the record, and who waits for it.

use std::net::{IpAddr, Ipv4Addr};

use bulkhead_model::container::State;
use bulkhead_model::process::ExitStatus;
use bulkhead_model::{ContainerId, PluginIdentity, SnapshotKey};
use serde::{Deserialize, Serialize};

use crate::spec::{ContainerSpec, PortSpec};

/// One container's record, stored as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Container {
    /// 64 hex digits.
    #[serde(with = "id_text")]
    pub id: ContainerId,
    /// Its unique name, without Docker's leading slash.
    pub name: String,
    /// What was asked for.
    pub spec: ContainerSpec,
    /// The image's id, `sha256:…`.
    pub image_id: String,
    /// Nanoseconds since the epoch.
    pub created_at: u64,
    /// The command line after the image's defaults.
    pub args: Vec<String>,
    /// The environment after the image's.
    pub env: Vec<String>,
    /// The user after the image's.
    pub user: String,
    /// The working directory after the image's.
    pub working_dir: String,
    /// The hostname inside.
    pub hostname: String,
    /// The signal `stop` sends.
    pub stop_signal: i32,
    /// The storage driver that holds its snapshot.
    pub storage_driver: String,
    /// Names of the volumes made for it alone.
    pub anonymous_volumes: Vec<String>,
    /// Host directory and target of each mount, after volumes were made.
    pub mounts: Vec<Mount>,
    /// The chain of its image's layers, nearest first.
    pub parents: Vec<String>,
    /// Where it is in its life.
    #[serde(with = "StateRecord")]
    pub state: State,
    /// The networks it belongs to; the first is its network mode's.
    #[serde(default)]
    pub networks: Vec<Membership>,
    /// Its addresses and ports while it runs, one entry a network.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// What the plugins were that made its root filesystem and its network.
    pub rootfs_plugin: Option<PluginRecord>,
    /// See `rootfs_plugin`.
    pub network_plugin: Option<PluginRecord>,
    /// How often it ended.
    pub exits: u64,
}

/// One mount of a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mount {
    /// The volume's name; absent for a host path.
    pub volume: Option<String>,
    /// The host's path.
    pub source: String,
    /// The path inside.
    pub target: String,
    /// Read-only.
    pub read_only: bool,
}

/// That a container belongs to a network, whether it runs or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The network's id.
    pub network: String,
    /// Its name.
    pub name: String,
    /// Names the container answers to on it, beside its own.
    pub aliases: Vec<String>,
    /// The address the user chose.
    pub address: Option<Ipv4Addr>,
}

/// A running container's connection to one network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// 64 hex digits, new with every start.
    pub id: String,
    /// The network's name.
    pub network: String,
    /// The network's id.
    pub network_id: String,
    /// The interface inside.
    pub interface: Option<String>,
    /// Leased addresses.
    pub addresses: Vec<IpAddr>,
    /// The gateway.
    pub gateway: Option<IpAddr>,
    /// The subnet's prefix length.
    pub prefix: u8,
    /// Ports published, every host port known.
    pub ports: Vec<PortSpec>,
}

/// A plugin's identity in a record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PluginRecord {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// The component's digest.
    pub digest: String,
}

impl From<&PluginIdentity> for PluginRecord {
    fn from(identity: &PluginIdentity) -> Self {
        Self {
            name: identity.name.clone(),
            version: identity.version.clone(),
            digest: identity.digest.to_string(),
        }
    }
}

impl std::fmt::Display for PluginRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.name, self.version, self.digest)
    }
}

impl Container {
    /// Its writable snapshot.
    pub fn snapshot(&self) -> SnapshotKey {
        SnapshotKey::of_container(&self.id)
    }

    /// The ports that are published while it runs.
    pub fn published_ports(&self) -> impl Iterator<Item = &PortSpec> {
        self.endpoints.iter().flat_map(|e| &e.ports)
    }

    /// The snapshots of its image's layers, nearest first.
    pub fn parent_keys(&self) -> Vec<SnapshotKey> {
        self.parents.iter().filter_map(|p| p.parse().ok()).collect()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "State")]
enum StateRecord {
    Created,
    Running {
        started_at: u64,
        pid: u32,
    },
    Exited {
        started_at: u64,
        #[serde(with = "ExitRecord")]
        status: ExitStatus,
        error: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ExitStatus")]
struct ExitRecord {
    code: i32,
    oom_killed: bool,
    finished_at: u64,
}

mod id_text {
    use bulkhead_model::ContainerId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(id: &ContainerId, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(id.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<ContainerId, D::Error> {
        String::deserialize(input)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// What those who wait for a container look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phase {
    /// Its first process runs.
    pub running: bool,
    /// How often it ended so far.
    pub exits: u64,
    /// The last exit code.
    pub code: i32,
    /// It is gone.
    pub removed: bool,
}
