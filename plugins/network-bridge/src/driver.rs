//! What the driver decides.

use bulkhead_plugin_api::network::{NetworkDriver, Txn};
use bulkhead_plugin_api::{Error, Result};

const INNER: &str = "eth0";

/// The driver.
pub(crate) struct Bridge;

impl NetworkDriver for Bridge {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        let missing = |what| Error::invalid(format!("network {} has no {what}", txn.network()));
        let bridge = txn.interface_name().ok_or_else(|| missing("interface"))?;
        let gateway = txn.gateway()?.ok_or_else(|| missing("gateway"))?;
        let ports = txn.ports()?;
        let own = txn.lease_address(None)?;

        txn.bridge(&bridge, gateway)?;
        txn.veth(INNER, Some(&bridge), txn.mtu())?;
        txn.address(INNER, own)?;
        txn.route(gateway.any(), Some(gateway.address))?;
        txn.masquerade(gateway.network())?;
        ports
            .iter()
            .try_for_each(|port| txn.publish(port, own.address))
    }
}

#[cfg(test)]
mod tests;
