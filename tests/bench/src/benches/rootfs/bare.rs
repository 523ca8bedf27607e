//! The system calls that a driver's work comes down to, and nothing else.

use std::os::fd::OwnedFd;

use anyhow::Result;
use bulkhead_sys::btrfs;
use bulkhead_sys::copy::clone_file;
use bulkhead_sys::directory::unlinkat;
use bulkhead_sys::loop_device::{LoopDevice, Options};
use bulkhead_sys::mount::{Attributes, Context, clone_mount};
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::tree::remove_tree;

use super::scene::Scene;

const NAME: &str = "bare";

/// A snapshot of the uppermost layer, by hand.
pub(super) struct Bare {
    kind: Kind,
    root: OwnedFd,
    mounted: Option<OwnedFd>,
}

enum Kind {
    /// A file that shares the layer's extents, a loop device and ext4.
    Image(OwnedFd),
    /// A snapshot of the layer's subvolume.
    Subvolume(OwnedFd),
}

impl Bare {
    /// Overlay's mount is measured by the driver's own: it is one call.
    pub(super) fn of(scene: &Scene<'_>) -> Result<Option<Self>> {
        let root = scene.root()?;
        let layer = format!("{}/fs", scene.top());
        let directory = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let kind = match scene.driver_name() {
            "devmapper" => {
                let image = format!("{layer}/volume.img");
                match open_beneath(&root, image, OFlag::O_RDONLY, 0) {
                    Ok(image) => Kind::Image(image),
                    // Thin devices.
                    Err(_) => return Ok(None),
                }
            }
            "btrfs" => Kind::Subvolume(open_beneath(&root, layer, directory, 0)?),
            _ => return Ok(None),
        };
        Ok(Some(Self {
            kind,
            root: open_beneath(&root, ".", directory, 0)?,
            mounted: None,
        }))
    }

    pub(super) fn mount(&mut self) -> Result<()> {
        self.mounted = Some(match &self.kind {
            Kind::Image(layer) => self.mount_image(layer)?,
            Kind::Subvolume(layer) => {
                btrfs::snapshot_subvolume(layer, &self.root, NAME, false)?;
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
                clone_mount(open_beneath(&self.root, NAME, flags, 0)?, false)?
            }
        });
        Ok(())
    }

    fn mount_image(&self, layer: &OwnedFd) -> Result<OwnedFd> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
        let image = open_beneath(&self.root, NAME, flags, 0o600)?;
        clone_file(layer, &image)?;
        let options = Options {
            block_size: 4096,
            read_only: false,
        };
        let device = LoopDevice::attach(&image, options)?;
        let context = Context::open_device(c"ext4", &device.path())?;
        context.flag(c"noinit_itable")?;
        Ok(context.mount(Attributes::NONE)?)
    }

    pub(super) fn unmount(&mut self) -> Result<()> {
        self.mounted = None;
        match self.kind {
            Kind::Image(_) => unlinkat(&self.root, NAME)?,
            Kind::Subvolume(_) => remove_tree(&self.root, NAME)?,
        }
        Ok(())
    }
}
