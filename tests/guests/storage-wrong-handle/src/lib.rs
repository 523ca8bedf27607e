//! Uses handles it does not hold. The snapshot's key says which; each attempt
//! must end in a trap of this call.

#![cfg(target_arch = "wasm32")]
// Handles are numbers that only unsafe code can make up.
#![allow(unsafe_code)]

use bulkhead_plugin_api::bindings::storage::bulkhead::plugin::storage_host::{Dir, Txn};
use bulkhead_plugin_api::bindings::storage::bulkhead::plugin::types::Error;
use bulkhead_plugin_api::bindings::storage::exports::bulkhead::plugin::storage_driver::Guest;

struct Forger;

impl Guest for Forger {
    fn features() -> Vec<String> {
        Vec::new()
    }

    fn probe(_txn: Txn) -> Result<(), Error> {
        Ok(())
    }

    fn prepare(txn: Txn, _purpose: String) -> Result<(), Error> {
        // SAFETY: none. That the host notices is what the test is about.
        unsafe {
            match txn.key().as_str() {
                "largest" => drop(Dir::from_handle(u32::MAX - 1).exists()),
                "wrong-type" => drop(Dir::from_handle(txn.handle()).exists()),
                "dropped" => {
                    let dir = txn.snapshot()?;
                    let forged = Dir::from_handle(dir.handle());
                    drop(dir);
                    std::hint::black_box(forged.exists());
                }
                // Any other key: a handle nobody ever gave.
                _ => drop(Dir::from_handle(4_242).exists()),
            }
        }
        Ok(())
    }

    fn mounts(txn: Txn, _purpose: String) -> Result<(), Error> {
        txn.mount_bind(&txn.snapshot()?, false)
    }

    fn commit(_txn: Txn, _name: String) -> Result<(), Error> {
        Ok(())
    }

    fn remove(_txn: Txn) -> Result<(), Error> {
        Ok(())
    }

    fn usage(_txn: Txn) -> Result<(u64, u64), Error> {
        Ok((0, 0))
    }

    fn gc(_txn: Txn, _live: Vec<String>) -> Result<(), Error> {
        Ok(())
    }

    fn status(_txn: Txn) -> Result<Vec<(String, String)>, Error> {
        Ok(Vec::new())
    }
}

bulkhead_plugin_api::bindings::storage::__export_storage_world!(Forger with_types_in bulkhead_plugin_api::bindings::storage);
