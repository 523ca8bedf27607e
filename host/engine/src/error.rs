//! What the engine's operations fail with. Texts that clients of Docker know
//! are Docker's.

mod kind;

use bulkhead_model::PluginError;
use bulkhead_model::cgroup_parent::InvalidCgroupParent;
use bulkhead_model::container::Refusal;
use bulkhead_model::error::{ErrorKind, Failure, Kind as _};
use bulkhead_model::plugin::PluginFailure;
use bulkhead_store::StoreError;

/// One operation's failure.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // The texts say what each is.
pub enum EngineError {
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    #[error("No such image: {0}")]
    NoSuchImage(String),
    #[error("nobody waits for it any more; what is here is kept for the next attempt")]
    NobodyWaits,
    #[error("cannot push a digest reference")]
    PushByDigest,
    #[error("An image does not exist locally with the tag: {0}")]
    NothingToPush(String),
    #[error("tag does not exist: {0}")]
    NoSuchTag(String),
    #[error("plugin {plugin} cannot push: it lacks the grant push")]
    NoPush { plugin: String },
    #[error("plugin {plugin} cannot tell what a registry has")]
    NoCatalog { plugin: String },
    #[error("repository {0} has no tags")]
    NoTags(String),
    #[error("the registry lists a tag of {0} that is none")]
    MalformedTag(String),
    #[error("image {image} is refused by the signature policy: {reason}")]
    Unsigned {
        image: String,
        reason: crate::signature::Unsigned,
    },
    #[error("compress layer {layer}")]
    Compress {
        layer: String,
        source: std::io::Error,
    },
    #[error("the image's manifest cannot be read: {0}")]
    StoredManifest(String),
    #[error("multiple IDs found with provided prefix: {0}")]
    AmbiguousPrefix(String),
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    NameInUse { name: String, holder: String },
    #[error("Invalid container name ({0}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    InvalidName(String),
    #[error("no command specified")]
    NoCommand,
    #[error("the storage driver {0} wants another pool than the one it has")]
    AnotherPool(String),
    #[error("unknown storage driver \"{name}\": this daemon has {known}")]
    UnknownStorageDriver { name: String, known: String },
    #[error(
        "create {0}: \"{0}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    VolumeName(String),
    #[error(
        "create {0}: volume name is too short, names should be at least two alphanumeric characters"
    )]
    ShortVolumeName(String),
    #[error("endpoint {0} not found")]
    NoSuchEndpoint(String),
    #[error("get {0}: no such volume")]
    NoSuchVolume(String),
    #[error(
        "create {volume}: error looking up volume plugin {driver}: plugin \"{driver}\" not found"
    )]
    NoSuchVolumeDriver { volume: String, driver: String },
    #[error("create {volume}: {message}")]
    VolumeOption { volume: String, message: String },
    #[error(
        "create {volume}: driver '{driver}' already has volume '{volume}': volume name must be unique"
    )]
    OtherVolumeDriver { volume: String, driver: String },
    #[error("volume {0} is being restored: try again when that has ended")]
    VolumeRestored(String),
    #[error("restore {volume}: volume is used by running containers - [{users}]; stop them first")]
    VolumeRuns { volume: String, users: String },
    #[error("error while mounting volume '{mountpoint}'")]
    VolumeMount {
        mountpoint: String,
        #[source]
        source: bulkhead_model::error::Failure,
    },
    #[error("failed to set size of volume '{volume}'")]
    VolumeLimit {
        volume: String,
        #[source]
        source: bulkhead_model::error::Failure,
    },
    #[error("remove {volume}: volume is in use - [{users}]")]
    VolumeInUse { volume: String, users: String },
    #[error("could not get container for {name}")]
    NoLinked {
        name: String,
        #[source]
        source: Box<EngineError>,
    },
    #[error("Cannot link to /{0}, as it does not belong to the default network")]
    LinkedElsewhere(String),
    #[error("Cannot link to a non running container: /{child} AS /{parent}/{alias}")]
    LinkedNotRunning {
        child: String,
        parent: String,
        alias: String,
    },
    #[error("links of a place in a network are only for user defined networks")]
    LinksOnPredefined,
    #[error(transparent)]
    TraceTarget(crate::networks::trace::InvalidTarget),
    #[error("network {0} not found")]
    NoSuchNetwork(String),
    #[error("network {name} is ambiguous ({matches} matches found based on ID prefix)")]
    AmbiguousNetwork { name: String, matches: usize },
    #[error("network with name {0} already exists")]
    NetworkNameInUse(String),
    #[error("invalid network name: {0:?}")]
    InvalidNetworkName(String),
    #[error("operation is not permitted on predefined {0} network")]
    PredefinedNetwork(String),
    #[error("{0} is a pre-defined network and cannot be removed")]
    RemovePredefined(String),
    #[error("only one instance of \"{0}\" network is allowed")]
    SingleNetwork(String),
    #[error("plugin \"{0}\" not found")]
    NoSuchPlugin(String),
    #[error("error while removing network: network {name} id {id} has active endpoints")]
    NetworkInUse { name: String, id: String },
    #[error("Pool overlaps with other one on this address space")]
    PoolOverlaps,
    #[error("invalid subnet")]
    Subnet(#[source] bulkhead_model::network::InvalidCidr),
    #[error("subnet {0} has no room for containers: use a shorter prefix")]
    SmallSubnet(bulkhead_model::network::Cidr),
    #[error("failed to allocate gateway ({0}): Requested address is out of range")]
    Gateway(String),
    #[error("address range {range} is not part of subnet {subnet}")]
    RangeOutsideSubnet {
        range: bulkhead_model::network::Cidr,
        subnet: bulkhead_model::network::Cidr,
    },
    #[error("{option} is not supported by the {driver} driver")]
    NetworkOption { option: String, driver: String },
    #[error("failed to parse {key} value: {value} ({why})")]
    NetworkOptionValue {
        key: String,
        value: String,
        why: String,
    },
    #[error("bridge driver doesn't support multiple subnets")]
    MultipleSubnets,
    #[error("a network has IPv4, IPv6 or both: neither was asked for")]
    NoFamily,
    #[error("failed to allocate secondary ip address ({name}:{address}): {why}")]
    AuxiliaryAddress {
        name: String,
        address: String,
        why: &'static str,
    },
    #[error("network {network} is already using {what} {interface}")]
    InterfaceInUse {
        network: String,
        what: &'static str,
        interface: String,
    },
    #[error(
        "container cannot be connected to multiple networks with one of the networks in private ({0}) mode"
    )]
    ExclusiveNetwork(String),
    #[error("network-scoped alias is supported only for containers in user defined networks")]
    AliasesOnPredefined,
    #[error("user specified IP address is supported on user defined networks only")]
    AddressOnPredefined,
    #[error(
        "user specified IP address is supported only when connecting to networks with user configured subnets"
    )]
    AddressWithoutSubnet,
    #[error("Invalid address {0}: It does not belong to any of this network's subnets")]
    AddressOutsideSubnet(std::net::IpAddr),
    #[error("Address already in use")]
    AddressInUse,
    #[error("endpoint with name {container} already exists in network {network}")]
    AlreadyConnected { container: String, network: String },
    #[error("container {container} is not connected to network {network}")]
    NotConnected { container: String, network: String },
    #[error("container cannot be disconnected from host network or connected to host network")]
    LeaveHostNetwork,
    #[error("network driver \"{0}\" is not installed")]
    NoNetworkDriver(String),
    #[error("conflicting options: port publishing and the container type network mode")]
    PortsWithSharedNetwork,
    #[error(
        "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode"
    )]
    PrivilegedUserNamespace,
    #[error("cannot share the {0} when user namespaces are enabled")]
    SharedWithUserNamespace(&'static str),
    #[error("invalid --security-opt 2: \"{0}\"")]
    SecurityOption(String),
    #[error("label={0}: SELinux labels are not supported by this daemon")]
    SelinuxLabel(String),
    #[error("No such container: {0}")]
    NoSuchPeer(String),
    #[error("cannot join {what} of a non running container: {id}")]
    JoinStopped { what: &'static str, id: String },
    #[error("cannot join own {0} namespace")]
    JoinSelf(&'static str),
    #[error(
        "can't join IPC of container {0}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
    )]
    NotShareable(String),
    #[error("Duplicate mount point: {0}")]
    DuplicateMount(String),
    #[error("invalid mount config for type \"bind\": bind source path does not exist: {0}")]
    BindSourceMissing(String),
    #[error("malformed 'volumes-from' specification: {0}")]
    VolumesFrom(String),
    #[error(
        "mount target {inner} lies inside {outer}, which is mounted shared: it would appear on the host"
    )]
    InsideShared { inner: String, outer: String },
    #[error("configured logging driver does not support reading")]
    LogsNotKept,
    #[error("log {}", path.display())]
    ReadLog {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error("invalid mount config: {0}")]
    Mount(String),
    #[error("the working directory '{0}' is invalid, it needs to be an absolute path")]
    WorkingDir(String),
    #[error(transparent)]
    CgroupParent(#[from] InvalidCgroupParent),
    #[error("invalid signal: {0}")]
    Signal(String),
    #[error("container {id} is not running")]
    NotRunning { id: String },
    #[error("cannot kill container: {name}")]
    NotKilled {
        name: String,
        source: Box<EngineError>,
    },
    #[error("cannot remove container \"/{name}\": container is {state}")]
    NotAtRest { name: String, state: &'static str },
    #[error("cannot start a paused container, try unpause instead")]
    StartPaused,
    #[error("container {0} is paused, unpause the container before exec")]
    ExecPaused(String),
    #[error("container {0} is already paused")]
    AlreadyPaused(String),
    #[error("container {0} is not paused")]
    NotPaused(String),
    #[error("container {0} is restarting, wait until the container is running")]
    Restarting(String),
    #[error("container is marked for removal and cannot be started, changed or renamed")]
    MarkedForRemoval,
    #[error("removal of container {0} is already in progress")]
    AlreadyRemoving(String),
    #[error("Neither old nor new names may be empty")]
    EmptyName,
    #[error("Renaming a container with the same name as its current name")]
    SameName,
    #[error("Error when allocating new name")]
    NewName(#[source] Box<EngineError>),
    #[error("{message}")]
    Shared { kind: ErrorKind, message: String },
    #[error("can't create 'AutoRemove' container with restart policy")]
    RestartAndRemove,
    #[error("No such exec instance: {0}")]
    NoSuchExec(String),
    #[error("Error: Exec command {0} has already run")]
    ExecHasRun(String),
    #[error("Error: Exec command {0} is already running")]
    ExecRuns(String),
    #[error("exec process is not started")]
    ExecNotStarted,
    #[error("No exec command specified")]
    NoExecCommand,
    #[error(
        "OCI runtime exec failed: exec failed: unable to start container process: {0}: unknown"
    )]
    CannotExec(Failure),
    #[error("capturing a command's output")]
    Check(#[source] std::io::Error),
    #[error("container {0} did not end although it was killed")]
    WouldNotDie(String),
    #[error(
        "conflict: unable to remove repository reference \"{reference}\" (must force) - container {container} is using its referenced image {image}"
    )]
    ImageNamedByContainer {
        reference: String,
        container: String,
        image: String,
    },
    #[error("conflict: unable to delete {image} ({reason}) - {detail}")]
    ImageInUse {
        image: String,
        reason: &'static str,
        detail: String,
    },
    #[error(
        "failed to register layer {layer}: its content hashes to {actual}, the image's configuration says {expected}"
    )]
    DiffId {
        layer: String,
        actual: String,
        expected: String,
    },
    #[error("storage driver \"{0}\" gave no mount")]
    NoMount(String),
    #[error("a worker of the pull panicked")]
    WorkerPanicked,
    #[error("the registry answered with digest {found}, not with {wanted} that was asked for")]
    ReferenceDigest { wanted: String, found: String },
    #[error(transparent)]
    ImageArchive(#[from] bulkhead_store::image_archive::ArchiveError),
    #[error("image is for {0}: bulkhead runs linux images")]
    ForeignSystem(String),
    #[error("{0}")]
    Port(String),
    #[error("no plugin serves registries of this kind ({0})")]
    NoRegistrySource(&'static str),
    #[error("container record {id} cannot be read")]
    Record {
        id: String,
        source: serde_json::Error,
    },
    #[error(transparent)]
    Log(#[from] crate::log_options::InvalidLog),
    #[error(transparent)]
    Top(#[from] crate::top::TopError),
    #[error("Cannot update container {id}")]
    CannotUpdate {
        id: String,
        source: Box<EngineError>,
    },
    #[error(transparent)]
    Update(#[from] crate::update::UpdateConflict),
    #[error(transparent)]
    Seccomp(#[from] crate::seccomp::InvalidProfile),
    #[error(transparent)]
    Tmpfs(#[from] crate::tmpfs::InvalidOption),
    #[error(transparent)]
    Device(#[from] crate::devices::InvalidDevice),
    #[error("too many non-empty layers in History section")]
    TooMuchHistory,
    #[error("You cannot commit container {id} which is {state}")]
    CommitGoing { id: String, state: &'static str },
    #[error(transparent)]
    Change(#[from] crate::instructions::InvalidChange),
    #[error(transparent)]
    Limit(#[from] crate::limits::InvalidLimit),
    #[error(transparent)]
    Capability(#[from] crate::capabilities::UnknownCapability),
    #[error(transparent)]
    Reference(#[from] bulkhead_model::reference::InvalidReference),
    #[error(transparent)]
    Manifest(#[from] bulkhead_store::manifest::ManifestError),
    #[error("bad parameter: path cannot be empty")]
    EmptyPath,
    #[error("Could not find the file {path} in container {container}")]
    NoSuchFile { path: String, container: String },
    #[error(transparent)]
    Root(bulkhead_store::root::RootError),
    #[error(transparent)]
    Pack(#[from] bulkhead_store::pack::PackError),
    #[error(transparent)]
    Changes(#[from] bulkhead_store::changes::ChangesError),
    #[error(transparent)]
    Unpack(#[from] bulkhead_store::unpack::UnpackError),
    #[error(transparent)]
    Plugin(Box<PluginError>),
    // The registry's words are for users, as Docker has them.
    #[error("{}", .0.cause)]
    Registry(Box<PluginError>),
    #[error(transparent)]
    Runtime(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EngineError {
    /// The error for a refused request.
    pub(crate) fn refused(refusal: Refusal, id: &str, name: &str) -> Self {
        let at_work = |state| Self::NotAtRest {
            name: name.to_owned(),
            state,
        };
        let id = id.to_owned();
        match refusal {
            Refusal::NotRunning => Self::NotRunning { id },
            Refusal::StillRunning => {
                at_work("running: stop the container before removing or force remove")
            }
            Refusal::StillRestarting => {
                at_work("restarting: stop the container before removing or force remove")
            }
            Refusal::StillPaused => at_work("paused and must be unpaused first"),
            Refusal::StartPaused => Self::StartPaused,
            Refusal::ExecPaused => Self::ExecPaused(id),
            Refusal::AlreadyPaused => Self::AlreadyPaused(id),
            Refusal::NotPaused => Self::NotPaused(id),
            Refusal::Restarting => Self::Restarting(id),
            Refusal::MarkedForRemoval => Self::MarkedForRemoval,
            Refusal::AlreadyRemoving => Self::AlreadyRemoving(name.to_owned()),
        }
    }

    /// The same failure for another who waited for it.
    pub(crate) fn shared(error: &Self) -> Self {
        Self::Shared {
            kind: error.kind(),
            message: bulkhead_model::error::message(error),
        }
    }
}

impl EngineError {
    /// The failure of a call to a registry plugin: a refusal is the registry's.
    pub(crate) fn of_registry(error: PluginError) -> Self {
        match &error.cause {
            PluginFailure::Refused { .. } => Self::Registry(Box::new(error)),
            _ => error.into(),
        }
    }
}

impl From<PluginError> for EngineError {
    fn from(error: PluginError) -> Self {
        Self::Plugin(Box::new(error))
    }
}
