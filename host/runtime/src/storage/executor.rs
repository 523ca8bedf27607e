//! All storage drivers' roots, and what is done beneath them.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_model::driver::DriverRoot;
use bulkhead_model::storage::{Pool, PoolKind, RootMount, StoragePlan};
use bulkhead_sys::directory::{ensure_dir, stat_fd};

use super::pool::call;
use super::volumes::{ThinPool, Volumes, make_thin_pool};
use super::{BeneathRoot, MissingRoot, PoolError, Shift, pool};
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

    /// Opens a driver's root now, to find out whether that works.
    ///
    /// # Errors
    /// The directory, or the pool in it, cannot be opened.
    pub fn open_driver(&self, driver: &str) -> Result<(), RuntimeError> {
        self.known_root(driver).map(drop)
    }

    /// A driver's root itself, for who looks after what is in it.
    ///
    /// # Errors
    /// The directory, or the pool in it, cannot be opened.
    pub fn open_root(&self, driver: &str) -> Result<OwnedFd, RuntimeError> {
        let root = self.known_root(driver)?;
        let copied = root.place().root.try_clone();
        copied.map_err(|source| RuntimeError::Storage {
            driver: driver.to_owned(),
            step: "open the driver's root".to_owned(),
            source: bulkhead_sys::Error::new("dup", driver, source),
        })
    }

    /// Puts a driver's root into a filesystem of its own, which is made unless
    /// it is there.
    ///
    /// # Errors
    /// The host cannot make one, or not so large.
    pub fn make_pool(&self, driver: &str, pool: &Pool) -> Result<(), RuntimeError> {
        let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = self.dir_of(driver)?;
        let made = match pool.kind {
            PoolKind::Filesystem(filesystem) => pool::make(&dir, filesystem, pool.size),
            PoolKind::Thin => thin(&dir, pool.size),
        };
        made.map_err(|source| in_pool(driver, source))?;
        roots.remove(driver);
        Ok(())
    }

    /// Carries out a plan's steps: removals last; what was done until a failure
    /// is taken back.
    ///
    /// # Errors
    /// The first step that failed.
    pub fn apply(&self, driver: &str, plan: &StoragePlan) -> Result<(), RuntimeError> {
        let root = self.known_root(driver)?;
        super::apply(driver, root.place(), plan)
    }

    /// Brings what is beneath a driver's root to the disk, when that is a
    /// filesystem of its own.
    ///
    /// # Errors
    /// It could not be written.
    pub fn sync(&self, driver: &str) -> Result<(), RuntimeError> {
        let known = self.known_root(driver)?;
        let root = known.place().root;
        let sync = || {
            if stat_fd(root)?.st_dev == stat_fd(&self.folder)?.st_dev {
                return Ok(());
            }
            super::sync(root)
        };
        sync().map_err(|source| in_pool(driver, call("sync")(source)))
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
        let root = self.known_root(driver)?;
        super::open_mount(driver, root.place(), &path, mount, shift)
    }

    /// A driver's directory, made if missing: its root, unless there is a pool
    /// in it. Drivers' names are checked by the plugin host; a bad one fails
    /// here, too, as no single component.
    fn dir_of(&self, driver: &str) -> Result<OwnedFd, RuntimeError> {
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
        let dir = self.dir_of(driver)?;
        let root =
            Arc::new(open(dir, &self.path.join(driver)).map_err(|source| in_pool(driver, source))?);
        roots.insert(driver.to_owned(), Arc::clone(&root));
        Ok(root)
    }
}

/// A driver's root, and what is in use with it.
fn open(dir: OwnedFd, path: &Path) -> Result<BeneathRoot, PoolError> {
    if let Some(pool) = pool::open(&dir, path)? {
        let root = BeneathRoot::new(pool.root, Volumes::in_files());
        return Ok(root.at_home(pool.home).with_fact("pool"));
    }
    match ThinPool::open(&dir).map_err(call("open the thin pool"))? {
        Some(pool) => {
            let volumes = Volumes::in_pool(pool);
            Ok(BeneathRoot::new(dir, volumes).with_fact("thin-pool"))
        }
        None => Ok(BeneathRoot::new(dir, Volumes::in_files())),
    }
}

fn thin(dir: &OwnedFd, size: Option<u64>) -> Result<(), PoolError> {
    let size = match size {
        Some(size) => size,
        None => pool::fitting(dir)?,
    };
    make_thin_pool(dir, size).map_err(call("make the thin pool"))
}

fn in_pool(driver: &str, source: PoolError) -> RuntimeError {
    RuntimeError::Pool {
        driver: driver.to_owned(),
        source,
    }
}
