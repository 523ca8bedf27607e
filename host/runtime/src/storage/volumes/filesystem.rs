//! The filesystem on a volume: made, mounted, made larger.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use bulkhead_model::storage::{Filesystem, VolumeOption};
use bulkhead_sys::filesystem::{grow_ext4, grow_xfs};
use bulkhead_sys::mount::{Attributes, Context};
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::{Error, Result};

use super::View;
use super::backend::Device;
use crate::storage::program::{self, Program};

/// Bytes of every filesystem's blocks.
const BLOCK: u64 = 4096;
/// What mkfs.xfs takes by default for filesystems of less than a terabyte.
const XFS_INODES_PERCENT: u32 = 25;

fn name(filesystem: Filesystem) -> &'static CStr {
    match filesystem {
        Filesystem::Ext4 => c"ext4",
        Filesystem::Xfs => c"xfs",
    }
}

/// The program that makes it.
fn maker(filesystem: Filesystem) -> Program {
    match filesystem {
        Filesystem::Ext4 => program::MKFS_EXT4,
        Filesystem::Xfs => program::MKFS_XFS,
    }
}

/// Makes an empty filesystem of the device's size.
pub(super) fn make(filesystem: Filesystem, device: &dyn Device, size: u64) -> Result<()> {
    let mut arguments = vec!["-q".to_owned()];
    match filesystem {
        Filesystem::Ext4 => arguments.extend(ext4_arguments(size)),
        Filesystem::Xfs => {
            let words = ["-f", "-K", "-s", "size=4096", "-m", "reflink=1"];
            arguments.extend(words.map(str::to_owned));
        }
    }
    program::run(&maker(filesystem), &arguments, device.fd())
}

/// A fresh volume reads as zeros: what would be filled with them is left. All
/// of it is for the container, the journal is small because each snapshot that
/// is written to gets its own copy.
fn ext4_arguments(size: u64) -> Vec<String> {
    let journal = match size {
        0..0x1000_0000 => 4,
        0x1000_0000..0x4000_0000 => 8,
        _ => 32,
    };
    let words = [
        "-F",
        "-b",
        "4096",
        "-m",
        "0",
        "-E",
        "nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0",
        "-J",
    ];
    let mut arguments: Vec<String> = words.map(str::to_owned).into();
    arguments.push(format!("size={journal}"));
    arguments
}

/// Mounts what is on the device, in no namespace's tree. What is only looked
/// at stays as it is, unless it is mounted for writing already.
pub(super) fn mount(filesystem: Filesystem, device: &Path, view: View<'_>) -> Result<OwnedFd> {
    let attempt = |read_only| attempt(filesystem, device, view, read_only);
    if !view.read_only {
        return patiently(|| attempt(false));
    }
    match attempt(true) {
        Err(e) if is_busy(&e) => patiently(|| attempt(false)),
        other => other,
    }
}

fn attempt(
    filesystem: Filesystem,
    device: &Path,
    view: View<'_>,
    read_only: bool,
) -> Result<OwnedFd> {
    let context = Context::open_device(name(filesystem), device)?;
    match filesystem {
        // No thread fills tables in every snapshot (`ext4(5)`).
        Filesystem::Ext4 => context.flag(c"noinit_itable")?,
        // Snapshots have the same one (`xfs(5)`).
        Filesystem::Xfs => context.flag(c"nouuid")?,
    }
    let mut attributes = Attributes::NONE;
    for option in view.options {
        match option {
            VolumeOption::Discard => context.flag(c"discard")?,
            VolumeOption::NoAtime => attributes = attributes.and(Attributes::NO_ATIME),
        }
    }
    if read_only {
        context.flag(c"ro")?;
    }
    if view.read_only {
        attributes = attributes.and(Attributes::READ_ONLY);
    }
    context.mount(attributes)
}

/// The same device cannot be mounted for reading only and for writing at the
/// same time; whoever looked at it may be about to end.
fn patiently(mut attempt: impl FnMut() -> Result<OwnedFd>) -> Result<OwnedFd> {
    const ATTEMPTS: usize = 100;
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(e) if is_busy(&e) => std::thread::sleep(Duration::from_millis(20)),
            other => return other,
        }
    }
    attempt()
}

fn is_busy(error: &Error) -> bool {
    error.io_kind() == std::io::ErrorKind::ResourceBusy
}

/// Makes the filesystem as large as the device, which has `size` bytes.
pub(super) fn grow(filesystem: Filesystem, device: &dyn Device, size: u64) -> Result<()> {
    let view = View {
        read_only: false,
        options: &[],
    };
    let mounted = mount(filesystem, &device.path(), view)?;
    // A mount's own descriptor is a mere handle.
    let root = open_beneath(&mounted, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)?;
    let blocks = size / BLOCK;
    match filesystem {
        Filesystem::Xfs => grow_xfs(&root, blocks, XFS_INODES_PERCENT),
        Filesystem::Ext4 => match grow_ext4(&root, blocks) {
            // The kernel wants CAP_SYS_RESOURCE; the program does not.
            Err(e) if e.io_kind() == std::io::ErrorKind::PermissionDenied => {
                drop((root, mounted));
                let arguments = ["-f".to_owned()];
                program::run(&program::RESIZE2FS, &arguments, device.fd())
            }
            other => other,
        },
    }
}
