//! A volume plugin behind [`VolumeDriver`].

use std::sync::Arc;

use bulkhead_model::driver::VolumeDriver;
use bulkhead_model::volume::{VolumeLayout, VolumeRequest};
use bulkhead_model::{PluginError, PluginIdentity};
use bulkhead_wire::call::LogLevel;
use bulkhead_wire::volume::Facts;
use bulkhead_wire::{HostReply, Operation};

use super::{Plugin, not_of_this_world, refuse, value};
use crate::broker::Handler;
use crate::txn::VolumeTxn;

/// A volume driver that is a plugin.
pub struct VolumePlugin {
    plugin: Arc<Plugin>,
}

impl VolumePlugin {
    pub(crate) fn new(plugin: Arc<Plugin>) -> Self {
        Self { plugin }
    }
}

impl VolumeDriver for VolumePlugin {
    fn identity(&self) -> &PluginIdentity {
        &self.plugin.identity
    }

    fn driver_name(&self) -> &str {
        &self.plugin.manifest.driver
    }

    fn lay_out(&self, request: &VolumeRequest) -> Result<VolumeLayout, PluginError> {
        let mut handler = VolumeHandler {
            plugin: &self.plugin,
            txn: VolumeTxn::new(&self.plugin.manifest.grants, request),
        };
        let outcome = self
            .plugin
            .call(Operation::LayOut(facts(request)), &mut handler);
        let txn = handler.txn;
        let result = outcome.and_then(|outcome| value(outcome, txn.denied(), None));
        match result {
            Ok(_) => Ok(txn.into_layout()),
            Err(cause) => Err(self.plugin.error("lay-out", self.plugin.timed(cause))),
        }
    }
}

fn facts(request: &VolumeRequest) -> Facts {
    let options = request.options.iter();
    Facts {
        name: request.name.clone(),
        options: options.map(|(k, v)| (k.clone(), v.clone())).collect(),
        facts: request
            .quota
            .then(|| "quota".to_owned())
            .into_iter()
            .collect(),
    }
}

struct VolumeHandler<'a> {
    plugin: &'a Plugin,
    txn: VolumeTxn<'a>,
}

impl Handler for VolumeHandler<'_> {
    fn answer(&mut self, call: bulkhead_wire::HostCall) -> HostReply {
        let bulkhead_wire::HostCall::Volume(order) = call else {
            return not_of_this_world();
        };
        let subject: String = format!("{order:?}").chars().take(300).collect();
        match self.txn.order(order) {
            Ok(grant) => {
                self.plugin.audit("lay-out", grant, &subject);
                HostReply::Unit
            }
            Err(refusal) => {
                self.plugin.audit_refusal("lay-out", &subject, &refusal);
                refuse(refusal)
            }
        }
    }

    fn log(&mut self, level: LogLevel, line: &str) {
        self.plugin.log(level, line);
    }
}
