//! What a daemon that runs nothing takes with it when it stops.

use bulkhead_model::network::IfName;

use super::Runtime;
use crate::error::RuntimeError;
use crate::network::remove_network;

impl Runtime {
    /// Removes the parent cgroups, the bridges and the packet filter's table.
    /// To be called when no container runs; the next start makes them anew.
    ///
    /// # Errors
    /// Something is still in use, or the kernel refuses.
    pub fn retire(&self, bridges: &[IfName]) -> Result<(), RuntimeError> {
        self.reap();
        self.cgroups.retire()?;
        for bridge in bridges {
            remove_network(bridge, &self.network)?;
        }
        Ok(self.network.delete_table()?)
    }
}
