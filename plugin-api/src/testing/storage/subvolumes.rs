//! Btrfs subvolumes, sizes and pools of the host in memory.

use super::tree::{Tree, below};
use super::{FakeStorageHost, lock};
use crate::storage::{Access, Pool};

/// A directory that is a subvolume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subvolume {
    /// The bytes it may hold.
    pub limit: Option<u64>,
    /// Nothing in it can be changed.
    pub sealed: bool,
}

impl FakeStorageHost {
    /// Sets one of the driver's options.
    #[must_use]
    pub fn with_option(self, name: &str, value: &str) -> Self {
        let option = (name.to_owned(), value.to_owned());
        lock(&self.tree).options.push(option);
        self
    }

    /// Limits the snapshot of this call.
    #[must_use]
    pub fn with_size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Adds a subvolume that exists, with the directories above it.
    #[must_use]
    pub fn with_subvolume(self, path: &str) -> Self {
        let host = self.with_dir(path);
        let new = Subvolume::default();
        lock(&host.tree).subvolumes.insert(path.to_owned(), new);
        host
    }

    /// The subvolumes there are, by path.
    pub fn subvolumes(&self) -> Vec<(String, Subvolume)> {
        lock(&self.tree).subvolumes.clone().into_iter().collect()
    }
}

impl Tree {
    pub(super) fn create_subvolume(&mut self, dir: &str) -> Result<(), String> {
        self.create_dir(dir)?;
        self.subvolumes.insert(dir.to_owned(), Subvolume::default());
        Ok(())
    }

    pub(super) fn snapshot_subvolume(
        &mut self,
        source: &str,
        dest: &str,
        access: Access,
    ) -> Result<(), String> {
        self.subvolume(source)?;
        self.create_subvolume(dest)?;
        self.clone_tree(source, dest)?;
        self.subvolume(dest)?.sealed = access == Access::ReadOnly;
        Ok(())
    }

    pub(super) fn seal_subvolume(&mut self, dir: &str) -> Result<(), String> {
        self.subvolume(dir)?.sealed = true;
        Ok(())
    }

    pub(super) fn limit_subvolume(&mut self, dir: &str, bytes: u64) -> Result<(), String> {
        self.subvolume(dir)?.limit = Some(bytes);
        Ok(())
    }

    /// What is in a directory already would not be counted.
    pub(super) fn limit_dir(&self, dir: &str) -> Result<(), String> {
        if !self.is_dir(dir) {
            return Err(format!("limit {dir}: not there"));
        }
        match self.usage(dir).inodes {
            1 => Ok(()),
            _ => Err(format!("limit {dir}: it is not empty")),
        }
    }

    /// A new root, in which there is nothing.
    pub(super) fn make_pool(&mut self, pool: &Pool) {
        self.dirs.clear();
        self.nodes.clear();
        self.state.clear();
        self.facts.push(pool.filesystem.clone());
    }

    /// Whether files at this path can be written.
    pub(super) fn is_sealed(&self, path: &str) -> bool {
        let mut above = self.subvolumes.iter().filter(|(dir, _)| below(path, dir));
        above.any(|(_, subvolume)| subvolume.sealed)
    }

    /// Takes back what made a subvolume.
    pub(super) fn forget_subvolume(&mut self, dir: &str) {
        self.subvolumes.retain(|path, _| !below(path, dir));
        self.dirs.retain(|path| !below(path, dir));
        self.nodes.retain(|path, _| !below(path, dir));
    }

    fn subvolume(&mut self, dir: &str) -> Result<&mut Subvolume, String> {
        let found = self.subvolumes.get_mut(dir);
        found.ok_or_else(|| format!("{dir} is no subvolume"))
    }
}
