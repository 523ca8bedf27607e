//! Networks that come to, and go from, containers that run.

use std::os::fd::{AsFd, OwnedFd};

use bulkhead_model::ContainerId;
use bulkhead_model::network::{IfName, NetworkPlan, NetworkStep, ResolverSockets};
use bulkhead_model::process::ProcessRef;
use bulkhead_sys::path::{OFlag, open_host};

use super::Runtime;
use crate::error::RuntimeError;
use crate::handoff;
use crate::network::{self, FirewallReport};

impl Runtime {
    /// Notes first what will be there, so that nothing is lost track of when
    /// the daemon ends in between.
    pub(super) fn connect_running(
        &self,
        id: &ContainerId,
        more: &NetworkPlan,
    ) -> Result<Option<ResolverSockets>, RuntimeError> {
        let namespace = self.network_namespace(id)?;
        let state = self.layout.shim(id.as_str())?;
        let before = handoff::read_note(&state)?;
        let mut after = before.clone();
        after.steps.extend(more.steps.iter().cloned());
        after.leases.extend(&more.leases);
        handoff::write_note(&state, &after)?;
        let given = Some(namespace.as_fd());
        match handoff::attach(more, id.as_str(), &self.network, given) {
            Ok(connection) => Ok(connection.resolver),
            Err(error) => {
                handoff::write_note(&state, &before)?;
                Err(error)
            }
        }
    }

    pub(super) fn disconnect_running(
        &self,
        id: &ContainerId,
        inner: &str,
    ) -> Result<(), RuntimeError> {
        let Some(link) = IfName::new(inner) else {
            return Ok(());
        };
        let state = self.layout.shim(id.as_str())?;
        let mut note = handoff::read_note(&state)?;
        let namespace = self.network_namespace(id)?;
        handoff::detach_link(&note, id.as_str(), &link, &self.network, &namespace)?;
        let bridge = note.steps.iter().find_map(|step| match step {
            NetworkStep::Veth { inner, bridge, .. } if *inner == link => bridge.clone(),
            _ => None,
        });
        note.steps.retain(|step| match step {
            NetworkStep::Veth { inner, .. } | NetworkStep::SubLink { inner, .. } => *inner != link,
            NetworkStep::Publish { bridge: b, .. } => Some(b) != bridge.as_ref(),
            _ => true,
        });
        handoff::write_note(&state, &note)
    }

    /// What the packet filter holds for the containers `running` and the
    /// networks of `bridges`, and why.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn firewall(
        &self,
        running: &[ContainerId],
        bridges: &[IfName],
    ) -> Result<FirewallReport, RuntimeError> {
        Ok(network::report(
            &self.plans(running),
            bridges,
            &self.network,
        )?)
    }

    /// Writes again what somebody took out of the packet filter of what the
    /// containers `running` need; whether anything was.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn mend_firewall(&self, running: &[ContainerId]) -> Result<bool, RuntimeError> {
        Ok(network::mend(&self.plans(running), &self.network)?)
    }

    fn plans(&self, running: &[ContainerId]) -> Vec<(String, NetworkPlan)> {
        let plan = |id: &ContainerId| Some((id.to_string(), self.noted_network(id)?));
        running.iter().filter_map(plan).collect()
    }

    /// The resolver's sockets of a container that has one; those of an earlier
    /// daemon went with it.
    pub(super) fn resolver_again(
        &self,
        id: &ContainerId,
    ) -> Result<Option<ResolverSockets>, RuntimeError> {
        let note = self.noted_network(id).unwrap_or_default();
        if !note.steps.contains(&NetworkStep::Resolver) {
            return Ok(None);
        }
        let namespace = self.network_namespace(id)?;
        handoff::resolver(&namespace).map(Some)
    }

    /// A running container's network namespace. A pid may be another process's
    /// by the time its file is opened; the shim, which reaps it, is asked
    /// again whether it was not.
    fn network_namespace(&self, id: &ContainerId) -> Result<OwnedFd, RuntimeError> {
        let (pid, _) = self.running(&ProcessRef::first(id))?;
        let namespace = open_host(format!("/proc/{pid}/ns/net"), OFlag::O_RDONLY, 0)?;
        self.running(&ProcessRef::first(id))?;
        Ok(namespace)
    }
}
