//! Plugins as the engine sees them: the traits of the model, by calls to the
//! runner.

pub mod network;
pub mod registry;
pub mod storage;
pub mod volume;

use std::sync::Arc;
use std::time::Duration;

use bulkhead_model::plugin::PluginFailure;
use bulkhead_model::{PluginError, PluginIdentity};
use bulkhead_wire::call::LogLevel;
use bulkhead_wire::{HostReply, Limits, Operation, Outcome, PluginFault, Value};

use crate::broker::{Broker, ComponentId, Handler};
use crate::grant::Grant;
use crate::manifest::Manifest;
use crate::txn::{Refusal, Stopped};

/// Characters kept of a plugin's error.
const MAX_MESSAGE: usize = 1000;
const MAX_CODE: usize = 40;

/// One plugin and the way to it.
pub struct Plugin {
    /// Who it is.
    pub identity: PluginIdentity,
    /// What it asked for.
    pub manifest: Manifest,
    pub(crate) component: ComponentId,
    pub(crate) broker: Arc<Broker>,
}

impl Plugin {
    fn limits(&self) -> Limits {
        Limits {
            memory: self.manifest.memory,
            guest_ms: self.manifest.time_ms,
            ..Limits::default()
        }
    }

    fn error(&self, operation: &'static str, cause: PluginFailure) -> PluginError {
        PluginError {
            plugin: self.identity.name.clone(),
            version: self.identity.version.clone(),
            operation,
            cause,
        }
    }

    /// Puts the plugin's own limit into a timeout.
    fn timed(&self, cause: PluginFailure) -> PluginFailure {
        match cause {
            PluginFailure::Timeout(_) => {
                PluginFailure::Timeout(Duration::from_millis(self.manifest.time_ms.into()))
            }
            other => other,
        }
    }

    fn call(
        &self,
        operation: Operation,
        handler: &mut dyn Handler,
    ) -> Result<Outcome, PluginFailure> {
        self.broker
            .call(self.component, self.limits(), operation, handler)
    }

    /// What it declares.
    fn features(&self) -> Result<Vec<String>, PluginError> {
        let mut handler = NoOrders { plugin: self };
        let outcome = self.call(Operation::Features, &mut handler);
        let failed = |cause| self.error("features", cause);
        match value(outcome.map_err(failed)?, None, None).map_err(failed)? {
            Value::Strings(features) => Ok(features),
            _ => Err(failed(unexpected())),
        }
    }

    fn log(&self, level: LogLevel, line: &str) {
        let plugin = self.identity.name.as_str();
        // A line must not pass for two, nor for an escape sequence.
        let line: String = line
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        match level {
            LogLevel::Trace => tracing::trace!(target: "plugin", plugin, "{line}"),
            LogLevel::Debug => tracing::debug!(target: "plugin", plugin, "{line}"),
            LogLevel::Info => tracing::info!(target: "plugin", plugin, "{line}"),
            LogLevel::Warn => tracing::warn!(target: "plugin", plugin, "{line}"),
            LogLevel::Error => tracing::error!(target: "plugin", plugin, "{line}"),
        }
    }

    /// A grant was used.
    fn audit(&self, operation: &'static str, grant: Grant, subject: &str) {
        tracing::debug!(
            target: "audit",
            plugin = self.identity.name,
            version = self.identity.version,
            operation,
            grant = grant.as_str(),
            subject,
            "granted"
        );
    }

    /// An order was refused.
    fn audit_refusal(&self, operation: &'static str, subject: &str, refusal: &Refusal) {
        tracing::warn!(
            target: "audit",
            plugin = self.identity.name,
            version = self.identity.version,
            operation,
            subject,
            refusal = ?refusal,
            "refused"
        );
    }
}

/// For exports that get nothing to order with.
struct NoOrders<'a> {
    plugin: &'a Plugin,
}

impl Handler for NoOrders<'_> {
    fn answer(&mut self, _: bulkhead_wire::HostCall) -> HostReply {
        not_of_this_world()
    }

    fn log(&mut self, level: LogLevel, line: &str) {
        self.plugin.log(level, line);
    }
}

/// An order of another world: only a runner that was taken over sends it.
fn not_of_this_world() -> HostReply {
    HostReply::Fault(PluginFault {
        code: "denied".into(),
        message: "not of this world".into(),
        retryable: false,
    })
}

fn refuse(refusal: Refusal) -> HostReply {
    match refusal.into_fault() {
        Some(fault) => HostReply::Fault(fault),
        None => HostReply::Stop,
    }
}

/// The value of a call that went well, or the failure people read. What the
/// transaction noted counts for more than what the runner says.
fn value(
    outcome: Outcome,
    denied: Option<Grant>,
    stopped: Option<&Stopped>,
) -> Result<Value, PluginFailure> {
    if let Some(stopped) = stopped {
        return Err(PluginFailure::Limit {
            what: stopped.what.to_owned(),
            limit: stopped.limit,
        });
    }
    match outcome {
        Outcome::Ok(value) => Ok(value),
        Outcome::Fault(fault) => Err(match denied {
            Some(grant) if fault.code == "denied" => {
                PluginFailure::NotGranted(grant.as_str().to_owned())
            }
            _ => refused(fault),
        }),
        Outcome::Trap(text) => Err(PluginFailure::Trap(printable(&text, MAX_MESSAGE))),
        Outcome::Timeout => Err(PluginFailure::Timeout(Duration::ZERO)),
        Outcome::Limit { what, limit } => Err(PluginFailure::Limit {
            what: printable(&what, MAX_CODE),
            limit,
        }),
        Outcome::Protocol(text) => Err(PluginFailure::Protocol(printable(&text, MAX_MESSAGE))),
    }
}

fn refused(fault: PluginFault) -> PluginFailure {
    PluginFailure::Refused {
        code: printable(&fault.code, MAX_CODE),
        message: printable(&fault.message, MAX_MESSAGE),
        retryable: fault.retryable,
    }
}

/// A guest's text on its way to a terminal.
fn printable(text: &str, max: usize) -> String {
    let shown = text.chars().take(max);
    shown
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect()
}

fn unexpected() -> PluginFailure {
    PluginFailure::Protocol("the runner's answer does not fit the call".into())
}
