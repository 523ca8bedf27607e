//! The glue between the contract's version 0.1.0 and the driver trait.

use std::marker::PhantomData;

use super::{
    Access, Dir, Filesystem, Overlay, Pool, Purpose, StorageDriver, Txn, Usage, VolumeOption,
};
use crate::bindings::storage::bulkhead::plugin::storage_host as wit;
use crate::bindings::storage::bulkhead::plugin::types;
use crate::bindings::storage::exports::bulkhead::plugin::storage_driver::Guest;
use crate::{Result, log};

/// A driver as the component's export; made by [`export_storage!`](crate::export_storage).
pub struct Export<D>(PhantomData<D>);

type WitResult<T> = std::result::Result<T, types::Error>;

impl<D: StorageDriver> Guest for Export<D> {
    fn features() -> Vec<String> {
        D::FEATURES
            .iter()
            .map(|feature| (*feature).to_owned())
            .collect()
    }

    fn probe(txn: wit::Txn) -> WitResult<()> {
        log::report_panics();
        Ok(D::probe(&txn)?)
    }

    fn prepare(txn: wit::Txn, purpose: String) -> WitResult<()> {
        log::report_panics();
        Ok(D::prepare(&txn, Purpose::parse(&purpose)?)?)
    }

    fn mounts(txn: wit::Txn, purpose: String) -> WitResult<()> {
        log::report_panics();
        Ok(D::mounts(&txn, Purpose::parse(&purpose)?)?)
    }

    fn commit(txn: wit::Txn, name: String) -> WitResult<()> {
        log::report_panics();
        Ok(D::commit(&txn, &name)?)
    }

    fn remove(txn: wit::Txn) -> WitResult<()> {
        log::report_panics();
        Ok(D::remove(&txn)?)
    }

    fn usage(txn: wit::Txn) -> WitResult<(u64, u64)> {
        log::report_panics();
        let usage = D::usage(&txn)?;
        Ok((usage.bytes, usage.inodes))
    }

    fn gc(txn: wit::Txn, live: Vec<String>) -> WitResult<()> {
        log::report_panics();
        Ok(D::gc(&txn, &live)?)
    }

    fn status(txn: wit::Txn) -> WitResult<Vec<(String, String)>> {
        log::report_panics();
        Ok(D::status(&txn)?)
    }
}

impl Dir for wit::Dir {
    fn child(&self, name: &str) -> Result<Self> {
        Ok(wit::Dir::child(self, name)?)
    }

    fn exists(&self) -> bool {
        wit::Dir::exists(self)
    }

    fn entries(&self, after: Option<&str>, max: u32) -> Result<Vec<String>> {
        Ok(wit::Dir::entries(self, after, max)?)
    }

    fn read_small(&self, name: &str) -> Result<Vec<u8>> {
        Ok(wit::Dir::read_small(self, name)?)
    }

    fn usage(&self) -> Result<Usage> {
        let (bytes, inodes) = wit::Dir::usage(self)?;
        Ok(Usage { bytes, inodes })
    }

    fn usage_over(&self, base: &Self) -> Result<Usage> {
        let (bytes, inodes) = wit::Dir::usage_over(self, base)?;
        Ok(Usage { bytes, inodes })
    }
}

impl Txn for wit::Txn {
    type Dir = wit::Dir;

    fn key(&self) -> String {
        wit::Txn::key(self)
    }

    fn snapshot(&self) -> Result<wit::Dir> {
        Ok(wit::Txn::snapshot(self)?)
    }

    fn snapshot_named(&self, key: &str) -> Result<wit::Dir> {
        Ok(wit::Txn::snapshot_named(self, key)?)
    }

    fn parents(&self) -> Vec<wit::Dir> {
        wit::Txn::parents(self)
    }

    fn snapshots(&self, after: Option<&str>, max: u32) -> Result<Vec<String>> {
        Ok(wit::Txn::snapshots(self, after, max)?)
    }

    fn facts(&self) -> Vec<String> {
        wit::Txn::facts(self)
    }

    fn options(&self) -> Vec<(String, String)> {
        wit::Txn::options(self)
    }

    fn size(&self) -> Option<u64> {
        wit::Txn::size(self)
    }

    fn state(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.state_get(key)?)
    }

    fn put_state(&self, key: &str, value: Option<&[u8]>) -> Result<()> {
        Ok(self.state_put(key, value)?)
    }

    fn create_dir(&self, dir: &wit::Dir, mode: u32) -> Result<()> {
        Ok(wit::Txn::create_dir(self, dir, mode)?)
    }

    fn clone_tree(&self, source: &wit::Dir, dest: &wit::Dir) -> Result<()> {
        Ok(wit::Txn::clone_tree(self, source, dest)?)
    }

    fn rename(&self, source: &wit::Dir, dest: &wit::Dir) -> Result<()> {
        Ok(wit::Txn::rename(self, source, dest)?)
    }

    fn remove_tree(&self, victim: &wit::Dir) -> Result<()> {
        Ok(wit::Txn::remove_tree(self, victim)?)
    }

    fn mount_overlay(&self, overlay: Overlay<'_, wit::Dir>) -> Result<()> {
        let lower: Vec<&wit::Dir> = overlay.lower.iter().collect();
        let (upper, work) = overlay.upper.map(|upper| (upper.dir, upper.work)).unzip();
        let options: Vec<String> = overlay
            .options
            .iter()
            .map(|option| option.as_str().to_owned())
            .collect();
        Ok(wit::Txn::mount_overlay(
            self, &lower, upper, work, &options,
        )?)
    }

    fn mount_bind(&self, source: &wit::Dir, access: Access) -> Result<()> {
        Ok(wit::Txn::mount_bind(
            self,
            source,
            access == Access::ReadOnly,
        )?)
    }
    fn create_volume(&self, dir: &wit::Dir, size: u64, filesystem: Filesystem) -> Result<()> {
        Ok(wit::Txn::create_volume(
            self,
            dir,
            size,
            filesystem.as_str(),
        )?)
    }

    fn snapshot_volume(&self, source: &wit::Dir, dest: &wit::Dir) -> Result<()> {
        Ok(wit::Txn::snapshot_volume(self, source, dest)?)
    }

    fn grow_volume(&self, dir: &wit::Dir, size: u64) -> Result<()> {
        Ok(wit::Txn::grow_volume(self, dir, size)?)
    }

    fn mount_volume(
        &self,
        source: &wit::Dir,
        access: Access,
        options: &[VolumeOption],
    ) -> Result<()> {
        let options: Vec<String> = options
            .iter()
            .map(|option| option.as_str().to_owned())
            .collect();
        let read_only = access == Access::ReadOnly;
        Ok(wit::Txn::mount_volume(self, source, read_only, &options)?)
    }

    fn pool_status(&self) -> Vec<(String, String)> {
        wit::Txn::pool_status(self)
    }

    fn create_subvolume(&self, dir: &wit::Dir, mode: u32) -> Result<()> {
        Ok(wit::Txn::create_subvolume(self, dir, mode)?)
    }

    fn snapshot_subvolume(&self, source: &wit::Dir, dest: &wit::Dir, access: Access) -> Result<()> {
        let read_only = access == Access::ReadOnly;
        Ok(wit::Txn::snapshot_subvolume(self, source, dest, read_only)?)
    }

    fn seal_subvolume(&self, dir: &wit::Dir) -> Result<()> {
        Ok(wit::Txn::seal_subvolume(self, dir)?)
    }

    fn limit_subvolume(&self, dir: &wit::Dir, bytes: u64) -> Result<()> {
        Ok(wit::Txn::limit_subvolume(self, dir, bytes)?)
    }

    fn limit_dir(&self, dir: &wit::Dir, bytes: u64) -> Result<()> {
        Ok(wit::Txn::limit_dir(self, dir, bytes)?)
    }

    fn pool(&self, pool: &Pool) -> Result<()> {
        let (filesystem, options) = (&pool.filesystem, &pool.options);
        Ok(wit::Txn::pool(self, filesystem, pool.size, options)?)
    }
}
