//! Root filesystems as detached mounts.
//!
//! Overlay has taken its layers in three ways over time, each better than the
//! one before: the newest that works is found out once and remembered.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use bulkhead_model::storage::{DirPath, OverlayOption, RootMount};
use bulkhead_sys::mount::{Attributes, Context, clone_mount, set_attributes, set_idmap};
use bulkhead_sys::namespace::{self, Namespaces};
use bulkhead_sys::path::{OFlag, open_beneath, open_host_dir, proc_path};
use bulkhead_sys::tree::remove_tree;
use bulkhead_sys::{Error, Result};

use super::shifted::{self, Shift};
use super::volumes::View;
use super::{Place, open_dir};
use crate::error::RuntimeError;

const DIRECTORY: OFlag = OFlag::O_DIRECTORY;

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
pub(super) fn open_mount(
    driver: &str,
    place: Place<'_>,
    host_path: &Path,
    mount: &RootMount,
    shift: Option<Shift<'_>>,
) -> std::result::Result<OwnedFd, RuntimeError> {
    let failed = |source| RuntimeError::RootMount {
        driver: driver.to_owned(),
        source,
    };
    let Place { root, volumes, .. } = place;
    match mount {
        RootMount::Bind { source, read_only } => {
            bind(place, source, *read_only, shift).map_err(failed)
        }
        RootMount::Volume {
            source,
            read_only,
            options,
        } => {
            let view = View {
                read_only: *read_only,
                options,
            };
            let dir = open_dir(root, source).map_err(failed)?;
            volumes.mount(&dir, view, shift).map_err(failed)
        }
        // Overlay wants two layers; one alone is itself.
        RootMount::Overlay {
            lower, upper: None, ..
        } if lower.len() == 1 => bind(place, &lower[0], true, shift).map_err(failed),
        RootMount::Overlay { upper, options, .. } => {
            if let (Some((_, work)), true) = (upper, options.contains(&OverlayOption::Volatile)) {
                forgive_volatile(root, work).map_err(failed)?;
            }
            match shift {
                Some(shift) => shifted::overlay(host_path, mount, shift).map_err(failed),
                None => overlay_any_way(|way| overlay(root, host_path, mount, way)).map_err(failed),
            }
        }
    }
}

/// A volatile mount leaves a mark that forbids the next one until somebody
/// says that nothing was lost (kernel `Documentation/filesystems/overlayfs.rst`,
/// "Volatile mount"). A container that is removed at its end is mounted again
/// only by a restart: the machine did not go down since.
fn forgive_volatile(root: &OwnedFd, work: &DirPath) -> Result<()> {
    let forgiven = open_beneath(open_dir(root, work)?, "work/incompat", DIRECTORY, 0)
        .and_then(|marks| remove_tree(marks, "volatile"));
    match forgiven {
        Err(error) if error.io_kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn bind(
    place: Place<'_>,
    source: &DirPath,
    read_only: bool,
    shift: Option<Shift<'_>>,
) -> Result<OwnedFd> {
    let dir = open_dir(place.root, source)?;
    let mounted = match place.home {
        None => clone_mount(dir, false)?,
        Some(home) => on_own_thread(|| {
            // Who enters a mount namespace shares no working directory (setns(2)).
            namespace::unshare(Namespaces::CLONE_FS)?;
            namespace::join(home, Namespaces::CLONE_NEWNS)?;
            clone_mount(&dir, false)
        })?,
    };
    if let Some(shift) = shift {
        set_idmap(&mounted, shift.namespace)?;
    }
    if read_only {
        set_attributes(&mounted, Attributes::READ_ONLY, false)?;
    }
    Ok(mounted)
}

pub(super) fn overlay_any_way(mut attempt: impl FnMut(Way) -> Result<OwnedFd>) -> Result<OwnedFd> {
    let mut first = KNOWN.load(Ordering::Relaxed);
    loop {
        match attempt(Way::ALL[first]) {
            Err(e) if is_unknown_way(&e) && first + 1 < Way::ALL.len() => first += 1,
            Ok(mounted) => {
                KNOWN.store(first, Ordering::Relaxed);
                return Ok(mounted);
            }
            Err(e) => return Err(e),
        }
    }
}

/// EINVAL from filesystems that know of fsconfig, EOPNOTSUPP from those that
/// are served by its compatibility layer.
fn is_unknown_way(error: &Error) -> bool {
    matches!(
        error.io_kind(),
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::Unsupported
    )
}

pub(super) fn overlay(
    root: &OwnedFd,
    host_path: &Path,
    mount: &RootMount,
    way: Way,
) -> Result<OwnedFd> {
    match way {
        Way::Classic => in_private_namespace(|| {
            // Layers of another mount namespace are EINVAL to overlay: the
            // driver's root is opened again in the new one.
            let layers = Layers::open(&open_host_dir(host_path)?, mount)?;
            classic(host_path, &layers)
        }),
        _ => configured(&Layers::open(root, mount)?, way),
    }
}

/// Runs on a thread of its own: the namespace ends with it, what it returns stays.
pub(crate) fn in_private_namespace(
    work: impl FnOnce() -> Result<OwnedFd> + Send,
) -> Result<OwnedFd> {
    on_own_thread(|| {
        bulkhead_sys::mount::private_namespace()?;
        work()
    })
}

fn on_own_thread(work: impl FnOnce() -> Result<OwnedFd> + Send) -> Result<OwnedFd> {
    let panicked = |_| {
        Err(Error::new(
            "mount",
            "overlay",
            std::io::Error::other("the thread panicked"),
        ))
    };
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(panicked)
}

/// An overlay's parts, opened.
pub(super) struct Layers<'a> {
    pub(super) lower: Vec<OwnedFd>,
    pub(super) upper: Option<(OwnedFd, OwnedFd)>,
    pub(super) options: &'a [OverlayOption],
}

impl<'a> Layers<'a> {
    fn open(root: &OwnedFd, mount: &'a RootMount) -> Result<Self> {
        let open = |dir: &DirPath| open_dir(root, dir);
        match mount {
            RootMount::Overlay {
                lower,
                upper,
                options,
            } => Ok(Self {
                lower: lower.iter().map(open).collect::<Result<_>>()?,
                upper: upper
                    .as_ref()
                    .map(|(upper, work)| Ok((open(upper)?, open(work)?)))
                    .transpose()?,
                options,
            }),
            RootMount::Bind { source, .. } | RootMount::Volume { source, .. } => Ok(Self {
                lower: vec![open(source)?],
                upper: None,
                options: &[],
            }),
        }
    }
}

pub(super) fn configured(layers: &Layers<'_>, way: Way) -> Result<OwnedFd> {
    let context = Context::open(c"overlay")?;
    for layer in &layers.lower {
        match way {
            Way::Descriptors => context.set_fd(c"lowerdir+", layer)?,
            _ => context.set(c"lowerdir+", &proc_path(layer))?,
        }
    }
    if let Some((upper, work)) = &layers.upper {
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
    for option in layers.options {
        match option {
            OverlayOption::Metacopy => context.set(c"metacopy", "on")?,
            OverlayOption::RedirectDir => context.set(c"redirect_dir", "on")?,
            OverlayOption::NoIndex => context.set(c"index", "off")?,
            OverlayOption::Volatile => context.flag(c"volatile")?,
            OverlayOption::UserXattr => context.flag(c"userxattr")?,
        }
    }
    context.mount(if layers.upper.is_some() {
        Attributes::NONE
    } else {
        Attributes::READ_ONLY
    })
}

pub(super) fn classic(place: &Path, layers: &Layers<'_>) -> Result<OwnedFd> {
    // mount(2) takes a page of options: with the descriptors' numbers as names
    // the 500 layers that overlay takes fit.
    let name = |layer: &OwnedFd| layer.as_raw_fd().to_string();
    let lower: Vec<String> = layers.lower.iter().map(name).collect();
    let mut data = format!("lowerdir={}", lower.join(":"));
    if let Some((upper, work)) = &layers.upper {
        let (upper, work) = (name(upper), name(work));
        data.push_str(&format!(",upperdir={upper},workdir={work}"));
    }
    for option in layers.options {
        data.push_str(match option {
            OverlayOption::Metacopy => ",metacopy=on",
            OverlayOption::RedirectDir => ",redirect_dir=on",
            OverlayOption::NoIndex => ",index=off",
            OverlayOption::Volatile => ",volatile",
            OverlayOption::UserXattr => ",userxattr",
        });
    }
    // The thread's own since it has a mount namespace of its own (unshare(2)).
    bulkhead_sys::process::change_dir(open_host_dir("/proc/thread-self/fd")?)?;
    bulkhead_sys::mount::classic_detached(c"overlay", place, &data)
}
