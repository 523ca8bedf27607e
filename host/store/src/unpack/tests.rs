mod archives;
mod containers;
mod faithful;
mod hostile;
mod whiteouts;

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;

use super::{Limits, UnpackError, Unpacked, WhiteoutStyle, apply};

/// A destination beside a canary: whatever an archive does, only what is
/// below `root` may change.
struct Scene {
    dir: TempDir,
    canary: Vec<(PathBuf, Vec<u8>, u32)>,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("root")).unwrap();
        std::fs::create_dir(dir.path().join("outside")).unwrap();
        for name in ["outside/passwd", "canary"] {
            std::fs::write(dir.path().join(name), "untouched").unwrap();
        }
        let mut scene = Self {
            dir,
            canary: Vec::new(),
        };
        scene.canary = scene.surroundings();
        scene
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn apply(&self, archive: &[u8], style: WhiteoutStyle) -> Result<Unpacked, UnpackError> {
        self.apply_within(archive, style, &Limits::default())
    }

    fn apply_within(
        &self,
        archive: &[u8],
        style: WhiteoutStyle,
        limits: &Limits,
    ) -> Result<Unpacked, UnpackError> {
        let result = apply(archive, open(&self.root()).as_fd(), style, limits);
        assert_eq!(
            self.surroundings(),
            self.canary,
            "something outside of the root changed"
        );
        result
    }

    fn surroundings(&self) -> Vec<(PathBuf, Vec<u8>, u32)> {
        use std::os::unix::fs::MetadataExt;
        let mut found = Vec::new();
        for dir in [self.dir.path().to_owned(), self.dir.path().join("outside")] {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let bytes = std::fs::read(&path).unwrap_or_default();
                let mode = std::fs::symlink_metadata(&path).unwrap().mode();
                if path != self.root() {
                    found.push((path, bytes, mode));
                }
            }
        }
        found.sort();
        found
    }
}

fn open(path: &Path) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).unwrap()
}
