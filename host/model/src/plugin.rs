//! Who a plugin is, and how a plugin call fails.

use crate::Digest;
use crate::error::{ErrorKind, Kind};

/// Which component made a decision: shown in `inspect`, in errors and to the
/// container itself (`hello` prints it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginIdentity {
    /// The manifest's name, such as `storage-overlay`.
    pub name: String,
    /// The manifest's version.
    pub version: String,
    /// The digest of the component's bytes.
    pub digest: Digest,
}

/// Why one plugin call failed. Every variant is an ordinary error: the kernel
/// is as it was before the call, and the next call works.
#[derive(Debug, thiserror::Error)]
#[error("plugin {plugin} {version}: {operation}: {cause}")]
pub struct PluginError {
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's version.
    pub version: String,
    /// The exported function, such as `prepare`.
    pub operation: &'static str,
    /// What happened.
    pub cause: PluginFailure,
}

/// The ways a call can fail.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PluginFailure {
    /// The plugin returned an error of its own. `code` is an open, documented
    /// string ("not-found", "exists", "busy", "denied", "unsupported",
    /// "unauthorized", "invalid", "unavailable", …).
    #[error("{message}")]
    Refused {
        /// The plugin's error code.
        code: String,
        /// The plugin's words, cut to 1,000 characters.
        message: String,
        /// Whether trying again later may help.
        retryable: bool,
    },
    /// The component trapped.
    #[error("trapped: {0}")]
    Trap(String),
    /// The call ran out of its time.
    #[error("did not answer within {0:?}")]
    Timeout(std::time::Duration),
    /// The component asked for more memory, handles, steps or state than its limits allow.
    #[error("exceeded its limit of {limit} {what}")]
    Limit {
        /// What was limited: `bytes of memory`, `host calls`, `plan steps`, …
        what: String,
        /// The limit.
        limit: u64,
    },
    /// The component ordered something its grant lacks and gave up.
    #[error("lacks the grant {0}")]
    NotGranted(String),
    /// The runner process died under the call.
    #[error("the plugin runner died ({0})")]
    RunnerDied(String),
    /// The broker and the runner disagree; a bug.
    #[error("protocol error: {0}")]
    Protocol(String),
}

impl Kind for PluginError {
    fn kind(&self) -> ErrorKind {
        match &self.cause {
            PluginFailure::Refused { code, .. } => match code.as_str() {
                "not-found" => ErrorKind::NotFound,
                "exists" | "busy" => ErrorKind::Conflict,
                "denied" => ErrorKind::Forbidden,
                "unauthorized" => ErrorKind::Unauthorized,
                "unsupported" => ErrorKind::Unsupported,
                "invalid" => ErrorKind::InvalidArgument,
                "unavailable" => ErrorKind::Unavailable,
                "timeout" => ErrorKind::Timeout,
                "exhausted" => ErrorKind::ResourceExhausted,
                _ => ErrorKind::Internal,
            },
            PluginFailure::NotGranted(_) => ErrorKind::Forbidden,
            PluginFailure::Timeout(_) => ErrorKind::Timeout,
            PluginFailure::Limit { .. } => ErrorKind::ResourceExhausted,
            PluginFailure::RunnerDied(_) => ErrorKind::Unavailable,
            PluginFailure::Trap(_) | PluginFailure::Protocol(_) => ErrorKind::Internal,
        }
    }
}
