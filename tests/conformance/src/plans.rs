//! The first level for components: their plans, judged by the real host, on a
//! host in memory.

mod convert;

use std::io;

use anyhow::Result;
use bulkhead_model::driver::{DriverRoot, StorageDriver};
use bulkhead_model::plugin::PluginFailure;
use bulkhead_model::storage::{self as model, DirName, DirPath, SnapshotRequest};
use bulkhead_model::{PluginError, SnapshotKey};
use bulkhead_plugin_api::storage::{Dir, OVERLAY_LAYERS, Purpose, Txn, Usage};
use bulkhead_plugin_api::testing::conformance::{self, Finding, Subject};
use bulkhead_plugin_api::testing::{FakeStorageHost, Operation};
use bulkhead_plugin_api::{Code, Error};

use crate::{Component, Options};

/// What the host in memory claims to have found out: everything drivers ask for.
const FACTS: [&str; 6] = [
    "overlay",
    "reflink",
    "btrfs",
    "loop",
    "mkfs.ext4",
    "mkfs.xfs",
];

pub(crate) fn run(component: &Component, options: &Options) -> Result<Vec<Finding>> {
    let subject = Judged(component.driver());
    let cases = conformance::cases();
    let wanted = cases.iter().filter(|case| options.wants(case.name));
    Ok(wanted
        .map(|case| conformance::run(case, &subject, &FACTS))
        .collect())
}

/// A component; its orders went through the host's checks.
struct Judged<'a>(&'a dyn StorageDriver);

impl Subject for Judged<'_> {
    fn features(&self) -> Vec<String> {
        let overlay = self
            .0
            .features()
            .overlay_layers
            .then(|| OVERLAY_LAYERS.to_owned());
        overlay.into_iter().collect()
    }

    fn call(&self, host: &FakeStorageHost, operation: &Operation) -> Result<Usage, Error> {
        let root = Fake(host.clone());
        let key = || key(&host.key());
        let request = |purpose| -> Result<SnapshotRequest, Error> {
            Ok(SnapshotRequest {
                key: key()?,
                parents: host
                    .parent_keys()
                    .iter()
                    .map(|k| self::key(k))
                    .collect::<Result<_, _>>()?,
                purpose: convert::purpose(purpose),
                size: host.size(),
            })
        };
        let plan = match operation {
            Operation::Probe => {
                if let Some(pool) = self.0.probe(&root).map_err(refused)? {
                    host.record(convert::pool(&pool))?;
                }
                return Ok(Usage::default());
            }
            Operation::Prepare(purpose) => self.0.prepare(&root, &request(*purpose)?),
            Operation::Mounts(purpose) => self.0.mounts(&root, &request(*purpose)?),
            Operation::Commit(name) => {
                self.0
                    .commit(&root, &request(Purpose::Extract)?, &self::key(name)?)
            }
            Operation::Remove => self.0.remove(&root, &key()?),
            Operation::Usage => {
                let request = request(Purpose::View)?;
                let usage = self.0.usage(&root, &request).map_err(refused)?;
                return Ok(convert::usage_back(usage));
            }
            Operation::Gc(live) => {
                let live = live
                    .iter()
                    .map(|name| self::key(name))
                    .collect::<Result<Vec<_>, _>>()?;
                self.0.gc(&root, &live)
            }
        };
        for order in convert::orders(plan.map_err(refused)?) {
            host.record(order)?;
        }
        Ok(Usage::default())
    }
}

fn key(text: &str) -> Result<SnapshotKey, Error> {
    text.parse().map_err(|e| Error::invalid(format!("{e}")))
}

fn refused(error: PluginError) -> Error {
    match error.cause {
        PluginFailure::Refused { code, message, .. } => {
            Error::new(Code::from(code.as_str()), message)
        }
        PluginFailure::NotGranted(grant) => {
            Error::denied(format!("the plugin was not granted {grant}"))
        }
        cause => Error::new(Code::Internal, cause.to_string()),
    }
}

/// A host in memory as drivers read it.
struct Fake(FakeStorageHost);

impl Fake {
    fn dir(&self, dir: &DirPath) -> bulkhead_plugin_api::testing::FakeDir {
        self.0.dir_at(&dir.to_string())
    }
}

impl DriverRoot for Fake {
    fn is_dir(&self, dir: &DirPath) -> bool {
        self.dir(dir).exists()
    }

    fn entries(
        &self,
        dir: &DirPath,
        after: Option<&DirName>,
        max: usize,
    ) -> io::Result<Vec<String>> {
        let (after, max) = (after.map(DirName::as_str), max as u32);
        match dir.0.is_empty() {
            true => self.0.snapshots(after, max).map_err(not_there),
            false => self.dir(dir).entries(after, max).map_err(not_there),
        }
    }

    fn read_small(&self, dir: &DirPath, name: &DirName) -> io::Result<Vec<u8>> {
        self.dir(dir).read_small(name.as_str()).map_err(not_there)
    }

    fn usage(&self, dir: &DirPath) -> io::Result<model::Usage> {
        self.dir(dir).usage().map(measured).map_err(not_there)
    }

    fn usage_over(&self, dir: &DirPath, base: &DirPath) -> io::Result<model::Usage> {
        let usage = self.dir(dir).usage_over(&self.dir(base));
        usage.map(measured).map_err(not_there)
    }

    fn state(&self, key: &str) -> Option<Vec<u8>> {
        self.0.state(key).ok().flatten()
    }

    fn facts(&self) -> Vec<String> {
        self.0.facts()
    }

    fn pool_status(&self) -> Vec<(String, String)> {
        self.0.pool_status()
    }
}

fn measured(usage: bulkhead_plugin_api::storage::Usage) -> model::Usage {
    model::Usage {
        bytes: usage.bytes,
        inodes: usage.inodes,
    }
}

fn not_there(error: Error) -> io::Error {
    let kind = match error.code {
        Code::NotFound => io::ErrorKind::NotFound,
        _ => io::ErrorKind::InvalidInput,
    };
    io::Error::new(kind, error.message)
}
