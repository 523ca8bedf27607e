//! What the driver decides.

use bulkhead_plugin_api::network::{NetworkDriver, Txn};
use bulkhead_plugin_api::{Error, Result, log};

const INNER: &str = "eth0";
const MODES: [&str; 4] = ["bridge", "vepa", "private", "passthru"];

/// The driver.
pub(crate) struct Macvlan;

impl NetworkDriver for Macvlan {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        let parent = txn
            .interface_name()
            .ok_or_else(|| Error::invalid(format!("network {} has no parent", txn.network())))?;
        let mode = txn.option("macvlan_mode").filter(|mode| !mode.is_empty());
        let mode = mode.unwrap_or_else(|| "bridge".to_owned());
        if !MODES.contains(&mode.as_str()) {
            return Err(Error::invalid(format!(
                "requested macvlan mode '{mode}' is not valid, 'bridge' mode is the macvlan driver default"
            )));
        }
        if !txn.ports()?.is_empty() {
            // Docker's behaviour: nothing stands between the container and its neighbours.
            log::warn("published ports are ignored: a macvlan is reached at its own address");
        }
        txn.macvlan(INNER, &parent, &mode, txn.mtu())?;
        for gateway in txn.gateways()? {
            txn.address(INNER, txn.lease_address(gateway)?)?;
            txn.route(gateway.any(), Some(gateway.address))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
