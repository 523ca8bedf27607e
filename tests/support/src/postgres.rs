//! PostgreSQL as Debian packages it, installed into Debian's root file system.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::binaries::cache_dir;
use crate::{client, images};

const DOWNLOAD: Duration = Duration::from_secs(600);
const ARCHIVE: Duration = Duration::from_secs(120);

/// What nobody reads in a container, and what apt downloaded.
const SUPERFLUOUS: [&str; 5] = [
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
];

/// A root file system with PostgreSQL 15 and an empty cluster, about 370 MB,
/// as a tar file in the cache. The first call in a month needs root, Debian's
/// mirror and a minute.
pub fn postgres_tar() -> PathBuf {
    let debian = images::debian_tar();
    let name = debian.file_name().expect("the name of a file");
    let tar = cache_dir().join(name.to_string_lossy().replace("debian", "postgres"));
    let lock = File::create(cache_dir().join("postgres.lock")).expect("create a lock");
    // Other tests wait here for the one that makes it.
    lock.lock().expect("take a lock");
    if !tar.exists() {
        install(&debian, &tar);
    }
    tar
}

fn install(debian: &Path, tar: &Path) {
    let folder = tempfile::Builder::new()
        .prefix("bulkhead-postgres-")
        .tempdir()
        .expect("temporary folder");
    let root = folder.path();
    let mut unpack = Command::new("tar");
    unpack.arg("--extract").arg("--file").arg(debian);
    client::run(unpack.arg("-C").arg(root), ARCHIVE).success();
    std::fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf")).expect("copy resolv.conf");
    // Nothing is to be started in there.
    let policy = root.join("usr/sbin/policy-rc.d");
    std::fs::write(&policy, "#!/bin/sh\nexit 101\n").expect("write a policy");
    std::fs::set_permissions(&policy, PermissionsExt::from_mode(0o755)).expect("set a mode");
    let script = "mount -t proc proc proc && exec chroot . sh -ec '
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends postgresql-15'";
    let mut install = Command::new("unshare");
    install
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .current_dir(root);
    client::run(&mut install, DOWNLOAD).success();
    for name in SUPERFLUOUS {
        std::fs::remove_dir_all(root.join(name)).expect("remove what is not needed");
    }
    let part = tar.with_extension("part");
    let mut pack = Command::new("tar");
    pack.args(["--create", "--one-file-system", "--sort=name", "--file"])
        .arg(&part)
        .arg("-C")
        .arg(root)
        .arg(".");
    client::run(&mut pack, ARCHIVE).success();
    std::fs::rename(&part, tar).expect("rename the root file system");
}
