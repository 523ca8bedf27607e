//! Python with real clients of the API, from PyPI, at pinned versions.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::binaries::cache_dir;
use crate::client;
use crate::image::digest;

const PINNED: &str = include_str!("requirements.txt");
const INSTALL: Duration = Duration::from_secs(300);

/// The interpreter of a virtual environment with docker-py and testcontainers.
/// It is made once for a list of versions and kept in the cache; panics when
/// PyPI cannot be reached. To be called before
/// [`own_network`](crate::own_network), from where nothing can be reached.
pub fn python() -> PathBuf {
    let mark = digest(PINNED.as_bytes());
    let name = format!("python-{}", &mark.trim_start_matches("sha256:")[..12]);
    let folder = cache_dir().join(name);
    let lock = File::create(cache_dir().join("python.lock")).expect("create a lock");
    // Other tests wait here for the one that makes it.
    lock.lock().expect("take a lock");
    let complete = folder.join("complete");
    if !complete.exists() {
        install(&folder);
        File::create(complete).expect("mark the environment complete");
    }
    folder.join("bin/python")
}

fn install(folder: &Path) {
    // What an interrupted run left.
    let _ = std::fs::remove_dir_all(folder);
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(folder);
    client::run(&mut venv, INSTALL).success();
    let list = folder.join("requirements.txt");
    std::fs::write(&list, PINNED).expect("write the list of versions");
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--no-input", "--requirement"])
        .arg(&list);
    let output = client::run(&mut pip, INSTALL);
    assert_eq!(
        output.status,
        Some(0),
        "docker-py and testcontainers could not be installed from PyPI, which these tests need:\n{}",
        output.stderr
    );
}
