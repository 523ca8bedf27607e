//! Fake hosts: plugins are tested natively, without root and without wasm.
//!
//! A fake checks what the real host checks about names and order, and keeps
//! every order for the test to look at.
//!
//! ```
//! use bulkhead_plugin_api::storage::{Access, Purpose, StorageDriver, Txn};
//! use bulkhead_plugin_api::testing::{FakeStorageHost, StorageOrder};
//! use bulkhead_plugin_api::Result;
//!
//! struct Plain;
//!
//! impl StorageDriver for Plain {
//!     fn prepare<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
//!         txn.create_dir(&txn.snapshot()?, 0o755)?;
//!         Self::mounts(txn, purpose)
//!     }
//!
//!     fn mounts<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
//!         txn.mount_bind(&txn.snapshot()?, purpose.access())
//!     }
//! }
//!
//! let host = FakeStorageHost::new("c-1");
//! Plain::prepare(&host, Purpose::Run).unwrap();
//! assert_eq!(host.orders(), [
//!     StorageOrder::CreateDir { dir: "c-1".into(), mode: 0o755 },
//!     StorageOrder::MountBind { source: "c-1".into(), access: Access::ReadWrite },
//! ]);
//! ```

pub mod conformance;
mod network;
mod registry;
mod storage;
mod volume;

pub use network::{FakeNetworkHost, NetworkOrder};
pub use registry::{Answered, FakeRegistry, FakeResponse, Request};
pub use storage::{FakeDir, FakeStorageHost, LayerChange, Operation, StorageOrder, Subvolume};
pub use volume::{FakeVolumeHost, VolumeOrder};
