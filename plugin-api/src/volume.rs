//! World `volume`: say what a volume's files are.

use std::collections::BTreeMap;

use crate::Result;

mod export;

pub use export::Export;

/// What the user asked for, and orders the host carries out while a container
/// uses the volume. Without a mount the files live in a directory that the
/// host makes and keeps.
pub trait Txn {
    /// The volume's name.
    fn name(&self) -> String;
    /// The driver options the user gave.
    fn options(&self) -> BTreeMap<String, String>;
    /// What the host can do: `quota`.
    fn facts(&self) -> Vec<String>;
    /// This filesystem is mounted. `fstype` and `source` must be values of the
    /// user's options, each of `options` a part, between commas, of one.
    ///
    /// # Errors
    /// `denied` for a word that is not the user's.
    fn mount(&self, fstype: &str, source: &str, options: &[&str]) -> Result<()>;
    /// A directory of the host is shown; the same rule.
    ///
    /// # Errors
    /// `denied` for a word that is not the user's, `invalid` for a relative path.
    fn bind(&self, source: &str, options: &[&str]) -> Result<()>;
    /// The directory takes at most so many bytes.
    ///
    /// # Errors
    /// `unsupported` where the host has no quotas.
    fn limit(&self, bytes: u64) -> Result<()>;
}

/// A volume driver.
pub trait VolumeDriver {
    /// What the driver declares; the host knows no words yet.
    const FEATURES: &'static [&'static str] = &[];

    /// Says what the volume's files are, or what is wrong with its options.
    /// Called when the volume is made and before each first use.
    ///
    /// # Errors
    /// What is wrong with the options, in words a user reads.
    fn lay_out<T: Txn>(txn: &T) -> Result<()>;
}

/// Makes a [`VolumeDriver`] the component's export.
///
/// ```no_run
/// # use bulkhead_plugin_api::{Result, volume::{Txn, VolumeDriver}};
/// struct Plain;
///
/// impl VolumeDriver for Plain {
///     fn lay_out<T: Txn>(_: &T) -> Result<()> {
///         Ok(())
///     }
/// }
///
/// bulkhead_plugin_api::export_volume!(Plain);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_volume {
    ($driver:ty) => {
        // The ABI's names, such as `world#function`, are none that a native linker takes.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::volume::Export<$driver>;
            $crate::bindings::volume::__export_volume_world!(Component with_types_in $crate::bindings::volume);
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn implements<T: $crate::volume::VolumeDriver>() {}
            implements::<$driver>()
        };
    };
}
