//! The engine: one file per operation, over a small struct of what they need.
//!
//! Operations are blocking functions; the daemon calls them from threads that
//! may block. Only waiting for a container's end is asynchronous.
//!
//! Invariants: the engine sees drivers, the runtime and registries only as
//! traits of the model. It is the only writer of records. Deciding what a
//! container is (`plan`, `command`, `limits`, `capabilities`) is pure.

pub mod address_pool;
pub mod attach;
pub mod block_devices;
pub mod capabilities;
pub mod command;
pub mod container;
pub mod containers;
pub mod defaults;
pub mod detach_keys;
pub mod devices;
pub mod error;
pub mod events;
pub mod exec;
pub mod files;
mod graph;
pub mod health;
pub mod instructions;
pub mod limits;
pub mod links;
pub mod log_options;
pub mod name;
pub mod peers;
pub mod plan;
pub mod seccomp;
pub mod security;
pub mod signature;
pub mod spec;
pub mod tmpfs;

mod archive;
mod catalog;
mod changes;
mod check;
mod commit;
mod create;
mod exited;
mod export;
mod extract;
mod follow;
mod images;
mod import;
mod lay_out;
pub mod layer;
mod live;
mod load;
mod logs;
pub mod networks;
mod pull;
pub mod push;
pub mod ready;
mod recover;
mod remove;
mod rename;
mod save;
mod start;
mod stop;
mod sweep;
pub mod top;
pub mod update;
mod usage;
mod view;
mod volumes;
mod waiting;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use bulkhead_model::ContainerId;
use bulkhead_model::driver::{StorageDriver, VolumeDriver};
use bulkhead_model::process::{IdMap, Runtime};
use bulkhead_model::registry::{Fetcher, RegistrySource};
use bulkhead_model::storage::RootMount;
use bulkhead_store::Store;
use tokio::runtime::Handle;

pub use archive::Download;
pub use check::{Checked, Finding};
pub use commit::CommitRequest;
pub use create::Created;
pub use error::EngineError;
pub use extract::Upload;
pub use follow::Follow;
pub use images::{HistoryStep, ImageDeleted, ImageListed, ImageToRecord};
pub use import::ImportRequest;
pub use live::End;
pub use load::{LoadEvent, TellLoad};
pub use logs::{LogEntry, LogQuery, LogReader, LogState};
pub use networks::{Network, Networks};
pub use pull::{Origin, Progress, PullEvent, PullRequest};
pub use usage::ContainerUsage;
pub use volumes::objects::{Volume, VolumeSpec};
pub use waiting::Waiting;

/// What the daemon was started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The storage driver for containers that name none.
    pub storage_driver: String,
    /// Processors of this machine.
    pub cpus: u64,
    /// Where subnets come from that no user chose, of both families.
    pub default_pools: Vec<bulkhead_model::network::DefaultPool>,
    /// The host's resolver configuration.
    pub resolv_conf: std::path::PathBuf,
    /// The address of the host that containers are told, if it is not their
    /// gateway.
    pub host_gateway: Option<std::net::IpAddr>,
    /// The user namespace of containers that do not ask for the host's;
    /// empty: none has one.
    pub user_namespace: Vec<IdMap>,
}

/// The plugins that keep files, by the short names users choose.
pub struct Drivers {
    /// Of layers and containers.
    pub storage: BTreeMap<String, Arc<dyn StorageDriver>>,
    /// Of volumes.
    pub volume: BTreeMap<String, Arc<dyn VolumeDriver>>,
}

/// How many layers of an image move at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfers {
    /// From a registry.
    pub downloads: usize,
    /// To a registry.
    pub uploads: usize,
}

impl Default for Transfers {
    /// As Docker.
    fn default() -> Self {
        Self {
            downloads: 3,
            uploads: 5,
        }
    }
}

/// The plugins that bring images.
pub struct Sources {
    /// Registries that speak the OCI distribution protocol.
    pub registry: Option<Arc<dyn RegistrySource>>,
    /// Directories in OCI layout, the embedded images among them.
    pub layout: Option<Arc<dyn RegistrySource>>,
    /// Archives that `docker save` and skopeo write.
    pub archive: Option<Arc<dyn RegistrySource>>,
    /// The image for which no registry is needed.
    pub embedded: Option<Embedded>,
}

/// An image that this program carries.
pub struct Embedded {
    /// The name it answers to.
    pub reference: bulkhead_model::Reference,
    /// Its id.
    pub image_id: bulkhead_model::Digest,
    /// Its files in OCI layout: relative path and bytes.
    pub files: &'static [(&'static str, &'static [u8])],
}

/// Everything the operations need.
pub struct Engine {
    /// Settings.
    pub config: Config,
    /// Content and records.
    pub store: Arc<Store>,
    /// Carries out plans.
    pub runtime: Arc<dyn Runtime>,
    /// Storage drivers by short name.
    pub storage: BTreeMap<String, Arc<dyn StorageDriver>>,
    /// All networks.
    pub networks: Networks,
    /// Where images come from.
    pub sources: Sources,
    /// Opens registry sessions and brings blobs.
    pub fetcher: Arc<dyn Fetcher>,
    /// Leased addresses.
    pub pools: address_pool::Pools,
    /// All containers.
    pub containers: containers::Containers,
    /// What they are called.
    names: networks::names::LastDirectory,
    /// Whom the host asks for names.
    pub(crate) host_resolver: files::HostResolver,
    /// What happened.
    pub events: events::Events,
    /// For containers that do not say otherwise.
    defaults: RwLock<Arc<defaults::Defaults>>,
    /// Registries that are asked before Docker Hub, `host[:port]`.
    mirrors: RwLock<Arc<[String]>>,
    /// How many layers move at the same time.
    transfers: RwLock<Transfers>,
    /// Which images must be signed.
    signature_policy: RwLock<Arc<signature::Policy>>,
    /// More processes in running containers.
    pub execs: exec::Execs,
    /// Clients that attached before a start.
    pub waiting: attach::Waiting,
    /// Mounts decided by `create`, so that the `start` after it need not ask again.
    pub(crate) prepared: Mutex<HashMap<ContainerId, RootMount>>,
    /// Written by who removes volumes, read by who makes them.
    pub(crate) volume_lock: RwLock<()>,
    /// Volume drivers by short name.
    pub volume_drivers: BTreeMap<String, Arc<dyn VolumeDriver>>,
    /// Who uses volumes of which something is mounted.
    pub(crate) volume_users_now: volumes::mounts::Users,
    /// Storage drivers that were found to work here.
    pub(crate) ready: Mutex<HashSet<String>>,
    /// Keeps two layings-out of the same chain apart.
    pub(crate) chains: lay_out::Chains,
    /// Itself: what drivers hold.
    me: Weak<Engine>,
    /// Where drivers run.
    handle: Handle,
    /// Warnings that were logged.
    told: Mutex<HashSet<String>>,
    follow: OnceLock<Arc<dyn Follow>>,
}

impl Engine {
    /// Puts the parts together and makes the networks' pools. Drivers run on
    /// the asynchronous runtime this is called in.
    pub fn new(
        config: Config,
        store: Arc<Store>,
        runtime: Arc<dyn Runtime>,
        drivers: Drivers,
        networks: Networks,
        sources: Sources,
        fetcher: Arc<dyn Fetcher>,
    ) -> Result<Arc<Self>, EngineError> {
        let pools = address_pool::Pools::default();
        for network in networks.all() {
            for pool in network.record.pools.iter().filter_map(|p| p.pool()) {
                pools.add(&network.config.name, pool);
            }
        }
        let containers = containers::Containers::load(store.clone())?;
        let handle = Handle::current();
        Ok(Arc::new_cyclic(|me| Self {
            config,
            store,
            runtime,
            storage: drivers.storage,
            networks,
            sources,
            fetcher,
            pools,
            containers,
            names: networks::names::LastDirectory::default(),
            host_resolver: files::HostResolver::default(),
            events: events::Events::default(),
            defaults: RwLock::default(),
            mirrors: RwLock::default(),
            transfers: RwLock::default(),
            signature_policy: RwLock::default(),
            execs: exec::Execs::default(),
            waiting: attach::Waiting::default(),
            prepared: Mutex::default(),
            volume_lock: RwLock::default(),
            volume_drivers: drivers.volume,
            volume_users_now: volumes::mounts::Users::default(),
            ready: Mutex::default(),
            chains: lay_out::Chains::default(),
            me: me.clone(),
            handle,
            told: Mutex::default(),
            follow: OnceLock::new(),
        }))
    }

    /// Logs what a machine cannot do, each sentence once: it will not change.
    pub(crate) fn warn(&self, id: &ContainerId, warnings: &[String]) {
        let mut told = self.told.lock().expect("told warnings");
        for warning in warnings {
            if told.insert(warning.clone()) {
                tracing::warn!(container = %id, "{warning}");
            }
        }
    }

    /// Changes the defaults for containers made from now on.
    pub fn set_defaults(&self, defaults: defaults::Defaults) {
        *self
            .defaults
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(defaults);
    }

    /// The defaults for new containers.
    pub fn defaults(&self) -> Arc<defaults::Defaults> {
        let now = self.defaults.read();
        now.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes which registries (`host[:port]`) are asked before Docker Hub.
    pub fn set_mirrors(&self, mirrors: &[String]) {
        *self.mirrors.write().unwrap_or_else(PoisonError::into_inner) = mirrors.into();
    }

    /// Changes how many layers move at the same time, for pulls and pushes
    /// from now on.
    pub fn set_transfers(&self, transfers: Transfers) {
        *self
            .transfers
            .write()
            .unwrap_or_else(PoisonError::into_inner) = transfers;
    }

    /// Changes which images must be signed, for pulls from now on.
    pub fn set_signature_policy(&self, policy: signature::Policy) {
        let now = self.signature_policy.write();
        *now.unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    pub(crate) fn signature_policy(&self) -> Arc<signature::Policy> {
        let now = self.signature_policy.read();
        now.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn transfers(&self) -> Transfers {
        let now = self.transfers.read();
        *now.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mirrors(&self) -> Arc<[String]> {
        let now = self.mirrors.read();
        now.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The driver a container asked for, or the daemon's.
    pub(crate) fn storage_driver(
        &self,
        name: Option<&str>,
    ) -> Result<&Arc<dyn StorageDriver>, EngineError> {
        let name = name
            .filter(|n| !n.is_empty())
            .unwrap_or(&self.config.storage_driver);
        self.storage
            .get(name)
            .ok_or_else(|| EngineError::UnknownStorageDriver {
                name: name.to_owned(),
                known: self.storage.keys().cloned().collect::<Vec<_>>().join(", "),
            })
    }
}

impl Engine {
    /// Rows about the storage driver for containers that name none.
    pub fn storage_status(&self) -> Result<Vec<(String, String)>, EngineError> {
        let driver = self.storage_driver(None)?;
        let root = self.runtime.driver_root(driver.driver_name());
        Ok(driver.status(&*root)?)
    }
}

/// Nanoseconds since the epoch.
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}

/// A new id out of the kernel's random numbers.
pub(crate) fn random_id() -> ContainerId {
    ContainerId::from_bytes(random_bytes())
}

/// `getrandom(2)`
pub(crate) fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .expect("getrandom(2) without flags only fails on kernels before 3.17");
    bytes
}
