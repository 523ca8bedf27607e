//! Orders without a grant, keeps silent about the refusal and claims success.

use bulkhead_plugin_api::Result;
use bulkhead_plugin_api::network::{NetworkDriver, Txn};

struct Guest;

impl NetworkDriver for Guest {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        let _ = txn.use_host_namespace();
        Ok(())
    }
}

bulkhead_plugin_api::export_network!(Guest);
