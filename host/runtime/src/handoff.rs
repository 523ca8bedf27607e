//! The network's part in a start: a namespace to join, sockets to keep, and a
//! note of what there is to take away when only the container's id is known.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use bulkhead_model::ErrorKind;
use bulkhead_model::error::Kind;
use bulkhead_model::network::{IfName, NetworkPlan, NetworkStep, PortMapping, Protocol};
use bulkhead_sys::path::{OFlag, open_beneath};

use crate::error::RuntimeError;
use crate::network::{self, Connection, NetworkContext, NetworkError};

/// The note in a shim's state directory: `VETHS PORTS`.
const NOTE: &str = "network";

/// Connects an endpoint for good; the caller takes it back by [`detach`].
pub(crate) fn attach(
    plan: &NetworkPlan,
    endpoint: &str,
    context: &NetworkContext,
) -> Result<Connection, RuntimeError> {
    Ok(network::attach(plan, endpoint, context)
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
    let count = |wanted: fn(&NetworkStep) -> bool| plan.steps.iter().filter(|s| wanted(s)).count();
    let veths = count(|s| matches!(s, NetworkStep::Veth { .. }));
    let ports = count(|s| matches!(s, NetworkStep::Publish { .. }));
    if veths + ports == 0 {
        return Ok(());
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
    let mut file = File::from(open_beneath(state, NOTE, flags, 0o600)?);
    let written = file.write_all(format!("{veths} {ports}").as_bytes());
    written.map_err(|source| RuntimeError::State {
        path: NOTE.into(),
        source,
    })
}

/// Detaches what the note speaks of.
pub(crate) fn detach_noted(
    state: &OwnedFd,
    endpoint: &str,
    context: &NetworkContext,
) -> Result<(), RuntimeError> {
    let Ok(file) = open_beneath(state, NOTE, OFlag::O_RDONLY, 0) else {
        return Ok(());
    };
    let mut text = String::new();
    let read = File::from(file).take(64).read_to_string(&mut text);
    read.map_err(|source| RuntimeError::State {
        path: NOTE.into(),
        source,
    })?;
    let mut counts = text.split(' ').map(|n| n.parse().unwrap_or(0));
    let plan = stand_in(counts.next().unwrap_or(0), counts.next().unwrap_or(0));
    detach(&plan, endpoint, context)
}

/// A plan that makes as many pairs and ports; which ones, detaching does not ask.
fn stand_in(veths: usize, ports: usize) -> NetworkPlan {
    let unspecified = std::net::Ipv4Addr::UNSPECIFIED;
    let Some(name) = IfName::new("eth0") else {
        return NetworkPlan::default();
    };
    let veth = NetworkStep::Veth {
        inner: name.clone(),
        bridge: None,
        mtu: 1500,
    };
    let mapping = PortMapping {
        protocol: Protocol::Tcp,
        host_addr: unspecified,
        host_port: 0,
        container_port: 0,
    };
    let publish = NetworkStep::Publish {
        mapping,
        to: unspecified,
        bridge: name,
    };
    let steps =
        std::iter::repeat_n(veth, veths.min(64)).chain(std::iter::repeat_n(publish, ports.min(1)));
    NetworkPlan {
        steps: steps.collect(),
        ..NetworkPlan::default()
    }
}
