//! A network plugin behind [`NetworkDriver`].

use std::sync::Arc;

use bulkhead_model::driver::NetworkDriver;
use bulkhead_model::network::{AddressPool, EndpointRequest, NetworkPlan, PortMapping};
use bulkhead_model::{PluginError, PluginIdentity};
use bulkhead_wire::call::LogLevel;
use bulkhead_wire::network::{Facts, PortMapping as WirePort};
use bulkhead_wire::{HostReply, Operation};

use super::{Plugin, not_of_this_world, refuse, value};
use crate::broker::Handler;
use crate::txn::NetworkTxn;
use crate::txn::network::Answer;

/// A network driver that is a plugin.
pub struct NetworkPlugin {
    plugin: Arc<Plugin>,
}

impl NetworkPlugin {
    pub(crate) fn new(plugin: Arc<Plugin>) -> Self {
        Self { plugin }
    }
}

impl NetworkDriver for NetworkPlugin {
    fn identity(&self) -> &PluginIdentity {
        &self.plugin.identity
    }

    fn driver_name(&self) -> &str {
        &self.plugin.manifest.driver
    }

    fn attach(
        &self,
        pool: &dyn AddressPool,
        request: &EndpointRequest,
    ) -> Result<NetworkPlan, PluginError> {
        let mut handler = NetworkHandler {
            plugin: &self.plugin,
            txn: NetworkTxn::new(&self.plugin.manifest.grants, pool, request),
        };
        let outcome = self
            .plugin
            .call(Operation::Attach(facts(request)), &mut handler);
        let txn = handler.txn;
        let result = outcome.and_then(|outcome| value(outcome, txn.denied(), txn.stopped()));
        match result {
            Ok(_) => Ok(txn.into_plan()),
            Err(cause) => Err(self.plugin.error("attach", self.plugin.timed(cause))),
        }
    }
}

fn facts(request: &EndpointRequest) -> Facts {
    let network = &request.network;
    Facts {
        network: network.name.clone(),
        endpoint: request.endpoint.clone(),
        interface: network.interface.as_ref().map(ToString::to_string),
        options: network.options.clone(),
        gateways: network.gateways.iter().map(ToString::to_string).collect(),
        mtu: network.mtu,
        ports: request.ports.iter().map(wire_port).collect(),
    }
}

fn wire_port(port: &PortMapping) -> WirePort {
    WirePort {
        protocol: port.protocol.as_str().to_owned(),
        host_address: port.host_addr.to_string(),
        host_port: port.host_port,
        container_port: port.container_port,
        count: port.count,
    }
}

struct NetworkHandler<'a> {
    plugin: &'a Plugin,
    txn: NetworkTxn<'a>,
}

impl Handler for NetworkHandler<'_> {
    fn answer(&mut self, call: bulkhead_wire::HostCall) -> HostReply {
        let bulkhead_wire::HostCall::Network(order) = call else {
            return not_of_this_world();
        };
        let subject = if tracing::enabled!(target: "audit", tracing::Level::WARN) {
            format!("{order:?}").chars().take(300).collect()
        } else {
            String::new()
        };
        match self.txn.order(order) {
            Ok((grant, answer)) => {
                self.plugin.audit("attach", grant, &subject);
                match answer {
                    Answer::Unit => HostReply::Unit,
                    Answer::Address(address) => HostReply::Text(address.to_string()),
                }
            }
            Err(refusal) => {
                self.plugin.audit_refusal("attach", &subject, &refusal);
                refuse(refusal)
            }
        }
    }

    fn log(&mut self, level: LogLevel, line: &str) {
        self.plugin.log(level, line);
    }
}
