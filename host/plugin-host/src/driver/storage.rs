//! A storage plugin behind [`StorageDriver`].

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use bulkhead_model::driver::{DriverRoot, StorageDriver};
use bulkhead_model::plugin::PluginFailure;
use bulkhead_model::storage::{
    Pool, Purpose, SnapshotRequest, StorageFeatures, StoragePlan, Usage,
};
use bulkhead_model::{PluginError, PluginIdentity, SnapshotKey};
use bulkhead_wire::call::LogLevel;
use bulkhead_wire::storage::{Facts, Function, HostCall, Order};
use bulkhead_wire::{HostReply, Operation, Value};

use super::{Plugin, not_of_this_world, printable, refuse, unexpected, value};
use crate::broker::Handler;
use crate::grant::Grant;
use crate::txn::{Refusal, Scope, StorageTxn};

/// Rows of a status, and characters in each of their cells.
const MAX_ROWS: usize = 64;
const MAX_CELL: usize = 256;

/// A storage driver that is a plugin.
pub struct StoragePlugin {
    plugin: Arc<Plugin>,
    features: OnceLock<StorageFeatures>,
    /// What the administrator set for the driver.
    options: Vec<(String, String)>,
}

/// One call: which export, and what it is about.
struct Invocation<'a> {
    operation: &'static str,
    function: Function,
    scope: Scope,
    key: Option<&'a SnapshotKey>,
    parents: &'a [SnapshotKey],
    size: Option<u64>,
}

/// What a call that went well came to.
struct Answer {
    value: Value,
    plan: StoragePlan,
    pool: Option<Pool>,
    denied: Option<Grant>,
}

impl StoragePlugin {
    pub(crate) fn new(plugin: Arc<Plugin>, options: Vec<(String, String)>) -> Self {
        Self {
            plugin,
            features: OnceLock::new(),
            options,
        }
    }

    fn invoke(
        &self,
        root: &dyn DriverRoot,
        invocation: Invocation<'_>,
    ) -> Result<Answer, PluginError> {
        let Invocation {
            operation,
            function,
            scope,
            key,
            parents,
            size,
        } = invocation;
        let facts = Facts {
            key: key.map(|key| key.as_str().to_owned()).unwrap_or_default(),
            parents: parents.len() as u32,
            host: root.facts(),
        };
        let mut handler = StorageHandler {
            plugin: &self.plugin,
            operation,
            options: &self.options,
            size,
            txn: StorageTxn::new(&self.plugin.manifest.grants, root, scope, key, parents),
        };
        let outcome = self
            .plugin
            .call(Operation::Storage(facts, function), &mut handler);
        let txn = handler.txn;
        let result = outcome.and_then(|outcome| value(outcome, txn.denied(), txn.stopped()));
        match result {
            Ok(value) => {
                let (denied, pool) = (txn.denied(), txn.pool().cloned());
                Ok(Answer {
                    value,
                    plan: txn.into_plan(),
                    pool,
                    denied,
                })
            }
            Err(cause) => Err(self.plugin.error(operation, self.plugin.timed(cause))),
        }
    }

    fn plan(
        &self,
        root: &dyn DriverRoot,
        invocation: Invocation<'_>,
    ) -> Result<StoragePlan, PluginError> {
        let operation = invocation.operation;
        let wants_mount = matches!(invocation.scope, Scope::Prepare(_) | Scope::Mounts(_));
        let Answer { plan, denied, .. } = self.invoke(root, invocation)?;
        if wants_mount && plan.mount.is_none() {
            // A driver may keep silent about a refusal; the user is told.
            let cause = match denied {
                Some(grant) => PluginFailure::NotGranted(grant.as_str().to_owned()),
                None => PluginFailure::Protocol("it ordered no mount".into()),
            };
            return Err(self.plugin.error(operation, cause));
        }
        Ok(plan)
    }
}

impl StorageDriver for StoragePlugin {
    fn identity(&self) -> &PluginIdentity {
        &self.plugin.identity
    }

    fn driver_name(&self) -> &str {
        &self.plugin.manifest.driver
    }

    fn features(&self) -> &StorageFeatures {
        if let Some(features) = self.features.get() {
            return features;
        }
        match self.plugin.features() {
            Ok(words) => self.features.get_or_init(|| StorageFeatures {
                overlay_layers: words.iter().any(|word| word == "overlay-layers"),
            }),
            // Not kept: the next call may do better, and no layer may be laid
            // out for a feature that is there only sometimes.
            Err(error) => {
                tracing::warn!(%error, "the driver does not say what it can do");
                const {
                    &StorageFeatures {
                        overlay_layers: false,
                    }
                }
            }
        }
    }

    fn probe(&self, root: &dyn DriverRoot) -> Result<Option<Pool>, PluginError> {
        let invocation = Invocation {
            operation: "probe",
            function: Function::Probe,
            scope: Scope::Probe,
            key: None,
            parents: &[],
            size: None,
        };
        self.invoke(root, invocation).map(|answer| answer.pool)
    }

    fn prepare(
        &self,
        root: &dyn DriverRoot,
        request: &SnapshotRequest,
    ) -> Result<StoragePlan, PluginError> {
        let invocation = Invocation {
            operation: "prepare",
            function: Function::Prepare(request.purpose.as_str().to_owned()),
            scope: Scope::Prepare(request.purpose),
            key: Some(&request.key),
            parents: &request.parents,
            size: request.size,
        };
        self.plan(root, invocation)
    }

    fn mounts(
        &self,
        root: &dyn DriverRoot,
        request: &SnapshotRequest,
    ) -> Result<StoragePlan, PluginError> {
        let invocation = Invocation {
            operation: "mounts",
            function: Function::Mounts(request.purpose.as_str().to_owned()),
            scope: Scope::Mounts(request.purpose),
            key: Some(&request.key),
            parents: &request.parents,
            size: request.size,
        };
        self.plan(root, invocation)
    }

    fn commit(
        &self,
        root: &dyn DriverRoot,
        request: &SnapshotRequest,
        name: &SnapshotKey,
    ) -> Result<StoragePlan, PluginError> {
        debug_assert_eq!(request.purpose, Purpose::Extract);
        let invocation = Invocation {
            operation: "commit",
            function: Function::Commit(name.as_str().to_owned()),
            scope: Scope::Commit(name.clone()),
            key: Some(&request.key),
            parents: &request.parents,
            size: request.size,
        };
        self.plan(root, invocation)
    }

    fn remove(&self, root: &dyn DriverRoot, key: &SnapshotKey) -> Result<StoragePlan, PluginError> {
        let invocation = Invocation {
            operation: "remove",
            function: Function::Remove,
            scope: Scope::Remove,
            key: Some(key),
            parents: &[],
            size: None,
        };
        self.plan(root, invocation)
    }

    fn usage(
        &self,
        root: &dyn DriverRoot,
        request: &SnapshotRequest,
    ) -> Result<Usage, PluginError> {
        let invocation = Invocation {
            operation: "usage",
            function: Function::Usage,
            scope: Scope::Usage,
            key: Some(&request.key),
            parents: &request.parents,
            size: None,
        };
        match self.invoke(root, invocation)?.value {
            Value::Usage(bytes, inodes) => Ok(Usage { bytes, inodes }),
            _ => Err(self.plugin.error("usage", unexpected())),
        }
    }

    fn gc(&self, root: &dyn DriverRoot, live: &[SnapshotKey]) -> Result<StoragePlan, PluginError> {
        let names: Vec<String> = live.iter().map(|key| key.as_str().to_owned()).collect();
        let invocation = Invocation {
            operation: "gc",
            function: Function::Gc(names.clone()),
            scope: Scope::Gc(BTreeSet::from_iter(names)),
            key: None,
            parents: &[],
            size: None,
        };
        self.plan(root, invocation)
    }

    fn status(&self, root: &dyn DriverRoot) -> Result<Vec<(String, String)>, PluginError> {
        let invocation = Invocation {
            operation: "status",
            function: Function::Status,
            scope: Scope::Status,
            key: None,
            parents: &[],
            size: None,
        };
        match self.invoke(root, invocation)?.value {
            Value::Rows(rows) => Ok(shown(rows)),
            _ => Err(self.plugin.error("status", unexpected())),
        }
    }
}

/// Rows as people see them: few, short and printable.
fn shown(rows: Vec<(String, String)>) -> Vec<(String, String)> {
    let short = |text: String| printable(&text, MAX_CELL).replace('\n', " ");
    rows.into_iter()
        .take(MAX_ROWS)
        .map(|(name, value)| (short(name), short(value)))
        .collect()
}

struct StorageHandler<'a> {
    plugin: &'a Plugin,
    operation: &'static str,
    options: &'a [(String, String)],
    size: Option<u64>,
    txn: StorageTxn<'a>,
}

impl StorageHandler<'_> {
    fn judge(&mut self, call: HostCall) -> Result<HostReply, Refusal> {
        Ok(match call {
            HostCall::Exists(dir) => HostReply::Flag(self.txn.exists(dir)?),
            HostCall::Entries(dir, after, max) => {
                HostReply::Names(self.txn.entries(dir, after, max)?)
            }
            HostCall::ReadSmall(dir, name) => {
                HostReply::Bytes(Some(self.txn.read_small(dir, &name)?))
            }
            HostCall::Usage(dir) => {
                let usage = self.txn.usage(dir)?;
                HostReply::Usage(usage.bytes, usage.inodes)
            }
            HostCall::UsageOver(dir, base) => {
                let usage = self.txn.usage_over(dir, base)?;
                HostReply::Usage(usage.bytes, usage.inodes)
            }
            HostCall::Snapshots(after, max) => HostReply::Names(self.txn.snapshots(after, max)?),
            HostCall::StateGet(key) => HostReply::Bytes(self.txn.state(&key)?),
            HostCall::PoolStatus => HostReply::Rows(self.txn.pool_status()),
            HostCall::Order(order) => return self.order(order),
            HostCall::Options => HostReply::Rows(self.options.to_vec()),
            HostCall::Size => HostReply::Number(self.size),
        })
    }

    fn order(&mut self, order: Order) -> Result<HostReply, Refusal> {
        let subject = subject(&order);
        match self.txn.order(order) {
            Ok(grant) => {
                self.plugin.audit(self.operation, grant, &subject);
                Ok(HostReply::Unit)
            }
            Err(refusal) => {
                self.plugin
                    .audit_refusal(self.operation, &subject, &refusal);
                Err(refusal)
            }
        }
    }
}

impl Handler for StorageHandler<'_> {
    fn answer(&mut self, call: bulkhead_wire::HostCall) -> HostReply {
        let bulkhead_wire::HostCall::Storage(call) = call else {
            return not_of_this_world();
        };
        // `exists` has no error to give: what may not be seen is not there.
        let is_exists = matches!(call, HostCall::Exists(_));
        match self.judge(call) {
            Ok(reply) => reply,
            Err(_) if is_exists => HostReply::Flag(false),
            Err(refusal) => refuse(refusal),
        }
    }

    fn log(&mut self, level: LogLevel, line: &str) {
        self.plugin.log(level, line);
    }
}

/// What an order is about, for the audit; empty unless somebody listens.
fn subject(order: &Order) -> String {
    if !tracing::enabled!(target: "audit", tracing::Level::WARN) {
        return String::new();
    }
    let shown = format!("{order:?}");
    shown.chars().take(300).collect()
}
