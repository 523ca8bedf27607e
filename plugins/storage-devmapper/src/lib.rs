//! Storage driver `devmapper`: a block device per layer and container, each a
//! copy-on-write snapshot of the layer below, with ext4 or XFS inside and as
//! large as the administrator says.
//!
//! ```text
//! <snapshot>/fs     keeps the volume; a view of a layer has none
//! ```
//!
//! Volumes are devices of a thin pool where the kernel has them (dm-thin), and
//! files that share extents, on loop devices, where it does not.

mod backend;
mod driver;
mod settings;
mod size;
mod status;

use driver::DeviceMapper;

bulkhead_plugin_api::export_storage!(DeviceMapper);
