//! Archives for a directory of a container.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use bulkhead_model::process::IdMap;
use tar::EntryType;

use super::archives::Tar;
use super::{Scene, open};
use crate::root::Root;
use crate::unpack::{Extraction, Limits, Owner, UnpackError, Unpacked, extract};

const ARCHIVES: Owner<'_> = Owner {
    all: None,
    ids: &[],
};

impl Scene {
    fn extract(&self, archive: &[u8], path: &str) -> Result<Unpacked, UnpackError> {
        self.extract_as(archive, path, ARCHIVES, false)
    }

    fn extract_as(
        &self,
        archive: &[u8],
        path: &str,
        owner: Owner<'_>,
        no_overwrite_dir_non_dir: bool,
    ) -> Result<Unpacked, UnpackError> {
        let root = open(&self.root());
        let destination = Root::new(root.as_fd()).find_destination(path).unwrap();
        let how = Extraction {
            destination,
            no_overwrite_dir_non_dir,
            with_top: false,
            owner,
        };
        let result = extract(archive, &how, &Limits::default());
        let outside = self.surroundings();
        assert_eq!(
            outside, self.canary,
            "something outside of the root changed"
        );
        result
    }
}

#[test]
fn links_mean_what_they_mean_to_the_container() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path("tmp")).unwrap();
    std::fs::create_dir_all(scene.path("etc")).unwrap();
    symlink("/etc", scene.path("tmp/absolute")).unwrap();
    symlink("../../../outside", scene.path("tmp/climbing")).unwrap();
    symlink("/proc/self/root", scene.path("tmp/magic")).unwrap();
    let archive = |path: &str| Tar::new().file(path, "new").0;
    scene.extract(&archive("absolute/passwd"), "/tmp").unwrap();
    assert_eq!(std::fs::read(scene.path("etc/passwd")).unwrap(), b"new");
    // A link that leads nowhere is no directory that could be made.
    assert!(scene.extract(&archive("climbing/passwd"), "/tmp").is_err());
    assert!(scene.extract(&archive("magic/passwd"), "/tmp").is_err());
    assert!(scene.extract(&archive("../../evil"), "/tmp").is_err());
}

#[test]
fn names_of_whiteouts_are_names_and_the_directory_itself_stays() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("tmp")).unwrap();
    std::fs::write(scene.path("tmp/kept"), "x").unwrap();
    let before = std::fs::metadata(scene.path("tmp")).unwrap().mode();
    let archive = Tar::new()
        .entry(EntryType::Directory, "./", b"", |h| h.set_mode(0o700))
        .file(".wh.kept", "a name")
        .file(".wh..wh..opq", "another");
    scene.extract(&archive.0, "/tmp").unwrap();
    assert!(scene.path("tmp/kept").exists() && scene.path("tmp/.wh.kept").exists());
    assert_eq!(std::fs::metadata(scene.path("tmp")).unwrap().mode(), before);
}

#[test]
fn a_directory_and_a_file_replace_each_other_only_when_they_may() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path("tmp/d/below")).unwrap();
    std::fs::write(scene.path("tmp/f"), "x").unwrap();
    let (over_dir, over_file) = (Tar::new().file("d", "f").0, Tar::new().dir("f").0);
    let refused = |archive: &[u8]| {
        let result = scene.extract_as(archive, "/tmp", ARCHIVES, true);
        result.unwrap_err().to_string()
    };
    assert_eq!(
        refused(&over_dir),
        "cannot overwrite directory \"/tmp/d\" with non-directory \"/tmp\""
    );
    assert_eq!(
        refused(&over_file),
        "cannot overwrite non-directory \"/tmp/f\" with directory \"/tmp\""
    );
    scene.extract(&over_dir, "/tmp").unwrap();
    scene.extract(&over_file, "/tmp").unwrap();
    assert!(scene.path("tmp/d").is_file() && scene.path("tmp/f").is_dir());
}

#[test]
fn owners_are_the_archives_or_one_through_the_user_namespace() {
    let scene = Scene::new();
    let ids = [IdMap {
        inside: 0,
        host: 100_000,
        count: 1000,
    }];
    let archive = Tar::new().entry(EntryType::Regular, "f", b"", |h| h.set_uid(7));
    let owner = |all, ids| {
        let owner = Owner { all, ids };
        scene.extract_as(&archive.0, "/", owner, false).unwrap();
        let meta = std::fs::metadata(scene.path("f")).unwrap();
        (meta.uid(), meta.gid())
    };
    assert_eq!(owner(None, &[]), (7, 0));
    assert_eq!(owner(None, &ids), (100_007, 100_000));
    assert_eq!(owner(Some((33, 34)), &ids), (100_033, 100_034));
    let stranger = Owner {
        all: Some((1000, 0)),
        ids: &ids,
    };
    let refused = scene.extract_as(&archive.0, "/", stranger, false);
    assert!(matches!(refused, Err(UnpackError::Entry { .. })));
}

#[test]
fn a_client_may_compress_with_what_docker_knows() {
    let archive = Tar::new().file("f", "content").0;
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&archive).unwrap();
    let mut xz = std::process::Command::new("xz")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    xz.stdin.take().unwrap().write_all(&archive).unwrap();
    let xz = xz.wait_with_output().unwrap().stdout;
    let zstd = zstd::encode_all(&archive[..], 1).unwrap();
    for compressed in [bzip2.finish().unwrap(), xz, zstd] {
        let scene = Scene::new();
        scene.extract(&compressed, "/").unwrap();
        assert_eq!(std::fs::read(scene.path("f")).unwrap(), b"content");
        assert!(
            scene
                .extract(&compressed[..compressed.len() / 2], "/")
                .is_err()
        );
    }
}

#[test]
fn a_destination_that_is_moved_away_is_an_error() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("tmp")).unwrap();
    let root = open(&scene.root());
    let destination = Root::new(root.as_fd()).find_destination("/tmp").unwrap();
    std::fs::remove_dir(scene.path("tmp")).unwrap();
    let how = Extraction {
        destination,
        no_overwrite_dir_non_dir: false,
        with_top: false,
        owner: ARCHIVES,
    };
    let archive = Tar::new().file("a/b/c", "x").0;
    assert!(extract(&archive[..], &how, &Limits::default()).is_err());
}

/// CVE-2018-15664: the container exchanges a directory and a link that leads
/// out while files are put into it.
#[test]
fn a_link_exchanged_for_a_directory_never_leads_out() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path("tmp/a/b")).unwrap();
    symlink(scene.dir.path().join("outside"), scene.path("tmp/link")).unwrap();
    symlink(scene.dir.path().join("canary"), scene.path("tmp/other")).unwrap();
    let archive = Tar::new()
        .dir("a")
        .dir("a/b")
        .dir("a/new/deep")
        .file("a/passwd", "EVIL")
        .symlink("a/s", "passwd")
        .entry(EntryType::Fifo, "a/fifo", b"", |h| h.set_mode(0o777))
        .hard_link("a/hard", "a/passwd")
        .file("a/b/passwd", "EVIL");
    let (dir, stop) = (open(&scene.path("tmp")), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            while !stop.load(Ordering::Relaxed) {
                // The name is gone for a moment while it is replaced.
                let _ = rustix::fs::renameat_with(&dir, "a", &dir, "link", flags);
                let inside = open(&scene.path("tmp"));
                let _ = rustix::fs::renameat_with(&dir, "other", &inside, "a/fifo", flags);
                let _ = rustix::fs::renameat_with(&dir, "other", &inside, "a/new", flags);
            }
        });
        for _ in 0..500 {
            // Whether it succeeds is the container's luck.
            let _ = scene.extract(&archive.0, "/tmp");
        }
        stop.store(true, Ordering::Relaxed);
    });
}
