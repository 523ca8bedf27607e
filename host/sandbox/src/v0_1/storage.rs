//! The `storage` world: directories are symbols here; the broker alone knows
//! what they stand for and who may use them.

use bulkhead_wire::storage::{Base, Dir, Facts, Function, HostCall, Order};
use bulkhead_wire::{HostReply, Outcome, Value, call};
use wasmtime::component::Resource;
use wasmtime::{Result, Store};

use super::bindings::storage::bulkhead::plugin::storage_host::{self, HostDir, HostTxn};
use super::bindings::storage::bulkhead::plugin::types::Error;
use super::bindings::storage::{Storage, StoragePre};
use super::{error, fault, invalid};
use crate::call::{self as state, CallState, unexpected};

/// Components below a handle.
const MAX_DEPTH: usize = 16;

/// The one transaction of a call.
#[derive(Debug)]
pub struct Txn;

/// Runs one function in a fresh instance.
pub fn run(
    component: &StoragePre<CallState>,
    store: &mut Store<CallState>,
    function: Function,
) -> Result<Outcome> {
    let guest: Storage = component.instantiate(&mut *store)?;
    let driver = guest.bulkhead_plugin_storage_driver();
    let txn = store.data_mut().push(Txn)?;
    let unit = match function {
        Function::Probe => driver.call_probe(store, txn)?,
        Function::Prepare(purpose) => driver.call_prepare(store, txn, &purpose)?,
        Function::Mounts(purpose) => driver.call_mounts(store, txn, &purpose)?,
        Function::Commit(name) => driver.call_commit(store, txn, &name)?,
        Function::Remove => driver.call_remove(store, txn)?,
        Function::Gc(live) => driver.call_gc(store, txn, &live)?,
        Function::Usage => {
            let usage = driver.call_usage(store, txn)?;
            return Ok(match usage {
                Ok((bytes, inodes)) => Outcome::Ok(Value::Usage(bytes, inodes)),
                Err(e) => Outcome::Fault(fault(e)),
            });
        }
        Function::Status => {
            let rows = driver.call_status(store, txn)?;
            return Ok(match rows {
                Ok(rows) => Outcome::Ok(Value::Rows(rows)),
                Err(e) => Outcome::Fault(fault(e)),
            });
        }
    };
    Ok(match unit {
        Ok(()) => Outcome::Ok(Value::Unit),
        Err(e) => Outcome::Fault(fault(e)),
    })
}

/// Asks what the driver declares.
pub fn features(
    component: &StoragePre<CallState>,
    store: &mut Store<CallState>,
) -> Result<Outcome> {
    let guest: Storage = component.instantiate(&mut *store)?;
    let features = guest
        .bulkhead_plugin_storage_driver()
        .call_features(store)?;
    Ok(Outcome::Ok(Value::Strings(features)))
}

impl CallState {
    fn storage_facts(&self) -> Result<&Facts> {
        match &self.facts {
            state::Facts::Storage(facts) => Ok(facts),
            _ => Err(unexpected()),
        }
    }

    fn dir(&self, handle: &Resource<Dir>) -> Result<Dir> {
        Ok(self.table.get(handle)?.clone())
    }

    fn dirs(&self, handles: &[Resource<Dir>]) -> Result<Vec<Dir>> {
        handles.iter().map(|handle| self.dir(handle)).collect()
    }

    fn push_base(&mut self, base: Base) -> Result<Resource<Dir>> {
        self.push(Dir {
            base,
            below: Vec::new(),
        })
    }

    fn ask_storage(&mut self, question: HostCall) -> Result<HostReply> {
        self.ask(call::HostCall::Storage(question))
    }

    fn names(&mut self, question: HostCall) -> Result<std::result::Result<Vec<String>, Error>> {
        match self.ask_storage(question)? {
            HostReply::Names(names) => Ok(Ok(names)),
            HostReply::Fault(f) => Ok(Err(error(f))),
            _ => Err(unexpected()),
        }
    }

    fn measured(&mut self, question: HostCall) -> Result<std::result::Result<(u64, u64), Error>> {
        match self.ask_storage(question)? {
            HostReply::Usage(bytes, inodes) => Ok(Ok((bytes, inodes))),
            HostReply::Fault(f) => Ok(Err(error(f))),
            _ => Err(unexpected()),
        }
    }

    fn order_storage(&mut self, order: Order) -> Result<std::result::Result<(), Error>> {
        let order = call::HostCall::Storage(HostCall::Order(order));
        Ok(self.order(order)?.map_err(error))
    }
}

impl storage_host::Host for CallState {}

impl HostDir for CallState {
    fn child(
        &mut self,
        dir: Resource<Dir>,
        name: String,
    ) -> Result<std::result::Result<Resource<Dir>, Error>> {
        let mut child = self.dir(&dir)?;
        if child.below.len() >= MAX_DEPTH {
            return Ok(Err(invalid(format!(
                "more than {MAX_DEPTH} levels of directories"
            ))));
        }
        if !is_component(&name) {
            return Ok(Err(invalid(
                "a directory name is 1 to 128 of A-Z a-z 0-9 . _ - without a leading dot",
            )));
        }
        child.below.push(name);
        self.push(child).map(Ok)
    }

    fn exists(&mut self, dir: Resource<Dir>) -> Result<bool> {
        let dir = self.dir(&dir)?;
        match self.ask_storage(HostCall::Exists(dir))? {
            HostReply::Flag(exists) => Ok(exists),
            _ => Err(unexpected()),
        }
    }

    fn entries(
        &mut self,
        dir: Resource<Dir>,
        after: Option<String>,
        max: u32,
    ) -> Result<std::result::Result<Vec<String>, Error>> {
        let dir = self.dir(&dir)?;
        self.names(HostCall::Entries(dir, after, max))
    }

    fn read_small(
        &mut self,
        dir: Resource<Dir>,
        name: String,
    ) -> Result<std::result::Result<Vec<u8>, Error>> {
        let dir = self.dir(&dir)?;
        match self.ask_storage(HostCall::ReadSmall(dir, name))? {
            HostReply::Bytes(Some(bytes)) => Ok(Ok(bytes)),
            HostReply::Fault(f) => Ok(Err(error(f))),
            _ => Err(unexpected()),
        }
    }

    fn usage(&mut self, dir: Resource<Dir>) -> Result<std::result::Result<(u64, u64), Error>> {
        let dir = self.dir(&dir)?;
        self.measured(HostCall::Usage(dir))
    }

    fn usage_over(
        &mut self,
        dir: Resource<Dir>,
        base: Resource<Dir>,
    ) -> Result<std::result::Result<(u64, u64), Error>> {
        let (dir, base) = (self.dir(&dir)?, self.dir(&base)?);
        self.measured(HostCall::UsageOver(dir, base))
    }

    fn drop(&mut self, dir: Resource<Dir>) -> Result<()> {
        self.table.delete(dir)?;
        Ok(())
    }
}

impl HostTxn for CallState {
    fn key(&mut self, _txn: Resource<Txn>) -> Result<String> {
        Ok(self.storage_facts()?.key.clone())
    }

    fn snapshot(
        &mut self,
        _txn: Resource<Txn>,
    ) -> Result<std::result::Result<Resource<Dir>, Error>> {
        if self.storage_facts()?.key.is_empty() {
            return Ok(Err(invalid("this call is about no snapshot")));
        }
        self.push_base(Base::Snapshot).map(Ok)
    }

    fn snapshot_named(
        &mut self,
        _txn: Resource<Txn>,
        key: String,
    ) -> Result<std::result::Result<Resource<Dir>, Error>> {
        if !is_component(&key) {
            return Ok(Err(invalid("not a snapshot's key")));
        }
        self.push_base(Base::Named(key)).map(Ok)
    }

    fn parents(&mut self, _txn: Resource<Txn>) -> Result<Vec<Resource<Dir>>> {
        let count = self.storage_facts()?.parents;
        (0..count)
            .map(|i| self.push_base(Base::Parent(i)))
            .collect()
    }

    fn snapshots(
        &mut self,
        _txn: Resource<Txn>,
        after: Option<String>,
        max: u32,
    ) -> Result<std::result::Result<Vec<String>, Error>> {
        self.names(HostCall::Snapshots(after, max))
    }

    fn facts(&mut self, _txn: Resource<Txn>) -> Result<Vec<String>> {
        Ok(self.storage_facts()?.host.clone())
    }

    fn options(&mut self, _txn: Resource<Txn>) -> Result<Vec<(String, String)>> {
        match self.ask_storage(HostCall::Options)? {
            HostReply::Rows(rows) => Ok(rows),
            _ => Err(unexpected()),
        }
    }

    fn size(&mut self, _txn: Resource<Txn>) -> Result<Option<u64>> {
        match self.ask_storage(HostCall::Size)? {
            HostReply::Number(size) => Ok(size),
            _ => Err(unexpected()),
        }
    }

    fn state_get(
        &mut self,
        _txn: Resource<Txn>,
        key: String,
    ) -> Result<std::result::Result<Option<Vec<u8>>, Error>> {
        match self.ask_storage(HostCall::StateGet(key))? {
            HostReply::Bytes(bytes) => Ok(Ok(bytes)),
            HostReply::Fault(f) => Ok(Err(error(f))),
            _ => Err(unexpected()),
        }
    }

    fn state_put(
        &mut self,
        _txn: Resource<Txn>,
        key: String,
        value: Option<Vec<u8>>,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_storage(Order::StatePut(key, value))
    }

    fn create_dir(
        &mut self,
        _txn: Resource<Txn>,
        dir: Resource<Dir>,
        mode: u32,
    ) -> Result<std::result::Result<(), Error>> {
        let dir = self.dir(&dir)?;
        self.order_storage(Order::CreateDir(dir, mode))
    }

    fn clone_tree(
        &mut self,
        _txn: Resource<Txn>,
        source: Resource<Dir>,
        dest: Resource<Dir>,
    ) -> Result<std::result::Result<(), Error>> {
        let (source, dest) = (self.dir(&source)?, self.dir(&dest)?);
        self.order_storage(Order::CloneTree(source, dest))
    }

    fn rename(
        &mut self,
        _txn: Resource<Txn>,
        source: Resource<Dir>,
        dest: Resource<Dir>,
    ) -> Result<std::result::Result<(), Error>> {
        let (source, dest) = (self.dir(&source)?, self.dir(&dest)?);
        self.order_storage(Order::Rename(source, dest))
    }

    fn remove_tree(
        &mut self,
        _txn: Resource<Txn>,
        victim: Resource<Dir>,
    ) -> Result<std::result::Result<(), Error>> {
        let victim = self.dir(&victim)?;
        self.order_storage(Order::RemoveTree(victim))
    }

    fn mount_overlay(
        &mut self,
        _txn: Resource<Txn>,
        lower: Vec<Resource<Dir>>,
        upper: Option<Resource<Dir>>,
        work: Option<Resource<Dir>>,
        options: Vec<String>,
    ) -> Result<std::result::Result<(), Error>> {
        let order = Order::MountOverlay {
            lower: self.dirs(&lower)?,
            upper: upper.map(|dir| self.dir(&dir)).transpose()?,
            work: work.map(|dir| self.dir(&dir)).transpose()?,
            options,
        };
        self.order_storage(order)
    }

    fn mount_bind(
        &mut self,
        _txn: Resource<Txn>,
        source: Resource<Dir>,
        read_only: bool,
    ) -> Result<std::result::Result<(), Error>> {
        let source = self.dir(&source)?;
        self.order_storage(Order::MountBind(source, read_only))
    }

    fn create_volume(
        &mut self,
        _txn: Resource<Txn>,
        dir: Resource<Dir>,
        size: u64,
        filesystem: String,
    ) -> Result<std::result::Result<(), Error>> {
        let dir = self.dir(&dir)?;
        self.order_storage(Order::CreateVolume(dir, size, filesystem))
    }

    fn snapshot_volume(
        &mut self,
        _txn: Resource<Txn>,
        source: Resource<Dir>,
        dest: Resource<Dir>,
    ) -> Result<std::result::Result<(), Error>> {
        let (source, dest) = (self.dir(&source)?, self.dir(&dest)?);
        self.order_storage(Order::SnapshotVolume(source, dest))
    }

    fn grow_volume(
        &mut self,
        _txn: Resource<Txn>,
        dir: Resource<Dir>,
        size: u64,
    ) -> Result<std::result::Result<(), Error>> {
        let dir = self.dir(&dir)?;
        self.order_storage(Order::GrowVolume(dir, size))
    }

    fn mount_volume(
        &mut self,
        _txn: Resource<Txn>,
        source: Resource<Dir>,
        read_only: bool,
        options: Vec<String>,
    ) -> Result<std::result::Result<(), Error>> {
        let source = self.dir(&source)?;
        self.order_storage(Order::MountVolume(source, read_only, options))
    }

    fn pool_status(&mut self, _txn: Resource<Txn>) -> Result<Vec<(String, String)>> {
        match self.ask_storage(HostCall::PoolStatus)? {
            HostReply::Rows(rows) => Ok(rows),
            _ => Err(unexpected()),
        }
    }

    fn create_subvolume(
        &mut self,
        _txn: Resource<Txn>,
        dir: Resource<Dir>,
        mode: u32,
    ) -> Result<std::result::Result<(), Error>> {
        let dir = self.dir(&dir)?;
        self.order_storage(Order::CreateSubvolume(dir, mode))
    }

    fn snapshot_subvolume(
        &mut self,
        _txn: Resource<Txn>,
        source: Resource<Dir>,
        dest: Resource<Dir>,
        read_only: bool,
    ) -> Result<std::result::Result<(), Error>> {
        let (source, dest) = (self.dir(&source)?, self.dir(&dest)?);
        self.order_storage(Order::SnapshotSubvolume(source, dest, read_only))
    }

    fn seal_subvolume(
        &mut self,
        _txn: Resource<Txn>,
        dir: Resource<Dir>,
    ) -> Result<std::result::Result<(), Error>> {
        let dir = self.dir(&dir)?;
        self.order_storage(Order::SealSubvolume(dir))
    }

    fn limit_subvolume(
        &mut self,
        _txn: Resource<Txn>,
        dir: Resource<Dir>,
        bytes: u64,
    ) -> Result<std::result::Result<(), Error>> {
        let dir = self.dir(&dir)?;
        self.order_storage(Order::LimitSubvolume(dir, bytes))
    }

    fn limit_dir(
        &mut self,
        _txn: Resource<Txn>,
        dir: Resource<Dir>,
        bytes: u64,
    ) -> Result<std::result::Result<(), Error>> {
        let dir = self.dir(&dir)?;
        self.order_storage(Order::LimitDir(dir, bytes))
    }

    fn pool(
        &mut self,
        _txn: Resource<Txn>,
        filesystem: String,
        size: Option<u64>,
        options: Vec<(String, String)>,
    ) -> Result<std::result::Result<(), Error>> {
        self.order_storage(Order::Pool {
            filesystem,
            size,
            options,
        })
    }

    fn drop(&mut self, txn: Resource<Txn>) -> Result<()> {
        self.table.delete(txn)?;
        Ok(())
    }
}

/// The contract's rule for names, for an early and clear answer; the broker
/// applies it again.
fn is_component(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=128).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.')
}
