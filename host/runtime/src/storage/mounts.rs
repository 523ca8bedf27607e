//! Root filesystems as detached mounts.
//!
//! Overlay has taken its layers in three ways over time, each better than the
//! one before: the newest that works is found out once and remembered.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use bulkhead_model::storage::{DirPath, OverlayOption, RootMount};
use bulkhead_sys::mount::{Attributes, Context, clone_mount, set_attributes};
use bulkhead_sys::path::proc_path;
use bulkhead_sys::{Error, Result};

use super::open_dir;
use crate::error::RuntimeError;

/// How overlay is told its layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `lowerdir+` takes descriptors (Linux 6.13).
    Descriptors,
    /// `lowerdir+` takes paths (Linux 6.8).
    Paths,
    /// `mount(2)` in a mount namespace made for it, whose copy is taken:
    /// fsconfig cuts strings at 256 bytes, mount(2) at a page.
    Classic,
}

impl Way {
    pub(super) const ALL: [Way; 3] = [Way::Descriptors, Way::Paths, Way::Classic];
}

/// Index in [`Way::ALL`] of the first way that is worth trying.
static KNOWN: AtomicUsize = AtomicUsize::new(0);

/// Makes a root filesystem's mount in no namespace's tree.
pub(crate) fn open_mount(
    driver: &str,
    root: &OwnedFd,
    host_path: &Path,
    mount: &RootMount,
) -> std::result::Result<OwnedFd, RuntimeError> {
    let failed = |source| RuntimeError::RootMount {
        driver: driver.to_owned(),
        source,
    };
    match mount {
        RootMount::Bind { source, read_only } => bind(root, source, *read_only).map_err(failed),
        // Overlay wants two layers; one alone is itself.
        RootMount::Overlay {
            lower, upper: None, ..
        } if lower.len() == 1 => bind(root, &lower[0], true).map_err(failed),
        RootMount::Overlay { .. } => overlay_any_way(root, host_path, mount).map_err(failed),
    }
}

fn bind(root: &OwnedFd, source: &DirPath, read_only: bool) -> Result<OwnedFd> {
    let mounted = clone_mount(open_dir(root, source)?, false)?;
    if read_only {
        set_attributes(&mounted, Attributes::READ_ONLY, false)?;
    }
    Ok(mounted)
}

fn overlay_any_way(root: &OwnedFd, host_path: &Path, mount: &RootMount) -> Result<OwnedFd> {
    let mut first = KNOWN.load(Ordering::Relaxed);
    loop {
        match overlay(root, host_path, mount, Way::ALL[first]) {
            // This kernel does not know the way: EINVAL.
            Err(e)
                if e.io_kind() == std::io::ErrorKind::InvalidInput
                    && first + 1 < Way::ALL.len() =>
            {
                first += 1
            }
            Ok(mounted) => {
                KNOWN.store(first, Ordering::Relaxed);
                return Ok(mounted);
            }
            Err(e) => return Err(e),
        }
    }
}

pub(super) fn overlay(
    root: &OwnedFd,
    host_path: &Path,
    mount: &RootMount,
    way: Way,
) -> Result<OwnedFd> {
    let RootMount::Overlay {
        lower,
        upper,
        options,
    } = mount
    else {
        return bind(root, &DirPath(vec![]), true);
    };
    let open = |dir: &DirPath| open_dir(root, dir);
    let layers = lower.iter().map(open).collect::<Result<Vec<_>>>()?;
    let upper = upper
        .as_ref()
        .map(|(upper, work)| Ok((open(upper)?, open(work)?)))
        .transpose()?;
    match way {
        Way::Classic => classic(host_path, &layers, upper.as_ref(), options),
        _ => configured(&layers, upper.as_ref(), options, way),
    }
}

fn configured(
    layers: &[OwnedFd],
    upper: Option<&(OwnedFd, OwnedFd)>,
    options: &[OverlayOption],
    way: Way,
) -> Result<OwnedFd> {
    let context = Context::open(c"overlay")?;
    for layer in layers {
        match way {
            Way::Descriptors => context.set_fd(c"lowerdir+", layer)?,
            _ => context.set(c"lowerdir+", &proc_path(layer))?,
        }
    }
    if let Some((upper, work)) = upper {
        match way {
            Way::Descriptors => {
                context.set_fd(c"upperdir", upper)?;
                context.set_fd(c"workdir", work)?;
            }
            _ => {
                context.set(c"upperdir", &proc_path(upper))?;
                context.set(c"workdir", &proc_path(work))?;
            }
        }
    }
    for option in options {
        match option {
            OverlayOption::Metacopy => context.set(c"metacopy", "on")?,
            OverlayOption::RedirectDir => context.set(c"redirect_dir", "on")?,
            OverlayOption::NoIndex => context.set(c"index", "off")?,
            OverlayOption::Volatile => context.flag(c"volatile")?,
            OverlayOption::UserXattr => context.flag(c"userxattr")?,
        }
    }
    context.mount(if upper.is_some() {
        Attributes::NONE
    } else {
        Attributes::READ_ONLY
    })
}

fn classic(
    host_path: &Path,
    layers: &[OwnedFd],
    upper: Option<&(OwnedFd, OwnedFd)>,
    options: &[OverlayOption],
) -> Result<OwnedFd> {
    let lower: Vec<String> = layers.iter().map(|fd| proc_path(fd.as_fd())).collect();
    let mut data = format!("lowerdir={}", lower.join(":"));
    if let Some((upper, work)) = upper {
        data.push_str(&format!(
            ",upperdir={},workdir={}",
            proc_path(upper),
            proc_path(work)
        ));
    }
    for option in options {
        data.push_str(match option {
            OverlayOption::Metacopy => ",metacopy=on",
            OverlayOption::RedirectDir => ",redirect_dir=on",
            OverlayOption::NoIndex => ",index=off",
            OverlayOption::Volatile => ",volatile",
            OverlayOption::UserXattr => ",userxattr",
        });
    }
    // A thread of its own: the namespace ends with it, our copy stays.
    std::thread::scope(|scope| {
        scope
            .spawn(|| bulkhead_sys::mount::classic_detached(c"overlay", host_path, &data))
            .join()
    })
    .unwrap_or_else(|_| {
        Err(Error::new(
            "mount",
            "overlay",
            std::io::Error::other("the thread panicked"),
        ))
    })
}
