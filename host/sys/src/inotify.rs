//! Changes in directories (`inotify(7)`).

use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags};

use crate::error::{Result, named};

/// A directory that is watched. Numbers are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Watch(nix::sys::inotify::WatchDescriptor);

/// What happened in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The directory; `None`: events were lost, anything may have happened.
    pub watch: Option<Watch>,
    /// It is watched no longer: it is gone, or was let go.
    pub ended: bool,
}

/// Watches directories.
#[derive(Debug)]
pub struct Inotify(nix::sys::inotify::Inotify);

impl Inotify {
    /// `inotify_init1(2)`
    pub fn new() -> Result<Self> {
        let inotify = nix::sys::inotify::Inotify::init(InitFlags::IN_CLOEXEC);
        named(inotify, "inotify_init1", "").map(Self)
    }

    /// `inotify_add_watch(2)`: files in a directory of the host's are
    /// written, made or get a name. A directory that is watched keeps its number.
    pub fn watch_files(&self, dir: &Path) -> Result<Watch> {
        let events = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_ONLYDIR;
        let watch = self.0.add_watch(dir, events);
        named(watch, "inotify_add_watch", dir.display()).map(Watch)
    }

    /// `inotify_rm_watch(2)`
    pub fn forget(&self, watch: Watch) -> Result<()> {
        named(self.0.rm_watch(watch.0), "inotify_rm_watch", "")
    }

    /// Waits for changes.
    pub fn read(&self) -> Result<Vec<Change>> {
        let events = named(self.0.read_events(), "read", "inotify")?;
        let change = |event: nix::sys::inotify::InotifyEvent| Change {
            watch: (!event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW)).then_some(Watch(event.wd)),
            ended: event.mask.contains(AddWatchFlags::IN_IGNORED),
        };
        Ok(events.into_iter().map(change).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_the_end_of_a_directory_are_seen() {
        let temp = tempfile::tempdir().unwrap();
        let inotify = Inotify::new().unwrap();
        let watch = inotify.watch_files(temp.path()).unwrap();
        assert_eq!(inotify.watch_files(temp.path()).unwrap(), watch);
        std::fs::write(temp.path().join("x"), "1").unwrap();
        let seen = inotify.read().unwrap();
        assert!(
            seen.iter()
                .all(|change| change.watch == Some(watch) && !change.ended)
        );
        drop(temp);
        let mut seen = inotify.read().unwrap();
        while !seen.last().unwrap().ended {
            seen = inotify.read().unwrap();
        }
        assert!(inotify.forget(watch).is_err());
    }
}
