//! Storage driver `btrfs`: every layer and container is a subvolume, a
//! snapshot of the layer below it. On a data root that is no Btrfs it asks for
//! a pool: a Btrfs in a file.
//!
//! ```text
//! <snapshot>/fs     the subvolume
//! ```

mod driver;
mod options;
mod status;

use driver::Btrfs;

bulkhead_plugin_api::export_storage!(Btrfs);
