//! What is mounted over a volume's directory while containers use it.
//!
//! It is the one thing of ours in the host's mount table: a filesystem such as
//! a tmpfs must outlive the daemon that mounted it, for the next container.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use bulkhead_model::volume::VolumeMount;
use bulkhead_sys::directory::is_mount_root;
use bulkhead_sys::mount::{
    Attributes, Context, clone_mount, move_mount, set_attributes, set_private, unmount_lazily,
};
use bulkhead_sys::path::{OFlag, open_beneath, open_host, open_in_root, proc_path};

use super::Runtime;
use crate::error::RuntimeError;
use crate::mount_options::MountOptions;

const FILES: &str = "_data";
const HANDLE: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);

/// Mounts upon each other that are taken away; more are somebody else's.
const MOST: usize = 100;

impl Runtime {
    pub(super) fn mount_over_volume(
        &self,
        name: &str,
        mount: &VolumeMount,
    ) -> Result<(), RuntimeError> {
        let files = self.volume_files(name)?;
        if is_mount_root(&files)? {
            return Ok(());
        }
        let failed = |source| RuntimeError::VolumeMount {
            what: describe(mount, &files),
            source,
        };
        let mounted = match mount {
            VolumeMount::Filesystem {
                fstype,
                source,
                options,
            } => {
                let options = MountOptions::parse(options)?.for_filesystem(fstype)?;
                filesystem(fstype, source, &options).map_err(failed)?
            }
            VolumeMount::Bind { source, options } => {
                let options = MountOptions::parse(options)?;
                bind(Path::new(source), &options).map_err(failed)?
            }
        };
        move_mount(&mounted, &files).map_err(failed)
    }

    pub(super) fn unmount_over_volume(&self, name: &str) -> Result<(), RuntimeError> {
        let Some(folder) = found(open_beneath(&self.layout.volumes, name, HANDLE, 0))? else {
            return Ok(());
        };
        // The folder is held, and its path cannot be made to mean another.
        let place = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(FILES);
        for _ in 0..MOST {
            match found(open_files(&folder))? {
                Some(files) if is_mount_root(&files)? => unmount_lazily(&place)?,
                _ => return Ok(()),
            }
        }
        Err(RuntimeError::VolumeBusy {
            name: name.to_owned(),
        })
    }

    fn volume_files(&self, name: &str) -> Result<OwnedFd, RuntimeError> {
        let folder = open_beneath(&self.layout.volumes, name, HANDLE, 0)?;
        Ok(open_files(&folder)?)
    }
}

/// The volume's directory, or the root of what is mounted over it.
fn open_files(folder: impl AsFd) -> bulkhead_sys::Result<OwnedFd> {
    open_in_root(folder, FILES, HANDLE.union(OFlag::O_NOFOLLOW), 0)
}

fn found(opened: bulkhead_sys::Result<OwnedFd>) -> Result<Option<OwnedFd>, bulkhead_sys::Error> {
    match opened {
        Err(error) if error.io_kind() == std::io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn filesystem(fstype: &str, source: &str, options: &MountOptions) -> bulkhead_sys::Result<OwnedFd> {
    let name = text("fsopen", fstype)?;
    let context = Context::open_as(&name, &text("fsconfig", source)?)?;
    for (key, value) in &options.settings {
        let name = text("fsconfig", key)?;
        match value {
            Some(value) => context.set(&name, value)?,
            None => context.flag(&name)?,
        }
    }
    context.mount(options.attributes)
}

fn bind(source: &Path, options: &MountOptions) -> bulkhead_sys::Result<OwnedFd> {
    let mounted = clone_mount(open_host(source, HANDLE, 0)?, options.recursive)?;
    set_private(&mounted, options.recursive)?;
    if options.attributes != Attributes::NONE {
        set_attributes(&mounted, options.attributes, false)?;
    }
    Ok(mounted)
}

fn text(call: &'static str, text: &str) -> bulkhead_sys::Result<CString> {
    let invalid = |_| bulkhead_sys::Error::new(call, text, nix::errno::Errno::EINVAL);
    CString::new(text).map_err(invalid)
}

/// As Docker shows a mount that failed.
fn describe(mount: &VolumeMount, files: &OwnedFd) -> String {
    let (source, options) = match mount {
        VolumeMount::Filesystem {
            source, options, ..
        }
        | VolumeMount::Bind { source, options } => (source, options),
    };
    let place = std::fs::read_link(proc_path(files)).unwrap_or_default();
    let mut text = format!("{source}:{}", place.display());
    let data = MountOptions::parse(options).map_or_else(|_| options.join(","), |o| o.data());
    if !data.is_empty() {
        text += &format!(", data: {data}");
    }
    text
}
