//! The `volume` world.

use bulkhead_wire::volume::{Facts, Order};
use bulkhead_wire::{HostCall, Outcome, Value};
use wasmtime::component::Resource;
use wasmtime::{Result, Store};

use super::bindings::storage::bulkhead::plugin::types::Error;
use super::bindings::volume::bulkhead::plugin::volume_host::{self, HostTxn};
use super::bindings::volume::{Volume, VolumePre};
use super::{error, fault};
use crate::call::{self as state, CallState, unexpected};

/// The one transaction of a call.
#[derive(Debug)]
pub struct Txn;

/// Runs `lay-out` in a fresh instance.
pub fn lay_out(component: &VolumePre<CallState>, store: &mut Store<CallState>) -> Result<Outcome> {
    let guest: Volume = component.instantiate(&mut *store)?;
    let txn = store.data_mut().push(Txn)?;
    let laid_out = guest
        .bulkhead_plugin_volume_driver()
        .call_lay_out(store, txn)?;
    Ok(match laid_out {
        Ok(()) => Outcome::Ok(Value::Unit),
        Err(e) => Outcome::Fault(fault(e)),
    })
}

/// Asks what the driver declares.
pub fn features(component: &VolumePre<CallState>, store: &mut Store<CallState>) -> Result<Outcome> {
    let guest: Volume = component.instantiate(&mut *store)?;
    let features = guest.bulkhead_plugin_volume_driver().call_features(store)?;
    Ok(Outcome::Ok(Value::Strings(features)))
}

impl CallState {
    fn volume_facts(&self) -> Result<&Facts> {
        match &self.facts {
            state::Facts::Volume(facts) => Ok(facts),
            _ => Err(unexpected()),
        }
    }

    fn order_volume(&mut self, order: Order) -> Result<std::result::Result<(), Error>> {
        Ok(self.order(HostCall::Volume(order))?.map_err(error))
    }
}

impl volume_host::Host for CallState {}

impl HostTxn for CallState {
    fn name(&mut self, _txn: Resource<Txn>) -> Result<String> {
        Ok(self.volume_facts()?.name.clone())
    }

    fn options(&mut self, _txn: Resource<Txn>) -> Result<Vec<(String, String)>> {
        Ok(self.volume_facts()?.options.clone())
    }

    fn facts(&mut self, _txn: Resource<Txn>) -> Result<Vec<String>> {
        Ok(self.volume_facts()?.facts.clone())
    }

    fn mount(
        &mut self,
        _txn: Resource<Txn>,
        fstype: String,
        source: String,
        options: Vec<String>,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_volume(Order::Mount(fstype, source, options))
    }

    fn bind(
        &mut self,
        _txn: Resource<Txn>,
        source: String,
        options: Vec<String>,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_volume(Order::Bind(source, options))
    }

    fn limit(&mut self, _txn: Resource<Txn>, bytes: u64) -> Result<std::result::Result<(), Error>> {
        self.order_volume(Order::Limit(bytes))
    }

    fn drop(&mut self, txn: Resource<Txn>) -> Result<()> {
        self.table.delete(txn)?;
        Ok(())
    }
}
