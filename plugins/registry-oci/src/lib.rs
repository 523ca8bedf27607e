//! Registry source `oci`: registries that speak the OCI distribution
//! protocol, Docker Hub among them.
//!
//! The plugin holds the protocol: which URL, which challenge, which manifest.
//! Credentials and layers stay in the host.

mod challenge;
mod endpoint;
mod failure;
mod source;

use source::Distribution;

bulkhead_plugin_api::export_registry!(Distribution);
