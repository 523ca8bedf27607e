//! The domain of bulkhead: identifiers, specifications, plans, the lifecycle
//! policy, the driver traits and the kinds of error.
//!
//! Invariants: no I/O, no serde, no unsafe, nothing of ours imported. A
//! *plan* is what a plugin decided and the plugin host has already checked
//! against the plugin's grant; carrying it out is the runtime's work.

pub mod archive_path;
pub mod cgroup_parent;
pub mod container;
pub mod digest;
pub mod driver;
pub mod error;
pub mod health;
pub mod id;
pub mod image;
pub mod log_record;
pub mod network;
pub mod platform;
pub mod plugin;
pub mod process;
pub mod reference;
pub mod registry;
pub mod resources;
pub mod size;
pub mod storage;
pub mod volume;

pub use digest::Digest;
pub use error::ErrorKind;
pub use id::{ContainerId, ExecId, SnapshotKey};
pub use platform::Platform;
pub use plugin::{PluginError, PluginIdentity};
pub use reference::Reference;
