//! Leases every address of the pool and fails: all must come back.

use bulkhead_plugin_api::network::{NetworkDriver, Txn};
use bulkhead_plugin_api::{Error, Result};

struct Guest;

impl NetworkDriver for Guest {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        for gateway in txn.gateways()? {
            while txn.lease_address(gateway).is_ok() {}
        }
        Err(Error::unavailable("on purpose"))
    }
}

bulkhead_plugin_api::export_network!(Guest);
