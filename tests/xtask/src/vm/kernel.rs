//! Debian's kernel, unpacked into the cache.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{cache, packages, process};

pub(super) struct Kernel {
    /// Holds `boot` and `lib/modules`.
    pub(super) prefix: PathBuf,
    /// As `uname -r` says in the machine.
    pub(super) release: String,
}

impl Kernel {
    pub(super) fn image(&self) -> PathBuf {
        self.prefix.join(format!("boot/vmlinuz-{}", self.release))
    }
}

pub(super) fn find() -> Result<Kernel> {
    let prefix = cache::dir()?.join("kernel");
    if !prefix.exists() {
        unpack(&prefix)?;
    }
    let modules = prefix.join("lib/modules");
    let entry = fs::read_dir(&modules)
        .with_context(|| format!("list {}", modules.display()))?
        .next();
    let release = entry.context("a kernel without modules")??.file_name();
    Ok(Kernel {
        prefix,
        release: release.to_string_lossy().into_owned(),
    })
}

fn unpack(prefix: &PathBuf) -> Result<()> {
    packages::refresh_lists()?;
    let part = prefix.with_extension("part");
    if part.exists() {
        fs::remove_dir_all(&part).with_context(|| format!("remove {}", part.display()))?;
    }
    let image = packages::dependency("linux-image-amd64", "linux-image-")?;
    packages::unpack(&[&image], &part)?;
    let release = image.trim_start_matches("linux-image-");
    let mut depmod = Command::new("/usr/sbin/depmod");
    process::quiet(
        depmod.arg("-b").arg(&part).arg(release),
        Duration::from_secs(120),
    )?;
    fs::rename(&part, prefix).with_context(|| format!("rename to {}", prefix.display()))
}
