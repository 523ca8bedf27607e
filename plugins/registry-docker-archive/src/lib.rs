//! Registry source `docker-archive`: a tar file as `docker save` and skopeo
//! write it (Docker's "Image Specification v1.2", `manifest.json`).

mod source;

use source::Archive;

bulkhead_plugin_api::export_registry!(Archive);
