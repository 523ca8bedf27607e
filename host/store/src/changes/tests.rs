use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;

fn open(path: &Path) -> OwnedFd {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open(path, flags, Mode::empty()).unwrap()
}

fn compared(old: &Path, new: &Path, ignored: &[&str]) -> Vec<String> {
    let how = Comparison {
        ids: &[],
        same_inodes: false,
        ignored,
    };
    let changes = compare(open(old).as_fd(), open(new).as_fd(), how).unwrap();
    let letter = |kind| match kind {
        ChangeKind::Modified => 'C',
        ChangeKind::Added => 'A',
        ChangeKind::Deleted => 'D',
    };
    changes
        .iter()
        .map(|c| format!("{} {}", letter(c.kind), String::from_utf8_lossy(&c.path)))
        .collect()
}

/// Two equal trees, as a driver that copies has them.
fn twins() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let (old, new) = (temp.path().join("old"), temp.path().join("new"));
    for dir in ["bin", "etc/ssl/certs", "var/log", "srv/a/b"] {
        std::fs::create_dir_all(old.join(dir)).unwrap();
    }
    for file in [
        "bin/sh",
        "etc/passwd",
        "etc/ssl/certs/ca",
        "var/log/x",
        "srv/a/b/c",
    ] {
        std::fs::write(old.join(file), file).unwrap();
    }
    symlink("sh", old.join("bin/ash")).unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([&old, &new])
        .status()
        .unwrap();
    assert!(copied.success());
    (temp, old, new)
}

#[test]
fn equal_trees_differ_in_nothing() {
    let (_temp, old, new) = twins();
    assert_eq!(compared(&old, &new, &[]), Vec::<String>::new());
}

#[test]
fn each_kind_of_change_is_told_with_the_directories_above() {
    let (_temp, old, new) = twins();
    std::fs::write(new.join("etc/passwd"), "longer than before").unwrap();
    std::fs::remove_file(new.join("bin/ash")).unwrap();
    std::fs::remove_dir_all(new.join("srv/a")).unwrap();
    std::fs::write(new.join("srv/a"), "a file now").unwrap();
    std::fs::remove_file(new.join("etc/ssl/certs/ca")).unwrap();
    std::fs::create_dir(new.join("etc/ssl/certs/ca")).unwrap();
    std::fs::write(new.join("etc/ssl/certs/ca/x"), "").unwrap();
    std::fs::set_permissions(
        new.join("var/log/x"),
        std::fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    std::fs::create_dir_all(new.join("opt/d")).unwrap();
    assert_eq!(
        compared(&old, &new, &[]),
        [
            "C /bin",
            "D /bin/ash",
            "C /etc",
            "C /etc/passwd",
            "C /etc/ssl",
            "C /etc/ssl/certs",
            "C /etc/ssl/certs/ca",
            "A /etc/ssl/certs/ca/x",
            "A /opt",
            "A /opt/d",
            "C /srv",
            "C /srv/a",
            "C /var",
            "C /var/log",
            "C /var/log/x",
        ]
    );
}

#[test]
fn places_that_the_engine_made_are_not_the_containers_changes() {
    let (_temp, old, new) = twins();
    std::fs::write(new.join("etc/hosts"), "").unwrap();
    std::fs::create_dir(new.join("dev")).unwrap();
    std::fs::write(new.join("dev/console"), "").unwrap();
    std::fs::create_dir(new.join("proc")).unwrap();
    let ignored = ["/etc/hosts", "/dev/console", "/proc"];
    let changes = compared(&old, &new, &ignored);
    assert_eq!(changes, Vec::<String>::new());
    std::fs::write(new.join("dev/mine"), "").unwrap();
    assert_eq!(compared(&old, &new, &ignored), ["C /dev", "A /dev/mine"]);
}

#[test]
fn a_capability_alone_is_a_change() {
    let (_temp, old, new) = twins();
    let mut capability = [0; 20];
    capability[0..4].copy_from_slice(&0x0200_0001_u32.to_le_bytes());
    capability[5] = 4;
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(
        new.join("bin/sh"),
        "security.capability",
        &capability,
        flags,
    )
    .unwrap();
    assert_eq!(compared(&old, &new, &[]), ["C /bin", "C /bin/sh"]);
}
