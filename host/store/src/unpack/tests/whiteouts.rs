use std::os::unix::fs::{FileTypeExt, MetadataExt};

use tar::EntryType;

use super::archives::Tar;
use super::{Scene, WhiteoutStyle};

fn is_whiteout(scene: &Scene, name: &str) -> bool {
    std::fs::symlink_metadata(scene.path(name))
        .is_ok_and(|m| m.file_type().is_char_device() && m.rdev() == 0)
}

fn is_opaque(scene: &Scene, name: &str) -> bool {
    let mut value = [0; 8];
    rustix::fs::getxattr(scene.path(name), "trusted.overlay.opaque", &mut value[..]).is_ok()
        && value[0] == b'y'
}

#[test]
fn in_overlay_style_whiteouts_become_devices_and_opaque_directories() {
    let scene = Scene::new();
    let archive = Tar::new()
        .dir("etc")
        .file("etc/.wh.gone", "")
        .file("implied/.wh.gone", "")
        .dir("var")
        .file("var/.wh..wh..opq", "")
        .file("var/new", "1")
        .file(".wh..wh.plnk/12.34", "aufs")
        .file(".wh..wh.aufs", "")
        .end();
    scene.apply(&archive, WhiteoutStyle::Overlay).unwrap();
    assert!(is_whiteout(&scene, "etc/gone") && is_whiteout(&scene, "implied/gone"));
    assert!(is_opaque(&scene, "var") && !is_opaque(&scene, "etc"));
    let names: Vec<_> = std::fs::read_dir(scene.root())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn in_delete_style_whiteouts_remove_what_is_below_and_spare_the_layers_own() {
    let scene = Scene::new();
    let lower = Tar::new()
        .file("etc/gone", "1")
        .file("etc/tree/a/b", "1")
        .file("var/old", "1")
        .file("var/sub/old", "1")
        .file("kept", "1")
        .end();
    scene.apply(&lower, WhiteoutStyle::Delete).unwrap();
    let upper = Tar::new()
        .file("etc/.wh.gone", "")
        .file("etc/.wh.tree", "")
        .file("etc/.wh.never", "")
        .file("nowhere/.wh.x", "")
        .file("var/new", "2")
        .file("var/sub/new", "2")
        .file("var/.wh..wh..opq", "")
        .end();
    scene.apply(&upper, WhiteoutStyle::Delete).unwrap();
    for gone in ["etc/gone", "etc/tree", "var/old", "var/sub/old", "nowhere"] {
        assert!(!scene.path(gone).exists(), "{gone}");
    }
    for kept in ["kept", "var/new", "var/sub/new"] {
        assert!(scene.path(kept).exists(), "{kept}");
    }
}

#[test]
fn a_whiteout_never_hides_what_the_same_layer_brings() {
    for style in [WhiteoutStyle::Overlay, WhiteoutStyle::Delete] {
        let scene = Scene::new();
        let archive = Tar::new()
            .file("first", "1")
            .file(".wh.first", "")
            .file(".wh.second", "")
            .file("second", "1")
            .file("d/x", "1")
            .file(".wh.d", "")
            .file(".wh.e", "")
            .dir("e")
            .end();
        scene.apply(&archive, style).unwrap();
        for name in ["first", "second", "d/x"] {
            assert_eq!(
                std::fs::read(scene.path(name)).unwrap(),
                b"1",
                "{name} {style:?}"
            );
        }
        let opaque = style == WhiteoutStyle::Overlay;
        assert_eq!(
            (is_opaque(&scene, "d"), is_opaque(&scene, "e")),
            (opaque, opaque)
        );
    }
}

#[test]
fn a_device_with_numbers_0_0_is_a_whiteout_in_both_styles() {
    let null = |h: &mut tar::Header| {
        h.set_device_major(0).unwrap();
        h.set_device_minor(0).unwrap();
    };
    let archive = Tar::new().entry(EntryType::Char, "x", b"", null).end();
    let overlay = Scene::new();
    overlay.apply(&archive, WhiteoutStyle::Overlay).unwrap();
    assert!(is_whiteout(&overlay, "x"));
    let delete = Scene::new();
    std::fs::write(delete.path("x"), "").unwrap();
    delete.apply(&archive, WhiteoutStyle::Delete).unwrap();
    assert!(!delete.path("x").exists());
}

#[test]
fn a_whiteout_through_a_link_stays_inside() {
    let scene = Scene::new();
    std::os::unix::fs::symlink(scene.dir.path().join("outside"), scene.path("out")).unwrap();
    std::os::unix::fs::symlink("../outside", scene.path("up")).unwrap();
    let archive = Tar::new()
        .file("out/.wh.passwd", "")
        .file("up/.wh..wh..opq", "")
        .end();
    scene.apply(&archive, WhiteoutStyle::Delete).unwrap();
}
