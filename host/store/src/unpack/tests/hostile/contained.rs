//! Archives that point outside and stay inside.

use tar::EntryType;

use super::super::archives::Tar;

/// What, and the archive.
pub(super) fn contained() -> Vec<(&'static str, Vec<u8>)> {
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
