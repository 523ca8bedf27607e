//! On the real kernel: files that share extents, in an XFS made for each test.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bulkhead_sys::directory::mkdirat;
use bulkhead_sys::loop_device::{LoopDevice, Options, make_sparse};
use bulkhead_sys::mount::{Attributes, Context};
use bulkhead_sys::path::{open_host, proc_path};

use super::*;

const SIZE: u64 = 320 << 20;
const WRITABLE: View<'_> = View {
    read_only: false,
    options: &[VolumeOption::Discard],
};
const LOOK: View<'_> = View {
    read_only: true,
    options: &[],
};

/// A driver's root that can share extents.
struct Scene {
    root: OwnedFd,
    image: std::fs::File,
    volumes: Volumes,
    _temp: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("xfs");
        let image = std::fs::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        make_sparse(&image, 2 << 30).unwrap();
        let words = ["-q", "-K", "-s", "size=4096", "-m", "reflink=1"];
        let made = std::process::Command::new("/usr/sbin/mkfs.xfs")
            .args(words)
            .arg(&path)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let options = Options {
            block_size: 4096,
            read_only: false,
        };
        let device = LoopDevice::attach(&image, options).unwrap();
        let context = Context::open_device(c"xfs", &device.path()).unwrap();
        Self {
            root: context.mount(Attributes::NONE).unwrap(),
            image,
            volumes: Volumes::in_files(),
            _temp: temp,
        }
    }

    fn dir(&self, name: &str) -> OwnedFd {
        mkdirat(&self.root, name, 0o700).unwrap();
        open(&self.root, name).unwrap()
    }

    fn created(&self, name: &str, filesystem: Filesystem) -> OwnedFd {
        let dir = self.dir(name);
        self.volumes
            .create(&self.root, &dir, SIZE, filesystem)
            .unwrap();
        dir
    }

    fn snapshot(&self, source: &OwnedFd, name: &str) -> OwnedFd {
        let dir = self.dir(name);
        self.volumes.snapshot(source, &dir).unwrap();
        dir
    }

    fn mounted(&self, dir: &OwnedFd, view: View<'_>) -> OwnedFd {
        self.volumes.mount(dir, view, None).unwrap()
    }

    fn device(&self, dir: &OwnedFd) -> Option<u32> {
        let image = open_beneath(dir, "volume.img", OFlag::O_RDONLY, 0).unwrap();
        LoopDevice::of(image).unwrap().map(|device| device.number())
    }
}

fn at(root: &OwnedFd, name: &str) -> PathBuf {
    Path::new(&proc_path(root)).join(name)
}

fn names(root: &OwnedFd) -> Vec<std::ffi::OsString> {
    bulkhead_sys::directory::entries(root).unwrap()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_volume_is_empty_and_a_snapshot_has_what_was_written_before() {
    let scene = Scene::new();
    for filesystem in Filesystem::ALL {
        let name = filesystem.as_str();
        let layer = scene.created(name, filesystem);
        let mounted = scene.mounted(&layer, WRITABLE);
        assert_eq!(names(&mounted).len(), 0, "{:?}", names(&mounted));
        std::fs::write(at(&mounted, "file"), "layer").unwrap();
        drop(mounted);
        let one = scene.snapshot(&layer, &format!("{name}-1"));
        let other = scene.snapshot(&layer, &format!("{name}-2"));
        let (a, b) = (
            scene.mounted(&one, WRITABLE),
            scene.mounted(&other, WRITABLE),
        );
        std::fs::write(at(&a, "file"), "changed").unwrap();
        let read = |root: &OwnedFd| std::fs::read_to_string(at(root, "file")).unwrap();
        assert_eq!((read(&a).as_str(), read(&b).as_str()), ("changed", "layer"));
        assert_eq!(read(&scene.mounted(&layer, LOOK)), "layer");
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!table.contains("volume.img"), "mounted for others to see");
    }
}

#[test]
fn a_volume_is_one_device_however_often_it_is_mounted_and_none_after() {
    let scene = Scene::new();
    let dir = scene.created("a", Filesystem::Ext4);
    let first = scene.mounted(&dir, WRITABLE);
    let number = scene.device(&dir).expect("a device");
    let second = scene.mounted(&dir, WRITABLE);
    // Another daemon, after the first was killed.
    let next = Volumes::in_files();
    let third = next.mount(&dir, WRITABLE, None).unwrap();
    // Looking at what is mounted for writing.
    let look = next.mount(&dir, LOOK, None).unwrap();
    assert_eq!(scene.device(&dir), Some(number));
    std::fs::write(at(&third, "x"), "y").unwrap();
    assert!(at(&first, "x").exists() && at(&second, "x").exists());
    let refused = std::fs::write(at(&look, "z"), "").unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EROFS));
    drop((first, second, third, look));
    wait_until("the device stays", || scene.device(&dir).is_none());
}

#[test]
fn looking_at_a_layer_changes_no_byte_of_it() {
    let scene = Scene::new();
    let layer = scene.created("layer", Filesystem::Ext4);
    let image =
        std::fs::File::from(open_beneath(&layer, "volume.img", OFlag::O_RDONLY, 0).unwrap());
    let bytes = || bulkhead_sys::extents::extents(&image).unwrap();
    let before = bytes();
    let looks = [scene.mounted(&layer, LOOK), scene.mounted(&layer, LOOK)];
    drop(looks);
    wait_until("the device stays", || scene.device(&layer).is_none());
    assert_eq!(bytes(), before);
    assert_eq!(before.own, 0, "all is shared with the empty volume");
}

#[test]
fn a_volume_ends_where_its_size_does_and_others_go_on() {
    let scene = Scene::new();
    for filesystem in Filesystem::ALL {
        let name = filesystem.as_str();
        let layer = scene.created(name, filesystem);
        let small = scene.snapshot(&layer, &format!("{name}-small"));
        let large = scene.snapshot(&layer, &format!("{name}-large"));
        scene.volumes.grow(&large, SIZE * 2).unwrap();
        let too_small = scene.volumes.grow(&large, SIZE).unwrap_err();
        assert_eq!(too_small.io_kind(), std::io::ErrorKind::InvalidInput);
        let full = |dir: &OwnedFd| {
            let mounted = scene.mounted(dir, WRITABLE);
            let mut written = 0;
            let error = loop {
                match std::fs::write(at(&mounted, &written.to_string()), vec![1; 8 << 20]) {
                    Ok(()) => written += 8,
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
            written
        };
        let (first, second) = (full(&small), full(&large));
        assert!(second > first + 250, "{name}: {first} and {second} MiB");
        let other = scene.mounted(&layer, WRITABLE);
        std::fs::write(at(&other, "fits"), vec![1; 1 << 20]).unwrap();
        drop(other);
        for dir in [small, large] {
            scene.volumes.forget(&dir).unwrap();
        }
    }
}

#[test]
fn usage_counts_what_a_snapshot_alone_holds_and_deleting_gives_it_back() {
    let scene = Scene::new();
    let layer = scene.created("layer", Filesystem::Ext4);
    let own = scene.snapshot(&layer, "own");
    let bytes = || scene.volumes.own_bytes(&own).unwrap().unwrap();
    assert_eq!(bytes(), 0);
    let mounted = scene.mounted(&own, WRITABLE);
    std::fs::write(at(&mounted, "big"), vec![7; 32 << 20]).unwrap();
    bulkhead_sys::directory::sync_filesystem(
        open_host(proc_path(&mounted), OFlag::O_RDONLY, 0).unwrap(),
    )
    .unwrap();
    let full = bytes();
    assert!(full >= 32 << 20, "{full}");
    std::fs::remove_file(at(&mounted, "big")).unwrap();
    drop(mounted);
    wait_until("the device stays", || scene.device(&own).is_none());
    assert!(bytes() < 8 << 20, "{}", bytes());
    let nothing = scene.dir("nothing");
    assert_eq!(scene.volumes.own_bytes(&nothing).unwrap(), None);
}

#[test]
fn an_image_that_a_container_wrote_is_no_volume() {
    let scene = Scene::new();
    let layer = scene.created("layer", Filesystem::Ext4);
    let forged = scene.dir("forged");
    let image = open_beneath(&layer, "volume.img", OFlag::O_RDONLY, 0).unwrap();
    std::fs::copy(proc_path(&image), at(&forged, "volume.img")).unwrap();
    let error = scene.volumes.mount(&forged, WRITABLE, None).unwrap_err();
    assert_eq!(error.io_kind(), std::io::ErrorKind::NotFound);
    let dest = scene.dir("dest");
    assert!(scene.volumes.snapshot(&forged, &dest).is_err());
    // A symlink in the image's place is not followed.
    let planted = scene.snapshot(&layer, "planted");
    std::fs::remove_file(at(&planted, "volume.img")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", at(&planted, "volume.img")).unwrap();
    assert!(scene.volumes.mount(&planted, WRITABLE, None).is_err());
}

#[test]
fn an_empty_volume_of_which_half_was_made_is_made_anew() {
    let scene = Scene::new();
    let bases = ensure_dir(&scene.root, BASES, 0o700).unwrap();
    mkdirat(&bases, NEW, 0o700).unwrap();
    std::fs::write(at(&bases, "new/volume.img"), "half").unwrap();
    let dir = scene.created("a", Filesystem::Ext4);
    assert_eq!(names(&scene.mounted(&dir, WRITABLE)).len(), 0);
    assert_eq!(names(&bases), ["ext4-335544320"]);
}

#[test]
fn a_full_pool_is_told_and_what_could_not_be_made_is_gone() {
    let scene = Scene::new();
    let layer = scene.created("layer", Filesystem::Ext4);
    let rows = scene.volumes.status(&scene.root);
    let row = |name: &str| {
        let (_, value) = rows.iter().find(|(known, _)| known == name).unwrap();
        value.clone()
    };
    assert_eq!(row("backend"), "reflink");
    let total: u64 = row("data-total").parse().unwrap();
    assert!(total > 1 << 30 && row("data-used").parse::<u64>().unwrap() < total / 2);
    // Of nothing else than the room.
    let hog = open_beneath(&scene.root, "hog", OFlag::O_RDWR | OFlag::O_CREAT, 0o600).unwrap();
    let free = bulkhead_sys::directory::space(&scene.root).unwrap().free;
    let _ = nix::fcntl::fallocate(
        &hog,
        nix::fcntl::FallocateFlags::empty(),
        0,
        i64::try_from(free).unwrap() - (1 << 20),
    );
    let own = scene.snapshot(&layer, "own");
    let mounted = scene.mounted(&own, WRITABLE);
    let file = std::fs::File::create(at(&mounted, "big")).unwrap();
    let written = std::io::Write::write_all(&mut &file, &vec![1; 64 << 20]);
    let synced = written.and_then(|()| file.sync_all());
    assert!(synced.is_err(), "{}", file.as_raw_fd());
}

#[test]
fn the_pool_itself_goes_with_its_last_user() {
    let scene = Scene::new();
    let dir = scene.created("a", Filesystem::Ext4);
    let mounted = scene.mounted(&dir, WRITABLE);
    let Scene { root, image, .. } = scene;
    drop((root, dir));
    assert!(LoopDevice::of(&image).unwrap().is_some());
    std::fs::write(at(&mounted, "still"), "here").unwrap();
    drop(mounted);
    wait_until("the pool's device stays", || {
        LoopDevice::of(&image).unwrap().is_none()
    });
}
