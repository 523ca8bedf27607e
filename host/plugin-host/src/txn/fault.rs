//! How an order is refused.

use bulkhead_wire::PluginFault;

use crate::grant::Grant;

/// A limit of the call that an order exceeded; the call ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// What was limited.
    pub what: &'static str,
    /// The limit.
    pub limit: u64,
}

/// Why an order is not in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The manifest does not ask for it.
    NotGranted(Grant),
    /// The grant does not reach that far: somebody else's directory, an
    /// address that was not leased.
    OutOfReach(String),
    /// It makes no sense.
    Invalid(String),
    /// The host tried and failed.
    Failed {
        /// The contract's code.
        code: &'static str,
        /// Why.
        message: String,
    },
    /// A limit: the call ends.
    Stop(Stopped),
}

impl Refusal {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub(crate) fn out_of_reach(message: impl Into<String>) -> Self {
        Self::OutOfReach(message.into())
    }

    /// What the plugin reads; `None` ends the call.
    pub fn into_fault(self) -> Option<PluginFault> {
        let (code, message) = match self {
            Self::NotGranted(grant) => {
                let name = grant.as_str();
                ("denied", format!("missing grant {name:?} in plugin.toml"))
            }
            Self::OutOfReach(message) => ("denied", message),
            Self::Invalid(message) => ("invalid", message),
            Self::Failed { code, message } => (code, message),
            Self::Stop(_) => return None,
        };
        Some(PluginFault {
            code: code.to_owned(),
            message,
            retryable: false,
        })
    }
}
