//! Where a container's files are looked at: in its process while it runs,
//! in its snapshot otherwise.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use bulkhead_model::container::State;
use bulkhead_model::error::{ErrorKind, Failure};
use bulkhead_model::process::{Files, FilesPlan, FilesScope, IdMap};
use bulkhead_model::storage::{Purpose, RootMount, SnapshotRequest};
use bulkhead_store::root::{Root, RootError};

use crate::Engine;
use crate::container::Container;
use crate::containers::Entry;
use crate::error::EngineError;
use crate::{files, plan, random_id};

/// A container's files while they are looked at.
pub(crate) struct View<'a> {
    /// Its root directory.
    pub(crate) fd: BorrowedFd<'a>,
    /// Its user namespace; empty: the host's.
    pub(crate) ids: &'a [IdMap],
}

impl<'a> View<'a> {
    /// The root directory, to find paths in.
    pub(crate) fn root(&self) -> Root<'a> {
        Root::new(self.fd)
    }
}

impl Engine {
    /// Calls `work` with a container's files, on a thread that makes files as
    /// the container's root. Whatever was mounted for it goes after. A start
    /// waits for it, as for others who look at a container that does not run.
    pub(crate) fn view<T: Send>(
        &self,
        entry: &Entry,
        scope: FilesScope,
        work: impl FnOnce(&View<'_>) -> Result<T, EngineError> + Send,
    ) -> Result<T, EngineError> {
        let record = entry.record();
        let ids = plan::user_namespace(&record.spec, &self.config.user_namespace)?;
        let mut work = Some(work);
        let mut done = None;
        let mut see = |files| {
            let plan = FilesPlan {
                id: record.id.clone(),
                files,
                scope,
                user_namespace: ids.clone(),
            };
            self.runtime.with_files(&plan, &mut |fd| {
                let view = View { fd, ids: &ids };
                done = work.take().map(|work| work(&view));
            })
        };
        // In a mount namespace that belongs to a user namespace all mounts are
        // locked, and the root cannot be copied without what is in it.
        let can_copy = scope == FilesScope::Mounts || ids.is_empty();
        let running = |record: &Container| match record.state {
            State::Running { pid, .. } if can_copy => Some(Files::Running { pid }),
            _ => None,
        };
        let ended = |seen: &Result<(), Failure>| matches!(seen, Err(gone) if gone.kind == ErrorKind::Conflict);
        let shared = entry.share_root();
        let mut seen = running(&entry.record()).map(&mut see);
        drop(shared);
        if seen.as_ref().is_none_or(ended) {
            let _alone = entry.mount_root();
            // It may have been started meanwhile.
            let record = entry.record();
            seen = running(&record).map(&mut see);
            if seen.as_ref().is_none_or(ended) {
                seen = Some(self.view_stopped(&record, scope, &mut see)?);
            }
        }
        seen.transpose()?;
        done.unwrap_or(Err(EngineError::WorkerPanicked))
    }

    /// Its volumes are mounted as for a start.
    fn view_stopped(
        &self,
        record: &Container,
        scope: FilesScope,
        see: &mut dyn FnMut(Files) -> Result<(), Failure>,
    ) -> Result<Result<(), Failure>, EngineError> {
        if scope == FilesScope::RootAlone {
            return Ok(see(self.stopped(record, scope)?));
        }
        let user = random_id().to_string();
        let used = self.use_volumes(record, &user);
        let files = used.and_then(|()| self.stopped(record, scope));
        let seen = files.map(see);
        self.leave_volumes(record, &user);
        seen
    }

    fn stopped(&self, record: &Container, scope: FilesScope) -> Result<Files, EngineError> {
        let rootfs = self.snapshot_mount(record, Purpose::Run)?;
        let alone = scope == FilesScope::RootAlone;
        Ok(Files::Stopped {
            driver: record.storage_driver.clone(),
            rootfs: if alone { only_read(rootfs) } else { rootfs },
            read_only: record.spec.read_only,
            mounts: record.mounts.iter().map(plan::bind).collect(),
            injected: files::NAMES
                .map(|name| (name, PathBuf::from("/etc").join(name)))
                .to_vec(),
        })
    }

    /// The driver's mount for a container's snapshot that exists. To view
    /// it gives the image's layers without the container's own.
    pub(crate) fn snapshot_mount(
        &self,
        record: &Container,
        purpose: Purpose,
    ) -> Result<RootMount, EngineError> {
        let request = SnapshotRequest {
            key: record.snapshot(),
            parents: record.parent_keys(),
            purpose,
            size: None,
        };
        self.mount_of(record, &request)
    }

    /// The uppermost layer of a container's image, of a driver whose layers
    /// hold all of those below; the container's own without any.
    pub(crate) fn uppermost_layer(&self, record: &Container) -> Result<RootMount, EngineError> {
        let mut keys = record.parent_keys();
        keys.insert(0, record.snapshot());
        let at = usize::from(keys.len() > 1);
        let request = SnapshotRequest {
            key: keys[at].clone(),
            parents: keys.split_off(at + 1),
            purpose: Purpose::View,
            size: None,
        };
        self.mount_of(record, &request)
    }

    fn mount_of(
        &self,
        record: &Container,
        request: &SnapshotRequest,
    ) -> Result<RootMount, EngineError> {
        let driver = self.storage_driver(Some(&record.storage_driver))?;
        let root = self.runtime.driver_root(driver.driver_name());
        let plan = driver.mounts(&*root, request)?;
        plan.mount
            .ok_or_else(|| EngineError::NoMount(record.storage_driver.clone()))
    }
}

/// The same tree, whose writable layer is the uppermost of those below: a
/// layer in use cannot be mounted for writing twice.
pub(crate) fn only_read(mount: RootMount) -> RootMount {
    match mount {
        RootMount::Bind { source, .. } => RootMount::Bind {
            source,
            read_only: true,
        },
        RootMount::Volume {
            source, options, ..
        } => RootMount::Volume {
            source,
            read_only: true,
            options,
        },
        RootMount::Overlay {
            mut lower,
            upper,
            options,
        } => {
            if let Some((upper, _)) = upper {
                lower.insert(0, upper);
            }
            RootMount::Overlay {
                lower,
                upper: None,
                options,
            }
        }
    }
}

/// The error that names the container as Docker does.
pub(crate) fn named(container: &str) -> impl Fn(RootError) -> EngineError {
    move |error| match error {
        RootError::NotFound(path) => EngineError::NoSuchFile {
            path,
            container: container.to_owned(),
        },
        error => EngineError::Root(error),
    }
}
