//! Orders about Btrfs subvolumes, sizes and the driver's pool.

use bulkhead_model::storage::{Pool, PoolKind, StorageStep};
use bulkhead_wire::storage::Dir;

use super::{Judged, StorageTxn, not_yours};
use crate::grant::Grant;
use crate::txn::fault::Refusal;
use crate::txn::storage::place::{Owner, Scope};

/// A limit below this keeps a container from starting at all: a Btrfs
/// subvolume's own trees take some of it.
const MIN_LIMIT: u64 = 1 << 20;

impl StorageTxn<'_> {
    pub(super) fn create_subvolume(&mut self, dir: Dir, mode: u32) -> Judged<Grant> {
        self.may_make(Grant::CreateSubvolume)?;
        let dir = self.own_place(dir)?.path;
        let mode = mode & 0o7777;
        self.push(StorageStep::CreateSubvolume { dir, mode })?;
        Ok(Grant::CreateSubvolume)
    }

    pub(super) fn snapshot_subvolume(
        &mut self,
        source: Dir,
        dest: Dir,
        read_only: bool,
    ) -> Judged<Grant> {
        self.may_make(Grant::SnapshotSubvolume)?;
        let source = self.place(source)?;
        if !matches!(source.owner, Owner::Own | Owner::Parent) {
            return Err(not_yours(&source));
        }
        let dest = self.own_place(dest)?;
        if source.overlaps(&dest) {
            return Err(Refusal::invalid(
                "a subvolume cannot be a snapshot in itself",
            ));
        }
        self.push(StorageStep::SnapshotSubvolume {
            source: source.path,
            dest: dest.path,
            read_only,
        })?;
        Ok(Grant::SnapshotSubvolume)
    }

    pub(super) fn seal_subvolume(&mut self, dir: Dir) -> Judged<Grant> {
        self.may_make(Grant::SealSubvolume)?;
        let dir = self.own_place(dir)?.path;
        self.push(StorageStep::SealSubvolume { dir })?;
        Ok(Grant::SealSubvolume)
    }

    pub(super) fn limit_subvolume(&mut self, dir: Dir, bytes: u64) -> Judged<Grant> {
        self.may_make(Grant::LimitSubvolume)?;
        let dir = self.own_place(dir)?.path;
        if !(MIN_LIMIT..=Pool::MAX_SIZE).contains(&bytes) {
            return Err(out_of_range("a limit", bytes, MIN_LIMIT));
        }
        self.push(StorageStep::LimitSubvolume { dir, bytes })?;
        Ok(Grant::LimitSubvolume)
    }

    pub(super) fn limit_dir(&mut self, dir: Dir, bytes: u64) -> Judged<Grant> {
        self.may_make(Grant::LimitDir)?;
        let dir = self.own_place(dir)?.path;
        // To the kernel a limit of nothing is none.
        if !(1..=Pool::MAX_SIZE).contains(&bytes) {
            return Err(out_of_range("a limit", bytes, 1));
        }
        self.push(StorageStep::LimitDir { dir, bytes })?;
        Ok(Grant::LimitDir)
    }

    pub(super) fn order_pool(
        &mut self,
        filesystem: &str,
        size: Option<u64>,
        options: &[(String, String)],
    ) -> Judged<Grant> {
        self.granted(Grant::Pool)?;
        if self.scope != Scope::Probe {
            return Err(self.not_now("pool"));
        }
        if self.pool.is_some() {
            return Err(Refusal::invalid("the pool was ordered before"));
        }
        let shown = |text: &str| text.chars().take(40).collect::<String>();
        if let Some((name, _)) = options.first() {
            let text = format!("unknown option {:?} of a pool", shown(name));
            return Err(Refusal::Invalid(text));
        }
        let kind = PoolKind::parse(filesystem).ok_or_else(|| {
            let text = format!("no pool can be made as {:?}", shown(filesystem));
            Refusal::Invalid(text)
        })?;
        if let Some(bytes) = size
            && !(Pool::MIN_SIZE..=Pool::MAX_SIZE).contains(&bytes)
        {
            return Err(out_of_range("a pool", bytes, Pool::MIN_SIZE));
        }
        self.pool = Some(Pool { kind, size });
        Ok(Grant::Pool)
    }
}

fn out_of_range(what: &str, bytes: u64, min: u64) -> Refusal {
    let max = Pool::MAX_SIZE;
    Refusal::Invalid(format!("{what} of {bytes} bytes: expected {min} to {max}"))
}
