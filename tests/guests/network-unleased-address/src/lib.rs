//! Takes an address that it did not lease: the gateway's own.

use bulkhead_plugin_api::network::{NetworkDriver, Txn};
use bulkhead_plugin_api::{Error, Result};

struct Guest;

impl NetworkDriver for Guest {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        let gateways = txn.gateways()?;
        let [gateway] = gateways[..] else {
            return Err(Error::internal("the test gives a gateway"));
        };
        txn.veth("eth0", txn.interface_name().as_deref(), txn.mtu())?;
        txn.address("eth0", gateway)
    }
}

bulkhead_plugin_api::export_network!(Guest);
