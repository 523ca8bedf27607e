//! What an administrator can set, by `--storage-opt btrfs.name=value`.

use bulkhead_plugin_api::storage::Txn;
use bulkhead_plugin_api::{Error, Result};

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

/// A size as Docker writes it: a number, perhaps with a fraction, and a unit
/// of 1024 (`10G`, `1.5 GB`, `512MiB`).
fn bytes(name: &str, text: &str) -> Result<u64> {
    parse(text).ok_or_else(|| Error::invalid(format!("btrfs.{name}: invalid size: '{text}'")))
}

fn parse(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let unit = unit.trim();
    let unit = unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(unit);
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * (1u64 << shift) as f64;
    // Beyond this a double counts no single bytes.
    (bytes < (1u64 << 53) as f64).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("10k", 10 << 10),
            ("10 MB", 10 << 20),
            ("512MiB", 512 << 20),
            ("1.5G", 3 << 29),
            ("2t", 2 << 40),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for bad in ["", "G", "-1", "1x", "1e9", "99999999p", "1.2.3", "NaN"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
