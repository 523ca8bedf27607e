//! What a volume driver decides: where a volume's files are.

use std::collections::BTreeMap;

/// A volume a driver is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeRequest {
    /// Its name.
    pub name: String,
    /// The driver options the user gave.
    pub options: BTreeMap<String, String>,
    /// Whether the host can hold a directory to a size.
    pub quota: bool,
}

/// A driver's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeLayout {
    /// What is mounted over the volume's own directory while a container uses
    /// it; absent: nothing, the files live in that directory.
    pub mount: Option<VolumeMount>,
    /// Most bytes of the directory.
    pub limit: Option<u64>,
}

/// What is mounted over a volume's directory, every word of it the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeMount {
    /// A filesystem (`mount(8)`).
    Filesystem {
        /// Such as `tmpfs`, `ext4` or `nfs`.
        fstype: String,
        /// A device, a server's export, or a word that means nothing.
        source: String,
        /// Flags such as `ro`, and the filesystem's own settings.
        options: Vec<String>,
    },
    /// A directory of the host's.
    Bind {
        /// An absolute path.
        source: String,
        /// Flags such as `ro`; `rbind` takes the mounts below along.
        options: Vec<String>,
    },
}
