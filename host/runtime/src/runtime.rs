//! The runtime: one structure over descriptors, one file per operation.

mod cgroups;
mod devices;
mod exec;
mod files;
mod injected;
mod mounts;
mod networks;
mod operations;
mod peers;
mod propagation;
mod recovery;
mod retire;
mod start;
mod statistics;
mod volumes;

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bulkhead_model::driver::DriverRoot;
use bulkhead_model::error::Failure;
use bulkhead_model::network::{Cidr, DefaultPool, IfName, NetworkPlan, ResolverSockets};
use bulkhead_model::process::{
    Attachment, ContainerPlan, ExecPlan, ExitStatus, ProcessRef, Running, Stats,
};
use bulkhead_model::resources::Resources;
use bulkhead_model::storage::{Pool, RootMount, StoragePlan};
use bulkhead_model::volume::VolumeMount;
use bulkhead_model::{ContainerId, ExecId, process};
use bulkhead_sys::project_quota::has_project_quota;

use crate::cgroup::{MadeCgroups, Parent};
use crate::error::RuntimeError;
use crate::layout::Layout;
use crate::network::NetworkContext;
use crate::seccomp;
use crate::storage::{Storage, projects};

/// What a runtime is made with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Images, layers, containers; survives a restart of the machine.
    pub data_root: PathBuf,
    /// Sockets and exit records; does not.
    pub exec_root: PathBuf,
    /// The parent of all our cgroups, below each hierarchy's root, such as `bulkhead`.
    pub cgroup_parent: String,
    /// Where networks are carried out; opened in the host's network namespace.
    pub network: NetworkContext,
    /// The shim's executable.
    pub shim: PathBuf,
}

/// Carries out plans. All methods may be called from several threads.
#[derive(Debug)]
pub struct Runtime {
    layout: Layout,
    cgroups: Arc<Parent>,
    made_cgroups: MadeCgroups,
    network: NetworkContext,
    /// A sealed copy of the shim: no container can reach the installed file.
    shim: OwnedFd,
    profiles: seccomp::Cache,
    storage: Storage,
    /// Our shims that have not been reaped, by container.
    children: Mutex<HashMap<String, OwnedFd>>,
}

impl Runtime {
    /// Makes the directories and the parent cgroup, and copies the shim.
    ///
    /// # Errors
    /// A directory or cgroup cannot be made, the shim cannot be read.
    pub fn open(config: &Config) -> Result<Self, RuntimeError> {
        let failed = |source| RuntimeError::State {
            path: config.shim.clone(),
            source,
        };
        let mut file = std::fs::File::open(&config.shim).map_err(failed)?;
        let name = CString::from(c"bulkhead-shim");
        let layout = Layout::open(&config.data_root, &config.exec_root)?;
        let exec_root = layout.exec.try_clone().map_err(failed)?;
        Ok(Self {
            layout,
            cgroups: Arc::new(Parent::open(&config.cgroup_parent)?),
            made_cgroups: MadeCgroups::new(exec_root),
            network: config.network.clone(),
            shim: bulkhead_sys::memfd::sealed(&name, &mut file)?,
            profiles: seccomp::Cache::default(),
            storage: Storage::open(&config.data_root)?,
            children: Mutex::default(),
        })
    }
}

impl process::Runtime for Runtime {
    fn apply_storage(&self, driver: &str, plan: &StoragePlan) -> Result<(), Failure> {
        self.storage.apply(driver, plan).map_err(Failure::new)
    }

    fn check_storage(&self, driver: &str) -> Result<(), Failure> {
        self.storage.open_driver(driver).map_err(Failure::new)
    }

    fn make_pool(&self, driver: &str, pool: &Pool) -> Result<(), Failure> {
        self.storage.make_pool(driver, pool).map_err(Failure::new)
    }

    fn sync_storage(&self, driver: &str) -> Result<(), Failure> {
        self.storage.sync(driver).map_err(Failure::new)
    }

    fn sync_rootfs(&self, driver: &str, root: BorrowedFd<'_>) -> Result<(), Failure> {
        let failed = |source| RuntimeError::Storage {
            driver: driver.to_owned(),
            step: "bring a root to the disk".to_owned(),
            source,
        };
        (crate::storage::sync(root).map_err(failed)).map_err(Failure::new)
    }

    fn open_rootfs(&self, driver: &str, mount: &RootMount) -> Result<OwnedFd, Failure> {
        let mounted = self.storage.open_rootfs(driver, mount);
        mounted.map_err(Failure::new)
    }

    fn with_files(
        &self,
        plan: &process::FilesPlan,
        work: &mut (dyn FnMut(BorrowedFd<'_>) + Send),
    ) -> Result<(), Failure> {
        self.see_files(plan, work).map_err(Failure::new)
    }

    fn find_user(&self, root: BorrowedFd<'_>, user: &str) -> Result<(u32, u32), Failure> {
        let found = crate::init::find_user(root, user, &[]).map_err(RuntimeError::User);
        found
            .map(|found| (found.uid, found.gid))
            .map_err(Failure::new)
    }

    fn driver_root(&self, driver: &str) -> Arc<dyn DriverRoot> {
        self.storage.driver_root(driver)
    }

    fn start(
        &self,
        plan: &ContainerPlan,
        network: &NetworkPlan,
        attached: Vec<Attachment>,
    ) -> Result<Running, Failure> {
        self.start_container(plan, network, attached)
            .map_err(Failure::new)
    }

    fn free_subnet(&self, used: &[Cidr], pools: &[DefaultPool]) -> Result<Cidr, Failure> {
        crate::network::pick_subnet(used, pools, &self.network).map_err(Failure::new)
    }

    fn check_parent(&self, kind: &'static str, parent: &IfName) -> Result<(), Failure> {
        crate::network::check_parent(kind, parent, &self.network).map_err(Failure::new)
    }

    fn remove_network(&self, interface: &IfName) -> Result<(), Failure> {
        crate::network::remove_network(interface, &self.network).map_err(Failure::new)
    }

    fn connect(
        &self,
        id: &ContainerId,
        network: &NetworkPlan,
    ) -> Result<Option<ResolverSockets>, Failure> {
        self.connect_running(id, network).map_err(Failure::new)
    }

    fn edit_injected(
        &self,
        id: &ContainerId,
        name: &'static str,
        edit: &mut dyn FnMut(&str) -> Option<String>,
    ) -> Result<(), Failure> {
        self.edit_file(id, name, edit).map_err(Failure::new)
    }

    fn disconnect(&self, id: &ContainerId, inner: &str) -> Result<(), Failure> {
        self.disconnect_running(id, inner).map_err(Failure::new)
    }

    fn exec(&self, plan: &ExecPlan, attached: Vec<Attachment>) -> Result<Running, Failure> {
        self.start_exec(plan, attached).map_err(Failure::new)
    }

    fn known_execs(&self, container: &ContainerId) -> Vec<ExecId> {
        self.held_execs(container)
    }

    fn noted_exec(&self, process: &ProcessRef) -> Option<Vec<u8>> {
        self.read_exec_note(process)
    }

    fn forget_exec(&self, process: &ProcessRef) -> Result<(), Failure> {
        self.remove_exec(process).map_err(Failure::new)
    }

    fn attach(&self, process: &ProcessRef, attachment: Attachment) -> Result<(), Failure> {
        self.attach_client(process, attachment)
            .map_err(Failure::new)
    }

    fn resize(&self, process: &ProcessRef, columns: u16, rows: u16) -> Result<(), Failure> {
        self.resize_terminal(process, columns, rows)
            .map_err(Failure::new)
    }

    fn reconnect(&self, process: &ProcessRef) -> Result<Running, Failure> {
        self.reconnect_shim(process).map_err(Failure::new)
    }

    fn recorded_exit(&self, process: &ProcessRef) -> Option<ExitStatus> {
        self.read_exit(process)
    }

    fn known(&self) -> Vec<ContainerId> {
        self.held_containers()
    }

    fn noted_network(&self, id: &ContainerId) -> Option<NetworkPlan> {
        self.noted_network(id)
    }

    fn signal(&self, process: &ProcessRef, signal: i32) -> Result<(), Failure> {
        self.send_signal(process, signal).map_err(Failure::new)
    }

    fn pause(&self, id: &ContainerId) -> Result<(), Failure> {
        self.cgroups_of(id.as_str())
            .freeze(id.as_str())
            .map_err(Failure::new)
    }

    fn unpause(&self, id: &ContainerId) -> Result<(), Failure> {
        self.cgroups_of(id.as_str())
            .thaw(id.as_str())
            .map_err(Failure::new)
    }

    fn update(&self, id: &ContainerId, limits: &Resources) -> Result<Vec<String>, Failure> {
        self.cgroups_of(id.as_str())
            .update(id.as_str(), limits)
            .map_err(Failure::new)
    }

    fn stats(&self, id: &ContainerId) -> Result<Stats, Failure> {
        self.read_stats(id).map_err(Failure::new)
    }

    fn processes(&self, id: &ContainerId) -> Vec<u32> {
        self.cgroups_of(id.as_str()).processes(id.as_str())
    }

    fn mount_volume(&self, name: &str, mount: &VolumeMount) -> Result<(), Failure> {
        self.mount_over_volume(name, mount).map_err(Failure::new)
    }

    fn has_volume_quota(&self) -> bool {
        has_project_quota(&self.layout.volumes)
    }

    fn limit_volume(&self, files: BorrowedFd<'_>, bytes: u64) -> Result<(), Failure> {
        let limited = projects::limit(files, &self.layout.volumes, bytes);
        limited.map_err(|source| Failure::new(RuntimeError::from(source)))
    }

    fn unmount_volume(&self, name: &str) -> Result<(), Failure> {
        self.unmount_over_volume(name).map_err(Failure::new)
    }

    fn cleanup(&self, id: &ContainerId) -> Result<(), Failure> {
        self.remove_leftovers(id).map_err(Failure::new)
    }
}
