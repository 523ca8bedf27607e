//! Namespaces of other containers: `--pid`, `--ipc` and `--network
//! container:ID`. Who is meant is looked up at each start, and must run then.

use std::sync::Arc;

use bulkhead_model::container::State;
use bulkhead_model::process::{Peer, SharedNamespaces, Sharing};

use crate::Engine;
use crate::container::Container;
use crate::error::EngineError;
use crate::spec::ContainerSpec;

/// The container that `container:ID` names.
pub fn network_container(mode: &str) -> Option<&str> {
    mode.strip_prefix("container:")
}

impl Engine {
    /// The namespaces that are not the container's own.
    pub(crate) fn shared_namespaces(
        &self,
        record: &Container,
    ) -> Result<SharedNamespaces, EngineError> {
        let spec = &record.spec;
        let of = |host: bool, peer: &Option<String>, what| match peer {
            _ if host => Ok(Sharing::Host),
            None => Ok(Sharing::Private),
            Some(peer) => self.peer(record, peer, what).map(Sharing::Container),
        };
        let network = network_container(&spec.network);
        Ok(SharedNamespaces {
            pid: of(spec.host_pid, &spec.pid_of, "PID")?,
            ipc: of(spec.host_ipc, &spec.ipc_of, "IPC")?,
            network: network
                .map(|peer| self.peer(record, peer, "network"))
                .transpose()?,
            uts: spec.host_uts,
            cgroup: spec.host_cgroup,
        })
    }

    fn peer(
        &self,
        record: &Container,
        name: &str,
        what: &'static str,
    ) -> Result<Peer, EngineError> {
        let peer = self.other(name)?;
        if peer.id == record.id {
            return Err(EngineError::JoinSelf(what));
        }
        if what == "IPC" && !peer.spec.shareable_ipc {
            return Err(EngineError::NotShareable(peer.id.to_string()));
        }
        match peer.state {
            State::Running { pid, .. } => Ok(Peer {
                id: peer.id.clone(),
                pid,
            }),
            _ => Err(EngineError::JoinStopped {
                what,
                id: peer.id.to_string(),
            }),
        }
    }

    /// A container that another one names. To clients its absence is no 404: that
    /// is a missing image's, which they would go and pull.
    pub(crate) fn other(&self, name: &str) -> Result<Arc<Container>, EngineError> {
        match self.containers.find(name) {
            Ok(entry) => Ok(entry.record()),
            Err(EngineError::NoSuchContainer(name)) => Err(EngineError::NoSuchPeer(name)),
            Err(other) => Err(other),
        }
    }

    /// Names become ids, so that a rename changes nobody's partner; the
    /// hostname is that of the network.
    pub(crate) fn settle_peers(&self, spec: &mut ContainerSpec) -> Result<(), EngineError> {
        if let Some(name) = network_container(&spec.network) {
            let peer = self.other(name)?;
            spec.hostname.clone_from(&peer.hostname);
            spec.network = format!("container:{}", peer.id);
        }
        for name in [&mut spec.pid_of, &mut spec.ipc_of].into_iter().flatten() {
            *name = self.other(name)?.id.to_string();
        }
        Ok(())
    }
}
