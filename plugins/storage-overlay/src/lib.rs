//! Storage driver `overlay`: a directory per layer, an overlay mount per
//! container.
//!
//! ```text
//! <snapshot>/fs     the layer, or a container's upper directory
//! <snapshot>/work   overlay's work directory; containers only
//! ```

mod driver;
mod layers;

use driver::Overlayfs;

bulkhead_plugin_api::export_storage!(Overlayfs);
