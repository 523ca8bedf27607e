//! What the driver decides.

use bulkhead_plugin_api::network::{NetworkDriver, Txn};
use bulkhead_plugin_api::{Result, log};

/// The driver.
pub(crate) struct Nothing;

impl NetworkDriver for Nothing {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        if !txn.ports()?.is_empty() {
            // Docker's behaviour: the flag is ignored, with a warning.
            log::warn(
                "published ports are ignored: a container without a network cannot be reached",
            );
        }
        Ok(())
    }
}
