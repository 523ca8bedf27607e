//! What the administrator set by `--storage-opt`.

use bulkhead_plugin_api::storage::{Filesystem, VolumeOption};
use bulkhead_plugin_api::{Error, Result, size};

/// Docker's `dm.basesize`: what a container may hold that asks for no size.
const BASE_SIZE: u64 = 10 << 30;
/// Docker's `dm.min_free_space`, in percent of the pool.
const MIN_FREE: u64 = 10;

/// The backend that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Thin devices if the kernel has them.
    #[default]
    Auto,
    Thin,
    Reflink,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Bytes of a volume.
    pub(crate) base_size: u64,
    pub(crate) filesystem: Filesystem,
    pub(crate) backend: Choice,
    /// Bytes of the pool; without it the host decides.
    pub(crate) pool_size: Option<u64>,
    /// Percent of the pool that new snapshots leave.
    pub(crate) min_free: u64,
    pub(crate) mount: Vec<VolumeOption>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_size: BASE_SIZE,
            filesystem: Filesystem::Ext4,
            backend: Choice::Auto,
            pool_size: None,
            min_free: MIN_FREE,
            mount: vec![VolumeOption::Discard],
        }
    }
}

impl Settings {
    /// Reads the options; each of them must be known.
    pub(crate) fn read(options: &[(String, String)]) -> Result<Self> {
        let mut settings = Self::default();
        for (name, value) in options {
            settings.set(name, value)?;
        }
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let bad = || Error::invalid(format!("devmapper.{name}={value}: not a value it can have"));
        let bytes = || size::parse(value).ok_or_else(bad);
        match name {
            "basesize" => self.base_size = bytes()?,
            "loopdatasize" => self.pool_size = Some(bytes()?),
            "fs" => {
                self.filesystem = match value {
                    "ext4" => Filesystem::Ext4,
                    "xfs" => Filesystem::Xfs,
                    _ => return Err(bad()),
                }
            }
            "backend" => {
                self.backend = match value {
                    "auto" => Choice::Auto,
                    "thin" => Choice::Thin,
                    "reflink" => Choice::Reflink,
                    _ => return Err(bad()),
                }
            }
            "min_free_space" => {
                let percent = value.trim_end_matches('%').parse().ok();
                self.min_free = percent.filter(|n| *n < 100).ok_or_else(bad)?;
            }
            "mountopt" => {
                let words = value.split(',').filter(|word| !word.is_empty());
                let options = words.map(|word| match word {
                    "discard" => Ok(VolumeOption::Discard),
                    "noatime" => Ok(VolumeOption::NoAtime),
                    _ => Err(bad()),
                });
                self.mount = options.collect::<Result<_>>()?;
            }
            _ => {
                return Err(Error::invalid(format!(
                    "devmapper.{name} is no option; there are backend, basesize, fs, loopdatasize, min_free_space, mountopt"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Settings> {
        Settings::read(&[(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn options_have_dockers_names() {
        assert_eq!(read("basesize", "20G").unwrap().base_size, 20 << 30);
        assert_eq!(read("fs", "xfs").unwrap().filesystem, Filesystem::Xfs);
        assert_eq!(read("min_free_space", "5%").unwrap().min_free, 5);
        assert_eq!(read("loopdatasize", "1t").unwrap().pool_size, Some(1 << 40));
        assert_eq!(read("backend", "thin").unwrap().backend, Choice::Thin);
        assert_eq!(read("mountopt", "").unwrap().mount, []);
        let both = [VolumeOption::NoAtime, VolumeOption::Discard];
        assert_eq!(read("mountopt", "noatime,discard").unwrap().mount, both);
        assert_eq!(Settings::read(&[]).unwrap(), Settings::default());
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (name, value) in [
            ("basesize", "much"),
            ("fs", "btrfs"),
            ("min_free_space", "100%"),
            ("min_free_space", "-1"),
            ("backend", "zfs"),
            ("mountopt", "suid"),
            ("thinpooldev", "/dev/mapper/x"),
        ] {
            let error = read(name, value).unwrap_err();
            assert!(error.message.contains(name), "{}", error.message);
        }
    }
}
