//! `create`: an image, a writable snapshot and a record.

use std::sync::Arc;

use bulkhead_model::ContainerId;
use bulkhead_model::container::State;
use bulkhead_model::driver::StorageDriver;
use bulkhead_model::image::Image;
use bulkhead_model::storage::{Purpose, SnapshotRequest};

use crate::container::{Container, PluginRecord};
use crate::containers::Entry;
use crate::error::EngineError;
use crate::live::Begin;
use crate::spec::ContainerSpec;
use crate::{
    Engine, block_devices, capabilities, command, devices, health, limits, log_options, name, now,
    plan, random_id, security, stop, tmpfs,
};

/// A new container.
#[derive(Debug)]
pub struct Created {
    /// Its id.
    pub id: ContainerId,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Makes a container. Nothing is left of it when this fails.
    pub fn create(
        &self,
        mut spec: ContainerSpec,
        wanted: Option<&str>,
    ) -> Result<Created, EngineError> {
        self.defaults().complete(&mut spec);
        let image = self.image(&spec.image)?;
        self.check(&spec, wanted)?;
        self.settle_peers(&mut spec)?;
        let driver = self.usable_driver(spec.storage_driver.as_deref())?;
        let _held = self.lay_out(&image, &driver)?;
        let id = random_id();
        let mut record = new_record(&id, spec, &image, driver.driver_name())?;
        record.networks = self.memberships(&record.spec)?;
        record.links = self.links(&record.spec)?;
        record.rootfs_plugin = Some(driver.identity().into());
        self.describe_plugins(&mut record);
        // Until the record names its volumes nobody may remove them.
        let volumes = self.volume_lock.read();
        let made = self.make_volumes(&mut record, &image);
        let made = made.and_then(|()| self.make(&record, &driver, wanted));
        drop(volumes);
        if let Err(error) = made {
            return Err(self.uncreate(&record, error));
        }
        Ok(Created {
            id,
            warnings: Vec::new(),
        })
    }

    /// The snapshot, then the record that makes the container visible.
    fn make(
        &self,
        record: &Container,
        driver: &Arc<dyn StorageDriver>,
        wanted: Option<&str>,
    ) -> Result<(), EngineError> {
        let request = SnapshotRequest {
            key: record.snapshot(),
            parents: record.parent_keys(),
            purpose: Purpose::Run,
            size: record.spec.storage_size,
        };
        let root = self.runtime.driver_root(driver.driver_name());
        let plan = driver.prepare(&*root, &request)?;
        self.runtime.apply_storage(driver.driver_name(), &plan)?;
        let entry = self.insert_named(record.clone(), wanted)?;
        if !record.anonymous_volumes.is_empty() {
            self.store.keep_volumes(record.id.as_str())?;
        }
        if let Some(mount) = plan.mount {
            self.prepared
                .lock()
                .expect("prepared mounts")
                .insert(record.id.clone(), mount);
        }
        self.events.container(&entry.record(), "create", []);
        self.drive(&entry, Begin::Rest);
        Ok(())
    }

    /// Everything that can be refused before anything is made.
    fn check(&self, spec: &ContainerSpec, wanted: Option<&str>) -> Result<(), EngineError> {
        if let Some(wanted) = wanted
            && !name::is_valid(wanted)
        {
            return Err(EngineError::InvalidName(wanted.to_owned()));
        }
        if !spec.working_dir.is_empty() && !spec.working_dir.starts_with('/') {
            return Err(EngineError::WorkingDir(spec.working_dir.clone()));
        }
        log_options::check(spec)?;
        if spec.auto_remove && !spec.restart.is_none() {
            return Err(EngineError::RestartAndRemove);
        }
        let mut resources = limits::resources(&spec.limits, self.config.cpus)?;
        block_devices::fill(&spec.limits, &mut resources)?;
        capabilities::effective_set(spec.privileged, &spec.cap_add, &spec.cap_drop)?;
        plan::user_namespace(spec, &self.config.user_namespace)?;
        security::parse(&spec.security_opt)?;
        plan::cgroup_parent(spec)?;
        spec.tmpfs
            .iter()
            .try_for_each(|t| tmpfs::parse(t).map(drop))?;
        spec.devices
            .iter()
            .try_for_each(|d| devices::mapping(d).map(drop))?;
        spec.device_rules
            .iter()
            .try_for_each(|r| devices::rule(r).map(drop))?;
        self.links(spec)?;
        self.memberships(spec)?;
        Ok(())
    }

    /// The embedded `hello` says which plugins made its surroundings; no
    /// other image gets these variables.
    fn describe_plugins(&self, record: &mut Container) {
        if !self.is_embedded(&record.image_id) {
            return;
        }
        let network = self
            .networks
            .find(&record.spec.network)
            .ok()
            .map(|n| PluginRecord::from(n.driver.identity()));
        let plugins = [
            ("BULKHEAD_ROOTFS_PLUGIN", &record.rootfs_plugin),
            ("BULKHEAD_NETWORK_PLUGIN", &network),
        ];
        for (variable, plugin) in plugins {
            if let Some(plugin) = plugin {
                record.env.push(format!("{variable}={plugin}"));
            }
        }
    }

    /// Writes the record under the wanted name, or under one made up until it is free.
    fn insert_named(
        &self,
        mut record: Container,
        wanted: Option<&str>,
    ) -> Result<Arc<Entry>, EngineError> {
        if let Some(wanted) = wanted {
            record.name = wanted.to_owned();
            return self.containers.insert(record);
        }
        for attempt in 0.. {
            record.name = name::made_up(record.id.as_str(), attempt);
            match self.containers.insert(record.clone()) {
                Err(EngineError::NameInUse { .. }) if attempt < 100 => {}
                result => return result,
            }
        }
        unreachable!("the loop returns by its hundredth turn")
    }

    /// Takes back a snapshot and volumes made for a container that will not be.
    fn uncreate(&self, record: &Container, error: EngineError) -> EngineError {
        if let Err(undo) = self.remove_snapshot(record) {
            tracing::warn!(container = %record.id, error = %undo, "undoing a failed create");
        }
        self.remove_anonymous_volumes(record);
        error
    }
}

/// The machine's name, which goes with its network.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

fn new_record(
    id: &ContainerId,
    mut spec: ContainerSpec,
    image: &Image,
    driver: &str,
) -> Result<Container, EngineError> {
    let args = command::args(&spec, &image.config);
    if args.is_empty() {
        return Err(EngineError::NoCommand);
    }
    for (name, value) in &image.config.labels {
        (spec.labels.entry(name.clone())).or_insert_with(|| value.clone());
    }
    let hostname = match spec.hostname.as_str() {
        "" if spec.network == "host" => host_name(),
        "" => id.short().to_owned(),
        own => own.to_owned(),
    };
    let first = |a: &str, b: &str, default: &str| {
        [a, b]
            .into_iter()
            .find(|s| !s.is_empty())
            .unwrap_or(default)
            .to_owned()
    };
    let stop_signal = spec
        .stop_signal
        .as_ref()
        .or(image.config.stop_signal.as_ref());
    Ok(Container {
        own_stop_signal: stop_signal.is_some(),
        id: id.clone(),
        name: String::new(),
        image_id: image.id.to_string(),
        created_at: now(),
        env: command::env(&spec, &image.config),
        user: first(&spec.user, &image.config.user, ""),
        working_dir: first(&spec.working_dir, &image.config.working_dir, "/"),
        stop_signal: stop_signal.map_or(Ok(stop::SIGTERM), |s| stop::signal_number(s))?,
        storage_driver: driver.to_owned(),
        anonymous_volumes: Vec::new(),
        mounts: Vec::new(),
        parents: image
            .layers
            .iter()
            .rev()
            .map(|l| l.chain_id.hex().to_owned())
            .collect(),
        state: State::Created,
        held_still: false,
        networks: Vec::new(),
        endpoints: Vec::new(),
        resolv_conf: String::new(),
        links: Vec::new(),
        rootfs_plugin: None,
        network_plugin: None,
        exits: 0,
        health: health::watched(spec.health.as_ref(), image.config.health.as_ref()),
        remove_volumes: false,
        finished_at: 0,
        restart_count: 0,
        stopped_by_hand: false,
        args,
        hostname,
        spec,
    })
}
