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
use std::time::Duration;

use bulkhead_model::ContainerId;
use bulkhead_model::container::{After, Life, Restarts, State};
use bulkhead_model::error::{Failure, message};
use bulkhead_model::network::{Cidr, MacAddr, NetworkNamespace, NetworkStep};
use bulkhead_model::process::ProcessRef;

use crate::container::{Container, Endpoint, Membership};
use crate::containers::Entry;
use crate::error::EngineError;
use crate::exited::{Then, take_up};
use crate::live::Begin;
use crate::networks::published;
use crate::{Engine, now, random_id};

/// How long a container waits that was waiting for its restart already.
const SOON: Duration = Duration::from_millis(100);

impl Engine {
    /// Reconnects to running containers, records the ends nobody heard of,
    /// removes what belongs to no container, and gives each container its
    /// driver.
    pub fn recover(&self) -> Result<(), EngineError> {
        let mut held: HashSet<ContainerId> = self.runtime.known().into_iter().collect();
        for entry in self.containers.all() {
            let held = held.remove(&entry.record().id);
            if let Some(begin) = self.find_again(&entry, held)? {
                self.drive(&entry, begin);
            }
        }
        for id in held {
            tracing::info!(container = %id, "removing what is left of an unknown container");
            if let Err(error) = self.runtime.cleanup(&id) {
                tracing::warn!(container = %id, error = message(&error), "cleaning up after an unknown container");
            }
        }
        self.unmount_unused_volumes()
    }

    /// How a container's driver begins; `None` when the container is gone.
    fn find_again(&self, entry: &Arc<Entry>, held: bool) -> Result<Option<Begin>, EngineError> {
        let record = entry.record();
        if held || record.state.is_running() {
            return match self.runtime.reconnect(&ProcessRef::first(&record.id)) {
                Ok(running) => {
                    self.adopt(entry, &record, running.pid)?;
                    Ok(Some(Begin::Follow(running)))
                }
                Err(error) => self.ended_unheard(entry, &record, &error),
            };
        }
        self.at_rest(entry, &record)
    }

    /// Goes on with a container of which nothing runs.
    fn at_rest(&self, entry: &Entry, record: &Container) -> Result<Option<Begin>, EngineError> {
        let policy = record.spec.restart;
        match &record.state {
            State::Removing { .. } => {
                self.remove_record(entry)?;
                Ok(None)
            }
            State::Exited { .. } if record.spec.auto_remove => {
                self.forget(record)?;
                Ok(None)
            }
            State::Restarting { .. } => Ok(Some(Begin::StartIn(SOON))),
            State::Exited {
                started_at, status, ..
            } if *started_at > 0
                && policy.wants(status.code, record.restart_count, record.stopped_by_hand) =>
            {
                Ok(Some(Begin::StartIn(Duration::ZERO)))
            }
            _ => Ok(Some(Begin::Rest)),
        }
    }

    /// Takes over a container that runs. When the last engine ended before it
    /// wrote that down, the record is completed from what the runtime knows.
    fn adopt(&self, entry: &Arc<Entry>, record: &Container, pid: u32) -> Result<(), EngineError> {
        self.count_volumes(record);
        if record.held_still || !record.state.is_paused() {
            // The last engine may have ended in the middle of a pause.
            let _ = self.runtime.unpause(&record.id);
            self.containers.note(entry, |record| {
                let mut life = life_of(record);
                life.set_paused(false);
                take_up(record, &life);
                record.held_still = false;
            });
        }
        let endpoints = if record.state.is_running() {
            record.endpoints.clone()
        } else {
            let endpoints = self.endpoints_again(record);
            self.set_running(entry, pid, endpoints.clone())?;
            endpoints
        };
        for endpoint in &endpoints {
            for addr in &endpoint.addresses {
                self.pools.lease(&endpoint.network, *addr);
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
        let links = plan.steps.iter().filter_map(NetworkStep::link);
        let links: Vec<_> = links.map(ToString::to_string).collect();
        let again = |(nth, member): (usize, &Membership)| {
            let network = self.networks.find(&member.network).ok()?;
            let gateways = &network.config.gateways;
            let own = |addr: &&IpAddr| gateways.iter().any(|g| g.contains(**addr));
            let addresses: Vec<IpAddr> = plan.leases.iter().filter(own).copied().collect();
            let around = |g: &&Cidr| addresses.iter().any(|a| g.contains(*a));
            let mac = member.mac.clone();
            let mac = mac.or_else(|| Some(MacAddr::of(*addresses.first()?).to_string()));
            Some(Endpoint {
                id: random_id().to_string(),
                network: network.record.name.clone(),
                network_id: network.record.id.clone(),
                interface: links.get(nth).cloned(),
                ports: published(&plan, &addresses),
                gateways: gateways
                    .iter()
                    .filter(around)
                    .map(ToString::to_string)
                    .collect(),
                mac: mac.unwrap_or_default(),
                addresses,
            })
        };
        let members = record.networks.iter().enumerate();
        members.filter_map(again).collect()
    }

    fn set_running(
        &self,
        entry: &Entry,
        pid: u32,
        endpoints: Vec<Endpoint>,
    ) -> Result<(), EngineError> {
        let mut life = life_of(&entry.record());
        life.started(pid, now());
        self.containers.update(entry, |record| {
            take_up(record, &life);
            record.endpoints = endpoints;
        })?;
        entry.set_phase(|phase| phase.active = true);
        Ok(())
    }

    fn ended_unheard(
        &self,
        entry: &Arc<Entry>,
        record: &Container,
        error: &Failure,
    ) -> Result<Option<Begin>, EngineError> {
        let recorded = self.runtime.recorded_exit(&ProcessRef::first(&record.id));
        match (&record.state, recorded) {
            (State::Running { .. }, _) => {
                tracing::info!(container = %record.id, %error, "ended while no engine ran");
            }
            (state, Some(recorded)) if state.last() != Some(recorded) => {
                tracing::info!(container = %record.id, "started and ended while no engine ran");
                self.set_running(entry, 0, Vec::new())?;
            }
            // The record is right; what the container held may be there yet.
            _ => {
                self.let_go(record);
                return self.at_rest(entry, record);
            }
        }
        let then = self.exited(entry, &mut life_of(&entry.record()), recorded)?;
        Ok(match then {
            Then::Gone => None,
            Then::Go(After::StartIn(wait)) => Some(Begin::StartIn(wait)),
            Then::Go(_) => Some(Begin::Rest),
        })
    }
}

/// The life that a record tells of.
pub(crate) fn life_of(record: &Container) -> Life {
    let restarts = Restarts {
        count: record.restart_count,
        stopped_by_hand: record.stopped_by_hand,
        ..Restarts::default()
    };
    Life::new(record.state.clone(), restarts)
}
