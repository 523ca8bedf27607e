//! Write plugins for the container engine bulkhead.
//!
//! A plugin decides, the host does: an export reads facts, gives *orders* on a
//! transaction and returns. The host checks each order as it is given and
//! carries all of them out, each with its undo, only after `Ok`. A plugin is a
//! WebAssembly component without files, sockets, clocks or environment; a
//! fresh instance serves every call, so a `static` remembers nothing. What a
//! storage driver wants to remember goes through
//! [`put_state`](storage::Txn::put_state).
//!
//! # A storage driver in ten lines
//!
//! `Cargo.toml`:
//!
//! ```toml
//! [package]
//! name = "storage-plain"
//! version = "0.1.0"
//! edition = "2024"
//!
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! bulkhead-plugin-api = { version = "0.1", default-features = false }
//!
//! [profile.release]
//! opt-level = "s"
//! lto = true
//! panic = "abort"
//! strip = true
//! ```
//!
//! `src/lib.rs`:
//!
//! ```
//! use bulkhead_plugin_api::Result;
//! use bulkhead_plugin_api::storage::{Purpose, StorageDriver, Txn};
//!
//! struct Plain;
//!
//! impl StorageDriver for Plain {
//!     fn prepare<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
//!         let snapshot = txn.snapshot()?;
//!         txn.create_dir(&snapshot, 0o755)?;
//!         if let Some(parent) = txn.parents().first() {
//!             txn.clone_tree(parent, &snapshot)?;
//!         }
//!         Self::mounts(txn, purpose)
//!     }
//!
//!     fn mounts<T: Txn>(txn: &T, purpose: Purpose) -> Result<()> {
//!         txn.mount_bind(&txn.snapshot()?, purpose.access())
//!     }
//! }
//!
//! bulkhead_plugin_api::export_storage!(Plain);
//! # fn main() {}
//! ```
//!
//! `plugin.toml` says who the plugin is and what it asks for; every grant has
//! a reason that is shown to whoever installs it. The grants are the names of
//! the orders in the contract; an order without its grant fails with
//! [`Code::Denied`].
//!
//! ```toml
//! name = "storage-plain"
//! version = "0.1.0"
//! world = "storage"              # or network, registry, volume
//! driver = "plain"               # what users type: --storage-driver plain
//! description = "A plain copy per snapshot"
//!
//! [grants]
//! create-dir = "a snapshot is a directory"
//! clone-tree = "a snapshot starts as a copy of its parent"
//! rename = "an unpacked layer becomes the committed one by a rename"
//! remove-tree = "a removed snapshot's directory goes"
//! mount-bind = "a container's root is its copy"
//!
//! # Registry sources only: the hosts they may speak to.
//! # [hosts]
//! # "{registry}" = "the registry the user named"
//!
//! # Optional, within the host's maxima.
//! # [limits]
//! # memory-mib = 64
//! # time-ms = 10000
//! ```
//!
//! Build it with any toolchain that has `wasm32-unknown-unknown` and links
//! with `wasm-component-ld` (it comes with Rust; the result is a component):
//!
//! ```text
//! rustup target add wasm32-unknown-unknown
//! cargo rustc --release --target wasm32-unknown-unknown -- -Clinker=wasm-component-ld
//! ```
//!
//! # Testing
//!
//! The exports are generic over the host, so a plain `cargo test` runs them
//! against the fakes of [`testing`] and looks at the orders they gave. See
//! the example there.
//!
//! # The other worlds
//!
//! [`network::NetworkDriver`] connects a container; [`volume::VolumeDriver`] says
//! what a volume's files are; [`registry::RegistrySource`]
//! finds images, with [`oci`] (feature `oci`, on by default) for manifests,
//! indexes and the choice of a platform.
//!
//! # Rules worth knowing
//!
//! - Pass errors of the host on with `?`: their words name the missing grant.
//! - A panic is a trap; its words reach the host's log, then the call fails.
//! - Memory, time, host calls, handles and steps of a call are limited;
//!   exceeding a limit fails the call and nothing else.
//! - What a call ordered does not show in the facts that the same call reads.

// The bindings name this crate from outside, so that one path serves both
// them and the export macros.
extern crate self as bulkhead_plugin_api;

#[doc(hidden)]
pub use wit_bindgen as __wit_bindgen;

#[doc(hidden)]
pub mod bindings;
mod digest;
mod error;
pub mod log;
pub mod network;
#[cfg(feature = "oci")]
pub mod oci;
pub mod registry;
pub mod size;
pub mod storage;
pub mod testing;
pub mod volume;

pub use digest::Digest;
pub use error::{Code, Error, Result};
