//! Version 0.1 of the contract: the generated bindings, and host functions
//! that hand each call to the broker.

use bulkhead_wire::PluginFault;

pub mod network;
pub mod registry;
pub mod storage;
pub mod volume;

/// Generated from `wit/`. Types and log are generated once and shared.
#[allow(missing_docs, unreachable_pub)]
pub mod bindings {
    pub mod storage {
        wasmtime::component::bindgen!({
            path: "../../wit",
            world: "storage",
            imports: { default: trappable },
            with: {
                "bulkhead:plugin/storage-host.dir": bulkhead_wire::storage::Dir,
                "bulkhead:plugin/storage-host.txn": crate::v0_1::storage::Txn,
            },
        });
    }

    pub mod network {
        wasmtime::component::bindgen!({
            path: "../../wit",
            world: "network",
            imports: { default: trappable },
            with: {
                "bulkhead:plugin/types": super::storage::bulkhead::plugin::types,
                "bulkhead:plugin/log": super::storage::bulkhead::plugin::log,
                "bulkhead:plugin/network-host.txn": crate::v0_1::network::Txn,
            },
        });
    }

    pub mod volume {
        wasmtime::component::bindgen!({
            path: "../../wit",
            world: "volume",
            imports: { default: trappable },
            with: {
                "bulkhead:plugin/types": super::storage::bulkhead::plugin::types,
                "bulkhead:plugin/log": super::storage::bulkhead::plugin::log,
                "bulkhead:plugin/volume-host.txn": crate::v0_1::volume::Txn,
            },
        });
    }

    pub mod registry {
        wasmtime::component::bindgen!({
            path: "../../wit",
            world: "registry",
            imports: { default: trappable },
            with: {
                "bulkhead:plugin/types": super::storage::bulkhead::plugin::types,
                "bulkhead:plugin/log": super::storage::bulkhead::plugin::log,
                "bulkhead:plugin/registry-host.session": crate::v0_1::registry::Session,
                "bulkhead:plugin/registry-host.response": bulkhead_wire::registry::Response,
            },
        });
    }

    pub mod registry_push {
        wasmtime::component::bindgen!({
            path: "../../wit",
            world: "registry-push",
            imports: { default: trappable },
            with: {
                "bulkhead:plugin/types": super::storage::bulkhead::plugin::types,
                "bulkhead:plugin/log": super::storage::bulkhead::plugin::log,
                "bulkhead:plugin/registry-host": super::registry::bulkhead::plugin::registry_host,
            },
        });
    }

    pub mod registry_browse {
        wasmtime::component::bindgen!({
            path: "../../wit",
            world: "registry-browse",
            imports: { default: trappable },
            with: {
                "bulkhead:plugin/types": super::storage::bulkhead::plugin::types,
                "bulkhead:plugin/log": super::storage::bulkhead::plugin::log,
                "bulkhead:plugin/registry-host": super::registry::bulkhead::plugin::registry_host,
            },
        });
    }
}

use crate::call::CallState;
use bindings::storage::bulkhead::plugin::{log, types};

impl types::Host for CallState {}

impl log::Host for CallState {
    fn emit(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        use bulkhead_wire::call::LogLevel;
        let level = match level {
            log::Level::Trace => LogLevel::Trace,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.log(level, message)
    }
}

/// The contract's error for the guest.
fn error(fault: PluginFault) -> types::Error {
    types::Error {
        code: fault.code,
        message: fault.message,
        retryable: fault.retryable,
    }
}

/// The guest's error for the broker.
fn fault(error: types::Error) -> PluginFault {
    PluginFault {
        code: error.code,
        message: error.message,
        retryable: error.retryable,
    }
}

fn invalid(message: impl Into<String>) -> types::Error {
    types::Error {
        code: "invalid".into(),
        message: message.into(),
        retryable: false,
    }
}
