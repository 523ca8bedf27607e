//! `start`: a network plan from a plugin, a mount from a plugin, one merged
//! plan for the runtime.

use std::net::IpAddr;

use bulkhead_model::ContainerId;
use bulkhead_model::container::{Decision, Request, State};
use bulkhead_model::error::{ErrorKind, Kind};
use bulkhead_model::network::{
    EndpointRequest, NetworkNamespace, NetworkPlan, PortMapping, Protocol,
};
use bulkhead_model::process::{ExitStatus, Running};
use bulkhead_model::storage::{Purpose, RootMount, SnapshotRequest};

use crate::container::{Container, Endpoint, PluginRecord};
use crate::containers::Entry;
use crate::error::EngineError;
use crate::spec::PortSpec;
use crate::{Engine, Network, now, plan};

/// What `start` did.
#[derive(Debug)]
pub enum Started {
    /// The process runs; the daemon follows its shim.
    Now(Running),
    /// It ran already.
    Already,
}

impl Engine {
    /// Starts a container. `attach` subscribes the shim's connection to the
    /// output before the process runs.
    pub fn start(&self, id: &str, attach: bool) -> Result<Started, EngineError> {
        let entry = self.containers.find(id)?;
        let _exclusive = entry.exclusive();
        let record = entry.record();
        match record.state.decide(Request::Start) {
            Decision::NothingToDo => return Ok(Started::Already),
            Decision::Proceed => {}
            refusal => {
                return Err(EngineError::refused(
                    refusal,
                    record.id.as_str(),
                    &record.name,
                ));
            }
        }
        match self.start_process(&record, attach) {
            Ok((running, endpoint, plugin)) => {
                self.started(&entry, &running, endpoint, plugin)?;
                Ok(Started::Now(running))
            }
            Err(error) => Err(self.not_started(&entry, error)),
        }
    }

    fn start_process(
        &self,
        record: &Container,
        attach: bool,
    ) -> Result<(Running, Option<Endpoint>, PluginRecord), EngineError> {
        let rootfs = self.rootfs(record)?;
        let network = self.network(&record.spec.network)?;
        let request = self.endpoint_request(record, network)?;
        let wiring = network.driver.attach(&self.pools, &request)?;
        let endpoint = endpoint(&request, &wiring);
        let resolv_conf = std::fs::read_to_string(&self.config.resolv_conf).unwrap_or_default();
        let host = plan::HostFacts {
            cpus: self.config.cpus,
            resolv_conf: &resolv_conf,
            user_namespace: &self.config.user_namespace,
        };
        let started = plan::container(record, rootfs, endpoint.as_ref(), wiring.namespace, &host)
            .and_then(|plan| Ok(self.runtime.start(&plan, &wiring, attach)?));
        match started {
            Ok(running) => Ok((running, endpoint, network.driver.identity().into())),
            Err(error) => {
                self.release(&request.network.name, &wiring.leases);
                Err(error)
            }
        }
    }

    /// The mount that `create` was given, or the driver's answer for a snapshot that exists.
    fn rootfs(&self, record: &Container) -> Result<RootMount, EngineError> {
        if let Some(mount) = self
            .prepared
            .lock()
            .expect("prepared mounts")
            .remove(&record.id)
        {
            return Ok(mount);
        }
        let driver = self.storage_driver(Some(&record.storage_driver))?;
        let request = SnapshotRequest {
            key: record.snapshot(),
            parents: record.parent_keys(),
            purpose: Purpose::Run,
        };
        let root = self.runtime.driver_root(driver.driver_name());
        let plan = driver.mounts(&*root, &request)?;
        plan.mount
            .ok_or_else(|| EngineError::NoMount(record.storage_driver.clone()))
    }

    /// The network by Docker's names.
    pub(crate) fn network(&self, name: &str) -> Result<&Network, EngineError> {
        let name = if matches!(name, "" | "default") {
            "bridge"
        } else {
            name
        };
        self.networks
            .get(name)
            .ok_or_else(|| EngineError::NoSuchNetwork(name.to_owned()))
    }

    fn endpoint_request(
        &self,
        record: &Container,
        network: &Network,
    ) -> Result<EndpointRequest, EngineError> {
        let mut ports = record.spec.ports.clone();
        if record.spec.publish_all {
            ports.extend(self.exposed_ports(record)?);
        }
        let ports = if network.config.gateway.is_some() {
            ports
        } else {
            Vec::new()
        };
        let ports = ports.iter().map(mapping).collect::<Result<Vec<_>, _>>()?;
        Ok(EndpointRequest {
            network: network.config.clone(),
            endpoint: record.id.as_str().to_owned(),
            ports,
        })
    }

    fn exposed_ports(&self, record: &Container) -> Result<Vec<PortSpec>, EngineError> {
        let image = self.image(&record.image_id)?;
        let parse = |text: &String| {
            let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            Some(PortSpec {
                protocol: protocol.to_owned(),
                container_port: port.parse().ok()?,
                host_addr: [0, 0, 0, 0].into(),
                host_port: 0,
            })
        };
        let taken = |p: &PortSpec| {
            record
                .spec
                .ports
                .iter()
                .any(|q| (q.container_port, &q.protocol) == (p.container_port, &p.protocol))
        };
        Ok(image
            .config
            .exposed_ports
            .iter()
            .filter_map(parse)
            .filter(|p| !taken(p))
            .collect())
    }

    fn started(
        &self,
        entry: &Entry,
        running: &Running,
        endpoint: Option<Endpoint>,
        plugin: PluginRecord,
    ) -> Result<(), EngineError> {
        let state = State::Running {
            started_at: now(),
            pid: running.pid,
        };
        self.containers.update(entry, |record| {
            record.state = state;
            record.endpoint = endpoint;
            record.network_plugin = Some(plugin);
        })?;
        entry.set_phase(|p| p.running = true);
        Ok(())
    }

    /// Records why a container could not be started, and removes it if it was
    /// to go with its end. Docker's codes: 127 not found, 126 not executable, 128 else.
    fn not_started(&self, entry: &Entry, error: EngineError) -> EngineError {
        let code = match error.kind() {
            ErrorKind::CommandNotFound => 127,
            ErrorKind::CommandNotExecutable => 126,
            _ => 128,
        };
        let status = ExitStatus {
            code,
            oom_killed: false,
            finished_at: now(),
        };
        let text = bulkhead_model::error::message(&error);
        let recorded = self.containers.update(entry, |record| {
            record.state = State::Exited {
                started_at: 0,
                status,
                error: text,
            };
            record.endpoint = None;
            record.exits += 1;
        });
        entry.set_phase(|p| {
            p.exits += 1;
            p.code = code;
        });
        let removed = recorded.and_then(|record| {
            if record.spec.auto_remove {
                self.forget(&record)
            } else {
                Ok(())
            }
        });
        if let Err(after) = removed {
            tracing::warn!(error = %after, "recording a failed start");
        }
        error
    }

    /// Gives addresses back to a network's pool.
    pub(crate) fn release(&self, network: &str, addresses: &[IpAddr]) {
        use bulkhead_model::network::AddressPool;
        for addr in addresses {
            self.pools.release(network, *addr);
        }
    }

    /// Whether a container's first process runs now.
    pub fn is_running(&self, id: &ContainerId) -> bool {
        self.containers
            .find(id.as_str())
            .is_ok_and(|e| e.record().state.is_running())
    }
}

fn endpoint(request: &EndpointRequest, wiring: &NetworkPlan) -> Option<Endpoint> {
    if wiring.namespace == NetworkNamespace::Host {
        return None;
    }
    Some(Endpoint {
        network: request.network.name.clone(),
        addresses: wiring.leases.clone(),
        gateway: request.network.gateway.map(|g| g.addr),
        prefix: request.network.gateway.map_or(0, |g| g.prefix),
        ports: request.ports.iter().map(port_spec).collect(),
    })
}

pub(crate) fn port_spec(mapping: &PortMapping) -> PortSpec {
    PortSpec {
        protocol: mapping.protocol.as_str().to_owned(),
        container_port: mapping.container_port,
        host_addr: mapping.host_addr,
        host_port: mapping.host_port,
    }
}

/// A port with its host port set: one the kernel calls free now when the
/// user named none.
fn mapping(port: &PortSpec) -> Result<PortMapping, EngineError> {
    let protocol = match port.protocol.as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        other => {
            return Err(EngineError::Port(format!(
                "invalid port protocol {other:?}: expected tcp or udp"
            )));
        }
    };
    let host_port = match port.host_port {
        0 => free_port(protocol, port).ok_or_else(|| {
            EngineError::Port(format!(
                "no free {} port on {}",
                port.protocol, port.host_addr
            ))
        })?,
        port => port,
    };
    Ok(PortMapping {
        protocol,
        host_addr: port.host_addr,
        host_port,
        container_port: port.container_port,
    })
}

fn free_port(protocol: Protocol, port: &PortSpec) -> Option<u16> {
    let addr = (port.host_addr, 0);
    let bound = match protocol {
        Protocol::Tcp => std::net::TcpListener::bind(addr).and_then(|s| s.local_addr()),
        Protocol::Udp => std::net::UdpSocket::bind(addr).and_then(|s| s.local_addr()),
    };
    bound.ok().map(|a| a.port())
}
