use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use tar::EntryType;

use super::archives::Tar;
use super::{Scene, WhiteoutStyle};
use crate::manifest::digest_of;

fn sample() -> Vec<u8> {
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    Tar::new()
        .dir("./")
        .entry(EntryType::Directory, "etc/", b"", |h| h.set_mode(0o1777))
        .file("etc/passwd", "root")
        .entry(EntryType::Regular, "bin/su", b"#!", |h| {
            h.set_mode(0o4755);
            h.set_uid(7);
            h.set_gid(8);
        })
        .symlink("etc/link", "/etc/passwd")
        .hard_link("etc/hard", "etc/passwd")
        .pax(&[
            ("SCHILY.xattr.security.capability", capability),
            ("mtime", b"-1.5"),
        ])
        .file("bin/ping", "x")
        .entry(EntryType::Char, "dev/null", b"", |_| ())
        .entry(EntryType::Fifo, "dev/fifo", b"", |_| ())
        .pax(&[
            ("SCHILY.xattr.user.a", b"b"),
            ("path", "a".repeat(200).as_bytes()),
        ])
        .file("short", "long")
        .end()
}

fn compress_gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn owners_modes_times_links_devices_and_attributes_are_kept() {
    let scene = Scene::new();
    let unpacked = scene.apply(&sample(), WhiteoutStyle::Overlay).unwrap();
    let meta = |name: &str| std::fs::symlink_metadata(scene.path(name)).unwrap();
    assert_eq!(meta("etc").mode() & 0o7777, 0o1777);
    assert_eq!(
        meta("etc").mtime(),
        1_000_000,
        "a directory's time is set after its entries"
    );
    assert_eq!(meta("").mtime(), 1_000_000);
    assert_eq!(
        (
            meta("bin/su").mode() & 0o7777,
            meta("bin/su").uid(),
            meta("bin/su").gid()
        ),
        (0o4755, 7, 8)
    );
    assert_eq!(meta("etc/hard").ino(), meta("etc/passwd").ino());
    assert_eq!(
        std::fs::read_link(scene.path("etc/link")).unwrap().to_str(),
        Some("/etc/passwd")
    );
    assert_eq!(meta("etc/link").mtime(), 1_000_000);
    assert_eq!(
        (meta("bin/ping").mtime(), meta("bin/ping").mtime_nsec()),
        (-2, 500_000_000)
    );
    let mut value = [0; 64];
    let n = rustix::fs::getxattr(
        scene.path("bin/ping"),
        "security.capability",
        &mut value[..],
    )
    .unwrap();
    assert_eq!(n, 20);
    assert!(meta("dev/null").file_type().is_char_device());
    assert_eq!(meta("dev/null").rdev(), rustix::fs::makedev(1, 3));
    assert!(meta("dev/fifo").file_type().is_fifo());
    assert_eq!(
        std::fs::read(scene.path(&"a".repeat(200))).unwrap(),
        b"long"
    );
    assert_eq!(unpacked.diff_id, digest_of(&sample()));
    assert_eq!(
        (unpacked.bytes, unpacked.archive_bytes),
        (11, sample().len() as u64)
    );
}

#[test]
fn every_compression_gives_the_same_diff_id_and_others_are_named() {
    let plain = sample();
    let zstd = zstd::encode_all(plain.as_slice(), 3).unwrap();
    // Members and frames may follow each other, and skippable frames precede.
    let (left, right) = plain.split_at(700);
    let members = [compress_gzip(left), compress_gzip(right)].concat();
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4][..], &zstd].concat();
    for archive in [&plain, &compress_gzip(&plain), &zstd, &members, &skippable] {
        let unpacked = Scene::new().apply(archive, WhiteoutStyle::Overlay).unwrap();
        assert_eq!(unpacked.diff_id, digest_of(&plain));
    }
    for (start, name) in [(&b"BZh91AY&SY"[..], "bzip2"), (b"\xfd7zXZ\0\0\0", "xz")] {
        let error = Scene::new()
            .apply(start, WhiteoutStyle::Overlay)
            .unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn bytes_after_the_end_are_part_of_the_diff_id_and_an_empty_layer_is_fine() {
    let mut archive = Tar::new().file("a", "1").end();
    archive.extend([0; 9000]);
    let unpacked = Scene::new()
        .apply(&archive, WhiteoutStyle::Overlay)
        .unwrap();
    assert_eq!(unpacked.diff_id, digest_of(&archive));
    assert_eq!(
        Scene::new()
            .apply(&[0; 1024], WhiteoutStyle::Overlay)
            .unwrap()
            .inodes,
        0
    );
    assert_eq!(
        Scene::new()
            .apply(&[], WhiteoutStyle::Overlay)
            .unwrap()
            .inodes,
        0
    );
}

#[test]
fn missing_parents_are_made_and_lower_links_are_followed_inside_the_root() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path("usr/lib")).unwrap();
    std::os::unix::fs::symlink("/usr/lib", scene.path("lib")).unwrap();
    std::os::unix::fs::symlink("../../../../outside", scene.path("up")).unwrap();
    std::fs::create_dir(scene.path("outside")).unwrap();
    let archive = Tar::new()
        .file("lib/x/y/z.so", "1")
        .file("up/passwd", "2")
        .end();
    scene.apply(&archive, WhiteoutStyle::Delete).unwrap();
    assert_eq!(std::fs::read(scene.path("usr/lib/x/y/z.so")).unwrap(), b"1");
    assert_eq!(std::fs::read(scene.path("outside/passwd")).unwrap(), b"2");
    assert_eq!(
        std::fs::metadata(scene.path("usr/lib/x")).unwrap().mode() & 0o7777,
        0o755
    );
}

#[test]
fn an_entry_replaces_what_is_there_unless_both_are_directories() {
    let scene = Scene::new();
    let archive = Tar::new()
        .file("d/kept", "1")
        .entry(EntryType::Directory, "d", b"", |h| h.set_mode(0o700))
        .file("f", "1")
        .file("f", "2")
        .file("tree/a/b", "1")
        .file("tree", "now a file")
        .symlink("link", "d")
        .dir("link")
        .file("link/inside", "1")
        .end();
    scene.apply(&archive, WhiteoutStyle::Overlay).unwrap();
    assert!(scene.path("d/kept").exists());
    assert_eq!(std::fs::read(scene.path("f")).unwrap(), b"2");
    assert_eq!(std::fs::read(scene.path("tree")).unwrap(), b"now a file");
    assert!(scene.path("link/inside").exists() && !scene.path("d/inside").exists());
}

#[test]
fn sparse_files_of_all_four_formats_have_their_holes_and_their_data() {
    let old = |h: &mut tar::Header| {
        let gnu = h.as_gnu_mut().unwrap();
        gnu.sparse[0].offset = *b"00000000000\0";
        gnu.sparse[0].numbytes = *b"00000000004\0";
        gnu.sparse[1].offset = *b"00000200000\0";
        gnu.sparse[1].numbytes = *b"00000000004\0";
        gnu.realsize = *b"00000300000\0";
    };
    let (offset, real) = ("65536", "98304");
    let mut in_data = b"2\n0\n4\n65536\n4\n".to_vec();
    in_data.resize(512, 0);
    in_data.extend(b"headtail");
    let name = ("GNU.sparse.name", &b"sparse"[..]);
    let archives = [
        Tar::new().entry(EntryType::GNUSparse, "sparse", b"headtail", old),
        Tar::new()
            .pax(&[
                ("GNU.sparse.size", real.as_bytes()),
                ("GNU.sparse.numblocks", b"2"),
                ("GNU.sparse.offset", b"0"),
                ("GNU.sparse.numbytes", b"4"),
                ("GNU.sparse.offset", offset.as_bytes()),
                ("GNU.sparse.numbytes", b"4"),
            ])
            .file("sparse", "headtail"),
        Tar::new()
            .pax(&[
                ("GNU.sparse.size", real.as_bytes()),
                ("GNU.sparse.map", b"0,4,65536,4"),
                name,
            ])
            .file("x", "headtail"),
        Tar::new()
            .pax(&[
                ("GNU.sparse.major", b"1"),
                ("GNU.sparse.minor", b"0"),
                ("GNU.sparse.realsize", real.as_bytes()),
                name,
            ])
            .entry(EntryType::Regular, "x", &in_data, |_| ()),
    ];
    for (format, archive) in archives.into_iter().enumerate() {
        let scene = Scene::new();
        scene
            .apply(&archive.file("after", "1").end(), WhiteoutStyle::Overlay)
            .unwrap();
        let bytes = std::fs::read(scene.path("sparse")).unwrap();
        assert_eq!(bytes.len(), 98304, "format {format}");
        assert_eq!(
            (&bytes[..4], &bytes[65536..65540]),
            (&b"head"[..], &b"tail"[..])
        );
        assert!(bytes[4..65536].iter().all(|b| *b == 0));
        assert!(std::fs::metadata(scene.path("sparse")).unwrap().blocks() * 512 < 65536);
        assert!(scene.path("after").exists());
    }
}

#[test]
fn what_gnu_tar_writes_is_what_it_would_extract() {
    for format in ["ustar", "gnu", "posix", "v7"] {
        let (source, scene) = (tempfile::tempdir().unwrap(), Scene::new());
        let deep = if format == "v7" {
            "a/b".to_owned()
        } else {
            format!("{}/{}", "d".repeat(90), "e".repeat(60))
        };
        std::fs::create_dir_all(source.path().join(&deep)).unwrap();
        std::fs::write(source.path().join(&deep).join("f"), vec![7; 300_000]).unwrap();
        std::os::unix::fs::symlink("f", source.path().join(&deep).join("l")).unwrap();
        let tar = std::process::Command::new("tar")
            .args(["-c", "--format", format, "-C"])
            .arg(source.path())
            .arg(".")
            .output()
            .unwrap();
        assert!(tar.status.success());
        scene.apply(&tar.stdout, WhiteoutStyle::Overlay).unwrap();
        let diff = std::process::Command::new("diff")
            .args(["-r", "--no-dereference"])
            .args([source.path(), &scene.root()])
            .status();
        assert!(diff.unwrap().success(), "{format}");
    }
}
