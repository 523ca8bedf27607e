//! What an administrator can set, by `--storage-opt btrfs.name=value`.

use bulkhead_plugin_api::storage::Txn;
use bulkhead_plugin_api::{Error, Result, size};

/// The driver's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// `min_space`: no container's size may be smaller.
    pub(crate) min_space: u64,
    /// `pool_size`: bytes of a pool that is made.
    pub(crate) pool_size: Option<u64>,
}

impl Options {
    /// Reads them; Docker's words for what is wrong.
    pub(crate) fn of<T: Txn>(txn: &T) -> Result<Self> {
        let mut options = Self::default();
        for (name, value) in txn.options() {
            match name.as_str() {
                "min_space" => options.min_space = bytes(&name, &value)?,
                "pool_size" => options.pool_size = Some(bytes(&name, &value)?),
                _ => {
                    let text = format!("btrfs: unknown option btrfs.{name}");
                    return Err(Error::invalid(text));
                }
            }
        }
        Ok(options)
    }
}

fn bytes(name: &str, text: &str) -> Result<u64> {
    size::parse(text).ok_or_else(|| Error::invalid(format!("btrfs.{name}: invalid size: '{text}'")))
}
