//! Registry source `oci`: registries that speak the OCI distribution
//! protocol, Docker Hub among them.
//!
//! The plugin holds the protocol: which URL, which challenge, which manifest.
//! Credentials and layers stay in the host.

mod catalog;
mod challenge;
mod endpoint;
mod failure;
mod repository;
mod sink;
mod source;

use source::Distribution;

bulkhead_plugin_api::export_registry!(Distribution, push, catalog);
