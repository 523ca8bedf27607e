//! What `wit-bindgen` makes of the contract in `wit/`, one module per world.
//! Authors never name these types: the traits of this crate stand in front.

#![allow(missing_docs, unreachable_pub, clippy::all)]
// The generated exports carry the component ABI: `extern "C"` functions that
// lift and lower values. No line of it is written by hand.
#![allow(unsafe_code, unsafe_op_in_unsafe_fn)]

/// World `storage`, with the `types` and `log` that all worlds share.
pub mod storage {
    wit_bindgen::generate!({
        path: "wit",
        world: "storage",
        pub_export_macro: true,
        export_macro_name: "__export_storage_world",
        default_bindings_module: "bulkhead_plugin_api::bindings::storage",
        runtime_path: "::bulkhead_plugin_api::__wit_bindgen::rt",
    });
}

/// World `network`.
pub mod network {
    wit_bindgen::generate!({
        path: "wit",
        world: "network",
        with: {
            "bulkhead:plugin/types@0.1.0": crate::bindings::storage::bulkhead::plugin::types,
            "bulkhead:plugin/log@0.1.0": crate::bindings::storage::bulkhead::plugin::log,
        },
        pub_export_macro: true,
        export_macro_name: "__export_network_world",
        default_bindings_module: "bulkhead_plugin_api::bindings::network",
        runtime_path: "::bulkhead_plugin_api::__wit_bindgen::rt",
    });
}

/// World `registry`.
pub mod registry {
    wit_bindgen::generate!({
        path: "wit",
        world: "registry",
        with: {
            "bulkhead:plugin/types@0.1.0": crate::bindings::storage::bulkhead::plugin::types,
            "bulkhead:plugin/log@0.1.0": crate::bindings::storage::bulkhead::plugin::log,
        },
        pub_export_macro: true,
        export_macro_name: "__export_registry_world",
        default_bindings_module: "bulkhead_plugin_api::bindings::registry",
        runtime_path: "::bulkhead_plugin_api::__wit_bindgen::rt",
    });
}

/// World `volume`.
pub mod volume {
    wit_bindgen::generate!({
        path: "wit",
        world: "volume",
        with: {
            "bulkhead:plugin/types@0.1.0": crate::bindings::storage::bulkhead::plugin::types,
            "bulkhead:plugin/log@0.1.0": crate::bindings::storage::bulkhead::plugin::log,
        },
        pub_export_macro: true,
        export_macro_name: "__export_volume_world",
        default_bindings_module: "bulkhead_plugin_api::bindings::volume",
        runtime_path: "::bulkhead_plugin_api::__wit_bindgen::rt",
    });
}

/// World `registry-push`.
pub mod registry_push {
    wit_bindgen::generate!({
        path: "wit",
        world: "registry-push",
        with: {
            "bulkhead:plugin/types@0.1.0": crate::bindings::storage::bulkhead::plugin::types,
            "bulkhead:plugin/log@0.1.0": crate::bindings::storage::bulkhead::plugin::log,
            "bulkhead:plugin/registry-host@0.1.0": crate::bindings::registry::bulkhead::plugin::registry_host,
        },
        pub_export_macro: true,
        export_macro_name: "__export_registry_push_world",
        default_bindings_module: "bulkhead_plugin_api::bindings::registry_push",
        runtime_path: "::bulkhead_plugin_api::__wit_bindgen::rt",
    });
}

/// World `registry-browse`.
pub mod registry_browse {
    wit_bindgen::generate!({
        path: "wit",
        world: "registry-browse",
        with: {
            "bulkhead:plugin/types@0.1.0": crate::bindings::storage::bulkhead::plugin::types,
            "bulkhead:plugin/log@0.1.0": crate::bindings::storage::bulkhead::plugin::log,
            "bulkhead:plugin/registry-host@0.1.0": crate::bindings::registry::bulkhead::plugin::registry_host,
        },
        pub_export_macro: true,
        export_macro_name: "__export_registry_browse_world",
        default_bindings_module: "bulkhead_plugin_api::bindings::registry_browse",
        runtime_path: "::bulkhead_plugin_api::__wit_bindgen::rt",
    });
}
