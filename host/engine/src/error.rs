//! What the engine's operations fail with. Texts that clients of Docker know
//! are Docker's.

use bulkhead_model::error::{ErrorKind, Failure, Kind};
use bulkhead_model::{PluginError, container::Decision};
use bulkhead_store::StoreError;

/// One operation's failure.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // The texts say what each is.
pub enum EngineError {
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    #[error("No such image: {0}")]
    NoSuchImage(String),
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
    #[error("unknown storage driver \"{name}\": this daemon has {known}")]
    UnknownStorageDriver { name: String, known: String },
    #[error("network {0} not found")]
    NoSuchNetwork(String),
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
    #[error(
        "invalid security option \"{0}\": this daemon knows no-new-privileges, seccomp=unconfined, seccomp=builtin"
    )]
    SecurityOption(String),
    #[error("logger: no log driver named '{0}' is registered")]
    LogDriver(String),
    #[error("invalid value {value:?} for log option {key}")]
    LogOption { key: &'static str, value: String },
    #[error("configured logging driver does not support reading")]
    LogsNotKept,
    #[error("invalid mount config: {0}")]
    Mount(String),
    #[error("the working directory '{0}' is invalid, it needs to be an absolute path")]
    WorkingDir(String),
    #[error("invalid signal: {0}")]
    Signal(String),
    #[error("container {id} is not running")]
    NotRunning { id: String },
    #[error(
        "cannot remove container \"/{name}\": container is running: stop the container before removing or force remove"
    )]
    StillRunning { name: String },
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
    Limit(#[from] crate::limits::InvalidLimit),
    #[error(transparent)]
    Capability(#[from] crate::capabilities::UnknownCapability),
    #[error(transparent)]
    Reference(#[from] bulkhead_model::reference::InvalidReference),
    #[error(transparent)]
    Manifest(#[from] bulkhead_store::manifest::ManifestError),
    #[error(transparent)]
    Unpack(#[from] bulkhead_store::unpack::UnpackError),
    #[error(transparent)]
    Plugin(Box<PluginError>),
    #[error(transparent)]
    Runtime(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EngineError {
    /// The error for a refused request.
    pub(crate) fn refused(decision: Decision, id: &str, name: &str) -> Self {
        match decision {
            Decision::StillRunning => Self::StillRunning {
                name: name.to_owned(),
            },
            _ => Self::NotRunning { id: id.to_owned() },
        }
    }
}

impl From<PluginError> for EngineError {
    fn from(error: PluginError) -> Self {
        Self::Plugin(Box::new(error))
    }
}

impl Kind for EngineError {
    fn kind(&self) -> ErrorKind {
        use EngineError as E;
        match self {
            E::NoSuchContainer(_) | E::NoSuchImage(_) | E::NoSuchNetwork(_) => ErrorKind::NotFound,
            E::NameInUse { .. }
            | E::NotRunning { .. }
            | E::StillRunning { .. }
            | E::ImageNamedByContainer { .. }
            | E::ImageInUse { .. } => ErrorKind::Conflict,
            E::NoNetworkDriver(_) | E::NoRegistrySource(_) | E::LogsNotKept => {
                ErrorKind::Unsupported
            }
            E::WouldNotDie(_) => ErrorKind::Timeout,
            E::ForeignSystem(_) => ErrorKind::Unsupported,
            E::Manifest(e) => e.kind(),
            E::Unpack(e) => e.kind(),
            E::DiffId { .. }
            | E::ReferenceDigest { .. }
            | E::Record { .. }
            | E::NoMount(_)
            | E::WorkerPanicked => ErrorKind::Internal,
            E::Plugin(e) => e.kind(),
            E::Runtime(e) => e.kind(),
            E::Store(e) => e.kind(),
            E::AmbiguousPrefix(_)
            | E::InvalidName(_)
            | E::NoCommand
            | E::UnknownStorageDriver { .. }
            | E::PortsWithSharedNetwork
            | E::PrivilegedUserNamespace
            | E::SharedWithUserNamespace(_)
            | E::SecurityOption(_)
            | E::LogDriver(_)
            | E::LogOption { .. }
            | E::Mount(_)
            | E::Port(_)
            | E::WorkingDir(_)
            | E::Signal(_)
            | E::Limit(_)
            | E::Capability(_)
            | E::Reference(_) => ErrorKind::InvalidArgument,
        }
    }
}
