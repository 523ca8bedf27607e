//! Mounts what the user did not name. The option `attempt` says which; the
//! user also gave a device, a type and mount options.

use bulkhead_plugin_api::volume::{Txn, VolumeDriver};
use bulkhead_plugin_api::{Error, Result};

struct Guest;

impl VolumeDriver for Guest {
    fn lay_out<T: Txn>(txn: &T) -> Result<()> {
        let options = txn.options();
        match options.get("attempt").map(String::as_str) {
            Some("root") => txn.bind("/", &[]),
            Some("parent") => txn.bind("/srv/data/..", &[]),
            Some("prefix") => txn.bind("/srv", &[]),
            Some("relative") => txn.bind("nfs", &[]),
            Some("nul") => txn.bind("/srv/data\0", &[]),
            Some("device") => txn.mount("nfs", "/dev/sda1", &[]),
            Some("type") => txn.mount("proc", "/srv/data", &[]),
            Some("set-uid") => txn.mount("nfs", "/srv/data", &["suid"]),
            Some("joined") => txn.mount("nfs", "/srv/data", &["ro,dev"]),
            Some("many") => txn.mount("nfs", "/srv/data", &vec!["ro"; 2_000_000]),
            Some("long") => txn.bind(&"/srv".repeat(4 << 20), &[]),
            Some("twice") => {
                txn.bind("/srv/data", &[])?;
                txn.bind("/srv/data", &[])
            }
            Some("unasked-size") => txn.limit(u64::MAX),
            // What was refused must not be there when this says it went well.
            Some("silent") => {
                let _ = txn.bind("/", &[]);
                Ok(())
            }
            Some("endless") => loop {
                let _ = txn.bind("/", &[]);
            },
            other => Err(Error::internal(format!("no attempt {other:?}"))),
        }
    }
}

bulkhead_plugin_api::export_volume!(Guest);
