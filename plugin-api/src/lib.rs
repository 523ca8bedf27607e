//! bulkhead-plugin-api

// The bindings name this crate from outside, so that one path serves both
// them and the export macros.
extern crate self as bulkhead_plugin_api;

#[doc(hidden)]
pub use wit_bindgen as __wit_bindgen;

#[doc(hidden)]
pub mod bindings;
mod error;
pub mod log;
pub mod network;
pub mod storage;

pub use error::{Code, Error, Result};
