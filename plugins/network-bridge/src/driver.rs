//! What the driver decides.

use bulkhead_plugin_api::network::{Cidr, NetworkDriver, PortMapping, Txn};
use bulkhead_plugin_api::{Error, Result};

const INNER: &str = "eth0";

/// The driver.
pub(crate) struct Bridge;

impl NetworkDriver for Bridge {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        let missing = |what| Error::invalid(format!("network {} has no {what}", txn.network()));
        let bridge = txn.interface_name().ok_or_else(|| missing("interface"))?;
        let gateways = txn.gateways()?;
        if gateways.is_empty() {
            return Err(missing("gateway"));
        }
        let talk = txn.switch("com.docker.network.bridge.enable_icc", true)?;
        let hide = txn.switch("com.docker.network.bridge.enable_ip_masquerade", true)?;
        let ports = txn.ports()?;
        let lease = |gateway: &Cidr| Ok((*gateway, txn.lease_address(*gateway)?));
        let leases = gateways.iter().map(lease).collect::<Result<Vec<_>>>()?;

        txn.bridge(&bridge, &gateways)?;
        txn.veth(INNER, Some(&bridge), txn.mtu())?;
        if !talk {
            txn.isolate(INNER)?;
        }
        for (gateway, own) in leases {
            txn.address(INNER, own)?;
            txn.route(gateway.any(), Some(gateway.address))?;
            if hide {
                txn.masquerade(gateway.network())?;
            }
            let family = |port: &&PortMapping| port.host_address.is_ipv4() == own.address.is_ipv4();
            let mut own_ports = ports.iter().filter(family);
            own_ports.try_for_each(|port| txn.publish(port, own.address))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
