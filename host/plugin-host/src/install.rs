//! From a folder with `plugin.wasm` and `plugin.toml` to native code.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use bulkhead_model::{Digest, PluginIdentity};
use sha2::{Digest as _, Sha256};

use crate::cache::{Cache, EntryKey};
use crate::compile::Compiler;
use crate::error::HostError;
use crate::imports;
use crate::manifest::Manifest;
use crate::runner::Code;

const COMPONENT: &str = "plugin.wasm";
const MANIFEST: &str = "plugin.toml";

/// The largest component and manifest, bytes.
const MAX_COMPONENT: u64 = 64 << 20;
const MAX_MANIFEST: u64 = 64 << 10;

/// A plugin's two files, read and checked.
#[derive(Debug)]
pub struct Package {
    /// The folder.
    pub dir: PathBuf,
    /// The checked manifest.
    pub manifest: Manifest,
    /// Name, version and digest.
    pub identity: PluginIdentity,
    manifest_text: String,
    component: Vec<u8>,
}

impl Package {
    /// Reads a folder; checks the manifest and, against it, the component's
    /// imports.
    pub fn read(dir: &Path) -> Result<Self, HostError> {
        let path = dir.join(MANIFEST);
        let text = read(&path, MAX_MANIFEST)?;
        let manifest_text = String::from_utf8_lossy(&text).into_owned();
        let manifest = Manifest::parse(&manifest_text)
            .map_err(|source| HostError::Manifest { path, source })?;
        let component = read(&dir.join(COMPONENT), MAX_COMPONENT)?;
        imports::check(&manifest, &component)?;
        let identity = PluginIdentity {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: Digest::from_sha256(Sha256::digest(&component).into()),
        };
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
            identity,
            manifest_text,
            component,
        })
    }

    /// Copies both files to a new folder below `parent`, named for the plugin.
    pub fn copy_below(&mut self, parent: &Path) -> Result<(), HostError> {
        let target = parent.join(&self.manifest.name);
        let part = parent.join(format!(".{}.part", self.manifest.name));
        let write = || {
            let _ = fs::remove_dir_all(&part);
            fs::create_dir_all(&part)?;
            fs::write(part.join(COMPONENT), &self.component)?;
            fs::write(part.join(MANIFEST), &self.manifest_text)?;
            fs::File::open(&part)?.sync_all()?;
            fs::rename(&part, &target)
        };
        write().map_err(|e| HostError::file("cannot install into", &target, e))?;
        self.dir = target;
        Ok(())
    }
}

fn read(path: &Path, max: u64) -> Result<Vec<u8>, HostError> {
    let failed = |e| HostError::file("cannot read", path, e);
    let file = fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > max {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    Ok(bytes)
}

/// Compiler and cache.
#[derive(Debug)]
pub struct Foundry {
    /// The compiler.
    pub compiler: Compiler,
    /// Kept native code.
    pub cache: Cache,
    /// Of the compiler, on this processor.
    pub fingerprint: String,
}

impl Foundry {
    /// Native code for a package: kept, or made now.
    pub fn code(&self, package: &Package) -> Result<Code, HostError> {
        match self.cache.load(self.entry(package)) {
            Some(native) => seal(package, &native),
            None => self.compile(package),
        }
    }

    /// Native code for a package, made now.
    pub fn compile(&self, package: &Package) -> Result<Code, HostError> {
        let native = self
            .compiler
            .compile(&package.manifest.name, &package.component)?;
        self.cache.store(self.entry(package), &native)?;
        tracing::info!(
            plugin = package.manifest.name,
            version = package.manifest.version,
            bytes = native.len(),
            "compiled"
        );
        seal(package, &native)
    }

    fn entry<'a>(&'a self, package: &'a Package) -> EntryKey<'a> {
        EntryKey {
            plugin: &package.manifest.name,
            component: &package.identity.digest,
            fingerprint: &self.fingerprint,
        }
    }
}

fn seal(package: &Package, native: &[u8]) -> Result<Code, HostError> {
    Code::new(
        &package.manifest,
        &package.dir,
        &package.identity.digest,
        native,
    )
}
