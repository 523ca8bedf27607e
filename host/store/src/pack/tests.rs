use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

use super::*;
use crate::root::Root;
use crate::unpack::{self, WhiteoutStyle};

const PRECISE: Style<'_> = Style {
    ids: &[],
    times: Times::Nanoseconds,
};

fn open(path: &Path) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).unwrap()
}

fn pack_all(path: &Path) -> Vec<u8> {
    let dir = open(path);
    let found = Root::new(dir.as_fd()).find("/").unwrap();
    let mut out = Vec::new();
    content(&found, PRECISE, &mut out).unwrap();
    out
}

fn names_of(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap();
    let name = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        String::from_utf8_lossy(&entry.unwrap().path_bytes()).into_owned()
    };
    entries.map(name).collect()
}

/// Everything that a copy should keep, by path.
fn facts(root: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut out = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let meta = std::fs::symlink_metadata(&path).unwrap();
        let inside = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
        let data = if meta.is_file() {
            std::fs::read(&path).unwrap()
        } else if meta.is_symlink() {
            std::fs::read_link(&path)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .to_vec()
        } else {
            Vec::new()
        };
        let mut capability = [0; 64];
        let capability = rustix::fs::lgetxattr(&path, "security.capability", &mut capability[..])
            .map(|n| capability[..n].to_vec());
        let fact = format!(
            "{:o} {}:{} {}.{} {} {} {data:?} {capability:?}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.rdev(),
            if meta.is_dir() { 0 } else { meta.nlink() },
        );
        if !inside.is_empty() {
            out.insert(inside.to_vec(), fact);
        }
        if meta.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        }
    }
    out
}

fn node(root: &Path, name: &str, kind: FileType, device: u64) {
    let dir = open(root);
    rustix::fs::mknodat(&dir, name, kind, Mode::from_raw_mode(0o640), device).unwrap();
}

/// One of everything a container can have.
fn furnish(root: &Path) {
    let odd = OsStr::from_bytes(b"new\nline \xff\xfe");
    std::fs::write(root.join(odd), "odd").unwrap();
    let long = "n".repeat(200);
    std::fs::create_dir_all(root.join(&long).join(&long)).unwrap();
    std::fs::write(root.join(&long).join(&long).join("f"), "deep").unwrap();
    symlink(format!("/{}", long.repeat(3)), root.join("long-link")).unwrap();
    symlink("/proc/self/fd/0", root.join("magic")).unwrap();
    std::fs::write(root.join("setuid"), "x").unwrap();
    std::os::unix::fs::chown(root.join("setuid"), Some(3_000_000), Some(4_000_000)).unwrap();
    std::fs::set_permissions(root.join("setuid"), std::fs::Permissions::from_mode(0o6755)).unwrap();
    let mut capability = [0; 20];
    capability[0..4].copy_from_slice(&0x0200_0001_u32.to_le_bytes());
    capability[5] = 4;
    rustix::fs::setxattr(
        root.join("setuid"),
        "security.capability",
        &capability,
        rustix::fs::XattrFlags::empty(),
    )
    .unwrap();
    std::fs::hard_link(root.join("setuid"), root.join("second name")).unwrap();
    node(root, "fifo", FileType::Fifo, 0);
    node(
        root,
        "null",
        FileType::CharacterDevice,
        rustix::fs::makedev(1, 3),
    );
    node(
        root,
        "ram",
        FileType::BlockDevice,
        rustix::fs::makedev(259, 70_000),
    );
    let sparse = std::fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    let old = std::fs::File::create(root.join("before the epoch")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH - std::time::Duration::from_millis(1500))
        .unwrap();
}

#[test]
fn what_is_packed_and_unpacked_again_is_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let (from, to) = (temp.path().join("from"), temp.path().join("to"));
    std::fs::create_dir(&from).unwrap();
    std::fs::create_dir(&to).unwrap();
    furnish(&from);
    let archive = pack_all(&from);
    let limits = unpack::Limits::default();
    unpack::apply(
        &archive[..],
        open(&to).as_fd(),
        WhiteoutStyle::Delete,
        &limits,
    )
    .unwrap();
    assert_eq!(facts(&to), facts(&from));
    assert_eq!(pack_all(&to), archive, "the order is the names'");
}

#[test]
fn gnu_tar_reads_the_same_names() {
    let temp = tempfile::tempdir().unwrap();
    furnish(temp.path());
    let archive = pack_all(temp.path());
    let mut tar = std::process::Command::new("tar")
        .args(["-t", "--quoting-style=literal", "--null"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = tar.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(&archive).map(|()| archive));
    let mut listed = Vec::new();
    tar.stdout.take().unwrap().read_to_end(&mut listed).unwrap();
    assert!(tar.wait().unwrap().success());
    let archive = writing.join().unwrap().unwrap();
    let text = String::from_utf8_lossy(&listed).into_owned();
    for name in names_of(&archive) {
        assert!(text.contains(&name), "{name:?} is missing in {text:?}");
    }
}

#[test]
fn names_begin_as_docker_begins_them() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir(temp.path().join("d")).unwrap();
    std::fs::write(temp.path().join("d/f"), "x").unwrap();
    symlink("d", temp.path().join("l")).unwrap();
    let dir = open(temp.path());
    let packed = |path: &str| {
        let found = Root::new(dir.as_fd()).find(path).unwrap();
        let mut out = Vec::new();
        resource(&found, PRECISE, &mut out).unwrap();
        names_of(&out)
    };
    assert_eq!(packed("/d"), ["d/", "d/f"]);
    assert_eq!(packed("/d/"), ["d/", "d/f"]);
    assert_eq!(packed("/d/."), ["./", "./f"]);
    assert_eq!(packed("/d/f"), ["f"]);
    assert_eq!(packed("/l"), ["l"]);
    assert_eq!(packed("/l/"), ["l/", "l/f"]);
    assert_eq!(packed("/"), ["/", "/d/", "/d/f", "/l"]);
    assert_eq!(packed("/."), ["./", "./d/", "./d/f", "./l"]);
}

#[test]
fn a_very_deep_tree_needs_neither_stack_nor_descriptors() {
    const DEPTH: usize = 3000;
    let temp = tempfile::tempdir().unwrap();
    let mut dir = open(temp.path());
    for _ in 0..DEPTH {
        rustix::fs::mkdirat(&dir, "d", Mode::from_raw_mode(0o755)).unwrap();
        dir = rustix::fs::openat(
            &dir,
            "d",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .unwrap();
    }
    rustix::fs::symlinkat("end", &dir, "z").unwrap();
    let archive = std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn({
            let path = temp.path().to_owned();
            move || pack_all(&path)
        })
        .unwrap()
        .join()
        .unwrap();
    let names = names_of(&archive);
    assert_eq!(names.len(), DEPTH + 1);
    assert_eq!(names[DEPTH].len(), 2 * DEPTH + 1);
    // Deeper than PATH_MAX, so from the bottom up.
    for _ in 0..DEPTH {
        let above = open_above(&dir);
        let _ = rustix::fs::unlinkat(&dir, "z", rustix::fs::AtFlags::empty());
        rustix::fs::unlinkat(&above, "d", rustix::fs::AtFlags::REMOVEDIR).unwrap();
        dir = above;
    }
}

fn open_above(dir: &OwnedFd) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(dir, "..", flags, Mode::empty()).unwrap()
}

#[test]
fn a_reader_that_goes_away_ends_the_walk() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("f"), "x").unwrap();
    let dir = open(temp.path());
    let found = Root::new(dir.as_fd()).find("/").unwrap();
    assert!(matches!(
        content(&found, PRECISE, Gone),
        Err(PackError::Write(_))
    ));
}

#[test]
fn names_that_change_all_the_time_never_lead_out() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("root");
    std::fs::create_dir_all(root.join("a")).unwrap();
    std::fs::write(root.join("a/f"), "inside").unwrap();
    std::fs::create_dir(temp.path().join("outside")).unwrap();
    std::fs::write(temp.path().join("outside/f"), "SECRET").unwrap();
    symlink(temp.path().join("outside"), root.join("b")).unwrap();
    let (dir, stop) = (open(&root), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(&dir, "a", &dir, "b", flags).unwrap();
            }
        });
        for _ in 0..2000 {
            let archive = pack_all(&root);
            assert!(!archive.windows(6).any(|w| w == b"SECRET"));
            if let Ok(found) = Root::new(dir.as_fd()).find("/a/f") {
                let mut out = Vec::new();
                resource(&found, PRECISE, &mut out).unwrap();
                assert!(!out.windows(6).any(|w| w == b"SECRET"));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}
