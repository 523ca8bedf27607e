//! What the real host refuses as it is ordered: a call may change its own
//! snapshot, and no other.

use super::contents::is_mount;
use super::tree::below;
use super::{FakeStorageHost, Operation, StorageOrder};
use crate::storage::{Access, Purpose};
use crate::{Error, Result};

/// Lower layers of an overlay (kernel `fs/overlayfs/params.h`, OVL_MAX_STACK).
const MAX_LAYERS: usize = 500;
/// Orders of one call.
const MAX_STEPS: usize = 1000;

/// The method's name in the contract.
pub(crate) fn name(order: &StorageOrder) -> &'static str {
    match order {
        StorageOrder::CreateDir { .. } => "create-dir",
        StorageOrder::CloneTree { .. } => "clone-tree",
        StorageOrder::Rename { .. } => "rename",
        StorageOrder::RemoveTree { .. } => "remove-tree",
        StorageOrder::PutState { .. } => "state-put",
        StorageOrder::MountOverlay { .. } => "mount-overlay",
        StorageOrder::MountBind { .. } => "mount-bind",
        StorageOrder::CreateVolume { .. } => "create-volume",
        StorageOrder::SnapshotVolume { .. } => "snapshot-volume",
        StorageOrder::GrowVolume { .. } => "grow-volume",
        StorageOrder::MountVolume { .. } => "mount-volume",
        StorageOrder::CreateSubvolume { .. } => "create-subvolume",
        StorageOrder::SnapshotSubvolume { .. } => "snapshot-subvolume",
        StorageOrder::SealSubvolume { .. } => "seal-subvolume",
        StorageOrder::LimitSubvolume { .. } => "limit-subvolume",
        StorageOrder::LimitDir { .. } => "limit-dir",
        StorageOrder::Pool(_) => "pool",
    }
}

pub(super) fn order(host: &FakeStorageHost, order: &StorageOrder) -> Result<()> {
    let Some(operation) = &host.operation else {
        return Ok(());
    };
    let judge = Judge { host, operation };
    match order {
        StorageOrder::CreateDir { dir, .. } => judge.may_build(order)?.own(dir),
        StorageOrder::CloneTree { source, dest } => judge.clone_tree(order, source, dest),
        StorageOrder::Rename { source, dest } => judge.rename(order, source, dest),
        StorageOrder::RemoveTree { victim } => judge.remove(order, victim),
        StorageOrder::PutState { .. } => judge.may_change(order).map(drop),
        StorageOrder::MountOverlay { lower, upper, .. } => judge.overlay(order, lower, upper),
        StorageOrder::MountBind { source, access }
        | StorageOrder::MountVolume { source, access, .. } => judge.bind(order, source, *access),
        StorageOrder::CreateVolume { dir, .. } | StorageOrder::GrowVolume { dir, .. } => {
            judge.may_build(order)?.own(dir)
        }
        StorageOrder::SnapshotVolume { source, dest }
        | StorageOrder::SnapshotSubvolume { source, dest, .. } => {
            judge.clone_tree(order, source, dest)
        }
        StorageOrder::CreateSubvolume { dir, .. }
        | StorageOrder::SealSubvolume { dir }
        | StorageOrder::LimitSubvolume { dir, .. }
        | StorageOrder::LimitDir { dir, .. } => judge.may_build(order)?.own(dir),
        StorageOrder::Pool(_) => match operation {
            Operation::Probe => Ok(()),
            _ => Err(not_now(order)),
        },
    }
}

/// Whose directory it is, as far as a call is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Own,
    Parent,
    CommitName,
    Garbage,
    Live,
    Foreign,
}

struct Judge<'a> {
    host: &'a FakeStorageHost,
    operation: &'a Operation,
}

impl Judge<'_> {
    fn owner(&self, path: &str) -> Owner {
        let key = path.split('/').next().unwrap_or_default();
        match self.operation {
            _ if key == self.host.key => Owner::Own,
            _ if self.host.parents.iter().any(|parent| parent == key) => Owner::Parent,
            Operation::Commit(name) if name == key => Owner::CommitName,
            Operation::Gc(live) if live.iter().any(|name| name == key) => Owner::Live,
            Operation::Gc(_) => Owner::Garbage,
            _ => Owner::Foreign,
        }
    }

    fn may_change(&self, order: &StorageOrder) -> Result<&Self> {
        let count = super::lock(&self.host.tree).orders.len();
        match self.operation {
            Operation::Probe | Operation::Usage | Operation::Mounts(_) => Err(not_now(order)),
            _ if count >= MAX_STEPS => Err(Error::new(
                crate::Code::Exhausted,
                format!("a call may give {MAX_STEPS} orders"),
            )),
            _ => Ok(self),
        }
    }

    fn may_build(&self, order: &StorageOrder) -> Result<&Self> {
        match self.operation {
            Operation::Remove | Operation::Gc(_) => Err(not_now(order)),
            _ => self.may_change(order),
        }
    }

    fn may_mount(&self, order: &StorageOrder) -> Result<Purpose> {
        let (Operation::Prepare(purpose) | Operation::Mounts(purpose)) = self.operation else {
            return Err(not_now(order));
        };
        let tree = super::lock(&self.host.tree);
        if tree.orders.iter().any(is_mount) {
            return Err(Error::invalid("the mount was ordered before"));
        }
        Ok(*purpose)
    }

    fn own(&self, path: &str) -> Result<()> {
        match self.owner(path) {
            Owner::Own => Ok(()),
            _ => Err(not_yours(path)),
        }
    }

    fn clone_tree(&self, order: &StorageOrder, source: &str, dest: &str) -> Result<()> {
        self.may_build(order)?.own(dest)?;
        if !matches!(self.owner(source), Owner::Own | Owner::Parent) {
            return Err(not_yours(source));
        }
        match below(source, dest) || below(dest, source) {
            true => Err(Error::invalid("a tree cannot be copied into itself")),
            false => Ok(()),
        }
    }

    fn rename(&self, order: &StorageOrder, source: &str, dest: &str) -> Result<()> {
        self.may_change(order)?.own(source)?;
        let whole = |path: &str| !path.contains('/');
        let allowed = match (self.operation, self.owner(dest)) {
            (Operation::Commit(_), Owner::CommitName) => whole(source) && whole(dest),
            (Operation::Commit(_) | Operation::Prepare(_), Owner::Own) => {
                !whole(source) && !whole(dest) && !below(source, dest) && !below(dest, source)
            }
            _ => false,
        };
        match allowed {
            true => Ok(()),
            false => Err(Error::denied(format!(
                "rename {source} to {dest}: only the own snapshot to its committed name, or what is in it"
            ))),
        }
    }

    fn remove(&self, order: &StorageOrder, victim: &str) -> Result<()> {
        self.may_change(order)?;
        let allowed = match (self.operation, self.owner(victim)) {
            (Operation::Remove, Owner::Own) | (Operation::Gc(_), Owner::Garbage) => true,
            (Operation::Prepare(_) | Operation::Commit(_), Owner::Own) => victim.contains('/'),
            _ => false,
        };
        match allowed {
            true => Ok(()),
            false => Err(not_yours(victim)),
        }
    }

    fn overlay(
        &self,
        order: &StorageOrder,
        lower: &[String],
        upper: &Option<(String, String)>,
    ) -> Result<()> {
        let purpose = self.may_mount(order)?;
        if lower.is_empty() || lower.len() > MAX_LAYERS {
            return Err(Error::invalid(format!(
                "an overlay has 1 to {MAX_LAYERS} lower layers"
            )));
        }
        for dir in lower {
            match self.owner(dir) {
                Owner::Parent => {}
                Owner::Own if upper.is_none() => {}
                _ => return Err(not_yours(dir)),
            }
        }
        let Some((upper, work)) = upper else {
            return Ok(());
        };
        self.own(upper)?;
        self.own(work)?;
        match below(upper, work) || below(work, upper) {
            _ if purpose == Purpose::View => Err(Error::invalid("a view is read-only")),
            true => Err(Error::invalid("upper and work must not contain each other")),
            false => Ok(()),
        }
    }

    fn bind(&self, order: &StorageOrder, source: &str, access: Access) -> Result<()> {
        let purpose = self.may_mount(order)?;
        match (self.owner(source), access) {
            (Owner::Own, _) | (Owner::Parent, Access::ReadOnly) => {}
            _ => return Err(not_yours(source)),
        }
        match (purpose, access) {
            (Purpose::View, Access::ReadWrite) => Err(Error::invalid("a view is read-only")),
            _ => Ok(()),
        }
    }
}

fn not_now(order: &StorageOrder) -> Error {
    Error::invalid(format!(
        "{} cannot be ordered in this operation",
        name(order)
    ))
}

fn not_yours(path: &str) -> Error {
    Error::denied(format!("{path} is not this operation's to change"))
}
