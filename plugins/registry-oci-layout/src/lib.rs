//! Registry source `oci-layout`: a directory in the OCI image layout
//! (image-spec `image-layout.md`).

mod source;

use source::Layout;

bulkhead_plugin_api::export_registry!(Layout);
