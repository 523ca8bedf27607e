use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use bulkhead_model::storage::{
    DirName, DirPath, PoolFilesystem, RootMount, StoragePlan, StorageStep,
};
use bulkhead_sys::btrfs::{create_subvolume, is_subvolume};
use bulkhead_sys::directory::entries;
use bulkhead_sys::loop_device::LoopDevice;
use bulkhead_sys::path::{open_host_dir, proc_path};

use super::*;
use crate::error::RuntimeError;
use crate::storage::volumes::Volumes;
use crate::storage::{Place, apply, open_dir, open_mount};

const SIZE: u64 = 512 << 20;

fn dir_path(text: &str) -> DirPath {
    DirPath(text.split('/').map(|p| DirName::new(p).unwrap()).collect())
}

fn mounted(temp: &Path, filesystem: PoolFilesystem) -> (OwnedFd, Mounted) {
    let dir = open_host_dir(temp).unwrap();
    make(&dir, filesystem, Some(SIZE)).unwrap();
    let pool = super::open(&dir, temp).unwrap().expect("a pool");
    (dir, pool)
}

fn made(temp: &Path, filesystem: PoolFilesystem) -> (OwnedFd, OwnedFd) {
    let (dir, pool) = mounted(temp, filesystem);
    (dir, pool.root)
}

fn run(root: &OwnedFd, steps: Vec<StorageStep>) -> Result<(), RuntimeError> {
    let volumes = Volumes::in_files();
    let place = Place {
        root,
        volumes: &volumes,
        home: None,
    };
    apply("test", place, &StoragePlan { steps, mount: None })
}

fn base(dir: &str) -> Vec<StorageStep> {
    vec![
        StorageStep::CreateDir {
            dir: dir_path(dir),
            mode: 0o700,
        },
        StorageStep::CreateSubvolume {
            dir: dir_path(&format!("{dir}/fs")),
            mode: 0o755,
        },
    ]
}

fn snapshot(source: &str, dir: &str) -> Vec<StorageStep> {
    vec![
        StorageStep::CreateDir {
            dir: dir_path(dir),
            mode: 0o700,
        },
        StorageStep::SnapshotSubvolume {
            source: dir_path(source),
            dest: dir_path(&format!("{dir}/fs")),
            read_only: false,
        },
    ]
}

fn seal(dir: &str) -> StorageStep {
    let dir = dir_path(dir);
    StorageStep::SealSubvolume { dir }
}

fn remove(dir: &str) -> StorageStep {
    let dir = dir_path(dir);
    StorageStep::RemoveTree { dir }
}

/// The path of a directory that has none in the host's tree.
fn at(root: &OwnedFd, path: &str) -> std::path::PathBuf {
    Path::new(&proc_path(root)).join(path)
}

fn gone(image: &File) -> bool {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        if LoopDevice::of(image).unwrap().is_none() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn a_pool_is_made_once_found_again_while_it_is_used_and_goes_after() {
    for filesystem in [PoolFilesystem::Btrfs, PoolFilesystem::Xfs] {
        let temp = tempfile::tempdir().unwrap();
        let (dir, pool) = mounted(temp.path(), filesystem);
        std::fs::write(at(&pool.root, "kept"), "x").unwrap();
        // As a daemon that was killed leaves it: a container's mount holds it.
        let volumes = Volumes::in_files();
        let mounted = open_mount(
            "test",
            Place {
                root: &pool.root,
                volumes: &volumes,
                home: pool.home.as_ref(),
            },
            temp.path(),
            &RootMount::Bind {
                source: DirPath(Vec::new()),
                read_only: false,
            },
            None,
        )
        .unwrap();
        let file = image(&dir).unwrap().unwrap();
        let number = LoopDevice::of(&file).unwrap().unwrap().number();
        drop(pool);
        make(&dir, filesystem, Some(SIZE)).unwrap();
        let again = super::open(&dir, temp.path()).unwrap().unwrap();
        let found = LoopDevice::of(&file).unwrap().unwrap().number();
        assert_eq!(found, number, "one device for one file");
        std::fs::write(at(&again.root, "new"), "y").unwrap();
        assert!(at(&mounted, "new").exists(), "one filesystem");
        assert!(at(&again.root, "kept").exists());
        drop((mounted, again));
        assert!(gone(&file), "the device of {filesystem:?} stays");
        let after = super::open(&dir, temp.path()).unwrap().unwrap();
        assert!(at(&after.root, "kept").exists());
        drop(after);
        assert!(gone(&file));
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!table.contains("pool.img"), "mounted for others to see");
    }
}

#[test]
fn a_pool_takes_as_much_of_the_disk_as_its_content() {
    use std::os::unix::fs::MetadataExt;
    let temp = tempfile::tempdir().unwrap();
    let (_dir, _root) = made(temp.path(), PoolFilesystem::Btrfs);
    let found = std::fs::metadata(temp.path().join(IMAGE)).unwrap();
    assert_eq!(found.len(), SIZE);
    assert!(found.blocks() * 512 < 64 << 20, "{}", found.blocks());
    assert_eq!(found.mode() & 0o7777, 0o600);
}

#[test]
fn a_pool_of_which_half_was_made_is_made_anew() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join(NEW_IMAGE), "half").unwrap();
    let (_dir, root) = made(temp.path(), PoolFilesystem::Btrfs);
    assert!(is_subvolume(&root).unwrap());
    assert!(!temp.path().join(NEW_IMAGE).exists());
}

#[test]
fn a_file_without_a_filesystem_is_no_pool() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join(IMAGE), vec![0; 1 << 20]).unwrap();
    let dir = open_host_dir(temp.path()).unwrap();
    let refused = super::open(&dir, temp.path()).unwrap_err();
    assert!(matches!(refused, PoolError::UnknownFilesystem), "{refused}");
}

#[test]
fn a_planted_link_is_no_pool() {
    let temp = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/null", temp.path().join(IMAGE)).unwrap();
    let dir = open_host_dir(temp.path()).unwrap();
    assert!(matches!(
        super::open(&dir, temp.path()).unwrap_err(),
        PoolError::Call("open the pool's file", _)
    ));
}

#[test]
fn snapshots_share_nothing_that_is_written_and_sealed_ones_stay_as_they_are() {
    let temp = tempfile::tempdir().unwrap();
    let (_dir, root) = made(temp.path(), PoolFilesystem::Btrfs);
    run(&root, base("layer")).unwrap();
    std::fs::write(at(&root, "layer/fs/file"), "below").unwrap();
    run(&root, vec![seal("layer/fs")]).unwrap();
    let refused = std::fs::write(at(&root, "layer/fs/file"), "changed").unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ReadOnlyFilesystem);
    run(&root, snapshot("layer/fs", "box")).unwrap();
    std::fs::write(at(&root, "box/fs/file"), "above").unwrap();
    let below = std::fs::read_to_string(at(&root, "layer/fs/file")).unwrap();
    assert_eq!(below, "below");
}

#[test]
fn a_failing_plan_takes_back_its_subvolumes() {
    let temp = tempfile::tempdir().unwrap();
    let (_dir, root) = made(temp.path(), PoolFilesystem::Btrfs);
    run(&root, base("layer")).unwrap();
    let mut steps = snapshot("layer/fs", "box");
    steps.extend(base("other"));
    steps.push(seal("layer/fs"));
    steps.push(StorageStep::LimitSubvolume {
        dir: dir_path("nowhere"),
        bytes: 1 << 30,
    });
    let error = run(&root, steps).unwrap_err();
    assert!(matches!(error, RuntimeError::Storage { ref step, .. } if step == "limit nowhere"));
    assert_eq!(entries(&root).unwrap(), ["layer"]);
    std::fs::write(at(&root, "layer/fs/file"), "not sealed").unwrap();
}

#[test]
fn a_container_may_make_subvolumes_and_they_go_with_it() {
    let temp = tempfile::tempdir().unwrap();
    let (_dir, root) = made(temp.path(), PoolFilesystem::Btrfs);
    run(&root, base("layer")).unwrap();
    std::fs::create_dir(at(&root, "layer/fs/deep")).unwrap();
    let fs = open_dir(&root, &dir_path("layer/fs/deep")).unwrap();
    create_subvolume(&fs, "nested", 0o755).unwrap();
    let nested = open_dir(&root, &dir_path("layer/fs/deep/nested")).unwrap();
    create_subvolume(&nested, "again", 0o755).unwrap();
    std::fs::write(at(&root, "layer/fs/deep/nested/again/file"), "x").unwrap();
    run(&root, vec![seal("layer/fs/deep/nested"), seal("layer/fs")]).unwrap();
    drop((fs, nested));
    run(&root, vec![remove("layer")]).unwrap();
    run(&root, vec![remove("layer")]).unwrap();
    assert!(entries(&root).unwrap().is_empty());
}

#[test]
fn a_limited_subvolume_takes_its_own_bytes_and_no_more() {
    let temp = tempfile::tempdir().unwrap();
    let (_dir, root) = made(temp.path(), PoolFilesystem::Btrfs);
    run(&root, base("layer")).unwrap();
    let megabytes = |count: usize| vec![1u8; count << 20];
    std::fs::write(at(&root, "layer/fs/large"), megabytes(24)).unwrap();
    run(&root, vec![seal("layer/fs")]).unwrap();
    let mut steps = snapshot("layer/fs", "box");
    steps.push(StorageStep::LimitSubvolume {
        dir: dir_path("box/fs"),
        bytes: 16 << 20,
    });
    run(&root, steps).unwrap();
    std::fs::write(at(&root, "box/fs/fits"), megabytes(4)).unwrap();
    let written = std::fs::write(at(&root, "box/fs/more"), megabytes(32));
    assert_eq!(written.unwrap_err().kind(), io::ErrorKind::QuotaExceeded);
    run(&root, vec![remove("box")]).unwrap();
    run(&root, base("unlimited")).unwrap();
    std::fs::write(at(&root, "unlimited/fs/more"), megabytes(32)).unwrap();
}

#[test]
fn subvolumes_are_beneath_the_root_or_not_at_all() {
    let temp = tempfile::tempdir().unwrap();
    let (_dir, root) = made(temp.path(), PoolFilesystem::Btrfs);
    run(&root, base("layer")).unwrap();
    std::os::unix::fs::symlink("/", at(&root, "link")).unwrap();
    let into_link = vec![StorageStep::CreateSubvolume {
        dir: dir_path("link/planted"),
        mode: 0o755,
    }];
    assert!(run(&root, into_link).is_err());
    assert!(run(&root, snapshot("link/fs", "box")).is_err());
    let plain = snapshot("layer", "box");
    assert!(run(&root, plain).is_err(), "a directory is no subvolume");
    assert_eq!(entries(&root).unwrap().len(), 2);
}
