//! What the engine does first: finds again the containers that outlived the
//! engine before it, and finishes what that one left half done.
//!
//! ```text
//!             record         shim runs        shim recorded an end   neither
//! held by     running        follow           exited                 exited, 137
//! the         created        adopt, follow    exited                 clean up
//! runtime     exited         adopt, follow    exited, unless known   clean up
//!             none           kill, clean up   clean up               clean up
//! ```

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use bulkhead_model::ContainerId;
use bulkhead_model::container::State;
use bulkhead_model::error::{Failure, message};
use bulkhead_model::network::{AddressPool, NetworkNamespace};
use bulkhead_model::process::{ExitStatus, ProcessRef, Running};

use crate::container::{Container, Endpoint, Membership};
use crate::containers::Entry;
use crate::error::EngineError;
use crate::networks::published;
use crate::{Engine, now, random_id};

/// A container that still runs; the daemon follows its shim again.
#[derive(Debug)]
pub struct Recovered {
    /// The container.
    pub id: ContainerId,
    /// The new connection to its shim.
    pub running: Running,
}

impl Engine {
    /// Reconnects to running containers, records the ends nobody heard of,
    /// and removes what belongs to no container.
    pub fn recover(&self) -> Result<Vec<Recovered>, EngineError> {
        let mut held: HashSet<ContainerId> = self.runtime.known().into_iter().collect();
        let mut recovered = Vec::new();
        for entry in self.containers.all() {
            let record = entry.record();
            let held = held.remove(&record.id);
            if held || record.state.is_running() {
                let running = self.find_again(&entry, &record)?;
                recovered.extend(running.map(|running| Recovered {
                    id: record.id.clone(),
                    running,
                }));
            } else if record.spec.auto_remove && matches!(record.state, State::Exited { .. }) {
                self.forget(&record)?;
            }
        }
        for id in held {
            tracing::info!(container = %id, "removing what is left of an unknown container");
            if let Err(error) = self.runtime.cleanup(&id) {
                tracing::warn!(container = %id, error = message(&error), "cleaning up after an unknown container");
            }
        }
        Ok(recovered)
    }

    fn find_again(
        &self,
        entry: &Arc<Entry>,
        record: &Container,
    ) -> Result<Option<Running>, EngineError> {
        match self.runtime.reconnect(&ProcessRef::first(&record.id)) {
            Ok(running) => {
                self.adopt(entry, record, running.pid)?;
                Ok(Some(running))
            }
            Err(error) => {
                self.ended_unheard(entry, record, &error)?;
                Ok(None)
            }
        }
    }

    /// Takes over a container that runs. When the last engine ended before it
    /// wrote that down, the record is completed from what the runtime knows.
    fn adopt(&self, entry: &Arc<Entry>, record: &Container, pid: u32) -> Result<(), EngineError> {
        let endpoints = if record.state.is_running() {
            record.endpoints.clone()
        } else {
            let endpoints = self.endpoints_again(record);
            self.set_running(entry, pid, endpoints.clone())?;
            endpoints
        };
        for endpoint in &endpoints {
            for addr in &endpoint.addresses {
                self.pools.allocate(&endpoint.network, Some(*addr));
            }
        }
        Ok(())
    }

    /// What an engine that ended too early did not write down. An address
    /// tells its network: no two networks share a subnet.
    fn endpoints_again(&self, record: &Container) -> Vec<Endpoint> {
        let Some(plan) = self.runtime.noted_network(&record.id) else {
            return Vec::new();
        };
        if plan.namespace == NetworkNamespace::Host {
            return Vec::new();
        }
        let again = |(nth, member): (usize, &Membership)| {
            let network = self.networks.find(&member.network).ok()?;
            let gateway = network.config.gateway;
            let own = |addr: &&IpAddr| gateway.is_some_and(|g| g.contains(**addr));
            Some(Endpoint {
                id: random_id().to_string(),
                network: network.record.name.clone(),
                network_id: network.record.id.clone(),
                interface: gateway.map(|_| format!("eth{nth}")),
                ports: published(&plan, gateway),
                addresses: plan.leases.iter().filter(own).copied().collect(),
                gateway: gateway.map(|g| g.addr),
                prefix: gateway.map_or(0, |g| g.prefix),
            })
        };
        let members = record.networks.iter().enumerate();
        members.filter_map(again).collect()
    }

    fn set_running(
        &self,
        entry: &Arc<Entry>,
        pid: u32,
        endpoints: Vec<Endpoint>,
    ) -> Result<(), EngineError> {
        self.containers.update(entry, |record| {
            record.state = State::Running {
                started_at: now(),
                pid,
            };
            record.endpoints = endpoints;
        })?;
        entry.set_phase(|p| p.running = true);
        Ok(())
    }

    fn ended_unheard(
        &self,
        entry: &Arc<Entry>,
        record: &Container,
        error: &Failure,
    ) -> Result<(), EngineError> {
        let recorded = self.runtime.recorded_exit(&ProcessRef::first(&record.id));
        match (&record.state, recorded) {
            (State::Running { .. }, recorded) => {
                tracing::info!(container = %record.id, %error, "ended while no engine ran");
                self.exited(&record.id, recorded.unwrap_or_else(lost))
            }
            (State::Exited { status, .. }, Some(recorded)) if *status == recorded => {
                self.ended_before(record)
            }
            (_, Some(recorded)) => {
                tracing::info!(container = %record.id, "started and ended while no engine ran");
                self.set_running(entry, 0, Vec::new())?;
                self.exited(&record.id, recorded)
            }
            (_, None) => self.ended_before(record),
        }
    }

    /// The record is right; what the container held may be there yet.
    fn ended_before(&self, record: &Container) -> Result<(), EngineError> {
        self.let_go(record);
        if record.spec.auto_remove && matches!(record.state, State::Exited { .. }) {
            self.forget(record)?;
        }
        Ok(())
    }
}

/// The end of a container of which there is no trace: the machine was started anew.
fn lost() -> ExitStatus {
    ExitStatus {
        code: 137,
        oom_killed: false,
        finished_at: now(),
    }
}
