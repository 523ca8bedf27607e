//! The network's part in a start: a namespace to join, sockets to keep, and a
//! note of what there is to take away when only the container's id is known.

mod note;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bulkhead_model::ErrorKind;
use bulkhead_model::error::Kind;
use bulkhead_model::network::{IfName, NetworkPlan, ResolverSockets};
use bulkhead_sys::path::{OFlag, open_beneath};

use crate::error::RuntimeError;
use crate::network::{self, Connection, NetworkContext, NetworkError};

/// The note's name in a shim's state directory.
const NOTE: &str = "network";

/// A note longer than this, bytes, is read no further: 20,000 published ports.
const MAX_NOTE: u64 = 1 << 20;

/// Connects an endpoint for good; the caller takes it back by [`detach`].
pub(crate) fn attach(
    plan: &NetworkPlan,
    endpoint: &str,
    context: &NetworkContext,
    namespace: Option<BorrowedFd<'_>>,
) -> Result<Connection, RuntimeError> {
    Ok(network::attach_in(plan, endpoint, context, namespace)
        .map_err(failed)?
        .keep())
}

pub(crate) fn detach(
    plan: &NetworkPlan,
    endpoint: &str,
    context: &NetworkContext,
) -> Result<(), RuntimeError> {
    network::detach(plan, endpoint, context).map_err(failed)
}

fn failed(error: NetworkError) -> RuntimeError {
    let kind = error.kind();
    RuntimeError::Network(Box::new(error), kind)
}

pub(crate) fn panicked() -> RuntimeError {
    RuntimeError::Network("the network thread panicked".into(), ErrorKind::Internal)
}

/// Writes down what `plan` makes, before it is made.
pub(crate) fn write_note(state: &OwnedFd, plan: &NetworkPlan) -> Result<(), RuntimeError> {
    let text = note::write(plan);
    if text.is_empty() {
        return Ok(());
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
    let mut file = File::from(open_beneath(state, NOTE, flags, 0o600)?);
    file.write_all(text.as_bytes()).map_err(unreadable)
}

/// What was noted; a container without a note has nothing of a network's.
pub(crate) fn read_note(state: &OwnedFd) -> Result<NetworkPlan, RuntimeError> {
    let Ok(file) = open_beneath(state, NOTE, OFlag::O_RDONLY, 0) else {
        return Ok(NetworkPlan::default());
    };
    let mut text = String::new();
    let read = File::from(file).take(MAX_NOTE).read_to_string(&mut text);
    read.map_err(unreadable)?;
    Ok(note::read(&text))
}

/// Writes again what the packet filter may have lost of a running container's.
pub(crate) fn restore_noted(
    state: &OwnedFd,
    endpoint: &str,
    context: &NetworkContext,
) -> Result<(), RuntimeError> {
    network::restore(&read_note(state)?, endpoint, context).map_err(failed)
}

/// Detaches an endpoint whose state directory is gone: everything that it can
/// have is looked for.
pub(crate) fn detach_unknown(endpoint: &str, context: &NetworkContext) -> Result<(), RuntimeError> {
    let everything =
        "veth eth0\npublish eth0 tcp 0.0.0.0 0 0 0.0.0.0 1\npublish eth0 tcp :: 0 0 :: 1\n";
    detach(&note::read(everything), endpoint, context)
}

/// The resolver's sockets in a namespace.
pub(crate) fn resolver(namespace: &OwnedFd) -> Result<ResolverSockets, RuntimeError> {
    network::resolver_sockets(namespace.as_fd()).map_err(failed)
}

/// Takes one link and its published ports away from an endpoint that goes on.
pub(crate) fn detach_link(
    plan: &NetworkPlan,
    endpoint: &str,
    link: &IfName,
    context: &NetworkContext,
    namespace: &OwnedFd,
) -> Result<(), RuntimeError> {
    network::detach_link(plan, endpoint, link, context, namespace.as_fd()).map_err(failed)
}

fn unreadable(source: std::io::Error) -> RuntimeError {
    RuntimeError::State {
        path: NOTE.into(),
        source,
    }
}
