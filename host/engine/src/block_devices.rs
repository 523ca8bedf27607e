//! The numbers of the block devices that limits name by path.

use std::os::unix::fs::{FileTypeExt, MetadataExt};

use bulkhead_model::resources::{DeviceRate, Resources};

use crate::limits::InvalidLimit;
use crate::spec::{DeviceLimit, Limits};

/// Adds the limits of devices to `resources`.
///
/// # Errors
/// A path that leads to no block device.
pub fn fill(limits: &Limits, resources: &mut Resources) -> Result<(), InvalidLimit> {
    resources.device_weights = all(&limits.device_weights)?;
    resources.device_read_bps = all(&limits.device_read_bps)?;
    resources.device_write_bps = all(&limits.device_write_bps)?;
    resources.device_read_iops = all(&limits.device_read_iops)?;
    resources.device_write_iops = all(&limits.device_write_iops)?;
    Ok(())
}

fn all(limits: &[DeviceLimit]) -> Result<Vec<DeviceRate>, InvalidLimit> {
    limits.iter().map(one).collect()
}

fn one(limit: &DeviceLimit) -> Result<DeviceRate, InvalidLimit> {
    let invalid = |why: String| InvalidLimit::BlockDevice(limit.path.clone(), why);
    let found = std::fs::metadata(&limit.path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => invalid("no such file or directory".to_owned()),
        _ => invalid(e.to_string()),
    })?;
    if !found.file_type().is_block_device() {
        return Err(invalid("not a block device".to_owned()));
    }
    // `gnu_dev_major(3)` and `gnu_dev_minor(3)`.
    let device = found.rdev();
    Ok(DeviceRate {
        major: (device >> 8) & 0xfff | (device >> 32) & !0xfff,
        minor: device & 0xff | (device >> 12) & 0xffff_ff00,
        rate: limit.value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_block_device_is_refused_by_name() {
        for (path, why) in [
            ("/dev/null", "not a block device"),
            ("/no/such", "no such file or directory"),
        ] {
            let limit = DeviceLimit {
                path: path.into(),
                value: 1,
            };
            let told = one(&limit).unwrap_err().to_string();
            assert_eq!(told, format!("block device {path}: {why}"));
        }
    }
}
