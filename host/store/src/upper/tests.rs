use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::XattrFlags;

use super::*;
use crate::pack::{self, Style, Times};

fn open(path: &Path) -> OwnedFd {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open(path, flags, Mode::empty()).unwrap()
}

struct Trees {
    _temp: tempfile::TempDir,
    upper: std::path::PathBuf,
    image: std::path::PathBuf,
}

fn trees() -> Trees {
    let temp = tempfile::tempdir().unwrap();
    let (upper, image) = (temp.path().join("upper"), temp.path().join("image"));
    for dir in [&upper, &image] {
        std::fs::create_dir_all(dir.join("etc")).unwrap();
    }
    Trees {
        _temp: temp,
        upper,
        image,
    }
}

impl Trees {
    fn pieces(&self, ignored: &[&str]) -> Option<Vec<Piece>> {
        let (upper, image) = (open(&self.upper), open(&self.image));
        pieces(upper.as_fd(), image.as_fd(), ignored).unwrap()
    }

    fn listed(&self, ignored: &[&str]) -> Vec<String> {
        let sign = |mark| match mark {
            Mark::Present => '+',
            Mark::Opaque => 'o',
            Mark::Whiteout => '-',
        };
        let all = self.pieces(ignored).unwrap();
        all.iter()
            .map(|p| format!("{}{}", sign(p.mark), String::from_utf8_lossy(&p.path)))
            .collect()
    }

    fn file(&self, name: &str) {
        let path = self.upper.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }

    fn whiteout(&self, name: &str) {
        let mode = Mode::empty();
        let kind = FileType::CharacterDevice;
        fs::mknodat(fs::CWD, self.upper.join(name), kind, mode, 0).unwrap();
    }

    fn mark(&self, name: &str, attribute: &str, value: &[u8]) {
        let path = self.upper.join(name);
        fs::setxattr(path, attribute, value, XattrFlags::empty()).unwrap();
    }
}

#[test]
fn an_upper_directory_is_a_layer_with_whiteouts_and_opaque_directories() {
    let trees = trees();
    trees.file("srv/new/a");
    trees.file("srv/b");
    trees.whiteout("etc/gone");
    trees.mark("srv/new", OPAQUE, b"y");
    symlink("/etc", trees.upper.join("link")).unwrap();
    assert_eq!(
        trees.listed(&[]),
        [
            "+/etc",
            "-/etc/gone",
            "+/link",
            "+/srv",
            "+/srv/b",
            "o/srv/new",
            "+/srv/new/a"
        ]
    );
    let style = Style {
        ids: &[],
        times: Times::Seconds,
    };
    let packed = || {
        let mut out = Vec::new();
        let all = trees.pieces(&[]).unwrap();
        pack::layer(open(&trees.upper).as_fd(), &all, style, &mut out).unwrap();
        out
    };
    assert_eq!(packed(), packed());
    let bytes = packed();
    let mut archive = tar::Archive::new(&bytes[..]);
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|e| e.unwrap().path().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        names,
        [
            "etc/",
            "etc/.wh.gone",
            "link",
            "srv/",
            "srv/b",
            "srv/new/",
            "srv/new/.wh..wh..opq",
            "srv/new/a"
        ]
    );
}

#[test]
fn what_the_engine_made_is_left_out_with_the_directories_it_made_it_in() {
    let trees = trees();
    let ignored = ["/.dockerenv", "/etc/hosts", "/dev/pts", "/proc"];
    for name in [".dockerenv", "etc/hosts", "dev/pts/x", "proc/y"] {
        trees.file(name);
    }
    assert_eq!(trees.listed(&ignored), Vec::<String>::new());
    trees.file("etc/mine");
    assert_eq!(trees.listed(&ignored), ["+/etc", "+/etc/mine"]);
    std::fs::remove_file(trees.upper.join("etc/mine")).unwrap();
    let mode = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(trees.upper.join("etc"), mode).unwrap();
    assert_eq!(trees.listed(&ignored), ["+/etc"]);
}

#[test]
fn a_directory_that_lies_elsewhere_cannot_be_read_from_the_upper_one_alone() {
    let trees = trees();
    trees.file("srv/a");
    trees.mark("srv", ELSEWHERE[0], b"/var");
    assert_eq!(trees.pieces(&[]), None);
}

#[test]
fn links_in_the_image_are_not_followed_when_directories_are_compared() {
    let trees = trees();
    std::fs::remove_dir(trees.image.join("etc")).unwrap();
    symlink("/", trees.image.join("etc")).unwrap();
    trees.file("etc/hosts");
    // The directory replaced the link, whatever the host's /etc is like.
    assert_eq!(trees.listed(&["/etc/hosts"]), ["+/etc"]);
}
