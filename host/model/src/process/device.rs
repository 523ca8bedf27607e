//! Devices beyond the ones that every container has.

use std::path::PathBuf;

/// What may be done with a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceAccess {
    /// Open for reading.
    pub read: bool,
    /// Open for writing.
    pub write: bool,
    /// Make a device file of it.
    pub mknod: bool,
}

impl DeviceAccess {
    /// Everything.
    pub const ALL: Self = Self {
        read: true,
        write: true,
        mknod: true,
    };
}

/// A device of the host's, or a directory of such, that appears inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceMapping {
    /// An absolute host path.
    pub source: PathBuf,
    /// An absolute path inside, resolved in the container's root.
    pub target: PathBuf,
    /// What may be done with it.
    pub access: DeviceAccess,
}

/// Device numbers that a container may use, whatever file they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceRule {
    /// Absent: both kinds.
    pub kind: Option<DeviceKind>,
    /// Absent: any.
    pub major: Option<u32>,
    /// Absent: any.
    pub minor: Option<u32>,
    /// What may be done with them.
    pub access: DeviceAccess,
}

/// The kind of a device file (`mknod(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// S_IFCHR
    Character,
    /// S_IFBLK
    Block,
}
