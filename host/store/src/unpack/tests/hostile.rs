//! Archives made to break out, to lie, or to eat the machine.

mod contained;
mod names;
mod numbers;
mod streams;

use std::io::Read;

use super::archives::Tar;
use super::{Limits, Scene, UnpackError, WhiteoutStyle};

const STYLES: [WhiteoutStyle; 2] = [WhiteoutStyle::Overlay, WhiteoutStyle::Delete];

/// Each must be refused, with the canary untouched, in both styles.
#[test]
fn malformed_and_escaping_archives_are_refused() {
    for (what, archive, expected) in names::refused()
        .into_iter()
        .chain(numbers::refused())
        .chain(streams::refused())
    {
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
    for (what, archive) in contained::contained() {
        for style in STYLES {
            let scene = Scene::new();
            scene
                .apply(&archive, style)
                .unwrap_or_else(|e| panic!("{what}: {e}"));
        }
    }
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
