//! Does with a driver what the engine does: asks, carries out, mounts.

use std::path::{Path, PathBuf};

use bulkhead_model::SnapshotKey;
use bulkhead_model::driver::StorageDriver;
use bulkhead_model::error::message;
use bulkhead_model::storage::{Purpose, SnapshotRequest, StoragePlan, Usage};
use bulkhead_plugin_api::testing::conformance::Failure;
use bulkhead_runtime::Storage;
use bulkhead_store::unpack::{self, Limits, WhiteoutStyle};
use std::os::fd::AsFd;

use super::layer::Layer;
use super::root::Root;

pub(super) type Outcome<T = ()> = Result<T, Failure>;

/// How many times `gc` may be asked before it must have ordered nothing.
const GC_ROUNDS: usize = 20;

/// A driver and a data root of its own.
pub(super) struct Bench<'a> {
    pub(super) driver: &'a dyn StorageDriver,
    pub(super) storage: Storage,
    pub(super) data_root: PathBuf,
}

/// Says what was tried when it fails.
pub(super) trait Expecting<T> {
    /// "`what`: expected it to work, found `error`".
    fn expecting(self, what: &str) -> Outcome<T>;
}

impl<T, E: std::error::Error + 'static> Expecting<T> for Result<T, E> {
    fn expecting(self, what: &str) -> Outcome<T> {
        self.map_err(|error| Failure::new(what, "it to work", message(&error)))
    }
}

impl<'a> Bench<'a> {
    pub(super) fn open(driver: &'a dyn StorageDriver, data_root: &Path) -> Outcome<Self> {
        Ok(Self {
            driver,
            storage: Storage::open(data_root).expecting("the data root")?,
            data_root: data_root.to_owned(),
        })
    }

    /// As the engine's next start finds it.
    pub(super) fn reopened(self) -> Outcome<Self> {
        let Self {
            driver,
            storage,
            data_root,
        } = self;
        drop(storage);
        let bench = Self::open(driver, &data_root)?;
        bench.probe()?;
        Ok(bench)
    }

    /// The driver's root.
    pub(super) fn root(&self) -> Outcome<Root> {
        let opened = self.storage.open_root(self.driver.driver_name());
        Ok(Root {
            what: "the driver's root".to_owned(),
            mount: opened.expecting("the driver's root")?,
        })
    }

    /// As the engine does before it uses a driver. Whether its root is in a
    /// filesystem of its own.
    pub(super) fn probe(&self) -> Outcome<bool> {
        let name = self.driver.driver_name();
        let ask = || self.driver.probe(&*self.storage.driver_root(name));
        let Some(pool) = ask().expecting("probe on this filesystem")? else {
            return Ok(self
                .data_root
                .join("storage")
                .join(name)
                .join("pool.img")
                .exists());
        };
        let made = self.storage.make_pool(name, &pool);
        made.expecting("the pool that probe asked for")?;
        match ask().expecting("probe on the pool")? {
            None => Ok(true),
            Some(pool) => {
                let found = format!("one more pool: {pool:?}");
                Err(Failure::new("probe on the pool", "no further pool", found))
            }
        }
    }

    pub(super) fn request(
        key: &str,
        parents: &[String],
        purpose: Purpose,
    ) -> Outcome<SnapshotRequest> {
        Ok(SnapshotRequest {
            key: self::key(key)?,
            parents: parents
                .iter()
                .map(|parent| self::key(parent))
                .collect::<Outcome<_>>()?,
            purpose,
            size: None,
        })
    }

    pub(super) fn ask_prepare(
        &self,
        key: &str,
        parents: &[String],
        purpose: Purpose,
    ) -> Outcome<StoragePlan> {
        let root = self.storage.driver_root(self.driver.driver_name());
        let request = Self::request(key, parents, purpose)?;
        let plan = self.driver.prepare(&*root, &request);
        plan.expecting(&format!("prepare of {key} for {}", purpose.as_str()))
    }

    pub(super) fn ask_commit(
        &self,
        key: &str,
        parents: &[String],
        name: &str,
    ) -> Outcome<StoragePlan> {
        let root = self.storage.driver_root(self.driver.driver_name());
        let request = Self::request(key, parents, Purpose::Extract)?;
        let plan = self.driver.commit(&*root, &request, &self::key(name)?);
        plan.expecting(&format!("commit of {key} as {name}"))
    }

    pub(super) fn ask_remove(&self, key: &str) -> Outcome<StoragePlan> {
        let root = self.storage.driver_root(self.driver.driver_name());
        let plan = self.driver.remove(&*root, &self::key(key)?);
        plan.expecting(&format!("remove of {key}"))
    }

    pub(super) fn apply(&self, plan: &StoragePlan, what: &str) -> Outcome {
        let applied = self.storage.apply(self.driver.driver_name(), plan);
        applied.expecting(&format!("carrying out {what}"))
    }

    /// Mounts what a plan says.
    pub(super) fn mount(&self, plan: &StoragePlan, what: &str) -> Outcome<Root> {
        let missing = || Failure::new(what, "a mount", "none ordered");
        let mount = plan.mount.as_ref().ok_or_else(missing)?;
        let opened = self.storage.open_rootfs(self.driver.driver_name(), mount);
        Ok(Root {
            what: what.to_owned(),
            mount: opened.expecting(&format!("mounting {what}"))?,
        })
    }

    /// Lays a snapshot out and mounts it.
    pub(super) fn prepare(&self, key: &str, parents: &[String], purpose: Purpose) -> Outcome<Root> {
        let plan = self.ask_prepare(key, parents, purpose)?;
        let what = format!("{key} ({}, {} layers)", purpose.as_str(), parents.len());
        self.apply(&plan, &format!("the plan for {what}"))?;
        self.mount(&plan, &what)
    }

    /// A container over these layers.
    pub(super) fn container(&self, key: &str, parents: &[String]) -> Outcome<Root> {
        self.prepare(key, parents, Purpose::Run)
    }

    /// Mounts a snapshot that exists.
    pub(super) fn mounts(&self, key: &str, parents: &[String], purpose: Purpose) -> Outcome<Root> {
        let root = self.storage.driver_root(self.driver.driver_name());
        let request = Self::request(key, parents, purpose)?;
        let plan = self.driver.mounts(&*root, &request);
        let plan = plan.expecting(&format!("mounts of {key}"))?;
        self.mount(&plan, &format!("{key}, mounted again"))
    }

    pub(super) fn extract(&self, root: &Root, layer: Layer) -> Outcome {
        let style = match self.driver.features().overlay_layers {
            true => WhiteoutStyle::Overlay,
            false => WhiteoutStyle::Delete,
        };
        let archive = layer.into_bytes();
        let unpacked = unpack::apply(&archive[..], root.mount.as_fd(), style, &Limits::default());
        unpacked
            .map(drop)
            .expecting(&format!("unpacking into {}", root.what))
    }

    pub(super) fn commit(&self, key: &str, parents: &[String], name: &str) -> Outcome {
        let plan = self.ask_commit(key, parents, name)?;
        self.apply(&plan, &format!("the commit of {key} as {name}"))
    }

    /// A committed layer over `parents`, made as a pull makes it; gives
    /// parents for what comes above.
    pub(super) fn layer(
        &self,
        name: &str,
        parents: &[String],
        layer: Layer,
    ) -> Outcome<Vec<String>> {
        let key = format!("x-{name}");
        let root = self.prepare(&key, parents, Purpose::Extract)?;
        self.extract(&root, layer)?;
        drop(root);
        self.commit(&key, parents, name)?;
        let own = std::iter::once(name.to_owned());
        Ok(own.chain(parents.iter().cloned()).collect())
    }

    pub(super) fn remove(&self, key: &str) -> Outcome {
        let plan = self.ask_remove(key)?;
        self.apply(&plan, &format!("the removal of {key}"))
    }

    pub(super) fn usage(&self, key: &str, parents: &[String]) -> Outcome<Usage> {
        let root = self.storage.driver_root(self.driver.driver_name());
        let request = Self::request(key, parents, Purpose::View)?;
        let usage = self.driver.usage(&*root, &request);
        usage.expecting(&format!("usage of {key}"))
    }

    /// Garbage collection until nothing is left to do.
    pub(super) fn collect(&self, live: &[String]) -> Outcome {
        let live = live
            .iter()
            .map(|name| self::key(name))
            .collect::<Outcome<Vec<_>>>()?;
        let root = self.storage.driver_root(self.driver.driver_name());
        for _ in 0..GC_ROUNDS {
            let plan = self.driver.gc(&*root, &live).expecting("gc")?;
            if plan.steps.is_empty() {
                return Ok(());
            }
            self.apply(&plan, "gc")?;
        }
        let found = format!("orders after {GC_ROUNDS} rounds");
        Err(Failure::new(
            "gc",
            "an end, after which it orders nothing",
            found,
        ))
    }

    /// Names of what is in the driver's root, as the driver sees it.
    pub(super) fn snapshots(&self) -> Outcome<Vec<String>> {
        let root = self.storage.driver_root(self.driver.driver_name());
        let names = root.entries(
            &bulkhead_model::storage::DirPath(Vec::new()),
            None,
            usize::MAX,
        );
        names.expecting("the driver's root")
    }
}

pub(super) fn key(text: &str) -> Outcome<SnapshotKey> {
    text.parse().expecting(&format!("the key {text:?}"))
}

/// An error where there must be one.
pub(super) fn refused<T>(what: &str, outcome: Outcome<T>) -> Outcome {
    match outcome {
        Err(_) => Ok(()),
        Ok(_) => Err(Failure::new(what, "an error", "it was carried out")),
    }
}
