//! The few kinds every error of the engine falls into. One table in the
//! daemon turns a kind into an HTTP status, one in the CLI into an exit code.

/// What went wrong, as far as a client needs to tell cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request itself is malformed or asks for something impossible.
    InvalidArgument,
    /// The named image, container, network, plugin or blob does not exist.
    NotFound,
    /// The name is taken, or the object is in a state that forbids the call.
    Conflict,
    /// Credentials were refused or are missing.
    Unauthorized,
    /// A grant, a policy or the kernel forbids it.
    Forbidden,
    /// Nothing to do: the object already is in the requested state.
    NotModified,
    /// This machine, kernel or driver cannot do it.
    Unsupported,
    /// A peer (a registry, the runner) could not be reached or broke off.
    Unavailable,
    /// A deadline passed.
    Timeout,
    /// A limit (memory, disk, plan steps, body size) was exceeded.
    ResourceExhausted,
    /// The container's command was not found (exit code 127).
    CommandNotFound,
    /// The container's command could not be executed (exit code 126).
    CommandNotExecutable,
    /// A bug or a fault of the host.
    Internal,
}

/// Errors that know their [`ErrorKind`].
pub trait Kind {
    /// The kind this error is reported as.
    fn kind(&self) -> ErrorKind;
}

/// An error that crosses a trait of this crate: the implementation's own
/// error, with its kind. `Display` is the source's.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct Failure {
    /// The kind.
    pub kind: ErrorKind,
    /// The implementation's error.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Failure {
    /// Wraps an error that knows its kind.
    pub fn new<E: Kind + std::error::Error + Send + Sync + 'static>(source: E) -> Self {
        Self {
            kind: source.kind(),
            source: Box::new(source),
        }
    }
}

impl Kind for Failure {
    fn kind(&self) -> ErrorKind {
        self.kind
    }
}
