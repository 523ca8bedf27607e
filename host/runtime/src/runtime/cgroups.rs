//! Which parent a container's cgroups have: the daemon's, or the one that is
//! noted in the container's state directory.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bulkhead_model::cgroup_parent::CgroupParent;
use bulkhead_model::process::ContainerPlan;
use bulkhead_sys::path::{OFlag, open_beneath};

use super::Runtime;
use crate::cgroup::{Cgroups, Options, Parent};
use crate::error::RuntimeError;

/// The note's name.
const NOTE: &str = "cgroup";
/// No parent is longer, bytes.
const MAX_NOTE: u64 = 4096;

impl Runtime {
    /// Writes down a parent before anything is made there.
    pub(super) fn note_cgroup_parent(
        &self,
        state: &OwnedFd,
        parent: Option<&CgroupParent>,
    ) -> Result<(), RuntimeError> {
        let Some(parent) = parent else { return Ok(()) };
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
        let mut file = File::from(open_beneath(state, NOTE, flags, 0o600)?);
        let written = file.write_all(format!("/{parent}").as_bytes());
        written.map_err(|source| RuntimeError::State {
            path: NOTE.into(),
            source,
        })
    }

    pub(super) fn make_cgroups(
        &self,
        plan: &ContainerPlan,
        options: Options,
    ) -> Result<Cgroups, RuntimeError> {
        let (id, resources) = (plan.id.as_str(), &plan.resources);
        let Some(parent) = &plan.cgroup_parent else {
            return self.cgroups.create(id, resources, options);
        };
        let made = self.made_cgroups.hold();
        let parent = self.cgroups.make_elsewhere(parent, &made)?;
        parent.create(id, resources, options)
    }

    /// Where a container's cgroups are.
    pub(super) fn cgroups_of(&self, id: &str) -> Arc<Parent> {
        match self.noted_parent(id) {
            Some(parent) => self.cgroups.elsewhere(&parent),
            None => Arc::clone(&self.cgroups),
        }
    }

    /// Removes a container's cgroups, and its parents that were made for it
    /// and have no other use.
    pub(super) fn remove_cgroups(&self, id: &str) -> Result<(), RuntimeError> {
        let Some(parent) = self.noted_parent(id) else {
            return self.cgroups.remove(id);
        };
        let parent = self.cgroups.elsewhere(&parent);
        parent.remove(id)?;
        match Arc::ptr_eq(&parent, &self.cgroups) {
            true => Ok(()),
            false => parent.remove_made(&self.made_cgroups.hold()),
        }
    }

    fn noted_parent(&self, id: &str) -> Option<CgroupParent> {
        let state = self.layout.shim(id).ok()?;
        let file = open_beneath(state, NOTE, OFlag::O_RDONLY, 0).ok()?;
        let mut text = String::new();
        let read = File::from(file).take(MAX_NOTE).read_to_string(&mut text);
        read.ok().and_then(|_| text.parse().ok())
    }
}
