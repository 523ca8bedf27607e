//! Routes and masquerades what is not its network's.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::network::{NetworkDriver, Txn};

struct Guest;

impl NetworkDriver for Guest {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        txn.masquerade("0.0.0.0/0".parse()?)
    }
}

bulkhead_plugin_api::export_network!(Guest);
