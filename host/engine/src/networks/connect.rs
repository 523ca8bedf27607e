//! `network connect` and `network disconnect`.

use bulkhead_model::network::{Cidr, Family, NetworkPlan, NetworkStep};

use crate::Engine;
use crate::container::{Container, Endpoint, Membership};
use crate::containers::Entry;
use crate::error::EngineError;
use crate::events::Subject;
use crate::networks::Network;
use crate::networks::endpoint::shares_nothing;
use crate::networks::wire::leads_out;
use crate::spec::EndpointSpec;

impl Engine {
    /// Makes a container a member of a network; one that runs is connected now.
    pub fn connect(
        &self,
        network: &str,
        container: &str,
        asked: &EndpointSpec,
    ) -> Result<(), EngineError> {
        let network = self.networks.find(network)?;
        let entry = self.containers.find(container)?;
        let _exclusive = entry.exclusive();
        let record = entry.record();
        self.check_connect(&record, &network)?;
        let member = self.membership(&network, asked)?;
        if record.state.is_running() {
            return self.connect_running(&entry, &record, &network, member);
        }
        let connected = self.containers.update(&entry, |record| {
            let known = record.networks.iter_mut();
            match known.into_iter().find(|m| m.network == member.network) {
                // Asked for again with nothing new: it stays as it is.
                Some(_)
                    if *asked
                        == EndpointSpec {
                            network: asked.network.clone(),
                            ..EndpointSpec::default()
                        } => {}
                Some(known) => *known = member,
                None => record.networks.push(member),
            }
        });
        connected.map(drop)
    }

    fn check_connect(&self, record: &Container, network: &Network) -> Result<(), EngineError> {
        if network.record.name == "host" {
            return Err(EngineError::LeaveHostNetwork);
        }
        let on = |m: &Membership| self.networks.find(&m.network).ok();
        let mut others = record
            .networks
            .iter()
            .filter(|m| m.network != network.record.id)
            .filter_map(on);
        if let Some(other) = others.find(|n| shares_nothing(n)) {
            return Err(EngineError::ExclusiveNetwork(other.record.name.clone()));
        }
        if shares_nothing(network) && !record.networks.is_empty() {
            return Err(EngineError::ExclusiveNetwork(network.record.name.clone()));
        }
        let connected = (record.endpoints.iter()).any(|e| e.network_id == network.record.id);
        if connected {
            return Err(EngineError::AlreadyConnected {
                container: record.name.clone(),
                network: network.record.name.clone(),
            });
        }
        Ok(())
    }

    fn connect_running(
        &self,
        entry: &Entry,
        record: &Container,
        network: &Network,
        member: Membership,
    ) -> Result<(), EngineError> {
        if record.spec.network == "host" {
            return Err(EngineError::ExclusiveNetwork("host".to_owned()));
        }
        let used = |n: &usize| {
            let name = format!("eth{n}");
            let mut endpoints = record.endpoints.iter();
            endpoints.any(|e| e.interface.as_deref() == Some(name.as_str()))
        };
        let free = (0..).find(|n| !used(n)).unwrap_or_default();
        let (plan, endpoint) = self.wire_more(record, network, &member, free)?;
        let resolver = match self.runtime.connect(&record.id, &plan) {
            Ok(resolver) => resolver,
            Err(error) => {
                self.unwire(endpoint.as_slice());
                return Err(error.into());
            }
        };
        self.containers.update(entry, |record| {
            record.networks.retain(|m| m.network != member.network);
            record.networks.push(member);
            record.endpoints.extend(endpoint.clone());
        })?;
        if let Some(sockets) = resolver {
            self.answer_names(&record.id, sockets);
            self.ask_own_resolver(entry)?;
        }
        if let Some(endpoint) = &endpoint {
            self.list_in_hosts(record, endpoint);
        }
        self.say_connected(record, &network.record.id, &network.record.name, "connect");
        Ok(())
    }

    /// Ends a membership; a container that runs is cut off now.
    pub fn disconnect(
        &self,
        network: &str,
        container: &str,
        force: bool,
    ) -> Result<(), EngineError> {
        let found = self.networks.find(network);
        let entry = match self.containers.find(container) {
            // Docker takes such a name for that of an endpoint that was left behind.
            Err(EngineError::NoSuchContainer(_)) if force => {
                return Err(EngineError::NoSuchEndpoint(container.to_owned()));
            }
            other => other?,
        };
        let _exclusive = entry.exclusive();
        let record = entry.record();
        let id = match &found {
            Ok(network) => network.record.id.clone(),
            // A stopped container may belong to a network that is gone.
            Err(_) => (record.networks.iter())
                .find(|m| m.name == network || m.network == network)
                .map(|m| m.network.clone())
                .ok_or_else(|| EngineError::NoSuchNetwork(network.to_owned()))?,
        };
        if !record.networks.iter().any(|m| m.network == id) {
            return Err(EngineError::NotConnected {
                container: record.id.to_string(),
                network: network.to_owned(),
            });
        }
        if found.is_ok_and(|n| n.record.name == "host") {
            return Err(EngineError::LeaveHostNetwork);
        }
        let endpoint = record.endpoints.iter().find(|e| e.network_id == id);
        if let Some(endpoint) = endpoint
            && record.state.is_running()
        {
            self.runtime.disconnect(
                &record.id,
                endpoint.interface.as_deref().unwrap_or_default(),
            )?;
            self.move_way_out(&record, endpoint)?;
            self.strike_from_hosts(&record, endpoint);
            self.unwire(std::slice::from_ref(endpoint));
            self.say_connected(&record, &id, &endpoint.network, "disconnect");
        }
        let left = self.containers.update(&entry, |record| {
            record.networks.retain(|m| m.network != id);
            record.endpoints.retain(|e| e.network_id != id);
        });
        left.map(drop)
    }

    /// When the network goes through which a container reaches the world, the
    /// next takes over.
    fn move_way_out(&self, record: &Container, gone: &Endpoint) -> Result<(), EngineError> {
        let next = |family: Family| {
            let now = self.way_out(record, family, None)?;
            let next = self.way_out(record, family, Some(&gone.id))?;
            let via = next.gateway(family).filter(|_| now.id == gone.id)?;
            Some(NetworkStep::Route {
                dest: Cidr::any(family),
                via: Some(via.addr),
            })
        };
        let plan = NetworkPlan {
            steps: Family::BOTH.into_iter().filter_map(next).collect(),
            ..NetworkPlan::default()
        };
        if !plan.steps.is_empty() {
            self.runtime.connect(&record.id, &plan)?;
        }
        Ok(())
    }

    /// The host's address for a container: its gateway, which is there as
    /// long as it runs; for one without, the default bridge's.
    pub(crate) fn host_gateway(&self, endpoints: &[Endpoint]) -> Option<std::net::IpAddr> {
        if self.config.host_gateway.is_some() {
            return self.config.host_gateway;
        }
        let bridge = self.networks.find("bridge").ok();
        let of = |family: Family| {
            let outward = |e: &&Endpoint| {
                let network = self.networks.find(&e.network_id);
                network.is_ok_and(|n| leads_out(&n, family))
            };
            let outward = endpoints.iter().filter(outward);
            outward.chain(endpoints).find_map(|e| e.gateway(family))
        };
        let own = Family::BOTH.into_iter().find_map(of);
        let gateway = own.or_else(|| bridge?.config.gateway(Family::V4));
        gateway.map(|g| g.addr)
    }

    /// Tells that a container came to its networks, or left them.
    pub(crate) fn say_endpoints(&self, record: &Container, action: &str) {
        for endpoint in &record.endpoints {
            self.say_connected(record, &endpoint.network_id, &endpoint.network, action);
        }
    }

    fn say_connected(&self, record: &Container, id: &str, name: &str, action: &str) {
        let driver = self.networks.find(id).map(|n| n.record.driver.clone());
        let attributes = [
            ("container", record.id.as_str()),
            ("name", name),
            ("type", driver.as_deref().unwrap_or("bridge")),
        ];
        self.events
            .publish(Subject::Network, action, id, attributes);
    }
}
