//! A container as the engine keeps it: the record, and who waits for it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bulkhead_model::container::{RestartPolicy, State};
use bulkhead_model::network::{Cidr, Family};
use bulkhead_model::process::ExitStatus;
use bulkhead_model::{ContainerId, PluginIdentity, SnapshotKey};
use serde::{Deserialize, Serialize};

use crate::health::Watched;
use crate::spec::{ContainerSpec, MountOptions, PortSpec};

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
    /// That signal was asked for by the user or the image.
    #[serde(default)]
    pub own_stop_signal: bool,
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
    /// Who finds it paused unpauses it: that was for an operation of an engine
    /// that ended.
    #[serde(default)]
    pub held_still: bool,
    /// The networks it belongs to; the first is its network mode's.
    #[serde(default)]
    pub networks: Vec<Membership>,
    /// Its addresses and ports while it runs, one entry a network.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// Containers whose names and ports it is told.
    #[serde(default)]
    pub links: Vec<crate::links::Link>,
    /// Its resolv.conf as it was last written for it: one that says something
    /// else was changed by somebody.
    #[serde(default)]
    pub resolv_conf: String,
    /// What the plugins were that made its root filesystem and its network.
    pub rootfs_plugin: Option<PluginRecord>,
    /// See `rootfs_plugin`.
    pub network_plugin: Option<PluginRecord>,
    /// How often it ended.
    pub exits: u64,
    /// Its health check, if it has one.
    #[serde(default)]
    pub health: Option<Watched>,
    /// Its removal, once begun, takes its anonymous volumes along.
    #[serde(default)]
    pub remove_volumes: bool,
    /// When its last run ended, nanoseconds since the epoch; 0 for never.
    #[serde(default)]
    pub finished_at: u64,
    /// How often its restart policy started it since it was started by hand.
    #[serde(default)]
    pub restart_count: u32,
    /// Somebody stopped or killed it since it was started by hand.
    #[serde(default)]
    pub stopped_by_hand: bool,
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
    /// The rest.
    #[serde(default)]
    pub options: MountOptions,
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
    /// The addresses the user chose, one of a family at most.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// The hardware address the user chose.
    #[serde(default)]
    pub mac: Option<String>,
    /// The network with the highest is the way out.
    #[serde(default)]
    pub gateway_priority: i64,
    /// Options of the network's driver for this endpoint.
    #[serde(default)]
    pub driver_options: BTreeMap<String, String>,
    /// `container:alias`: names of others that it alone asks for.
    #[serde(default)]
    pub links: Vec<String>,
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
    /// The gateways with their subnets' prefixes, such as `172.17.0.1/16`.
    #[serde(default)]
    pub gateways: Vec<String>,
    /// The hardware address; empty without an interface.
    #[serde(default)]
    pub mac: String,
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

impl Endpoint {
    /// The leased address of a family.
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        let mut own = self.addresses.iter().copied();
        own.find(|addr| Family::of(*addr) == family)
    }

    /// The gateway of a family.
    pub fn gateway(&self, family: Family) -> Option<Cidr> {
        let mut gateways = self.gateways.iter().filter_map(|g| g.parse::<Cidr>().ok());
        gateways.find(|gateway| gateway.family() == family)
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
        #[serde(default)]
        paused: bool,
    },
    Restarting {
        started_at: u64,
        #[serde(with = "ExitRecord")]
        status: ExitStatus,
    },
    Exited {
        started_at: u64,
        #[serde(with = "ExitRecord")]
        status: ExitStatus,
        error: String,
    },
    Removing {
        started_at: u64,
        #[serde(with = "ExitRecord")]
        status: ExitStatus,
    },
    Dead {
        started_at: u64,
        #[serde(with = "ExitRecord")]
        status: ExitStatus,
        error: String,
    },
}

/// A restart policy in a record.
#[derive(Serialize, Deserialize)]
#[serde(remote = "RestartPolicy")]
pub(crate) enum RestartRecord {
    No,
    Always,
    UnlessStopped,
    OnFailure { retries: u32 },
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phase {
    /// It runs, or will be started again by its policy.
    pub active: bool,
    /// How often it ended so far.
    pub exits: u64,
    /// The last exit code.
    pub code: i32,
    /// Why it could not be started or removed.
    pub error: Option<Arc<str>>,
    /// It is gone.
    pub removed: bool,
    /// It could not be removed.
    pub dead: bool,
}

impl Phase {
    /// The phase of a container as it is recorded.
    pub(crate) fn of(record: &Container) -> Self {
        let error = record.state.error();
        Self {
            active: record.state.is_active(),
            exits: record.exits,
            code: record.state.last().map_or(0, |status| status.code),
            error: Some(error).filter(|e| !e.is_empty()).map(Arc::from),
            removed: false,
            dead: matches!(record.state, State::Dead { .. }),
        }
    }
}
