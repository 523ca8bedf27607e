//! What can go wrong on the daemon's side of the runtime.

use std::io;
use std::path::PathBuf;

use bulkhead_model::ErrorKind;
use bulkhead_model::error::Kind;
use bulkhead_model::process::StartFailure;

use crate::storage::PoolError;

/// A step of the runtime failed.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A file or directory of the engine's own state.
    #[error("runtime state {}", path.display())]
    State {
        /// The path.
        path: PathBuf,
        /// What failed.
        #[source]
        source: io::Error,
    },
    /// A system call on the engine's own state.
    #[error("runtime state: {0}", source)]
    Call {
        /// What failed.
        #[from]
        source: bulkhead_sys::Error,
    },
    /// A storage plan's step.
    #[error("storage {driver}: {step}")]
    Storage {
        /// The driver.
        driver: String,
        /// The step, as `create a/b`.
        step: String,
        /// What failed.
        #[source]
        source: bulkhead_sys::Error,
    },
    /// The filesystem of a driver's own.
    #[error("storage {driver}: pool")]
    Pool {
        /// The driver.
        driver: String,
        /// What failed.
        #[source]
        source: crate::storage::PoolError,
    },
    /// A step failed and taking back earlier ones failed too.
    #[error("{first} (and while undoing: {})", undo.join("; "))]
    Undo {
        /// The failure that came first.
        #[source]
        first: Box<RuntimeError>,
        /// What went wrong after it.
        undo: Vec<String>,
    },
    /// The mount of a root filesystem.
    #[error("storage {driver}: mounting the root filesystem")]
    RootMount {
        /// The driver.
        driver: String,
        /// What failed.
        #[source]
        source: bulkhead_sys::Error,
    },
    /// What is mounted over a volume's directory.
    #[error("failed to mount local volume: mount {what}")]
    VolumeMount {
        /// Source, directory and options, as Docker shows them.
        what: String,
        /// What failed.
        #[source]
        source: bulkhead_sys::Error,
    },
    /// An option of a volume's mount that means nothing here.
    #[error("failed to mount local volume: {0}")]
    VolumeOption(String),
    /// A mount that does not go.
    #[error("volume {name}: something is still mounted over its directory")]
    VolumeBusy {
        /// The volume.
        name: String,
    },
    /// No cgroup filesystem below /sys/fs/cgroup.
    #[error("no cgroup filesystem is mounted at /sys/fs/cgroup")]
    NoCgroups,
    /// Neither version 2 nor a freezer.
    #[error("this machine's cgroups cannot freeze processes")]
    NoFreezer,
    /// A cgroup.
    #[error("cgroup {}", path.display())]
    Cgroup {
        /// Its path.
        path: PathBuf,
        /// What failed.
        #[source]
        source: bulkhead_sys::Error,
    },
    /// The source of a bind mount.
    #[error("bind source path {}", path.display())]
    BindSource {
        /// The path on the host.
        path: PathBuf,
        /// What failed.
        #[source]
        source: bulkhead_sys::Error,
    },
    /// A mount is not shared as the request needs it; Docker's words.
    #[error("path {} is mounted on {mount} but it is not a {kind} mount", path.display())]
    Propagation {
        /// The path on the host.
        path: PathBuf,
        /// The mount that has it.
        mount: String,
        /// `shared`, `shared or slave`.
        kind: &'static str,
    },
    /// A device of the host's; Docker's words.
    #[error("error gathering device information while adding custom device {path:?}: {why}")]
    Device {
        /// The path on the host.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The assembled filter is longer than the kernel takes.
    #[error("the seccomp profile has {0} instructions, the kernel takes 4096")]
    SeccompTooLong(usize),
    /// A profile on a machine without AppArmor.
    #[error("apparmor={0}: AppArmor is not enabled on this system")]
    NoAppArmor(String),
    /// A namespace of another container.
    #[error("joining a namespace of container {id}")]
    Join {
        /// The other container.
        id: String,
        /// What failed.
        #[source]
        source: bulkhead_sys::Error,
    },
    /// A place that is the daemon's own.
    #[error("invalid cgroup parent {0:?}: containers' and shims' own cgroups are below it")]
    CgroupParent(String),
    /// Filling a volume from the image.
    #[error("copying the image's content into the volume at {}", path.display())]
    CopyUp {
        /// The path inside.
        path: PathBuf,
        /// What failed.
        #[source]
        source: bulkhead_sys::Error,
    },
    /// A sysctl that is not namespaced, or malformed.
    #[error(transparent)]
    Sysctl(#[from] crate::sysctl::InvalidSysctl),
    /// The user namespace could not be made.
    #[error("making the user namespace")]
    UserNamespace(#[source] bulkhead_sys::Error),
    /// A mapping has no root.
    #[error("the user namespace maps no user to root")]
    NoMappedRoot,
    /// A privileged container in a user namespace of its own.
    #[error(
        "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode"
    )]
    PrivilegedUserNamespace,
    /// The network could not be attached.
    #[error("network")]
    Network(
        #[source] Box<dyn std::error::Error + Send + Sync>,
        ErrorKind,
    ),
    /// The shim could not be spawned.
    #[error("starting the shim")]
    SpawnShim(#[source] bulkhead_sys::Error),
    /// The shim broke off.
    #[error("the shim broke off")]
    Shim(#[source] io::Error),
    /// The container's process could not be started; the text is the whole story.
    #[error("{}", .0.message)]
    Start(StartFailure),
    /// A container's files could not be laid out to be looked at.
    #[error("laying out the container's files")]
    Files(#[source] bulkhead_sys::Error),
    /// The user a container's files are to belong to.
    #[error(transparent)]
    User(crate::init::InitError),
    /// A thread could not be started.
    #[error("starting a thread")]
    Thread(#[source] io::Error),
    /// It was paused before the new process ran.
    #[error("container {0} is paused")]
    Paused(String),
    /// No shim answers for this container.
    #[error("container {0} is not running")]
    NotRunning(String),
}

impl From<crate::network::NetworkError> for RuntimeError {
    fn from(error: crate::network::NetworkError) -> Self {
        let kind = error.kind();
        Self::Network(Box::new(error), kind)
    }
}

impl Kind for RuntimeError {
    fn kind(&self) -> ErrorKind {
        match self {
            RuntimeError::Start(failure) => failure.kind,
            RuntimeError::Undo { first, .. } => first.kind(),
            RuntimeError::Network(_, kind) => *kind,
            RuntimeError::Sysctl(_)
            | RuntimeError::BindSource { .. }
            | RuntimeError::Propagation { .. }
            | RuntimeError::Device { .. }
            | RuntimeError::SeccompTooLong(_)
            | RuntimeError::NoAppArmor(_)
            | RuntimeError::CgroupParent(_)
            | RuntimeError::NoMappedRoot
            | RuntimeError::PrivilegedUserNamespace => ErrorKind::InvalidArgument,
            RuntimeError::NotRunning(_) | RuntimeError::Paused(_) => ErrorKind::Conflict,
            RuntimeError::NoCgroups | RuntimeError::NoFreezer => ErrorKind::Unsupported,
            RuntimeError::User(_) => ErrorKind::InvalidArgument,
            RuntimeError::Pool { source, .. } => pool_kind(source),
            RuntimeError::Storage { source, .. }
            | RuntimeError::RootMount { source, .. }
            | RuntimeError::Cgroup { source, .. } => call_kind(source),
            _ => ErrorKind::Internal,
        }
    }
}

fn pool_kind(error: &PoolError) -> ErrorKind {
    match error {
        PoolError::NoRoom(_) => ErrorKind::ResourceExhausted,
        PoolError::Call(_, source) => call_kind(source),
        _ => ErrorKind::Internal,
    }
}

fn call_kind(error: &bulkhead_sys::Error) -> ErrorKind {
    match error.io_kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::ResourceExhausted,
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        io::ErrorKind::AlreadyExists => ErrorKind::Conflict,
        io::ErrorKind::TimedOut => ErrorKind::Timeout,
        _ => ErrorKind::Internal,
    }
}
