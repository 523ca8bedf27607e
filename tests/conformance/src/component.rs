//! A component under test, in its sandbox.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bulkhead_model::driver::StorageDriver;
use bulkhead_plugin_host::install::Package;
use bulkhead_plugin_host::{Options, PluginHost};

/// A storage driver in a plugin host of its own.
pub struct Component {
    driver: Arc<dyn StorageDriver>,
    _host: PluginHost,
    _folder: tempfile::TempDir,
}

impl Component {
    /// Compiles `wasm`, whose manifest is `plugin.toml` beside it unless said
    /// otherwise, and starts a runner for it. `settings` are the driver's own,
    /// names and values; `bin` holds `bulkhead-sandbox` and `bulkhead-compiler`.
    ///
    /// # Errors
    /// A file is missing, the manifest or the component is refused, or it is
    /// no storage driver.
    pub fn open(
        wasm: &Path,
        manifest: Option<&Path>,
        settings: &[(String, String)],
        bin: &Path,
    ) -> Result<Self> {
        let folder = tempfile::tempdir().context("a folder for the plugin")?;
        let source = package(wasm, manifest, folder.path())?;
        let driver = Package::read(&source)?.manifest.driver;
        let options = Options {
            storage_options: [(driver, settings.to_vec())].into(),
            plugin_dirs: Vec::new(),
            install_dir: Some(folder.path().join("plugins")),
            ..Options::beside(bin, folder.path().join("components"))
        };
        let host = PluginHost::open(options)?;
        let info = host.install(&source)?;
        let driver = host.storage_drivers().pop();
        let driver = driver.with_context(|| {
            let world = info.manifest.world.as_str();
            format!(
                "{} is of world {world}; the suite is for storage drivers",
                info.identity.name
            )
        })?;
        Ok(Self {
            driver,
            _host: host,
            _folder: folder,
        })
    }

    /// The driver.
    pub fn driver(&self) -> &dyn StorageDriver {
        &*self.driver
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        &self.driver.identity().name
    }
}

/// A folder as the plugin host reads them.
fn package(wasm: &Path, manifest: Option<&Path>, folder: &Path) -> Result<PathBuf> {
    let beside = wasm.with_file_name("plugin.toml");
    let manifest = manifest.unwrap_or(&beside);
    ensure!(
        manifest.exists(),
        "{} is missing: a plugin has a manifest that says what it asks for (--manifest FILE)",
        manifest.display()
    );
    let source = folder.join("source");
    std::fs::create_dir(&source)?;
    for (from, name) in [(wasm, "plugin.wasm"), (manifest, "plugin.toml")] {
        std::fs::copy(from, source.join(name))
            .with_context(|| format!("read {}", from.display()))?;
    }
    Ok(source)
}
