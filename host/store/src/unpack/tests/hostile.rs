//! Archives made to break out, to lie, or to eat the machine.

use std::io::Read;

use tar::{EntryType, Header};

use super::archives::Tar;
use super::{Limits, Scene, UnpackError, WhiteoutStyle};

const STYLES: [WhiteoutStyle; 2] = [WhiteoutStyle::Overlay, WhiteoutStyle::Delete];

/// Each must be refused, with the canary untouched, in both styles.
#[test]
fn malformed_and_escaping_archives_are_refused() {
    for (what, archive, expected) in refused() {
        for style in STYLES {
            let error = Scene::new().apply(&archive, style).expect_err(what);
            let text = format!("{error:?}");
            assert!(text.contains(expected), "{what}: {text}");
        }
    }
}

/// Each is harmless: it unpacks, below the root.
#[test]
fn archives_that_point_outside_stay_inside() {
    for (what, archive) in contained() {
        for style in STYLES {
            let scene = Scene::new();
            scene
                .apply(&archive, style)
                .unwrap_or_else(|e| panic!("{what}: {e}"));
        }
    }
}

fn size(bytes: &'static [u8]) -> impl FnOnce(&mut Header) {
    move |h| h.as_old_mut().size[..bytes.len()].copy_from_slice(bytes)
}

fn sparse(
    first: [&'static [u8; 12]; 2],
    second: [&'static [u8; 12]; 2],
    real: &'static [u8; 12],
) -> Vec<u8> {
    Tar::new()
        .entry(EntryType::GNUSparse, "s", b"headtail", |h| {
            let gnu = h.as_gnu_mut().unwrap();
            for (field, [offset, length]) in gnu.sparse.iter_mut().zip([first, second]) {
                field.offset = *offset;
                field.numbytes = *length;
            }
            gnu.realsize = *real;
        })
        .end()
}

fn refused() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let file = EntryType::Regular;
    let long = "a/".repeat(2500);
    let nul: &[u8] = b"a\0b";
    let mut cases = vec![
        (
            "a name that climbs",
            Tar::new().file("../evil", "x").end(),
            "outside",
        ),
        (
            "a name that climbs later",
            Tar::new().file("a/../../evil", "x").end(),
            "outside",
        ),
        (
            "an absolute name that climbs",
            Tar::new().file("/../evil", "x").end(),
            "outside",
        ),
        (
            "a directory that climbs",
            Tar::new().dir("..").end(),
            "outside",
        ),
        (
            "a pax name that climbs",
            Tar::new().pax(&[("path", b"../evil")]).file("x", "x").end(),
            "outside",
        ),
        (
            "a hard link that climbs",
            Tar::new().hard_link("x", "../outside/passwd").end(),
            "outside",
        ),
        (
            "a pax link that climbs",
            Tar::new()
                .pax(&[("linkpath", b"../canary")])
                .hard_link("x", "y")
                .end(),
            "outside",
        ),
        (
            "a hard link to nothing",
            Tar::new().hard_link("x", "missing").end(),
            "not in the layer",
        ),
        (
            "a hard link to an absolute path",
            Tar::new().hard_link("x", "/etc/passwd").end(),
            "not in the layer",
        ),
        (
            "a hard link to itself",
            Tar::new().file("x", "").hard_link("x", "x").end(),
            "no file for a target",
        ),
        (
            "a hard link to the root",
            Tar::new().hard_link("x", "/").end(),
            "no file for a target",
        ),
        (
            "a hard link without a target",
            Tar::new().hard_link("x", "").end(),
            "no target",
        ),
        (
            "a hard link to a directory",
            Tar::new().dir("d").hard_link("x", "d").end(),
            "link",
        ),
        (
            "a symlink without a target",
            Tar::new().symlink("x", "").end(),
            "empty",
        ),
        ("the root as a file", Tar::new().file("./", "x").end(), ""),
        (
            "the root as a symlink",
            Tar::new().symlink(".", "/etc").end(),
            "only be a directory",
        ),
        ("an empty name", Tar::new().file("", "x").end(), "empty"),
        (
            "a name with NUL",
            Tar::new().pax(&[("path", nul)]).file("x", "x").end(),
            "NUL",
        ),
        (
            "a name that is too long",
            Tar::new()
                .pax(&[("path", long.as_bytes())])
                .file("x", "")
                .end(),
            "4095",
        ),
        (
            "a component that is too long",
            Tar::new()
                .pax(&[("path", &[b'a'; 300])])
                .file("x", "")
                .end(),
            "255",
        ),
        (
            "a file below a file",
            Tar::new().file("f", "x").file("f/below", "x").end(),
            "open directory",
        ),
        (
            "a file below a dangling link",
            Tar::new().symlink("l", "gone").file("l/x", "x").end(),
            "open directory",
        ),
        (
            "a loop of links",
            Tar::new()
                .symlink("a", "b")
                .symlink("b", "a")
                .file("a/x", "x")
                .end(),
            "open directory",
        ),
        (
            "a whiteout of nothing",
            Tar::new().file(".wh.", "").end(),
            "must name something",
        ),
        (
            "a whiteout of the directory",
            Tar::new().file("d/.wh..", "").end(),
            "must name something",
        ),
        (
            "a whiteout of the parent",
            Tar::new().file("d/.wh...", "").end(),
            "must name something",
        ),
        (
            "a directory called as a whiteout",
            Tar::new().file(".wh.d/x", "").end(),
            "reserved",
        ),
        (
            "a negative size",
            Tar::new().entry(file, "x", b"", size(&[0xff; 12])).end(),
            "negative",
        ),
        (
            "a huge size",
            Tar::new()
                .entry(
                    file,
                    "x",
                    b"",
                    size(&[
                        0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                    ]),
                )
                .end(),
            "out of range",
        ),
        (
            "a size beyond 64 bits",
            Tar::new()
                .entry(
                    file,
                    "x",
                    b"",
                    size(&[
                        0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                    ]),
                )
                .end(),
            "malformed",
        ),
        (
            "a size that is no number",
            Tar::new().entry(file, "x", b"", size(b"12z")).end(),
            "malformed",
        ),
        (
            "more data announced than there is",
            Tar::new().entry(file, "x", b"", size(b"00000100000\0")).0,
            "UnexpectedEnd",
        ),
        (
            "a truncated header",
            Tar::new().file("x", "x").0[..300].to_vec(),
            "UnexpectedEnd",
        ),
        (
            "a pax size beyond the data",
            Tar::new().pax(&[("size", b"999999")]).file("x", "x").end(),
            "UnexpectedEnd",
        ),
        (
            "a negative pax size",
            Tar::new().pax(&[("size", b"-1")]).file("x", "x").end(),
            "malformed",
        ),
        (
            "a pax record with a wrong length",
            Tar::new()
                .entry(EntryType::XHeader, "p", b"99 path=x\n", |_| ())
                .end(),
            "length is wrong",
        ),
        (
            "a pax record with length 0",
            Tar::new()
                .entry(EntryType::XHeader, "p", b"0 path=x\n", |_| ())
                .end(),
            "length is wrong",
        ),
        (
            "a pax record without a value",
            Tar::new()
                .entry(EntryType::XHeader, "p", b"7 path\n", |_| ())
                .end(),
            "no value",
        ),
        (
            "an extended header of 3 GiB",
            Tar::new()
                .entry(EntryType::XHeader, "p", b"", size(b"27777777777\0"))
                .end(),
            "extended header",
        ),
        (
            "a long name of 3 GiB",
            Tar::new()
                .entry(EntryType::GNULongName, "p", b"", size(b"27777777777\0"))
                .end(),
            "extended header",
        ),
        (
            "the owner -1",
            Tar::new()
                .pax(&[("uid", b"4294967295")])
                .file("x", "x")
                .end(),
            "owner",
        ),
        (
            "an owner beyond 32 bits",
            Tar::new()
                .pax(&[("gid", b"4294967296")])
                .file("x", "x")
                .end(),
            "owner",
        ),
        (
            "an unknown type",
            Tar::new()
                .entry(EntryType::new(b'Q'), "x", b"", |_| ())
                .end(),
            "unknown",
        ),
        (
            "a multi-volume part",
            Tar::new()
                .entry(EntryType::new(b'M'), "x", b"", |_| ())
                .end(),
            "unknown",
        ),
        (
            "a sparse map out of order",
            sparse(
                [b"00000000010\0", b"00000000004\0"],
                [b"00000000000\0", b"00000000004\0"],
                b"00000000100\0",
            ),
            "not in order",
        ),
        (
            "a sparse map beyond the file",
            sparse(
                [b"00000000000\0", b"00000000004\0"],
                [b"00000100000\0", b"00000000004\0"],
                b"00000000100\0",
            ),
            "beyond",
        ),
        (
            "a sparse map longer than its data",
            sparse(
                [b"00000000000\0", b"00000000004\0"],
                [b"00000000010\0", b"00000000070\0"],
                b"00000000200\0",
            ),
            "differ",
        ),
        (
            "a sparse file of 8 EiB",
            Tar::new()
                .pax(&[
                    ("GNU.sparse.size", b"9223372036854775807"),
                    ("GNU.sparse.map", b"0,1"),
                ])
                .file("x", "x")
                .end(),
            "Limit",
        ),
        (
            "a sparse map that lies about its length",
            Tar::new()
                .pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"9")])
                .entry(file, "x", &[b'9'; 512], |_| ())
                .end(),
            "malformed",
        ),
        (
            "a sparse map of too many fragments",
            Tar::new()
                .pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"9")])
                .entry(file, "x", b"99999999\n", |_| ())
                .end(),
            "",
        ),
        (
            "a zero block inside",
            [
                Tar::new().file("a", "").0,
                vec![0; 512],
                Tar::new().file("b", "").end(),
            ]
            .concat(),
            "zero block",
        ),
        ("noise", vec![0xa5; 2048], "checksum"),
        (
            "a gzip stream that breaks off",
            gzip(&Tar::new().file("x", &"y".repeat(5000)).end())[..60].to_vec(),
            "Stream",
        ),
        (
            "zstd with a 2 GiB window",
            vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00],
            "Stream",
        ),
    ];
    let mut wrong = Tar::new().file("x", "x").end();
    wrong[0] = b'y';
    cases.push(("a wrong checksum", wrong, "checksum"));
    let mut corrupt = gzip(&Tar::new().file("x", &"y".repeat(5000)).end());
    let last = corrupt.len() - 6;
    corrupt[last] ^= 1;
    cases.push(("a gzip stream with a wrong checksum", corrupt, "Stream"));
    cases
}

fn contained() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "an absolute name",
            Tar::new().file("/outside/passwd", "x").end(),
        ),
        (
            "a file through an absolute link",
            Tar::new()
                .dir("outside")
                .symlink("l", "/outside")
                .file("l/passwd", "x")
                .end(),
        ),
        (
            "a file through a climbing link",
            Tar::new()
                .dir("outside")
                .symlink("l", "../../outside")
                .file("l/passwd", "x")
                .end(),
        ),
        (
            "a file through two links",
            Tar::new()
                .dir("outside")
                .symlink("a", "..")
                .symlink("b", "a/outside")
                .file("b/passwd", "x")
                .end(),
        ),
        (
            "a file in the place of a link",
            Tar::new()
                .symlink("passwd", "../outside/passwd")
                .file("passwd", "x")
                .end(),
        ),
        (
            "a directory in the place of a link",
            Tar::new()
                .symlink("o", "../outside")
                .dir("o")
                .file("o/passwd", "x")
                .end(),
        ),
        (
            "a device in the place of a link",
            Tar::new()
                .symlink("p", "../canary")
                .entry(EntryType::Char, "p", b"", |_| ())
                .end(),
        ),
        (
            "a hard link to a link, then a write",
            Tar::new()
                .symlink("l", "../canary")
                .hard_link("h", "l")
                .file("h", "x")
                .end(),
        ),
        (
            "a link replaced after its directory was seen",
            Tar::new()
                .file("d/a", "x")
                .symlink("d", "../outside")
                .dir("outside")
                .file("d/passwd", "x")
                .end(),
        ),
        (
            "a chmod through a link",
            Tar::new()
                .symlink("l", "../canary")
                .entry(EntryType::Symlink, "l", b"", |h| {
                    h.set_mode(0o6777);
                    h.as_old_mut().linkname[..9].copy_from_slice(b"../canary");
                })
                .end(),
        ),
        (
            "attributes of overlayfs and of other policies",
            Tar::new()
                .pax(&[
                    ("SCHILY.xattr.trusted.overlay.redirect", b"/outside"),
                    ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
                    ("SCHILY.xattr.user.overlay.metacopy", b"y"),
                    ("SCHILY.xattr.security.selinux", b"x"),
                ])
                .dir("d")
                .end(),
        ),
        (
            "a directory replaced by a link before its time is set",
            Tar::new().dir("d").symlink("d", "../outside").end(),
        ),
        ("a pax header alone", Tar::new().pax(&[("path", b"../x")]).0),
        (
            "a global header",
            Tar::new()
                .entry(EntryType::XGlobalHeader, "g", b"16 path=../evil\n", |_| ())
                .file("x", "x")
                .end(),
        ),
        (
            "a device",
            Tar::new()
                .entry(EntryType::Block, "sda", b"", |h| {
                    h.set_device_major(8).unwrap()
                })
                .end(),
        ),
    ]
}

#[test]
fn attributes_that_steer_overlayfs_are_dropped() {
    let scene = Scene::new();
    let archive = Tar::new()
        .pax(&[
            ("SCHILY.xattr.trusted.overlay.redirect", b"/"),
            ("SCHILY.xattr.user.kept", b"1"),
        ])
        .dir("d")
        .end();
    scene.apply(&archive, WhiteoutStyle::Overlay).unwrap();
    let mut names = [0; 256];
    let n = rustix::fs::listxattr(scene.path("d"), &mut names[..]).unwrap();
    assert_eq!(&names[..n], b"user.kept\0");
}

#[test]
fn entries_and_bytes_are_limited() {
    let many = (0..20)
        .fold(Tar::new(), |tar, i| tar.file(&format!("f{i}"), ""))
        .end();
    let limits = Limits {
        entries: 10,
        ..Limits::default()
    };
    let error = Scene::new()
        .apply_within(&many, WhiteoutStyle::Overlay, &limits)
        .unwrap_err();
    assert!(
        matches!(
            error,
            UnpackError::Limit {
                what: "entries",
                limit: 10
            }
        ),
        "{error}"
    );

    let bomb = gzip(&Tar::new().file("zeros", &"\0".repeat(8 << 20)).end());
    assert!(bomb.len() < 100_000);
    let limits = Limits {
        bytes: 1 << 20,
        ..Limits::default()
    };
    let error = Scene::new()
        .apply_within(&bomb, WhiteoutStyle::Overlay, &limits)
        .unwrap_err();
    assert!(
        matches!(error, UnpackError::Limit { what: "bytes", .. }),
        "{error}"
    );
}

#[test]
fn trees_are_replaced_however_deep_and_too_deep_ones_are_refused() {
    let deep = |levels: usize| vec!["d"; levels].join("/");
    let archive = |levels: usize| {
        let path = deep(levels);
        Tar::new()
            .pax(&[("path", path.as_bytes())])
            .dir("x")
            .file("d", "now a file")
            .end()
    };
    Scene::new()
        .apply(&archive(200), WhiteoutStyle::Overlay)
        .unwrap();
    assert!(
        Scene::new()
            .apply(&archive(1000), WhiteoutStyle::Overlay)
            .is_err()
    );
}

/// Gives headers without end; counts as much memory as the reader holds.
struct Endless {
    pattern: Vec<u8>,
    at: usize,
    left: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = (self.pattern.len() - self.at)
            .min(buffer.len())
            .min(self.left as usize);
        buffer[..n].copy_from_slice(&self.pattern[self.at..self.at + n]);
        self.at = (self.at + n) % self.pattern.len();
        self.left -= n as u64;
        Ok(n)
    }
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 4096
}

#[test]
fn the_memory_for_directories_without_end_is_bounded() {
    // 20 MB of names whose times must be kept to the end, and rewritten.
    let name = format!("{}/{}/", "a".repeat(200), "b".repeat(200));
    let pattern = (0..4)
        .fold(Tar::new(), |t, _| {
            t.pax(&[("path", name.as_bytes())]).dir("x")
        })
        .0;
    let left = pattern.len() as u64 * 12_500;
    for style in STYLES {
        let scene = Scene::new();
        let reader = Endless {
            pattern: pattern.clone(),
            at: 0,
            left,
        };
        let before = resident();
        let root = super::open(&scene.root());
        let unpacked = super::apply(
            reader,
            std::os::fd::AsFd::as_fd(&root),
            style,
            &Limits::default(),
        )
        .unwrap();
        assert_eq!(unpacked.inodes, 50_000);
        let grown = resident().saturating_sub(before);
        assert!(grown < 64 << 20, "{grown} bytes more resident");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}
