//! Why a container's first process could not be started.

use std::io;

use bulkhead_model::ErrorKind;

use crate::passwd::UserError;

/// A step of the child failed.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A system call failed; it names itself.
    #[error("{0}")]
    Call(#[from] bulkhead_sys::Error),
    /// A descriptor could not be copied.
    #[error("dup")]
    Duplicate(#[source] io::Error),
    /// The image has something else than a directory where a kernel
    /// filesystem belongs.
    #[error("refusing to mount on /{0}: the image has something else than a directory there")]
    NotADirectory(&'static str),
    /// A user's mount would change what the kernel shows in /proc or /sys.
    #[error("refusing to mount on {0}: it lies inside a kernel filesystem")]
    InsideKernelFilesystem(String),
    /// A mount's target could not be made.
    #[error("mount target {path}")]
    MountTarget {
        /// The path inside.
        path: String,
        /// What failed.
        #[source]
        source: bulkhead_sys::Error,
    },
    /// The order names more mounts than came along.
    #[error("a mount of the order did not come along")]
    MissingMount,
    /// A path that must be covered or write-protected.
    #[error("protecting {path}")]
    Protect {
        /// The path inside.
        path: String,
        /// What failed.
        #[source]
        source: bulkhead_sys::Error,
    },
    /// A device file could not be made.
    #[error("device {path}")]
    Device {
        /// The path inside.
        path: String,
        /// What failed.
        #[source]
        source: bulkhead_sys::Error,
    },
    /// The AppArmor profile was refused.
    #[error("AppArmor profile {profile}")]
    AppArmor {
        /// Its name.
        profile: String,
        /// What failed.
        #[source]
        source: io::Error,
    },
    /// A file became a directory's mount target or the other way round.
    #[error(
        "are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type: {0}"
    )]
    TargetType(String),
    /// The working directory could not be made or entered.
    #[error("working directory {path}")]
    WorkingDirectory {
        /// The path inside.
        path: String,
        /// What failed.
        #[source]
        source: bulkhead_sys::Error,
    },
    /// The working directory is outside of the root filesystem.
    #[error("working directory {0} is outside of the container's root filesystem")]
    WorkingDirectoryOutside(String),
    /// A sysctl could not be written.
    #[error("sysctl {key}")]
    Sysctl {
        /// With slashes.
        key: String,
        /// What failed.
        #[source]
        source: io::Error,
    },
    /// The container has something else on /dev/pts.
    #[error("/dev/pts is not a devpts")]
    ForgedDevpts,
    /// /proc is not the kernel's.
    #[error("/proc is not a procfs")]
    ForgedProc,
    /// The user cannot be found out.
    #[error(transparent)]
    User(#[from] UserError),
    /// passwd or group could not be read.
    #[error("reading {path}")]
    UserFile {
        /// The path inside.
        path: &'static str,
        /// What failed.
        #[source]
        source: io::Error,
    },
    /// A resource limit's name is unknown.
    #[error("unknown resource limit {0:?}")]
    UnknownRlimit(String),
    /// An argument or variable with a NUL byte.
    #[error("an argument or environment variable contains a NUL byte")]
    NulByte,
    /// The program does not exist; exit code 127.
    #[error("{0}")]
    NotFound(String),
    /// The program cannot be executed; exit code 126.
    #[error("{0}")]
    NotExecutable(String),
}

impl InitError {
    pub(super) fn failure_kind(&self) -> ErrorKind {
        match self {
            InitError::NotFound(_) => ErrorKind::CommandNotFound,
            InitError::NotExecutable(_) => ErrorKind::CommandNotExecutable,
            InitError::NotADirectory(_)
            | InitError::InsideKernelFilesystem(_)
            | InitError::ForgedDevpts => ErrorKind::Forbidden,
            InitError::WorkingDirectoryOutside(_) => ErrorKind::Forbidden,
            InitError::User(_)
            | InitError::TargetType(_)
            | InitError::NulByte
            | InitError::UnknownRlimit(_)
            | InitError::Sysctl { .. }
            | InitError::MountTarget { .. }
            | InitError::Device { .. }
            | InitError::AppArmor { .. }
            | InitError::WorkingDirectory { .. } => ErrorKind::InvalidArgument,
            _ => ErrorKind::Internal,
        }
    }

    /// The whole chain in one line: it leaves the process as text.
    pub(super) fn message(&self) -> String {
        let mut out = self.to_string();
        let mut next = std::error::Error::source(self);
        if let InitError::Call(call) = self {
            next = std::error::Error::source(call);
        }
        while let Some(source) = next {
            out.push_str(": ");
            out.push_str(&source.to_string());
            next = source.source();
        }
        out
    }
}
