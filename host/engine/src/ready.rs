//! Storage drivers before their first use: can they work here, and do they
//! want a filesystem of their own?

use std::sync::{Arc, PoisonError};

use bulkhead_model::driver::StorageDriver;
use bulkhead_model::process::Runtime;

use crate::Engine;
use crate::error::EngineError;

/// Asks a driver whether it can work here, and gives it the pool it wants.
///
/// # Errors
/// The driver's reasons, or why its pool cannot be made or opened.
pub fn make_ready(runtime: &dyn Runtime, driver: &dyn StorageDriver) -> Result<(), EngineError> {
    let name = driver.driver_name();
    let probe = || -> Result<_, EngineError> {
        runtime.check_storage(name)?;
        Ok(driver.probe(&*runtime.driver_root(name))?)
    };
    let Some(pool) = probe()? else {
        return Ok(());
    };
    runtime.make_pool(name, &pool)?;
    match probe()? {
        None => Ok(()),
        Some(_) => Err(EngineError::AnotherPool(name.to_owned())),
    }
}

impl Engine {
    /// The driver a container asked for, or the daemon's, ready to be used.
    pub(crate) fn usable_driver(
        &self,
        name: Option<&str>,
    ) -> Result<Arc<dyn StorageDriver>, EngineError> {
        let driver = self.storage_driver(name)?;
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(driver.driver_name()) {
            make_ready(&*self.runtime, &**driver)?;
            ready.insert(driver.driver_name().to_owned());
        }
        Ok(driver.clone())
    }
}
