//! Parents that users name (`--cgroup-parent`), instead of our own.
//!
//! What is missing of one is made, and noted in `made-cgroups` first: it is
//! removed again when nothing is left in it. What others made stays.
//!
//! ```text
//! memory<TAB>shop.slice
//! memory<TAB>shop.slice/shop-front.slice
//! ```

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_model::cgroup_parent::CgroupParent;
use bulkhead_sys::Error;
use bulkhead_sys::directory::{mkdirat_umask, rename, rmdirat};
use bulkhead_sys::path::{OFlag, open_beneath, open_host_dir};

use super::{Hierarchy, Parent, Version, failed, write};
use crate::error::RuntimeError;

/// The list's name in its directory.
const LIST: &str = "made-cgroups";
const NEW_LIST: &str = "made-cgroups.new";

const DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);

/// The cgroups that we made above containers'. One lock keeps a parent from
/// going while a container comes.
#[derive(Debug)]
pub(crate) struct MadeCgroups(Mutex<OwnedFd>);

/// While it is held, no parent comes or goes.
pub(crate) struct Held<'a>(MutexGuard<'a, OwnedFd>);

impl MadeCgroups {
    /// The list in a directory that lives as long as the machine runs.
    pub(crate) fn new(directory: OwnedFd) -> Self {
        Self(Mutex::new(directory))
    }

    pub(crate) fn hold(&self) -> Held<'_> {
        Held(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held<'_> {
    fn read(&self) -> Result<BTreeSet<String>, Error> {
        let file = match open_beneath(&*self.0, LIST, OFlag::O_RDONLY, 0) {
            Err(e) if e.io_kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
            file => file?,
        };
        let mut text = String::new();
        let read = File::from(file).read_to_string(&mut text);
        read.map_err(|e| Error::new("read", LIST, e))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Whole or not at all.
    fn write(&self, list: &BTreeSet<String>) -> Result<(), Error> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
        let file = open_beneath(&*self.0, NEW_LIST, flags, 0o600)?;
        let text: String = list.iter().flat_map(|line| [line, "\n"]).collect();
        let written = File::from(file).write_all(text.as_bytes());
        written.map_err(|e| Error::new("write", NEW_LIST, e))?;
        rename(&*self.0, NEW_LIST, &*self.0, LIST)
    }

    fn note(&self, line: &str) -> Result<(), Error> {
        let mut list = self.read()?;
        match list.insert(line.to_owned()) {
            true => self.write(&list),
            false => Ok(()),
        }
    }

    fn forget(&self, line: &str) -> Result<(), Error> {
        let mut list = self.read()?;
        match list.remove(line) {
            true => self.write(&list),
            false => Ok(()),
        }
    }
}

impl Parent {
    /// The parent that a user named, with what is missing of it made.
    ///
    /// # Errors
    /// It is below our own, or a cgroup cannot be made.
    pub(crate) fn make_elsewhere(
        self: &Arc<Self>,
        parent: &CgroupParent,
        made: &Held<'_>,
    ) -> Result<Arc<Self>, RuntimeError> {
        let name = parent.as_str();
        if name == self.name {
            return Ok(Arc::clone(self));
        }
        // There are the shims, and other containers.
        if name.starts_with(&format!("{}/", self.name)) {
            return Err(RuntimeError::CgroupParent(name.to_owned()));
        }
        let make = |hierarchy: &Hierarchy| {
            let path = hierarchy.mount.join(name);
            make_path(hierarchy, name, made).map_err(|source| failed(&path, source))
        };
        let dirs = self.hierarchies.iter().map(make);
        Ok(Arc::new(Self {
            name: name.to_owned(),
            hierarchies: self.hierarchies.clone(),
            dirs: dirs.collect::<Result<_, _>>()?,
            device_filter: self.device_filter.clone(),
        }))
    }

    /// The parent that a user named, as far as it is there.
    pub(crate) fn elsewhere(self: &Arc<Self>, parent: &CgroupParent) -> Arc<Self> {
        let name = parent.as_str();
        if name == self.name {
            return Arc::clone(self);
        }
        let open = |hierarchy: &Hierarchy| {
            let root = open_host_dir(&hierarchy.mount).ok()?;
            let dir = open_parent(root, name).ok()?;
            Some((hierarchy.clone(), dir))
        };
        let (hierarchies, dirs) = self.hierarchies.iter().filter_map(open).unzip();
        Arc::new(Self {
            name: name.to_owned(),
            hierarchies,
            dirs,
            device_filter: self.device_filter.clone(),
        })
    }

    /// Removes what we made of this parent and nothing is in any more.
    ///
    /// # Errors
    /// The list cannot be read or written, the kernel refuses.
    pub(crate) fn remove_made(&self, made: &Held<'_>) -> Result<(), RuntimeError> {
        for hierarchy in &self.hierarchies {
            let path = hierarchy.mount.join(&self.name);
            remove_path(hierarchy, &self.name, made).map_err(|source| failed(&path, source))?;
        }
        Ok(())
    }
}

fn open_parent(root: OwnedFd, name: &str) -> Result<OwnedFd, Error> {
    match name {
        "" => Ok(root),
        name => open_beneath(root, name, DIRECTORY, 0),
    }
}

fn line(hierarchy: &Hierarchy, path: &str) -> String {
    format!("{}\t{path}", hierarchy.name)
}

/// Each directory is opened beneath the one before it: no name leads out.
fn make_path(hierarchy: &Hierarchy, path: &str, made: &Held<'_>) -> Result<OwnedFd, Error> {
    let mut dir = open_host_dir(&hierarchy.mount)?;
    hierarchy.delegate(&dir);
    for (end, name) in components(path) {
        let next = match open_beneath(&dir, name, DIRECTORY, 0) {
            Err(e) if e.io_kind() == ErrorKind::NotFound => {
                made.note(&line(hierarchy, &path[..end]))?;
                make_one(&dir, name)?
            }
            other => other?,
        };
        if hierarchy.version == Version::One && hierarchy.has("cpuset") {
            inherit_cpuset(&dir, &next)?;
        }
        hierarchy.delegate(&next);
        dir = next;
    }
    Ok(dir)
}

fn make_one(dir: &OwnedFd, name: &str) -> Result<OwnedFd, Error> {
    match mkdirat_umask(dir, name, 0o755) {
        Err(e) if e.io_kind() != ErrorKind::AlreadyExists => Err(e),
        _ => open_beneath(dir, name, DIRECTORY, 0),
    }
}

/// A cpuset that somebody made may have nothing in it, and then takes no
/// process (`cpuset(7)`).
fn inherit_cpuset(parent: impl AsFd, dir: impl AsFd) -> Result<(), Error> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if read(&dir, file)?.trim().is_empty() {
            write(&dir, file, read(&parent, file)?.trim())?;
        }
    }
    Ok(())
}

fn read(dir: impl AsFd, name: &'static str) -> Result<String, Error> {
    let mut text = String::new();
    let mut file = File::from(open_beneath(dir, name, OFlag::O_RDONLY, 0)?);
    let read = file.read_to_string(&mut text);
    read.map_err(|e| Error::new("read", name, e))?;
    Ok(text)
}

/// The innermost first, up to one that is in use or that others made.
fn remove_path(hierarchy: &Hierarchy, path: &str, made: &Held<'_>) -> Result<(), Error> {
    let list = made.read()?;
    let all: Vec<_> = components(path).collect();
    for (end, name) in all.into_iter().rev() {
        let line = line(hierarchy, &path[..end]);
        if !list.contains(&line) {
            return Ok(());
        }
        let above = path[..end - name.len()].trim_end_matches('/');
        let removed = open_parent(open_host_dir(&hierarchy.mount)?, above)
            .and_then(|above| rmdirat(above, name));
        match removed {
            Err(e) if e.io_kind() == ErrorKind::ResourceBusy => return Ok(()),
            Err(e) if e.io_kind() != ErrorKind::NotFound => return Err(e),
            _ => made.forget(&line)?,
        }
    }
    Ok(())
}

/// Names, and where each ends in the path.
fn components(path: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    path.split('/')
        .filter(|name| !name.is_empty())
        .map(move |name| {
            let end = at + name.len();
            at = end + 1;
            (end, name)
        })
}

#[cfg(test)]
mod tests;
