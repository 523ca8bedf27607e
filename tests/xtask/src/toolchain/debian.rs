//! Debian's Rust in a private prefix: `rustc-web` (kept current for Firefox
//! and Chromium), its libraries, and the source of std. Unpacked with
//! `dpkg -x`, since installing it conflicts with rustup and Debian's rustc.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::prepended;
use crate::{cache, packages, process};

/// An unpacked compiler.
pub(crate) struct Rust {
    prefix: PathBuf,
    version: String,
}

impl Rust {
    /// The newest one unpacked already, else the one the package archive has.
    pub(crate) fn find() -> Result<Self> {
        match unpacked()? {
            Some(rust) => Ok(rust),
            None => unpack(),
        }
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn apply(&self, command: &mut Command) {
        let libraries = self.prefix.join("usr/lib").join(multiarch());
        command
            // -Z flags are for nightlies unless the compiler is told otherwise.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", self.prefix.join("usr/bin/rustc"))
            .env("LD_LIBRARY_PATH", prepended("LD_LIBRARY_PATH", &libraries))
            .arg("-Zbuild-std=std,panic_abort");
    }
}

fn multiarch() -> String {
    format!("{}-linux-gnu", std::env::consts::ARCH)
}

const PREFIX: &str = "rust-web-";

fn unpacked() -> Result<Option<Rust>> {
    let cache = cache::dir()?;
    let entries = std::fs::read_dir(&cache).with_context(|| format!("list {}", cache.display()))?;
    let mut versions: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix(PREFIX)?.to_owned()))
        .filter(|version| !version.ends_with(".part"))
        .collect();
    versions.sort();
    let found = versions.pop();
    Ok(found.map(|version| Rust {
        prefix: cache.join(format!("{PREFIX}{version}")),
        version,
    }))
}

fn unpack() -> Result<Rust> {
    if !process::installed("apt-get") || !process::installed("dpkg") {
        bail!("this is not a Debian");
    }
    packages::refresh_lists()?;
    let library = packages::dependency("libstd-rust-web-dev", "libstd-rust-web-")?;
    let llvm = packages::dependency(&library, "libllvm")?;
    let version = library.trim_start_matches("libstd-rust-web-").to_owned();
    let prefix = cache::dir()?.join(format!("{PREFIX}{version}"));
    let part = cache::dir()?.join(format!("{PREFIX}{version}.part"));
    let names = [
        "rustc-web",
        "libstd-rust-web-dev",
        "rust-web-src",
        &library,
        &llvm,
    ];
    // A run cut short leaves its folder behind, never one without `.part`.
    remove(&part)?;
    packages::unpack(&names, &part)?;
    keep_only_the_library(&part)?;
    std::fs::rename(&part, &prefix).with_context(|| format!("rename to {}", prefix.display()))?;
    Ok(Rust { prefix, version })
}

/// The compiler's own source is four times the size of std's and unused.
fn keep_only_the_library(prefix: &Path) -> Result<()> {
    let sources = prefix.join("usr/src");
    for version in std::fs::read_dir(&sources)
        .context("rust-web-src holds no source")?
        .flatten()
    {
        for unused in ["compiler", "src", "debian"] {
            remove(&version.path().join(unused))?;
        }
    }
    Ok(())
}

fn remove(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}
