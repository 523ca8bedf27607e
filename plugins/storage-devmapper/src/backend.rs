//! Where volumes live: chosen when the driver is used first, and kept.

use bulkhead_plugin_api::storage::{Filesystem, Pool, Txn};
use bulkhead_plugin_api::{Error, Result};

use crate::settings::{Choice, Settings};

/// Makes sure that volumes can be kept here.
pub(crate) fn choose<T: Txn>(txn: &T, settings: &Settings) -> Result<()> {
    let maker = match settings.filesystem {
        Filesystem::Ext4 => ("mkfs.ext4", "e2fsprogs"),
        Filesystem::Xfs => ("mkfs.xfs", "xfsprogs"),
    };
    if !txn.has_fact(maker.0) {
        let (program, package) = maker;
        return Err(Error::unsupported(format!(
            "{program} was not found: install {package}, it makes the volumes' filesystem"
        )));
    }
    if !txn.has_fact("loop") {
        return Err(Error::unsupported("this kernel has no loop devices"));
    }
    let there_is = existing(txn)?;
    match (settings.backend, there_is) {
        (Choice::Thin, Some(Backend::Reflink)) => Err(other_one("thin", "files")),
        (Choice::Reflink, Some(Backend::Thin)) => Err(other_one("reflink", "a thin pool")),
        (_, Some(_)) => Ok(()),
        (Choice::Thin, None) if !txn.has_fact("dm-thin") => Err(Error::unsupported(
            "this kernel has no thin pools (dm-thin); devmapper.backend=reflink needs none",
        )),
        (Choice::Thin | Choice::Auto, None) if txn.has_fact("dm-thin") => {
            pool(txn, settings, "thin")
        }
        (_, None) if txn.has_fact("reflink") => Ok(()),
        (_, None) if txn.has_fact("mkfs.xfs") => pool(txn, settings, "xfs"),
        (_, None) => Err(Error::unsupported(
            "this kernel has no thin pools (dm-thin), the data root cannot share extents between files, and without mkfs.xfs (install xfsprogs) no filesystem that can is made",
        )),
    }
}

enum Backend {
    Thin,
    Reflink,
}

/// What was chosen before.
fn existing<T: Txn>(txn: &T) -> Result<Option<Backend>> {
    if txn.has_fact("thin-pool") {
        return Ok(Some(Backend::Thin));
    }
    let used = txn.has_fact("pool") || !txn.snapshots(None, 1)?.is_empty();
    Ok((used && txn.has_fact("reflink")).then_some(Backend::Reflink))
}

fn pool<T: Txn>(txn: &T, settings: &Settings, filesystem: &str) -> Result<()> {
    txn.pool(&Pool {
        filesystem: filesystem.to_owned(),
        size: settings.pool_size,
        options: Vec::new(),
    })
}

fn other_one(wanted: &str, found: &str) -> Error {
    Error::invalid(format!(
        "devmapper.backend={wanted}, but the driver's folder holds {found}: remove it to start anew"
    ))
}
