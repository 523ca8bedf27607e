//! The folder outside the checkout that keeps what is slow to make again:
//! toolchains, tools, root filesystems. Everything in it can be deleted.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// `$BULKHEAD_CACHE`, else `bulkhead` in the user's cache folder; made when missing.
pub(crate) fn dir() -> Result<PathBuf> {
    let dir = location().context("neither BULKHEAD_CACHE, XDG_CACHE_HOME nor HOME is set")?;
    std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    Ok(dir)
}

fn location() -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("BULKHEAD_CACHE") {
        return Some(dir.into());
    }
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(base.join("bulkhead"))
}
