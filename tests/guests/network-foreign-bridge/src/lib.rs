//! Joins a bridge that belongs to somebody else.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::network::{NetworkDriver, Txn};

struct Guest;

impl NetworkDriver for Guest {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        let gateway = txn.gateways()?[0];
        let own = txn.lease_address(gateway)?;
        let _ = txn.bridge("br-foreign0", &[own]);
        txn.veth("eth0", Some("br-foreign0"), txn.mtu())
    }
}

bulkhead_plugin_api::export_network!(Guest);
