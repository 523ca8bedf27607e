//! All storage drivers' roots, and what is done beneath them.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_model::driver::DriverRoot;
use bulkhead_model::storage::{RootMount, StoragePlan};
use bulkhead_sys::directory::ensure_dir;

use super::{BeneathRoot, MissingRoot, Shift};
use crate::error::RuntimeError;
use crate::layout::make_root;

const FOLDER: &str = "storage";

/// Carries out storage drivers' plans below `<data root>/storage/<driver>`.
/// All methods may be called from several threads.
pub struct Storage {
    folder: OwnedFd,
    path: PathBuf,
    /// What a driver's filesystem can is found out once.
    roots: Mutex<HashMap<String, Arc<BeneathRoot>>>,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storage")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Storage {
    /// Makes the folder if it is missing.
    ///
    /// # Errors
    /// It can neither be made nor opened.
    pub fn open(data_root: &Path) -> Result<Self, RuntimeError> {
        Ok(Self {
            folder: ensure_dir(make_root(data_root)?, FOLDER, 0o700)?,
            path: data_root.join(FOLDER),
            roots: Mutex::default(),
        })
    }

    /// What a driver may read. A root that cannot be opened has nothing in it.
    pub fn driver_root(&self, driver: &str) -> Arc<dyn DriverRoot> {
        match self.known_root(driver) {
            Ok(root) => root,
            Err(_) => Arc::new(MissingRoot),
        }
    }

    /// Carries out a plan's steps: removals last; what was done until a failure
    /// is taken back.
    ///
    /// # Errors
    /// The first step that failed.
    pub fn apply(&self, driver: &str, plan: &StoragePlan) -> Result<(), RuntimeError> {
        super::apply(driver, &self.root_of(driver)?, plan)
    }

    /// A plan's mount, in no mount namespace's tree.
    ///
    /// # Errors
    /// A directory is missing, the kernel refuses the mount.
    pub fn open_rootfs(&self, driver: &str, mount: &RootMount) -> Result<OwnedFd, RuntimeError> {
        self.mount(driver, mount, None)
    }

    pub(crate) fn mount(
        &self,
        driver: &str,
        mount: &RootMount,
        shift: Option<Shift<'_>>,
    ) -> Result<OwnedFd, RuntimeError> {
        let path = self.path.join(driver);
        super::open_mount(driver, &self.root_of(driver)?, &path, mount, shift)
    }

    /// A driver's root, made if missing. Drivers' names are checked by the
    /// plugin host; a bad one fails here, too, as no single component.
    fn root_of(&self, driver: &str) -> Result<OwnedFd, RuntimeError> {
        ensure_dir(&self.folder, driver, 0o700).map_err(|source| RuntimeError::Storage {
            driver: driver.to_owned(),
            step: "open the driver's root".to_owned(),
            source,
        })
    }

    fn known_root(&self, driver: &str) -> Result<Arc<BeneathRoot>, RuntimeError> {
        let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(root) = roots.get(driver) {
            return Ok(Arc::clone(root));
        }
        let root = Arc::new(BeneathRoot::new(self.root_of(driver)?));
        roots.insert(driver.to_owned(), Arc::clone(&root));
        Ok(root)
    }
}
