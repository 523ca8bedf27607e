//! Orders about block volumes. A volume is kept in a directory and belongs to
//! whom that belongs to.

use bulkhead_model::storage::{Filesystem, Purpose, RootMount, StorageStep, VolumeOption};
use bulkhead_wire::storage::Dir;

use super::place::Owner;
use super::{Judged, Scope, StorageTxn, not_yours};
use crate::grant::Grant;
use crate::txn::fault::Refusal;

/// Bytes of a volume: room for a filesystem's own tables, and what ext4 with
/// its default blocks can be (`ext4(5)`).
const MIN_SIZE: u64 = 16 << 20;
const MAX_SIZE: u64 = 16 << 40;

impl StorageTxn<'_> {
    /// `pool-status`
    pub fn pool_status(&self) -> Vec<(String, String)> {
        self.root.pool_status()
    }

    pub(super) fn create_volume(&mut self, dir: Dir, size: u64, filesystem: &str) -> Judged<Grant> {
        self.may_lay_out(Grant::CreateVolume)?;
        let dir = self.own_place(dir)?.path;
        let size = volume_size(size)?;
        let filesystem = known_filesystem(filesystem)?;
        self.push(StorageStep::CreateVolume {
            dir,
            size,
            filesystem,
        })?;
        Ok(Grant::CreateVolume)
    }

    pub(super) fn snapshot_volume(&mut self, source: Dir, dest: Dir) -> Judged<Grant> {
        self.may_lay_out(Grant::SnapshotVolume)?;
        let source = self.place(source)?;
        if !matches!(source.owner, Owner::Own | Owner::Parent) {
            return Err(not_yours(&source));
        }
        let dest = self.own_place(dest)?;
        if source.path == dest.path {
            return Err(Refusal::invalid("a directory keeps one volume"));
        }
        let (source, dest) = (source.path, dest.path);
        self.push(StorageStep::SnapshotVolume { source, dest })?;
        Ok(Grant::SnapshotVolume)
    }

    pub(super) fn grow_volume(&mut self, dir: Dir, size: u64) -> Judged<Grant> {
        self.may_lay_out(Grant::GrowVolume)?;
        let dir = self.own_place(dir)?.path;
        let size = volume_size(size)?;
        self.push(StorageStep::GrowVolume { dir, size })?;
        Ok(Grant::GrowVolume)
    }

    pub(super) fn mount_volume(
        &mut self,
        source: Dir,
        read_only: bool,
        options: &[String],
    ) -> Judged<Grant> {
        let purpose = self.may_mount(Grant::MountVolume)?;
        let source = self.place(source)?;
        match (source.owner, read_only) {
            (Owner::Own, _) | (Owner::Parent, true) => {}
            _ => return Err(not_yours(&source)),
        }
        if purpose == Purpose::View && !read_only {
            return Err(Refusal::invalid("a view is read-only"));
        }
        let source = source.path;
        let options = options.iter().map(|word| volume_option(word));
        let options = options.collect::<Judged<_>>()?;
        self.plan.mount = Some(RootMount::Volume {
            source,
            read_only,
            options,
        });
        Ok(Grant::MountVolume)
    }

    fn may_lay_out(&mut self, grant: Grant) -> Judged {
        self.may_change(grant)?;
        match self.scope {
            Scope::Remove | Scope::Gc(_) => Err(self.not_now(grant.as_str())),
            _ => Ok(()),
        }
    }
}

fn volume_size(size: u64) -> Judged<u64> {
    if (MIN_SIZE..=MAX_SIZE).contains(&size) {
        return Ok(size);
    }
    Err(Refusal::Invalid(format!(
        "a volume of {size} bytes; {MIN_SIZE} to {MAX_SIZE} can be made"
    )))
}

fn known_filesystem(word: &str) -> Judged<Filesystem> {
    let found = Filesystem::ALL.into_iter().find(|fs| fs.as_str() == word);
    found.ok_or_else(|| unknown("filesystem", word))
}

fn volume_option(word: &str) -> Judged<VolumeOption> {
    match word {
        "discard" => Ok(VolumeOption::Discard),
        "noatime" => Ok(VolumeOption::NoAtime),
        other => Err(unknown("volume option", other)),
    }
}

fn unknown(what: &str, word: &str) -> Refusal {
    let shown: String = word.chars().take(40).collect();
    Refusal::Invalid(format!("unknown {what} {shown:?}"))
}
