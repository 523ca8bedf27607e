//! All plugins of a host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bulkhead_model::PluginIdentity;
use bulkhead_model::driver::{NetworkDriver, StorageDriver, VolumeDriver};
use bulkhead_model::registry::RegistrySource;
use bulkhead_wire::World;
use bulkhead_wire::control::DEFAULT_UID;

use crate::broker::Broker;
use crate::cache::Cache;
use crate::compile::Compiler;
use crate::driver::network::NetworkPlugin;
use crate::driver::storage::StoragePlugin;
use crate::driver::volume::VolumePlugin;
use crate::driver::{Plugin, registry};
use crate::error::HostError;
use crate::install::{Foundry, Package};
use crate::manifest::Manifest;
use crate::runner::{Code, RunnerConfig};

/// Calls at once unless configured.
pub const DEFAULT_CONNECTIONS: u32 = 6;

/// Where things are.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folders with one folder per plugin, looked through in this order; the
    /// first plugin of a name wins.
    pub plugin_dirs: Vec<PathBuf>,
    /// Where [`PluginHost::install`] puts plugins; also one of `plugin_dirs`.
    pub install_dir: Option<PathBuf>,
    /// Native code; only root may enter.
    pub cache_dir: PathBuf,
    /// The executable `bulkhead-sandbox`.
    pub sandbox: PathBuf,
    /// The executable `bulkhead-compiler`; only needed for plugins that are
    /// not in the cache.
    pub compiler: PathBuf,
    /// User and group id of runner and compiler.
    pub uid: u32,
    /// Calls at once.
    pub connections: u32,
    /// What the administrator set for storage drivers: names and values, by driver.
    pub storage_options: BTreeMap<String, Vec<(String, String)>>,
}

impl Options {
    /// Executables beside each other in `bin`, plugins in its folder
    /// `plugins`, native code in `cache_dir`.
    pub fn beside(bin: &Path, cache_dir: PathBuf) -> Self {
        Self {
            plugin_dirs: vec![bin.join("plugins")],
            install_dir: None,
            cache_dir,
            sandbox: bin.join("bulkhead-sandbox"),
            compiler: bin.join("bulkhead-compiler"),
            uid: DEFAULT_UID,
            connections: DEFAULT_CONNECTIONS,
            storage_options: BTreeMap::new(),
        }
    }
}

/// What people want to know about a plugin.
#[derive(Clone, Debug)]
pub struct PluginInfo {
    /// Who it is.
    pub identity: PluginIdentity,
    /// What it asked for, and why.
    pub manifest: Manifest,
    /// Its folder.
    pub dir: PathBuf,
}

/// The plugins, and the runner they share.
pub struct PluginHost {
    options: Options,
    foundry: Arc<Foundry>,
    broker: Arc<Broker>,
    plugins: RwLock<Vec<Installed>>,
}

struct Installed {
    dir: PathBuf,
    plugin: Arc<Plugin>,
    driver: Driver,
}

#[derive(Clone)]
enum Driver {
    Storage(Arc<StoragePlugin>),
    Network(Arc<NetworkPlugin>),
    Registry(Arc<registry::RegistryPlugin>),
    Volume(Arc<VolumePlugin>),
}

impl PluginHost {
    /// Finds the plugins, compiles those that are not in the cache, and starts
    /// the runner. A plugin that cannot be used is skipped with a warning.
    pub fn open(options: Options) -> Result<Self, HostError> {
        let cache = Cache::open(&options.cache_dir)?;
        let compiler = Compiler::new(options.compiler.clone(), options.uid);
        let fingerprint = compiler.fingerprint(cache.dir())?;
        let foundry = Arc::new(Foundry {
            compiler,
            cache,
            fingerprint,
        });
        let config = RunnerConfig {
            executable: options.sandbox.clone(),
            uid: options.uid,
            connections: options.connections,
        };
        let broker = Arc::new(Broker::new(config, recompiler(Arc::clone(&foundry))));
        let host = Self {
            options,
            foundry,
            broker,
            plugins: RwLock::default(),
        };
        host.scan();
        host.warm();
        Ok(host)
    }

    /// Every plugin, in the order in which it was found.
    pub fn plugins(&self) -> Vec<PluginInfo> {
        let describe = |installed: &Installed| PluginInfo {
            identity: installed.plugin.identity.clone(),
            manifest: installed.plugin.manifest.clone(),
            dir: installed.dir.clone(),
        };
        self.read().iter().map(describe).collect()
    }

    /// The storage drivers.
    pub fn storage_drivers(&self) -> Vec<Arc<dyn StorageDriver>> {
        self.drivers(|driver| match driver {
            Driver::Storage(driver) => Some(driver as Arc<dyn StorageDriver>),
            _ => None,
        })
    }

    /// The network drivers.
    pub fn network_drivers(&self) -> Vec<Arc<dyn NetworkDriver>> {
        self.drivers(|driver| match driver {
            Driver::Network(driver) => Some(driver as Arc<dyn NetworkDriver>),
            _ => None,
        })
    }

    /// The volume drivers.
    pub fn volume_drivers(&self) -> Vec<Arc<dyn VolumeDriver>> {
        self.drivers(|driver| match driver {
            Driver::Volume(driver) => Some(driver as Arc<dyn VolumeDriver>),
            _ => None,
        })
    }

    /// The registry sources, each with its driver name.
    pub fn registry_sources(&self) -> Vec<(String, Arc<dyn RegistrySource>)> {
        let installed = self.read();
        let sources = installed.iter().filter_map(|i| match i.driver.clone() {
            Driver::Registry(source) => Some((
                i.plugin.manifest.driver.clone(),
                source as Arc<dyn RegistrySource>,
            )),
            _ => None,
        });
        sources.collect()
    }

    /// Checks, compiles and adds the plugin in folder `path`.
    pub fn install(&self, path: &Path) -> Result<PluginInfo, HostError> {
        let parent = self.options.install_dir.as_deref();
        let parent = parent.ok_or(HostError::NoInstallDir)?;
        let mut package = Package::read(path)?;
        self.check_free(&package)?;
        // Compiled before it is copied: what cannot run is not installed.
        self.foundry.code(&package)?;
        package.copy_below(parent)?;
        self.add(package)
    }

    /// Removes an installed plugin and its folder; its native code goes too.
    pub fn remove(&self, name: &str) -> Result<(), HostError> {
        let no_such = || HostError::NoSuchPlugin(name.to_owned());
        let parent = self.options.install_dir.as_deref();
        let parent = parent.ok_or(HostError::NoInstallDir)?;
        let mut plugins = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
        let at = plugins.iter().position(|i| i.plugin.identity.name == name);
        let at = at.ok_or_else(no_such)?;
        let dir = plugins[at].dir.clone();
        // The engine's own plugins belong to the package manager.
        if dir.parent() != Some(parent) {
            return Err(no_such());
        }
        std::fs::remove_dir_all(&dir).map_err(|e| HostError::file("cannot remove", &dir, e))?;
        let removed = plugins.remove(at);
        self.broker.remove(removed.plugin.component);
        let kept: Vec<_> = plugins.iter().map(|i| &i.plugin.identity.digest).collect();
        self.foundry.cache.prune(&kept);
        Ok(())
    }

    /// The pid of the process that keeps the runner, if one was started.
    pub fn runner_pid(&self) -> Option<u32> {
        self.broker.runner_pid()
    }

    fn scan(&self) {
        for parent in &self.options.plugin_dirs {
            for dir in folders(parent) {
                if let Err(error) = self.find(&dir) {
                    let error = crate::error_chain(&error);
                    tracing::warn!(dir = %dir.display(), "plugin skipped: {error}");
                }
            }
        }
        let plugins = self.read();
        let kept: Vec<_> = plugins.iter().map(|i| &i.plugin.identity.digest).collect();
        self.foundry.cache.prune(&kept);
    }

    fn find(&self, dir: &Path) -> Result<PluginInfo, HostError> {
        let package = Package::read(dir)?;
        self.check_free(&package)?;
        self.add(package)
    }

    fn add(&self, package: Package) -> Result<PluginInfo, HostError> {
        let code = self.foundry.code(&package)?;
        let component = self.broker.add(code);
        let info = PluginInfo {
            identity: package.identity.clone(),
            manifest: package.manifest.clone(),
            dir: package.dir.clone(),
        };
        let plugin = Arc::new(Plugin {
            identity: package.identity,
            manifest: package.manifest,
            component,
            broker: Arc::clone(&self.broker),
        });
        let installed = Installed {
            dir: package.dir,
            driver: self.driver(&plugin),
            plugin,
        };
        let mut plugins = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
        plugins.push(installed);
        Ok(info)
    }

    fn driver(&self, plugin: &Arc<Plugin>) -> Driver {
        let plugin = Arc::clone(plugin);
        match plugin.manifest.world {
            World::Storage => {
                let options = self.options.storage_options.get(&plugin.manifest.driver);
                let options = options.cloned().unwrap_or_default();
                Driver::Storage(Arc::new(StoragePlugin::new(plugin, options)))
            }
            World::Network => Driver::Network(Arc::new(NetworkPlugin::new(plugin))),
            World::Registry => Driver::Registry(Arc::new(registry::RegistryPlugin::new(plugin))),
            World::Volume => Driver::Volume(Arc::new(VolumePlugin::new(plugin))),
        }
    }

    fn check_free(&self, package: &Package) -> Result<(), HostError> {
        let new = &package.manifest;
        for installed in self.read().iter() {
            let old = &installed.plugin.manifest;
            let (what, name) = if old.name == new.name {
                ("the name", &new.name)
            } else if old.world == new.world && old.driver == new.driver {
                ("driver", &new.driver)
            } else {
                continue;
            };
            return Err(HostError::Taken {
                plugin: new.name.clone(),
                what,
                name: name.clone(),
                other: format!("{} in {}", old.name, installed.dir.display()),
            });
        }
        Ok(())
    }

    /// Starts the runner in the background: it is ready when it is needed.
    fn warm(&self) {
        let broker = Arc::clone(&self.broker);
        let thread = std::thread::Builder::new().name("runner-start".into());
        if thread.spawn(move || broker.warm()).is_err() {
            tracing::debug!("the runner will start with the first call");
        }
    }

    fn drivers<T>(&self, pick: impl Fn(Driver) -> Option<T>) -> Vec<T> {
        let plugins = self.read();
        plugins
            .iter()
            .filter_map(|i| pick(i.driver.clone()))
            .collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<Installed>> {
        self.plugins.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compiles what a runner refused, such as after the engine was replaced by
/// another build of the same version.
fn recompiler(foundry: Arc<Foundry>) -> Box<crate::broker::Recompile> {
    Box::new(move |code: &Code, reason: &str| {
        tracing::warn!(
            plugin = code.plugin,
            "the runner refused its native code: {reason}"
        );
        let package = Package::read(&code.dir).ok()?;
        // Another component by now: it is for the next start to judge.
        if package.identity.digest != code.digest {
            return None;
        }
        foundry.compile(&package).ok()
    })
}

/// Folders in `parent` by name; none when it does not exist.
fn folders(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    let is_hidden = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str());
        name.is_none_or(|n| n.starts_with('.'))
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = paths.filter(|p| p.is_dir() && !is_hidden(p)).collect();
    folders.sort();
    folders
}
