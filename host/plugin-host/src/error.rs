//! Why a plugin could not be installed or the host not opened. A failed call
//! is a [`bulkhead_model::PluginError`] instead.

use std::io;
use std::path::PathBuf;

use bulkhead_model::error::{ErrorKind, Kind};

use crate::manifest::ManifestError;

/// What can go wrong around plugins.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file or folder cannot be used.
    #[error("{what} {}", path.display())]
    File {
        /// What was done.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The folder of native code could be changed by others than root.
    #[error("{} must belong to root and have mode 0700", .0.display())]
    CacheMode(PathBuf),
    /// A system call failed.
    #[error(transparent)]
    System(#[from] bulkhead_sys::Error),
    /// The manifest is not acceptable.
    #[error("{}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ManifestError,
    },
    /// The file is not a component.
    #[error("plugin {plugin}: plugin.wasm is not a component: {reason}")]
    NotAComponent {
        /// The plugin.
        plugin: String,
        /// The parser's words.
        reason: String,
    },
    /// The component imports what its world does not offer or its manifest
    /// does not ask for.
    #[error("plugin {plugin} imports {import}, which world {world} does not offer")]
    Import {
        /// The plugin.
        plugin: String,
        /// The import's name.
        import: String,
        /// The manifest's world.
        world: &'static str,
    },
    /// The component lacks its world's export.
    #[error("plugin {plugin} does not export {export}")]
    Export {
        /// The plugin.
        plugin: String,
        /// The export's name.
        export: &'static str,
    },
    /// The compiler refused the component, or died.
    #[error("cannot compile plugin {plugin}: {reason}")]
    Compile {
        /// The plugin.
        plugin: String,
        /// The compiler's words.
        reason: String,
    },
    /// Another plugin has that name, or its world's driver name.
    #[error("plugin {plugin}: {what} {name:?} is taken by {other}")]
    Taken {
        /// The plugin.
        plugin: String,
        /// "the name" or "driver".
        what: &'static str,
        /// The name.
        name: String,
        /// Who has it.
        other: String,
    },
    /// No such plugin.
    #[error("no such plugin: {0}")]
    NoSuchPlugin(String),
    /// The host was opened without a folder to install into.
    #[error("plugins cannot be installed: no folder for them is configured")]
    NoInstallDir,
}

impl HostError {
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        Self::File { what, path, source }
    }
}

impl Kind for HostError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::NoSuchPlugin(_) => ErrorKind::NotFound,
            Self::Taken { .. } => ErrorKind::Conflict,
            Self::Import { .. } => ErrorKind::Forbidden,
            Self::Manifest { .. }
            | Self::NotAComponent { .. }
            | Self::Export { .. }
            | Self::Compile { .. } => ErrorKind::InvalidArgument,
            Self::NoInstallDir => ErrorKind::Unsupported,
            Self::File { .. } | Self::CacheMode(_) | Self::System(_) => ErrorKind::Internal,
        }
    }
}
