use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

fn open(path: &Path) -> OwnedFd {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open(path, flags, Mode::empty()).unwrap()
}

/// A root beside a secret, with links of every kind.
fn scene() -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("root");
    std::fs::write(temp.path().join("secret"), "x").unwrap();
    std::fs::create_dir_all(root.join("tmp/d")).unwrap();
    std::fs::write(root.join("tmp/d/f"), "hi\n").unwrap();
    for (target, link) in [
        ("/tmp/d", "tmp/l"),
        ("nowhere", "tmp/dangling"),
        ("d/f", "tmp/lf"),
        ("../../../../secret", "climbing"),
        ("/proc/self/root/etc", "magic"),
        ("loop", "loop"),
        ("/tmp/../../tmp/l/f", "winding"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    temp
}

#[test]
fn a_path_means_what_it_means_to_docker() {
    let temp = scene();
    let dir = open(&temp.path().join("root"));
    let root = Root::new(dir.as_fd());
    let stat = |path: &str| root.find(path).unwrap().path_stat(root).unwrap();
    for (path, name, kind, target) in [
        ("/tmp/d", "d", 0o040_000, ""),
        ("tmp/d/", "d", 0o040_000, ""),
        ("/tmp/d/.", ".", 0o040_000, ""),
        ("/tmp/l", "l", 0o120_000, "/tmp/d"),
        ("/tmp/l/", "l", 0o040_000, ""),
        ("/tmp/l/.", ".", 0o040_000, ""),
        ("/", "/", 0o040_000, ""),
        (".", ".", 0o040_000, ""),
        ("/tmp/dangling", "dangling", 0o120_000, "/tmp/nowhere"),
        ("/tmp/lf", "lf", 0o120_000, "/tmp/d/f"),
        ("/tmp/../tmp/d/f", "f", 0o100_000, ""),
        ("/winding", "winding", 0o120_000, "/tmp/d/f"),
        ("/climbing", "climbing", 0o120_000, "/secret"),
    ] {
        let found = stat(path);
        let seen = (&*found.name, found.mode & 0o170_000, &*found.link_target);
        assert_eq!(seen, (name, kind, target), "{path}");
    }
}

#[test]
fn what_is_not_there_or_no_directory_is_said_in_dockers_words() {
    let temp = scene();
    let dir = open(&temp.path().join("root"));
    let root = Root::new(dir.as_fd());
    let says = |path: &str| root.find(path).unwrap_err().to_string();
    assert_eq!(says("/nope/"), "Could not find the file /nope/");
    assert_eq!(says("/climbing/"), "Could not find the file /climbing/");
    assert_eq!(says("/tmp/d/f/"), "lstat /tmp/d/f/: not a directory");
    assert!(root.find("/magic/passwd").is_err());
    assert!(root.find("/loop/x").is_err());
    assert!(root.find("/loop").unwrap().path_stat(root).is_err());
}

#[test]
fn only_a_directory_takes_files() {
    let temp = scene();
    let dir = open(&temp.path().join("root"));
    let root = Root::new(dir.as_fd());
    assert!(root.find_destination("/tmp/l").is_ok());
    for (path, says) in [
        ("/tmp/d/f", "extraction point is not a directory"),
        ("/tmp/d/f/", "extraction point is not a directory"),
        ("/tmp/dangling", "Could not find the file /tmp/dangling"),
    ] {
        assert_eq!(root.find_destination(path).unwrap_err().to_string(), says);
    }
}

#[test]
fn the_kernels_filesystems_are_empty_directories_that_take_nothing() {
    let dir = open(Path::new("/"));
    let root = Root::new(dir.as_fd());
    assert!(root.find("/proc").unwrap().hidden);
    assert!(matches!(
        root.find("/proc/version"),
        Err(RootError::NotFound(_))
    ));
    assert!(matches!(
        root.find_destination("/proc/sys/kernel"),
        Err(RootError::KernelFilesystem(_))
    ));
}
