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
/// error, with its kind. It displays as that error, and its source is that
/// error's source, so that a chain of causes names each only once.
#[derive(Debug)]
pub struct Failure {
    /// The kind.
    pub kind: ErrorKind,
    /// The implementation's error.
    pub error: Box<dyn std::error::Error + Send + Sync>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl Failure {
    /// Wraps an error that knows its kind.
    pub fn new<E: Kind + std::error::Error + Send + Sync + 'static>(error: E) -> Self {
        Self {
            kind: error.kind(),
            error: Box::new(error),
        }
    }
}

impl Kind for Failure {
    fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// The whole story for a person: the error and, after colons, what caused it.
pub fn message(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("open /x")]
    struct Open(#[source] std::io::Error);

    impl Kind for Open {
        fn kind(&self) -> ErrorKind {
            ErrorKind::Internal
        }
    }

    #[test]
    fn a_message_names_each_cause_once() {
        let failure = Failure::new(Open(std::io::Error::other("gone")));
        assert_eq!(message(&failure), "open /x: gone");
    }
}
