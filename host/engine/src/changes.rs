//! `diff`: what a container changed in its image's files.

use std::os::fd::AsFd;

use bulkhead_model::process::FilesScope;
use bulkhead_model::storage::{Purpose, RootMount};
use bulkhead_store::changes::{Change, Comparison, compare};

use crate::Engine;
use crate::containers::Entry;
use crate::error::EngineError;
use crate::view::View;

/// What the engine itself makes in a root filesystem: places for mounts and
/// for the files it writes. Docker has them in a layer below the container's.
pub(crate) const MADE_BY_THE_ENGINE: [&str; 10] = [
    "/.dockerenv",
    "/dev/console",
    "/dev/pts",
    "/dev/shm",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/proc",
    "/sys",
];

impl Engine {
    /// Compares a container's root filesystem with its image's.
    pub fn changes(&self, id: &str) -> Result<Vec<Change>, EngineError> {
        let entry = self.containers.find(id)?;
        self.compared(&entry, |_, changes| Ok(changes))
    }

    /// Calls `work` with a container's files and what it changed in them.
    pub(crate) fn compared<T: Send>(
        &self,
        entry: &Entry,
        work: impl FnOnce(&View<'_>, Vec<Change>) -> Result<T, EngineError> + Send,
    ) -> Result<T, EngineError> {
        let record = entry.record();
        let own = self.snapshot_mount(&record, Purpose::Run)?;
        let layered = matches!(own, RootMount::Overlay { .. });
        let mount = if layered {
            self.snapshot_mount(&record, Purpose::View)?
        } else {
            self.uppermost_layer(&record)?
        };
        let image = self.runtime.open_rootfs(&record.storage_driver, &mount)?;
        self.view(entry, FilesScope::RootAlone, |view| {
            let how = Comparison {
                ids: view.ids,
                same_inodes: layered,
                ignored: &MADE_BY_THE_ENGINE,
            };
            work(view, compare(image.as_fd(), view.fd, how)?)
        })
    }
}
