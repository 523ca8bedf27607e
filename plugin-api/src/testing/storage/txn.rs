//! What a driver asks of the host, and orders.

use super::{FakeDir, FakeStorageHost, StorageOrder, check_name, lock, page};
use crate::storage::{Access, Filesystem, Overlay, Pool, Txn, VolumeOption};
use crate::{Code, Error, Result};

impl Txn for FakeStorageHost {
    type Dir = FakeDir;

    fn key(&self) -> String {
        self.key.clone()
    }

    fn snapshot(&self) -> Result<FakeDir> {
        match self.key.as_str() {
            "" => Err(Error::invalid("this call is about no snapshot")),
            key => Ok(self.dir(key)),
        }
    }

    fn snapshot_named(&self, key: &str) -> Result<FakeDir> {
        check_name(key)?;
        Ok(self.dir(key))
    }

    fn parents(&self) -> Vec<FakeDir> {
        self.parents.iter().map(|key| self.dir(key)).collect()
    }

    fn snapshots(&self, after: Option<&str>, max: u32) -> Result<Vec<String>> {
        let tree = lock(&self.tree);
        // What no call could name is not the driver's business.
        let names = tree
            .dirs
            .iter()
            .filter(|path| check_name(path).is_ok())
            .cloned();
        Ok(page(names, after, max))
    }

    fn facts(&self) -> Vec<String> {
        lock(&self.tree).facts.clone()
    }

    fn options(&self) -> Vec<(String, String)> {
        lock(&self.tree).options.clone()
    }

    fn size(&self) -> Option<u64> {
        self.size
    }

    fn state(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(lock(&self.tree).state.get(key).cloned())
    }

    fn put_state(&self, key: &str, value: Option<&[u8]>) -> Result<()> {
        if value.is_some_and(|value| value.len() > 64 * 1024) {
            return Err(Error::new(
                Code::Exhausted,
                format!("the value of {key:?} is larger than 64 KiB"),
            ));
        }
        self.order(
            "state-put",
            StorageOrder::PutState {
                key: key.to_owned(),
                value: value.map(<[u8]>::to_owned),
            },
        )
    }

    fn create_dir(&self, dir: &FakeDir, mode: u32) -> Result<()> {
        self.order(
            "create-dir",
            StorageOrder::CreateDir {
                dir: dir.path.clone(),
                mode,
            },
        )
    }

    fn clone_tree(&self, source: &FakeDir, dest: &FakeDir) -> Result<()> {
        self.order(
            "clone-tree",
            StorageOrder::CloneTree {
                source: source.path.clone(),
                dest: dest.path.clone(),
            },
        )
    }

    fn rename(&self, source: &FakeDir, dest: &FakeDir) -> Result<()> {
        self.order(
            "rename",
            StorageOrder::Rename {
                source: source.path.clone(),
                dest: dest.path.clone(),
            },
        )
    }

    fn remove_tree(&self, victim: &FakeDir) -> Result<()> {
        self.order(
            "remove-tree",
            StorageOrder::RemoveTree {
                victim: victim.path.clone(),
            },
        )
    }

    fn mount_overlay(&self, overlay: Overlay<'_, FakeDir>) -> Result<()> {
        let order = StorageOrder::MountOverlay {
            lower: overlay.lower.iter().map(|dir| dir.path.clone()).collect(),
            upper: overlay
                .upper
                .map(|upper| (upper.dir.path.clone(), upper.work.path.clone())),
            options: overlay.options.to_owned(),
        };
        self.order("mount-overlay", order)
    }

    fn mount_bind(&self, source: &FakeDir, access: Access) -> Result<()> {
        self.order(
            "mount-bind",
            StorageOrder::MountBind {
                source: source.path.clone(),
                access,
            },
        )
    }

    fn create_volume(&self, dir: &FakeDir, size: u64, filesystem: Filesystem) -> Result<()> {
        let dir = dir.path.clone();
        self.order(
            "create-volume",
            StorageOrder::CreateVolume {
                dir,
                size,
                filesystem,
            },
        )
    }

    fn snapshot_volume(&self, source: &FakeDir, dest: &FakeDir) -> Result<()> {
        self.order(
            "snapshot-volume",
            StorageOrder::SnapshotVolume {
                source: source.path.clone(),
                dest: dest.path.clone(),
            },
        )
    }

    fn grow_volume(&self, dir: &FakeDir, size: u64) -> Result<()> {
        let dir = dir.path.clone();
        self.order("grow-volume", StorageOrder::GrowVolume { dir, size })
    }

    fn mount_volume(
        &self,
        source: &FakeDir,
        access: Access,
        options: &[VolumeOption],
    ) -> Result<()> {
        self.order(
            "mount-volume",
            StorageOrder::MountVolume {
                source: source.path.clone(),
                access,
                options: options.to_owned(),
            },
        )
    }

    fn pool_status(&self) -> Vec<(String, String)> {
        lock(&self.tree).pool.clone()
    }

    fn create_subvolume(&self, dir: &FakeDir, mode: u32) -> Result<()> {
        let dir = dir.path.clone();
        self.record(StorageOrder::CreateSubvolume { dir, mode })
    }

    fn snapshot_subvolume(&self, source: &FakeDir, dest: &FakeDir, access: Access) -> Result<()> {
        self.record(StorageOrder::SnapshotSubvolume {
            source: source.path.clone(),
            dest: dest.path.clone(),
            access,
        })
    }

    fn seal_subvolume(&self, dir: &FakeDir) -> Result<()> {
        let dir = dir.path.clone();
        self.record(StorageOrder::SealSubvolume { dir })
    }

    fn limit_subvolume(&self, dir: &FakeDir, bytes: u64) -> Result<()> {
        let dir = dir.path.clone();
        self.record(StorageOrder::LimitSubvolume { dir, bytes })
    }

    fn limit_dir(&self, dir: &FakeDir, bytes: u64) -> Result<()> {
        let dir = dir.path.clone();
        self.record(StorageOrder::LimitDir { dir, bytes })
    }

    fn pool(&self, pool: &Pool) -> Result<()> {
        self.record(StorageOrder::Pool(pool.clone()))
    }
}
