//! Drivers as the engine sees them. The implementations call plugins; tests
//! use plain structs.

use crate::network::{EndpointRequest, NetworkPlan};
use crate::storage::{
    DirName, DirPath, Pool, SnapshotRequest, StorageFeatures, StoragePlan, Usage, VolumeFacts,
};
use crate::volume::{VolumeLayout, VolumeRequest};
use crate::{PluginError, PluginIdentity, SnapshotKey};

/// What a storage driver may read of its own root while it decides. Writing
/// is only ever done by plan.
pub trait DriverRoot: Send + Sync {
    /// Whether `dir` exists and is a directory.
    fn is_dir(&self, dir: &DirPath) -> bool;
    /// Up to `max` names in `dir` after `after`, sorted.
    fn entries(
        &self,
        dir: &DirPath,
        after: Option<&DirName>,
        max: usize,
    ) -> std::io::Result<Vec<String>>;
    /// A small file's bytes (at most 1 MiB).
    fn read_small(&self, dir: &DirPath, name: &DirName) -> std::io::Result<Vec<u8>>;
    /// Bytes and inodes below `dir`.
    fn usage(&self, dir: &DirPath) -> std::io::Result<Usage>;
    /// Bytes and inodes below `dir` that `base` does not have alike, by name.
    fn usage_over(&self, dir: &DirPath, base: &DirPath) -> std::io::Result<Usage>;
    /// A value the driver kept by plan.
    fn state(&self, key: &str) -> Option<Vec<u8>>;
    /// What the host found out about the filesystem and the kernel, such as
    /// `overlay`, `overlay-volatile`, `reflink`, `xfs`.
    fn facts(&self) -> Vec<String>;
    /// What is known of the volume that `dir` keeps.
    fn volume(&self, _dir: &DirPath) -> Option<VolumeFacts> {
        None
    }
    /// What is known of the pool that volumes live in, as in the contract.
    fn pool_status(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// A storage driver: it decides, and returns plans.
pub trait StorageDriver: Send + Sync {
    /// Who it is.
    fn identity(&self) -> &PluginIdentity;
    /// The short name users choose with `--storage-driver` (`overlay`).
    fn driver_name(&self) -> &str;
    /// What it declares.
    fn features(&self) -> &StorageFeatures;
    /// Whether it can work here; the reasons for a no are in the error. When
    /// it wants a pool, it is asked once more with the pool's root.
    fn probe(&self, root: &dyn DriverRoot) -> Result<Option<Pool>, PluginError>;
    /// Lays out a new snapshot and its mount.
    fn prepare(
        &self,
        root: &dyn DriverRoot,
        request: &SnapshotRequest,
    ) -> Result<StoragePlan, PluginError>;
    /// The mount of an existing snapshot; a plan without steps.
    fn mounts(
        &self,
        root: &dyn DriverRoot,
        request: &SnapshotRequest,
    ) -> Result<StoragePlan, PluginError>;
    /// Makes the extracted `request.key` the committed snapshot `name`.
    fn commit(
        &self,
        root: &dyn DriverRoot,
        request: &SnapshotRequest,
        name: &SnapshotKey,
    ) -> Result<StoragePlan, PluginError>;
    /// Removes a snapshot; a missing one is fine.
    fn remove(&self, root: &dyn DriverRoot, key: &SnapshotKey) -> Result<StoragePlan, PluginError>;
    /// Bytes and inodes that this snapshot alone holds.
    fn usage(&self, root: &dyn DriverRoot, request: &SnapshotRequest)
    -> Result<Usage, PluginError>;
    /// Removes everything that is not in `live`.
    fn gc(&self, root: &dyn DriverRoot, live: &[SnapshotKey]) -> Result<StoragePlan, PluginError>;
    /// Rows for people: what it works with here.
    fn status(&self, root: &dyn DriverRoot) -> Result<Vec<(String, String)>, PluginError>;
}

/// A network driver: it decides, and returns plans.
pub trait NetworkDriver: Send + Sync {
    /// Who it is.
    fn identity(&self) -> &PluginIdentity;
    /// The short name (`bridge`, `host`, `none`).
    fn driver_name(&self) -> &str;
    /// Connects an endpoint.
    fn attach(
        &self,
        pool: &dyn crate::network::AddressPool,
        request: &EndpointRequest,
    ) -> Result<NetworkPlan, PluginError>;
}

/// A volume driver: it decides, and returns plans.
pub trait VolumeDriver: Send + Sync {
    /// Who it is.
    fn identity(&self) -> &PluginIdentity;
    /// The short name users choose with `volume create --driver` (`local`).
    fn driver_name(&self) -> &str;
    /// Says what the volume's files are, or what is wrong with its options.
    fn lay_out(&self, request: &VolumeRequest) -> Result<VolumeLayout, PluginError>;
}
