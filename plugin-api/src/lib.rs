//! bulkhead-plugin-api

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
pub mod storage;
pub mod testing;

pub use digest::Digest;
pub use error::{Code, Error, Result};
