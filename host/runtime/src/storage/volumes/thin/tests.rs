//! On kernels that have thin pools. Others have nothing to test here; the
//! machine of `cargo xtask test` has them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bulkhead_model::storage::VolumeOption;
use bulkhead_sys::directory::{mkdirat, stat_fd};
use bulkhead_sys::loop_device::LoopDevice;
use bulkhead_sys::path::{OFlag, open_beneath, open_host_dir, proc_path};

use super::files::{Files, mapper, open_folder};
use super::*;
use crate::storage::volumes::{View, Volumes};

const SIZE: u64 = 320 << 20;
const POOL: u64 = 512 << 20;
const WRITABLE: View<'_> = View {
    read_only: false,
    options: &[VolumeOption::Discard],
};
const LOOK: View<'_> = View {
    read_only: true,
    options: &[],
};

/// A driver's directory with a thin pool.
struct Scene {
    dir: OwnedFd,
    volumes: Option<Volumes>,
    _temp: tempfile::TempDir,
}

impl Scene {
    fn new() -> Option<Self> {
        if !can_make_pools() {
            eprintln!("this kernel has no thin pools");
            return None;
        }
        let temp = tempfile::tempdir().unwrap();
        let dir = open_host_dir(temp.path()).unwrap();
        make(&dir, POOL).unwrap();
        let mut scene = Self {
            dir,
            volumes: None,
            _temp: temp,
        };
        scene.reopen();
        Some(scene)
    }

    /// Another daemon, after the first was killed.
    fn reopen(&mut self) {
        self.volumes = None;
        let pool = Pool::open(&self.dir).unwrap().expect("a pool");
        self.volumes = Some(Volumes::in_pool(pool));
    }

    fn volumes(&self) -> &Volumes {
        self.volumes.as_ref().unwrap()
    }

    fn folder(&self, name: &str) -> OwnedFd {
        mkdirat(&self.dir, name, 0o700).unwrap();
        open_beneath(&self.dir, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0).unwrap()
    }

    fn created(&self, name: &str, filesystem: Filesystem) -> OwnedFd {
        let dir = self.folder(name);
        let volumes = self.volumes();
        volumes.create(&self.dir, &dir, SIZE, filesystem).unwrap();
        dir
    }

    fn snapshot(&self, source: &OwnedFd, name: &str) -> OwnedFd {
        let dir = self.folder(name);
        self.volumes().snapshot(source, &dir).unwrap();
        dir
    }

    fn mounted(&self, dir: &OwnedFd, view: View<'_>) -> OwnedFd {
        self.volumes().mount(dir, view, None).unwrap()
    }

    fn row(&self, name: &str) -> String {
        let rows = self.volumes().status(&self.dir);
        let found = rows.into_iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value).unwrap_or_default()
    }

    fn used(&self) -> u64 {
        self.row("data-used").parse().unwrap()
    }

    fn files(&self) -> Files {
        Files::open(&open_folder(&self.dir).unwrap().unwrap()).unwrap()
    }

    /// Devices of this pool.
    fn devices(&self) -> Vec<String> {
        let inode = stat_fd(&self.files().data).unwrap().st_ino.to_string();
        let all = mapper().unwrap().devices().unwrap();
        let ours = |name: &String| name.split('-').nth(2) == Some(&inode);
        all.into_iter().filter(ours).collect()
    }
}

fn at(root: &OwnedFd, name: &str) -> PathBuf {
    Path::new(&proc_path(root)).join(name)
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn thin_snapshots_share_what_was_and_keep_what_is_written_apart() {
    let Some(scene) = Scene::new() else { return };
    for filesystem in Filesystem::ALL {
        let name = filesystem.as_str();
        let layer = scene.created(name, filesystem);
        let mounted = scene.mounted(&layer, WRITABLE);
        assert_eq!(bulkhead_sys::directory::entries(&mounted).unwrap().len(), 0);
        std::fs::write(at(&mounted, "file"), "layer").unwrap();
        drop(mounted);
        // Of a layer that somebody looks at.
        let look = scene.mounted(&layer, LOOK);
        let one = scene.snapshot(&layer, &format!("{name}-1"));
        let other = scene.snapshot(&layer, &format!("{name}-2"));
        let own = |dir: &OwnedFd| scene.volumes().own_bytes(dir).unwrap().unwrap();
        assert_eq!(own(&one), 0);
        let (a, b) = (
            scene.mounted(&one, WRITABLE),
            scene.mounted(&other, WRITABLE),
        );
        std::fs::write(at(&a, "file"), "changed").unwrap();
        std::fs::write(at(&a, "big"), vec![7; 16 << 20]).unwrap();
        let read = |root: &OwnedFd| std::fs::read_to_string(at(root, "file")).unwrap();
        assert_eq!((read(&a).as_str(), read(&b).as_str()), ("changed", "layer"));
        assert_eq!(read(&look), "layer");
        drop(a);
        assert!(own(&one) >= 16 << 20, "{}", own(&one));
        drop((b, look));
    }
    wait_until("devices stay", || scene.devices().len() == 1);
}

/// A device without a table yet cannot be resumed.
#[test]
fn a_thin_layer_is_snapshotted_while_others_begin_and_end_to_look_at_it() {
    let Some(scene) = Scene::new() else { return };
    let layer = scene.created("layer", Filesystem::Ext4);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..15).for_each(|_| drop(scene.mounted(&layer, LOOK))));
        }
        for thread in 0..2 {
            let (scene, layer) = (&scene, &layer);
            scope.spawn(move || {
                (0..15).for_each(|n| drop(scene.snapshot(layer, &format!("{thread}-{n}"))));
            });
        }
    });
}

#[test]
fn what_a_killed_daemon_held_up_for_a_snapshot_goes_on() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    let layer = scene.created("layer", Filesystem::Ext4);
    let mounted = scene.mounted(&layer, WRITABLE);
    let devices = scene.devices();
    let volume = devices.iter().find(|name| !name.ends_with("-pool"));
    let volume = volume.expect("a volume's device");
    let mapper = mapper().unwrap();
    mapper.suspend(volume).unwrap();
    assert!(mapper.device(volume).unwrap().unwrap().suspended);
    scene.reopen();
    assert!(!mapper.device(volume).unwrap().unwrap().suspended);
    std::fs::write(at(&mounted, "file"), "x").unwrap();
}

#[test]
fn a_thin_pool_outlives_a_killed_daemon_and_goes_with_its_last_user() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    let layer = scene.created("layer", Filesystem::Ext4);
    let mounted = scene.mounted(&layer, WRITABLE);
    scene.reopen();
    std::fs::write(at(&mounted, "file"), "x").unwrap();
    let again = scene.mounted(&layer, WRITABLE);
    assert!(at(&again, "file").exists(), "one filesystem");
    let other = scene.created("other", Filesystem::Ext4);
    assert_ne!(
        Record::read(&layer).unwrap().unwrap().id,
        Record::read(&other).unwrap().unwrap().id
    );
    scene.volumes = None;
    assert_eq!(scene.devices().len(), 2, "{:?}", scene.devices());
    drop((mounted, again));
    wait_until("devices stay", || scene.devices().is_empty());
    let files = scene.files();
    wait_until("loop devices stay", || {
        [&files.data, &files.metadata]
            .iter()
            .all(|file| LoopDevice::of(file).unwrap().is_none())
    });
    scene.reopen();
    assert!(at(&scene.mounted(&layer, LOOK), "file").exists());
}

#[test]
fn removing_a_thin_volume_gives_its_room_back_even_when_it_was_in_use() {
    let Some(scene) = Scene::new() else { return };
    let layer = scene.created("layer", Filesystem::Ext4);
    let before = scene.used();
    let own = scene.snapshot(&layer, "own");
    let mounted = scene.mounted(&own, WRITABLE);
    std::fs::write(at(&mounted, "big"), vec![7; 32 << 20]).unwrap();
    bulkhead_sys::directory::sync_filesystem(
        open_beneath(&mounted, ".", OFlag::O_RDONLY, 0).unwrap(),
    )
    .unwrap();
    assert!(scene.used() > before + (30 << 20));
    scene.volumes().forget_below(&scene.dir, "own").unwrap();
    assert_eq!(Record::read(&own).unwrap(), None);
    assert!(scene.used() > before + (30 << 20), "it is in use");
    drop(mounted);
    wait_until("the device stays", || scene.devices().len() == 1);
    // A later removal takes it along, when the kernel has let go of it.
    let mut removals = 0;
    wait_until("the room is not given back", || {
        removals += 1;
        let next = scene.snapshot(&layer, &format!("next-{removals}"));
        scene.volumes().forget(&next).unwrap();
        scene.used() <= before + (1 << 20)
    });
}

#[test]
fn a_record_without_its_device_is_removed_like_any() {
    let Some(scene) = Scene::new() else { return };
    let dir = scene.folder("cut-off");
    let record = Record {
        id: 4711,
        ..Record::new(Filesystem::Ext4, SIZE)
    };
    record.write_through(&dir).unwrap();
    assert!(scene.volumes().mount(&dir, LOOK, None).is_err());
    scene.volumes().forget(&dir).unwrap();
    assert_eq!(Record::read(&dir).unwrap(), None);
}

#[test]
fn a_thin_volume_grows_and_ends_where_its_size_does() {
    let Some(scene) = Scene::new() else { return };
    for filesystem in Filesystem::ALL {
        let name = filesystem.as_str();
        let layer = scene.created(name, filesystem);
        let large = scene.snapshot(&layer, &format!("{name}-large"));
        scene.volumes().grow(&large, SIZE + (64 << 20)).unwrap();
        let room = |dir: &OwnedFd| {
            let mounted = scene.mounted(dir, WRITABLE);
            bulkhead_sys::directory::space(open_beneath(&mounted, ".", OFlag::O_RDONLY, 0).unwrap())
                .unwrap()
                .total
        };
        assert!(room(&large) > room(&layer) + (60 << 20));
        scene.volumes().forget(&large).unwrap();
    }
}

#[test]
fn a_full_thin_pool_answers_at_once() {
    let Some(scene) = Scene::new() else { return };
    let first = scene.created("first", Filesystem::Ext4);
    let second = scene.created("second", Filesystem::Ext4);
    let mut refused = false;
    for dir in [&first, &second] {
        let mounted = scene.mounted(dir, WRITABLE);
        for number in 0..9 {
            let path = at(&mounted, &number.to_string());
            let file = std::fs::File::create(path).unwrap();
            let written = std::io::Write::write_all(&mut &file, &vec![1; 32 << 20]);
            if written.and_then(|()| file.sync_all()).is_err() {
                refused = true;
                break;
            }
        }
    }
    assert!(refused, "576 MiB in a pool of 512");
    let (used, total) = (
        scene.used(),
        scene.row("data-total").parse::<u64>().unwrap(),
    );
    assert!(used > total / 10 * 9, "{used} of {total}");
}
