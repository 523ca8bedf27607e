//! Where the binaries under test and the cache are.

use std::path::{Path, PathBuf};

/// The folder with the binaries: `BULKHEAD_BIN_DIR`, else the release folder
/// of the target directory that this test was built into.
pub fn release_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("BULKHEAD_BIN_DIR") {
        return dir.into();
    }
    let test = std::env::current_exe().expect("path of the running test");
    // <target>/<profile>/deps/<test>
    let target = test.ancestors().nth(3).unwrap_or(Path::new("target"));
    target.join("release")
}

/// The path of one of our binaries, which must have been built.
pub fn binary(name: &str) -> PathBuf {
    let path = release_dir().join(name);
    assert!(
        path.exists(),
        "{} is missing: `cargo xtask build` makes it",
        path.display()
    );
    path
}

/// The folder that keeps what is slow to make between runs: `BULKHEAD_CACHE`
/// (which `cargo xtask test` sets), else a folder beside the binaries.
pub fn cache_dir() -> PathBuf {
    let dir = match std::env::var_os("BULKHEAD_CACHE") {
        Some(dir) => dir.into(),
        None => release_dir().join("test-cache"),
    };
    std::fs::create_dir_all(&dir)
        .unwrap_or_else(|error| panic!("create {}: {error}", dir.display()));
    dir
}
