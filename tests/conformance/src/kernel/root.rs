//! What a snapshot's mount shows, and what is done through it. The mount is
//! in no namespace: its files are reached through its descriptor.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use bulkhead_plugin_api::testing::conformance::Failure;

use super::bench::{Expecting, Outcome};

/// A mounted root filesystem.
pub(super) struct Root {
    /// For messages: whose it is.
    pub(super) what: String,
    pub(super) mount: OwnedFd,
}

impl Root {
    pub(super) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        PathBuf::from(bulkhead_sys::path::proc_path(&self.mount)).join(name.as_ref())
    }

    /// A name that need not be text.
    pub(super) fn raw(&self, name: &[u8]) -> PathBuf {
        self.path(OsStr::from_bytes(name))
    }

    pub(super) fn about(&self, what: &str) -> String {
        format!("{what} in {}", self.what)
    }

    pub(super) fn has(&self, name: &str, text: &str) -> Outcome {
        match fs::read(self.path(name)) {
            Ok(bytes) if bytes == text.as_bytes() => Ok(()),
            Ok(bytes) => Err(Failure::new(
                &self.about(name),
                format!("{text:?}"),
                format!("{:?}", String::from_utf8_lossy(&bytes)),
            )),
            Err(error) => Err(Failure::new(&self.about(name), format!("{text:?}"), error)),
        }
    }

    pub(super) fn lacks(&self, name: &str) -> Outcome {
        match fs::symlink_metadata(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(()),
            Err(error) => Err(Failure::new(&self.about(name), "nothing there", error)),
            Ok(found) => Err(Failure::new(
                &self.about(name),
                "nothing there",
                format!("something of mode {:o}", found.mode()),
            )),
        }
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Outcome {
        fs::write(self.path(name), text).expecting(&self.about(&format!("writing {name}")))
    }

    /// Names in a directory, sorted.
    pub(super) fn names(&self, dir: &str) -> Outcome<Vec<String>> {
        let what = self.about(&format!("the directory {dir:?}"));
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(dir)).expecting(&what)? {
            let name = entry.expecting(&what)?.file_name();
            names.push(name.to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    pub(super) fn holds(&self, dir: &str, expected: &[&str]) -> Outcome {
        let found = self.names(dir)?;
        same(
            &self.about(&format!("the directory {dir:?}")),
            &expected,
            &found
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .as_slice(),
        )
    }

    pub(super) fn metadata(&self, name: &[u8]) -> Outcome<fs::Metadata> {
        let what = self.about(&String::from_utf8_lossy(name));
        fs::symlink_metadata(self.raw(name)).expecting(&what)
    }
}

/// Compares two values of any kind.
pub(super) fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, found: &T) -> Outcome {
    match expected == found {
        true => Ok(()),
        false => Err(Failure::new(
            what,
            format!("{expected:?}"),
            format!("{found:?}"),
        )),
    }
}
