//! A storage driver whose component also imports the network's host interface
//! and a filesystem: refused at install, by name, before any line of it runs.

#![cfg(target_arch = "wasm32")]
// The generated exports carry the component ABI.
#![allow(unsafe_code, missing_docs)]

mod extra {
    wit_bindgen::generate!({
        inline: r#"
            package foreign:files@1.0.0;

            interface preopens {
                open: func(path: string) -> result<u32>;
            }

            world imports {
                import preopens;
            }
        "#,
    });
}

use bulkhead_plugin_api::bindings::storage::bulkhead::plugin::storage_host::Txn;
use bulkhead_plugin_api::bindings::storage::bulkhead::plugin::types::Error;
use bulkhead_plugin_api::bindings::storage::exports::bulkhead::plugin::storage_driver::Guest;

struct Overreaching;

impl Guest for Overreaching {
    fn features() -> Vec<String> {
        Vec::new()
    }

    fn probe(_txn: Txn) -> Result<(), Error> {
        Ok(())
    }

    fn prepare(txn: Txn, purpose: String) -> Result<(), Error> {
        let _ = extra::foreign::files::preopens::open("/etc/shadow");
        Self::mounts(txn, purpose)
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

bulkhead_plugin_api::bindings::storage::__export_storage_world!(Overreaching with_types_in bulkhead_plugin_api::bindings::storage);
