//! The folder that the docker client keeps its settings in (`~/.docker`):
//! `config.json`, and a folder for each context. Shared with docker, so what
//! we don't know is kept as it is.

mod contexts;
mod file;

use std::path::{Path, PathBuf};

pub(crate) use contexts::{Context, ContextError, DEFAULT, TlsFiles, is_valid_name};
pub(crate) use file::ConfigFileError;

/// The folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigDir(PathBuf);

impl ConfigDir {
    /// The folder given by `--config`, else by DOCKER_CONFIG, else `~/.docker`.
    pub(crate) fn choose(flag: Option<&Path>) -> Self {
        let variable = || std::env::var_os("DOCKER_CONFIG").filter(|value| !value.is_empty());
        let chosen = flag
            .map(Path::to_owned)
            .or_else(|| variable().map(PathBuf::from));
        let home = || std::env::home_dir().unwrap_or_default().join(".docker");
        Self(chosen.unwrap_or_else(home))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}
