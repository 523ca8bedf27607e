//! Images that many tests run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::binaries::cache_dir;
use crate::client;
use crate::image::Image;
use crate::tree::Tree;

/// Debian's static busybox with a link per applet; runs `sh`.
pub fn busybox() -> Image {
    let bytes = std::fs::read("/bin/busybox").expect("read /bin/busybox (package busybox-static)");
    let mut tree = Tree::new()
        .dir("bin", 0o755)
        .dir("etc", 0o755)
        .dir("home", 0o755)
        .dir("root", 0o700)
        .dir("tmp", 0o1777)
        .dir("usr", 0o755)
        .dir("var", 0o755)
        .file(
            "etc/passwd",
            0o644,
            b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
        )
        .file(
            "etc/group",
            0o644,
            b"root:x:0:\nwheel:x:10:nobody\nnogroup:x:65534:\n",
        )
        .file("bin/busybox", 0o755, &bytes);
    for applet in applets() {
        tree = tree.symlink(&format!("bin/{applet}"), "busybox");
    }
    Image::new(Vec::new())
        .layer(tree)
        .config("Cmd", json!(["sh"]))
}

fn applets() -> Vec<String> {
    let list = client::run(
        Command::new("/bin/busybox").arg("--list"),
        Duration::from_secs(10),
    )
    .success();
    list.lines()
        .filter(|name| *name != "busybox")
        .map(str::to_owned)
        .collect()
}

/// Debian bookworm's minimal system, about 140 MB; runs `bash`. The first call
/// in a month needs root, Debian's mirror and a minute.
pub fn debian() -> Image {
    let tar = std::fs::read(debian_tar()).expect("read Debian's root file system");
    Image::new(vec![tar]).config("Cmd", json!(["bash"]))
}

/// Debian's minimal system five times over, near enough: a layer with all of it,
/// then its programs and its texts once more each, in two places. Some 520 MB
/// and 20,000 entries, 205 MB with gzip.
pub fn five_layers() -> Image {
    let whole = std::fs::read(debian_tar()).expect("read Debian's root file system");
    let is_text = |path: &Path| path.starts_with("./usr/share");
    let mut layers = Vec::new();
    for copy in ["srv/first", "srv/second"] {
        layers.push(moved(&whole, copy, |path| !is_text(path)));
        layers.push(moved(&whole, copy, is_text));
    }
    layers.insert(0, whole);
    Image::new(layers).config("Cmd", json!(["bash"]))
}

/// Those entries of an archive that are `wanted`, in another directory.
fn moved(tar: &[u8], directory: &str, wanted: impl Fn(&Path) -> bool) -> Vec<u8> {
    let below = |path: &Path| Path::new(directory).join(path.strip_prefix(".").unwrap_or(path));
    let mut moved = tar::Builder::new(Vec::new());
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().expect("read an archive in memory") {
        let entry = entry.expect("read an entry");
        let path = entry.path().expect("an entry's name").into_owned();
        if !wanted(&path) {
            continue;
        }
        let mut header = entry.header().clone();
        let written = match entry.link_name().expect("an entry's target") {
            // A hard link names an entry, a symbolic one a path.
            Some(target) if header.entry_type() == tar::EntryType::Link => {
                moved.append_link(&mut header, below(&path), below(&target))
            }
            Some(target) => moved.append_link(&mut header, below(&path), target),
            None => moved.append_data(&mut header, below(&path), entry),
        };
        written.expect("append to an archive in memory");
    }
    moved.into_inner().expect("end an archive in memory")
}

/// The root file system as a tar file in the cache, made when missing.
pub fn debian_tar() -> PathBuf {
    let tar = cache_dir().join(format!("debian-bookworm-{}.tar", month()));
    let lock = File::create(cache_dir().join("debian.lock")).expect("create a lock");
    // Other tests wait here for the one that makes it.
    lock.lock().expect("take a lock");
    if !tar.exists() {
        bootstrap(&tar);
    }
    tar
}

/// Months since 1970, near enough for an image to be made anew.
fn month() -> u64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    now.as_secs() / (30 * 24 * 3600)
}

fn bootstrap(tar: &Path) {
    let folder = tempfile::Builder::new()
        .prefix("bulkhead-debian-")
        .tempdir()
        .expect("temporary folder");
    let root = folder.path().join("root");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap
        .args(["--variant=minbase", "bookworm"])
        .arg(&root);
    client::run(&mut debootstrap, Duration::from_secs(600)).success();
    std::fs::remove_dir_all(root.join("var/cache/apt/archives"))
        .expect("remove downloaded packages");
    let part = tar.with_extension("part");
    let mut pack = Command::new("tar");
    pack.args(["--create", "--one-file-system", "--sort=name", "--file"])
        .arg(&part)
        .arg("-C")
        .arg(&root)
        .arg(".");
    client::run(&mut pack, Duration::from_secs(120)).success();
    std::fs::rename(&part, tar).expect("rename Debian's root file system");
}
