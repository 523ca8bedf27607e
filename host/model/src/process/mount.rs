//! What a container has mounted beside its root filesystem.

use std::path::PathBuf;

/// A directory or file of the host's, or a volume's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindMount {
    /// An absolute host path; the runtime opens it and mounts by descriptor.
    pub source: PathBuf,
    /// A path beneath `source` that is mounted in its place, resolved inside it.
    pub subpath: Option<PathBuf>,
    /// An absolute path inside, resolved in the container's root.
    pub target: PathBuf,
    /// What cannot be written.
    pub read_only: ReadOnly,
    /// Leave the mounts below the source out.
    pub non_recursive: bool,
    /// Which mounts appear on the other side.
    pub propagation: Propagation,
    /// Make the source, a directory, when it is missing.
    pub create_source: bool,
    /// Fill an empty volume from what the image has at `target` first.
    pub copy_up: bool,
}

/// How much of a mount is write-protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadOnly {
    /// Nothing.
    #[default]
    No,
    /// The mount itself; those below it are as they were.
    Top,
    /// Everything.
    Recursive,
}

/// Propagation between the container's copy of a mount and the host's
/// (`mount_namespaces(7)`, "Shared subtrees").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// None.
    #[default]
    Private,
    /// Mounts of the host appear inside.
    Slave,
    /// Mounts appear on both sides.
    Shared,
}

/// An empty filesystem in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TmpfsMount {
    /// An absolute path inside, resolved in the container's root.
    pub target: PathBuf,
    /// Settings of the filesystem (`tmpfs(5)`): `size`, `mode`, `nr_inodes`, …
    pub settings: Vec<(TmpfsSetting, String)>,
    /// Owner, in the container's ids.
    pub uid: Option<u32>,
    /// Group, in the container's ids.
    pub gid: Option<u32>,
    /// Nothing can be written.
    pub read_only: bool,
    /// Programs can be executed.
    pub exec: bool,
    /// Set-user-id bits count.
    pub suid: bool,
    /// Device files work, as far as the device cgroup lets them.
    pub dev: bool,
}

/// A setting of tmpfs whose value is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TmpfsSetting {
    /// Bytes, with a suffix k, m, g or %.
    Size,
    /// Blocks, with a suffix k, m or g.
    Blocks,
    /// Inodes, with a suffix k, m or g.
    Inodes,
    /// Octal permissions of its root.
    Mode,
}

impl TmpfsSetting {
    /// The kernel's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Blocks => "nr_blocks",
            Self::Inodes => "nr_inodes",
            Self::Mode => "mode",
        }
    }
}
