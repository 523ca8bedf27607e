//! What a storage driver may read of its own root.

use std::io;
use std::io::Read;
use std::os::fd::OwnedFd;

use bulkhead_model::driver::DriverRoot;
use bulkhead_model::storage::{DirName, DirPath, Usage, VolumeFacts};
use bulkhead_sys::directory::entries;
use bulkhead_sys::path::{OFlag, open_beneath};

use super::volumes::Volumes;
use super::{Place, facts, open_dir, state};

/// A driver's root by descriptor.
pub(crate) struct BeneathRoot {
    root: OwnedFd,
    volumes: Volumes,
    facts: Vec<String>,
    home: Option<OwnedFd>,
}

const MAX_SMALL: u64 = 1 << 20;

impl BeneathRoot {
    pub(super) fn new(root: OwnedFd, volumes: Volumes) -> Self {
        let facts = facts::probe(&root);
        Self {
            root,
            volumes,
            facts,
            home: None,
        }
    }

    /// The namespace that the root's mount is attached in.
    pub(super) fn at_home(mut self, home: Option<OwnedFd>) -> Self {
        self.home = home;
        self
    }

    /// Adds what is known besides.
    pub(super) fn with_fact(mut self, fact: &str) -> Self {
        self.facts.push(fact.to_owned());
        self
    }

    /// Where plans are carried out.
    pub(super) fn place(&self) -> Place<'_> {
        Place {
            root: &self.root,
            volumes: &self.volumes,
            home: self.home.as_ref(),
        }
    }
}

impl DriverRoot for BeneathRoot {
    fn is_dir(&self, dir: &DirPath) -> bool {
        open_dir(&self.root, dir).is_ok()
    }

    fn entries(
        &self,
        dir: &DirPath,
        after: Option<&DirName>,
        max: usize,
    ) -> io::Result<Vec<String>> {
        let names = entries(open_dir(&self.root, dir)?)?;
        // Names no plan could use are not the driver's business.
        let mut names: Vec<String> = names
            .into_iter()
            .filter_map(|n| n.into_string().ok())
            .filter(|n| DirName::new(n).is_some())
            .collect();
        names.sort_unstable();
        names.retain(|name| after.is_none_or(|after| name.as_str() > after.as_str()));
        names.truncate(max);
        Ok(names)
    }

    fn read_small(&self, dir: &DirPath, name: &DirName) -> io::Result<Vec<u8>> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = std::fs::File::from(open_beneath(
            open_dir(&self.root, dir)?,
            name.as_str(),
            flags,
            0,
        )?);
        let found = file.metadata()?;
        if !found.is_file() || found.len() > MAX_SMALL {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a file of at most 1 MiB",
            ));
        }
        let mut bytes = Vec::with_capacity(found.len() as usize);
        file.take(MAX_SMALL).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn usage(&self, dir: &DirPath) -> io::Result<Usage> {
        let dir = open_dir(&self.root, dir)?;
        // What is in a volume is counted in its blocks.
        if let Some(bytes) = self.volumes.own_bytes(&dir)? {
            return Ok(Usage { bytes, inodes: 0 });
        }
        let (bytes, inodes) = bulkhead_sys::tree::usage(dir)?;
        Ok(Usage { bytes, inodes })
    }

    fn usage_over(&self, dir: &DirPath, base: &DirPath) -> io::Result<Usage> {
        let (dir, base) = (open_dir(&self.root, dir)?, open_dir(&self.root, base)?);
        let (bytes, inodes) = bulkhead_sys::tree::usage_over(dir, base)?;
        Ok(Usage { bytes, inodes })
    }

    fn state(&self, key: &str) -> Option<Vec<u8>> {
        state::get(&self.root, key).ok().flatten()
    }

    fn facts(&self) -> Vec<String> {
        self.facts.clone()
    }

    fn volume(&self, dir: &DirPath) -> Option<VolumeFacts> {
        let dir = open_dir(&self.root, dir).ok()?;
        self.volumes.facts(&dir).ok().flatten()
    }

    fn pool_status(&self) -> Vec<(String, String)> {
        self.volumes.status(&self.root)
    }
}

/// The root of a driver whose folder cannot be opened: it has nothing.
pub(crate) struct MissingRoot;

impl DriverRoot for MissingRoot {
    fn is_dir(&self, _: &DirPath) -> bool {
        false
    }

    fn entries(&self, _: &DirPath, _: Option<&DirName>, _: usize) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn read_small(&self, _: &DirPath, _: &DirName) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn usage(&self, _: &DirPath) -> io::Result<Usage> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn usage_over(&self, _: &DirPath, _: &DirPath) -> io::Result<Usage> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn state(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn facts(&self) -> Vec<String> {
        Vec::new()
    }
}
