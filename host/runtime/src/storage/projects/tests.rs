//! On kernels whose XFS and ext4 count projects. Others have nothing to test
//! here; the machine of `cargo xtask test` has them.

use std::fs::File;
use std::io::Write;
use std::process::Command;

use bulkhead_sys::directory::{ensure_dir, mkdirat};
use bulkhead_sys::loop_device::{LoopDevice, Options, make_sparse};
use bulkhead_sys::mount::{Attributes, Context};
use bulkhead_sys::project_quota::has_project_quota;
use bulkhead_sys::tree::remove_tree;

use super::*;

const DISK: u64 = 320 << 20;
const LIMIT: u64 = 1 << 20;

/// A filesystem that counts projects.
struct Disk {
    name: &'static str,
    root: OwnedFd,
    _temp: tempfile::TempDir,
}

impl Disk {
    fn new(name: &'static str, mkfs: &[&str]) -> Option<Self> {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("disk");
        let mut how = File::options();
        let file = how.read(true).write(true).create_new(true).open(&path);
        let file = file.unwrap();
        make_sparse(&file, DISK).unwrap();
        let mut program = Command::new(format!("mkfs.{name}"));
        let made = program.args(mkfs).arg(&path).status();
        assert!(made.unwrap().success());
        let options = Options {
            block_size: 0,
            read_only: false,
        };
        let device = LoopDevice::attach(&file, options).unwrap();
        let kind = std::ffi::CString::new(name).unwrap();
        let mounted = Context::open_device(&kind, &device.path()).and_then(|context| {
            context.flag(c"prjquota")?;
            context.mount(Attributes::NONE)
        });
        let Ok(root) = mounted else {
            eprintln!("this kernel's {name} counts no projects");
            return None;
        };
        assert!(has_project_quota(&root), "{name}");
        Some(Self {
            name,
            root,
            _temp: temp,
        })
    }

    fn all() -> impl Iterator<Item = Self> {
        let xfs = Self::new("xfs", &["-q"]);
        let ext4 = Self::new("ext4", &["-q", "-O", "quota,project"]);
        xfs.into_iter().chain(ext4)
    }

    fn limited(&self, name: &str) -> OwnedFd {
        mkdirat(&self.root, name, 0o700).unwrap();
        let dir = ensure_dir(&self.root, name, 0o700).unwrap();
        limit(&dir, &self.root, LIMIT).unwrap();
        reopen(dir).unwrap()
    }
}

fn create(dir: &OwnedFd, name: &str) -> File {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT;
    open_beneath(dir, name, flags, 0o600).unwrap().into()
}

/// The bytes that fit, of eight megabytes; written without rights, since ext4 does
/// not hold back who has CAP_SYS_RESOURCE.
fn fill(file: &File) -> u64 {
    let file = file.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        bulkhead_sys::process::drop_all_capabilities().unwrap();
        let mut file = file;
        let mut written = 0;
        while written < 8 << 20 {
            match file.write(&[7; 65_536]) {
                Ok(bytes) => written += bytes as u64,
                Err(_) => break,
            }
        }
        written
    });
    writer.join().unwrap()
}

#[test]
fn a_directory_takes_what_it_may_and_its_neighbour_what_there_is() {
    for disk in Disk::all() {
        let dir = disk.limited("limited");
        mkdirat(&dir, "below", 0o700).unwrap();
        let written = fill(&create(&dir, "below/file"));
        assert!(
            (LIMIT / 2..=LIMIT).contains(&written),
            "{}: {written}",
            disk.name
        );
        assert_eq!(fill(&create(&disk.root, "free")), 8 << 20, "{}", disk.name);
        let other = disk.limited("other");
        assert_ne!(project(&dir).unwrap(), project(&other).unwrap());
        assert!(fill(&create(&other, "file")) >= LIMIT / 2, "{}", disk.name);
    }
}

#[test]
fn a_number_is_free_when_its_last_file_is_gone_and_not_with_its_name() {
    for disk in Disk::all() {
        let first = disk.limited("first");
        let number = project(&first).unwrap();
        let held = create(&first, "held");
        drop(first);
        remove_tree(&disk.root, "first").unwrap();
        // As another daemon that begins anew.
        NEXT.store(number, Ordering::Relaxed);
        let second = disk.limited("second");
        assert_ne!(project(&second).unwrap(), number, "{}", disk.name);
        drop(held);
        await_none(&disk, number);
        NEXT.store(number, Ordering::Relaxed);
        let third = disk.limited("third");
        assert_eq!(project(&third).unwrap(), number, "{}", disk.name);
    }
}

/// XFS counts removed files down in the background.
fn await_none(disk: &Disk, number: u32) {
    for _ in 0..600 {
        if project_usage(&disk.root, number).unwrap().inodes == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!(
        "{}: project {number} is counted for half a minute",
        disk.name
    );
}

#[test]
fn numbers_begin_above_that_of_the_folder_they_are_for() {
    for disk in Disk::all() {
        mkdirat(&disk.root, "base", 0o700).unwrap();
        let base = reopen(ensure_dir(&disk.root, "base", 0o700).unwrap()).unwrap();
        set_project(&base, 500_000).unwrap();
        mkdirat(&base, "dir", 0o700).unwrap();
        let dir = reopen(ensure_dir(&base, "dir", 0o700).unwrap()).unwrap();
        limit(&dir, &base, LIMIT).unwrap();
        assert!(project(&dir).unwrap() > 500_000, "{}", disk.name);
    }
}

#[test]
fn what_is_in_a_directory_already_is_not_left_uncounted() {
    for disk in Disk::all() {
        mkdirat(&disk.root, "full", 0o700).unwrap();
        let dir = reopen(ensure_dir(&disk.root, "full", 0o700).unwrap()).unwrap();
        create(&dir, "file");
        let refused = limit(&dir, &disk.root, LIMIT).unwrap_err();
        assert_eq!(refused.io_kind(), io::ErrorKind::DirectoryNotEmpty);
    }
}
