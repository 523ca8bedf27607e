//! The network's part in a start: a namespace to join.

use std::os::fd::OwnedFd;

use bulkhead_model::ErrorKind;
use bulkhead_model::network::{NetworkNamespace, NetworkPlan};
use bulkhead_sys::namespace;

use crate::error::RuntimeError;

/// A network that is ready.
#[derive(Debug)]
pub(crate) struct Attached {
    /// The namespace; absent: the host's.
    pub(crate) netns: Option<OwnedFd>,
}

pub(crate) fn attach(plan: &NetworkPlan, _endpoint: &str) -> Result<Attached, RuntimeError> {
    let netns = match plan.namespace {
        NetworkNamespace::Host => None,
        NetworkNamespace::Private => Some(namespace::new_network()?),
    };
    Ok(Attached { netns })
}

pub(crate) fn detach(_endpoint: &str, _plan: &NetworkPlan) -> Result<(), RuntimeError> {
    Ok(())
}

pub(crate) fn detach_endpoint(_endpoint: &str) -> Result<(), RuntimeError> {
    Ok(())
}

pub(crate) fn panicked() -> RuntimeError {
    RuntimeError::Network("the network thread panicked".into(), ErrorKind::Internal)
}
