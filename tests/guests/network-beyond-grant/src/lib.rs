//! Asks for the host's network namespace without the grant.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::network::{NetworkDriver, Txn};

struct Guest;

impl NetworkDriver for Guest {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        txn.use_host_namespace()
    }
}

bulkhead_plugin_api::export_network!(Guest);
