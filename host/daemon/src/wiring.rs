//! Puts the daemon together out of the host's crates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use anyhow::{Context, bail};
use bulkhead_engine::{Config, Drivers, Embedded, Engine, Networks, Sources as EngineSources};
use bulkhead_fetch::{FetchConfig, Fetcher};
use bulkhead_model::network::{Cidr, DefaultPool, NetworkConfig};
use bulkhead_model::process::Runtime as _;
use bulkhead_plugin_host::{Options, PluginHost};
use bulkhead_runtime::Runtime;
use bulkhead_runtime::network::{NetworkContext, pick_subnet};
use bulkhead_store::{Durability, Store, manifest};

use crate::config::Settings;
use crate::daemon::{Daemon, Shims};
use crate::names::Names;
use crate::source::Sources;
use crate::{storage_driver, subordinate};

/// Plugins that a package installed.
const SYSTEM_PLUGINS: &str = "/usr/lib/bulkhead/plugins";

/// Builds everything up to, but without, the sockets. What a daemon that cannot
/// be built has made in the kernel goes, unless containers use it.
pub fn build(settings: &Settings, handle: tokio::runtime::Handle) -> anyhow::Result<Daemon> {
    let names = Names::of(&settings.exec_root);
    let store = Arc::new(Store::open(&settings.data_root)?);
    let bin = beside()?;
    let network =
        NetworkContext::open(&names.nft_table).context("opening the network's sockets")?;
    let runtime = runtime(settings, &names, &bin, network.clone())?;
    let parts = Parts {
        names,
        store,
        bin,
        network,
        runtime: runtime.clone(),
    };
    let built = assemble(settings, handle, parts);
    if built.is_err()
        && runtime.known().is_empty()
        && let Err(error) = runtime.retire(&[])
    {
        let error = bulkhead_model::error::message(&error);
        tracing::warn!(error, "giving back what a start has made");
    }
    built
}

/// What everything else is built upon.
struct Parts {
    names: Names,
    store: Arc<Store>,
    bin: PathBuf,
    network: NetworkContext,
    runtime: Arc<Runtime>,
}

fn assemble(
    settings: &Settings,
    handle: tokio::runtime::Handle,
    parts: Parts,
) -> anyhow::Result<Daemon> {
    let Parts {
        names,
        store,
        bin,
        network,
        runtime,
    } = parts;
    let plugins = plugins(settings, &bin)?;
    let storage: BTreeMap<_, _> = plugins
        .storage_drivers()
        .into_iter()
        .map(|d| (d.driver_name().to_owned(), d))
        .collect();
    let storage_driver = storage_driver::choose(
        &settings.storage_driver,
        &settings.storage_options.of_drivers,
        &storage,
        &runtime,
        &store,
    )?;
    let gateway = gateway(settings, &store, &network)?;
    let drivers = plugins
        .network_drivers()
        .into_iter()
        .map(|d| (d.driver_name().to_owned(), d))
        .collect();
    let own = own_networks(&names, gateway, settings.mtu);
    let networks = Networks::load(store.clone(), drivers, own.into(), settings.mtu)?;
    let volumes = plugins
        .volume_drivers()
        .into_iter()
        .map(|d| (d.driver_name().to_owned(), d))
        .collect();
    let fetch = FetchConfig {
        insecure_registries: settings.insecure_registries.clone(),
        certs_dir: Some(PathBuf::from("/etc/docker/certs.d")),
        attempts: settings.download_attempts,
        ..FetchConfig::default()
    };
    let registries = Fetcher::new(fetch, handle);
    let fetcher = Arc::new(Sources {
        fetcher: registries.clone(),
        store: store.clone(),
    });
    let id = daemon_id(&settings.data_root)?;
    let config = Config {
        storage_driver,
        cpus: cpus(),
        default_pools: crate::default_pools::of_daemon(&id),
        resolv_conf: PathBuf::from("/etc/resolv.conf"),
        host_gateway: settings.host_gateway_ip,
        user_namespace: settings
            .userns_remap
            .as_deref()
            .map_or_else(|| Ok(Vec::new()), subordinate::mapping)?,
    };
    let sources = sources(&plugins)?;
    let engine = Engine::new(
        config,
        store.clone(),
        runtime.clone(),
        Drivers {
            storage,
            volume: volumes,
        },
        networks,
        sources,
        fetcher,
    )?;
    let shims = Shims::of(&engine).context("starting the resolvers")?;
    engine.follow_by(Arc::new(shims));
    let daemon = Daemon {
        engine,
        runtime,
        id,
        plugins: describe(&plugins),
        data_root: settings.data_root.clone(),
        settings: RwLock::new(Arc::new(settings.clone())),
        samplers: crate::samplers::Samplers::default(),
        prunes: crate::prunes::Prunes::default(),
        log_watch: crate::log_watch::LogWatch::default(),
        registries,
    };
    daemon.engine.set_defaults(settings.defaults.clone());
    daemon.engine.set_mirrors(&settings.registry_mirrors);
    daemon.engine.set_transfers(settings.transfers);
    if let Some(file) = &settings.signature_policy {
        let policy = crate::config::signature_policy::read(file)?;
        daemon.engine.set_signature_policy(policy);
    }
    Ok(daemon)
}

/// The folder of this program, where its companions are.
fn beside() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("finding this program's folder")?;
    Ok(program.parent().map(Path::to_owned).unwrap_or_default())
}

fn runtime(
    settings: &Settings,
    names: &Names,
    bin: &Path,
    network: NetworkContext,
) -> anyhow::Result<Arc<Runtime>> {
    let config = bulkhead_runtime::Config {
        data_root: settings.data_root.clone(),
        exec_root: settings.exec_root.clone(),
        cgroup_parent: names.cgroup_parent.clone(),
        network,
        shim: bin.join("bulkhead-shim"),
    };
    Ok(Arc::new(
        Runtime::open(&config).context("preparing the runtime")?,
    ))
}

fn plugins(settings: &Settings, bin: &Path) -> anyhow::Result<PluginHost> {
    let mut options = Options::beside(bin, settings.component_cache.clone());
    options.storage_options = settings.storage_options.of_drivers.clone();
    if settings.plugin_dirs.is_empty() {
        options.plugin_dirs.push(SYSTEM_PLUGINS.into());
    } else {
        options.plugin_dirs = settings.plugin_dirs.clone();
    }
    PluginHost::open(options).context("starting the plugin host")
}

/// The networks that every daemon has.
fn own_networks(names: &Names, gateway: Cidr, mtu: u32) -> [NetworkConfig; 3] {
    ["bridge", "host", "none"].map(|name| {
        let bridged = name == "bridge";
        NetworkConfig {
            name: name.to_owned(),
            interface: bridged.then(|| names.bridge.clone()),
            gateways: bridged.then_some(gateway).into_iter().collect(),
            mtu,
            options: Vec::new(),
        }
    })
}

/// The bridge's address: the one asked for, the one of last time, or a free one.
fn gateway(settings: &Settings, store: &Store, network: &NetworkContext) -> anyhow::Result<Cidr> {
    const OWNER: &str = "network bridge";
    const KEY: &str = "gateway";
    if let Some(bip) = settings.bip {
        return Ok(bip);
    }
    let kept = store
        .plugin_value(OWNER, KEY)?
        .and_then(|b| String::from_utf8(b).ok()?.parse().ok());
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let subnet = pick_subnet(&[], &DefaultPool::dockers(), network)
        .context("choosing a subnet for the bridge")?;
    store.put_plugin_values(
        OWNER,
        &[(KEY, Some(subnet.to_string().as_bytes()))],
        Durability::Crash,
    )?;
    Ok(subnet)
}

fn sources(plugins: &PluginHost) -> anyhow::Result<EngineSources> {
    let found: BTreeMap<_, _> = plugins.registry_sources().into_iter().collect();
    let driver = |name: &str| found.get(name).cloned();
    Ok(EngineSources {
        registry: driver("oci"),
        layout: driver("oci-layout"),
        archive: driver("docker-archive"),
        embedded: Some(embedded()?),
    })
}

/// The image in this program, with its id read from its own manifest.
fn embedded() -> anyhow::Result<Embedded> {
    let files = bulkhead_hello::layout();
    let blob = |digest: &bulkhead_model::Digest| {
        let path = format!("blobs/sha256/{}", digest.hex());
        files
            .iter()
            .find(|(name, _)| *name == path)
            .map(|(_, bytes)| *bytes)
            .context("the embedded image lacks a blob")
    };
    let index = files
        .iter()
        .find(|(name, _)| *name == "index.json")
        .context("the embedded image has no index")?
        .1;
    let manifest::Document::Index(entries) = manifest::parse("", index)? else {
        bail!("the embedded image's index is none")
    };
    let entry = entries
        .first()
        .context("the embedded image's index is empty")?;
    let document = manifest::parse_manifest("", blob(&entry.descriptor.digest)?)?;
    Ok(Embedded {
        reference: bulkhead_hello::REFERENCE.parse()?,
        image_id: document.config.digest,
        files,
    })
}

fn describe(plugins: &PluginHost) -> Vec<(String, String)> {
    let line = |p: bulkhead_plugin_host::PluginInfo| {
        (
            format!("Plugin {}", p.identity.name),
            format!("{} {}", p.identity.version, p.identity.digest),
        )
    };
    plugins.plugins().into_iter().map(line).collect()
}

fn cpus() -> u64 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u64)
}

/// Made once, kept in the data root.
fn daemon_id(data_root: &Path) -> anyhow::Result<String> {
    let path = data_root.join("engine-id");
    if let Ok(id) = std::fs::read_to_string(&path) {
        return Ok(id.trim().to_owned());
    }
    let id = std::fs::read_to_string("/proc/sys/kernel/random/uuid")
        .context("reading a random uuid")?
        .trim()
        .to_owned();
    std::fs::write(&path, &id).with_context(|| format!("writing {}", path.display()))?;
    Ok(id)
}
