//! Storage driver `vfs`: every snapshot is a whole copy of its parent. Slow
//! and large where the filesystem cannot reflink, but it asks nothing of the
//! kernel.
//!
//! ```text
//! <snapshot>/fs     the whole tree
//! ```

mod driver;

use driver::Vfs;

bulkhead_plugin_api::export_storage!(Vfs);
