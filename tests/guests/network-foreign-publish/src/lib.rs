//! Publishes a port that the user did not ask for.

use std::net::Ipv4Addr;

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::network::{NetworkDriver, PortMapping, Protocol, Txn};

struct Guest;

impl NetworkDriver for Guest {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        let gateway = txn.gateways()?[0];
        let own = txn.lease_address(gateway)?;
        let port = PortMapping {
            protocol: Protocol::Tcp,
            host_address: Ipv4Addr::UNSPECIFIED.into(),
            host_port: 22,
            container_port: 22,
            count: 1,
        };
        txn.publish(&port, own.address)
    }
}

bulkhead_plugin_api::export_network!(Guest);
