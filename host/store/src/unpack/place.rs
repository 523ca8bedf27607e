//! Making entries below the destination.

mod attributes;
mod content;

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::archive::Archive;
use super::dir_times::DirTimes;
use super::entry::{Entry, EntryKind};
use super::error::UnpackError;
use super::parents::{Parents, Reach};
use super::path::{Meaning, clean, meaning, split};
use super::pipeline::Chunks;
use super::removal::{self, Spared};
use super::{Extraction, Limits, WhiteoutStyle};

/// What was placed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Placed {
    pub(super) bytes: u64,
    pub(super) inodes: u64,
}

/// What an archive is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'a> {
    /// A layer: names can be whiteouts.
    Layer(WhiteoutStyle),
    /// Files for a container's directory, where others write meanwhile.
    Files(&'a Extraction<'a>),
}

struct Layer<'a> {
    dest: BorrowedFd<'a>,
    way: Way<'a>,
    max_size: u64,
    parents: Parents<'a>,
    dir_times: DirTimes<'a>,
    /// With [`WhiteoutStyle::Delete`], the inodes this layer made: whiteouts
    /// hide what is below, never what the same layer brings. An inode number
    /// that is freed and taken again meanwhile is again the layer's own.
    made: HashSet<u64>,
    placed: Placed,
}

/// Where an entry goes.
struct Place<'p> {
    parent: BorrowedFd<'p>,
    name: &'p [u8],
    /// For errors.
    path: &'p [u8],
}

/// Places a whole archive.
pub(super) fn layer(
    chunks: Chunks,
    dest: BorrowedFd<'_>,
    way: Way<'_>,
    limits: &Limits,
) -> Result<Placed, UnpackError> {
    let mut layer = Layer {
        dest,
        way,
        max_size: limits.bytes,
        parents: Parents::new(dest, way.reach()),
        dir_times: DirTimes::new(dest),
        made: HashSet::new(),
        placed: Placed::default(),
    };
    let mut archive = Archive::new(chunks, limits.entries);
    while let Some(mut entry) = archive.next_entry()? {
        if let Way::Files(how) = way {
            how.owner.give(&mut entry)?;
        }
        layer.place(&entry, &mut archive)?;
    }
    archive.drain();
    layer.finish()
}

impl<'a> Way<'a> {
    fn reach(self) -> Reach<'a> {
        match self {
            Self::Layer(_) => Reach::Layer,
            Self::Files(how) => Reach::Container(how.destination.path.as_bytes()),
        }
    }

    fn meaning(self, path: &[u8]) -> Result<Meaning<'_>, &'static str> {
        match self {
            Self::Layer(_) => meaning(path),
            Self::Files(_) => Ok(Meaning::Entry),
        }
    }

    fn deletes(self) -> bool {
        matches!(self, Self::Layer(WhiteoutStyle::Delete))
    }

    fn is_overlay(self) -> bool {
        matches!(self, Self::Layer(WhiteoutStyle::Overlay))
    }

    /// Whether this entry stands for what is below of its name.
    fn is_whiteout(self, kind: EntryKind) -> bool {
        matches!(self, Self::Layer(_)) && kind == (EntryKind::CharDevice { major: 0, minor: 0 })
    }
}

impl Layer<'_> {
    fn place(&mut self, entry: &Entry, archive: &mut Archive) -> Result<(), UnpackError> {
        let refused = |reason| UnpackError::entry(&entry.raw_path, reason);
        let path = clean(&entry.raw_path).map_err(refused)?;
        let (above, name) = split(&path);
        match self.way.meaning(&path).map_err(refused)? {
            Meaning::Ignore => Ok(()),
            Meaning::Opaque => self.hide_all(above),
            Meaning::Whiteout(hidden) => self.hide(above, hidden),
            Meaning::Entry if self.way.is_whiteout(entry.kind) => self.hide(above, name),
            // Whoever copies content means no change of the directory itself.
            Meaning::Entry if path.is_empty() && self.spares_top() => Ok(()),
            Meaning::Entry if path.is_empty() => self.root(entry),
            Meaning::Entry => {
                let parent = self.parents.make(above)?;
                let place = Place {
                    parent: parent.as_fd(),
                    name,
                    path: &path,
                };
                self.placed.inodes += 1;
                self.check_kinds(&place, entry)?;
                self.make(&place, entry, archive)?;
                self.remember(&place)
            }
        }
    }

    /// With that wish, a directory and anything else do not replace each other.
    fn check_kinds(&self, place: &Place<'_>, entry: &Entry) -> Result<(), UnpackError> {
        let Way::Files(how) = self.way else {
            return Ok(());
        };
        if !how.no_overwrite_dir_non_dir {
            return Ok(());
        }
        let found = match fs::statat(place.parent, place.name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(()),
            other => other.map_err(|e| UnpackError::io("stat", place.path, e))?,
        };
        let found = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
        let wanted = entry.kind == EntryKind::Directory;
        if found == wanted {
            return Ok(());
        }
        let word = |is_dir| if is_dir { "directory" } else { "non-directory" };
        Err(UnpackError::OtherKind {
            found: word(found),
            path: String::from_utf8_lossy(
                &[how.destination.path.as_bytes(), b"/", place.path].concat(),
            )
            .into_owned(),
            wanted: word(wanted),
            destination: how.destination.path.clone(),
        })
    }

    fn make(
        &mut self,
        place: &Place<'_>,
        entry: &Entry,
        archive: &mut Archive,
    ) -> Result<(), UnpackError> {
        match entry.kind {
            EntryKind::Directory => self.directory(place, entry),
            EntryKind::File => self.file(place, entry, archive),
            EntryKind::HardLink => self.hard_link(place, entry),
            EntryKind::Symlink => {
                if entry.link.is_empty() || entry.link.contains(&0) {
                    return Err(UnpackError::entry(
                        &entry.raw_path,
                        "its target is empty or contains NUL",
                    ));
                }
                self.fresh(place, "symlink", || {
                    fs::symlinkat(&*entry.link, place.parent, place.name)
                })?;
                attributes::of_symlink(place, entry)
            }
            EntryKind::Fifo => self.node(place, entry, FileType::Fifo, 0),
            EntryKind::CharDevice { major, minor } => self.node(
                place,
                entry,
                FileType::CharacterDevice,
                fs::makedev(major, minor),
            ),
            EntryKind::BlockDevice { major, minor } => self.node(
                place,
                entry,
                FileType::BlockDevice,
                fs::makedev(major, minor),
            ),
        }
    }

    fn spares_top(&self) -> bool {
        matches!(self.way, Way::Files(how) if !how.with_top)
    }

    fn root(&mut self, entry: &Entry) -> Result<(), UnpackError> {
        if entry.kind != EntryKind::Directory {
            return Err(UnpackError::entry(
                &entry.raw_path,
                "the root can only be a directory",
            ));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::openat(self.dest, ".", flags, Mode::empty())
            .map_err(|e| UnpackError::io("open", b"/", e))?;
        attributes::of_descriptor(root.as_fd(), b"/", entry)?;
        if matches!(self.way, Way::Layer(WhiteoutStyle::Overlay)) {
            attributes::mark_root(root.as_fd())?;
        }
        self.time_later(b"", entry)
    }

    fn directory(&mut self, place: &Place<'_>, entry: &Entry) -> Result<(), UnpackError> {
        let mode = Mode::from_raw_mode(0o700);
        let mut covers_whiteout = false;
        match fs::mkdirat(place.parent, place.name, mode) {
            Ok(()) => {}
            Err(Errno::EXIST) => match self.file_type(place)? {
                FileType::Directory => {}
                found => {
                    covers_whiteout = found == FileType::CharacterDevice;
                    self.clear(place)?;
                    fs::mkdirat(place.parent, place.name, mode)
                        .map_err(|e| UnpackError::io("mkdir", place.path, e))?;
                }
            },
            Err(e) => return Err(UnpackError::io("mkdir", place.path, e)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = fs::openat(place.parent, place.name, flags, Mode::empty())
            .map_err(|e| UnpackError::io("open directory", place.path, e))?;
        attributes::of_descriptor(dir.as_fd(), place.path, entry)?;
        // A whiteout and a directory of the same name in one layer: the lower
        // directory is hidden and this one is new.
        if covers_whiteout && self.way.is_overlay() {
            attributes::make_opaque(dir.as_fd(), place.path)?;
        }
        self.parents.keep(place.path, dir);
        self.time_later(place.path, entry)
    }

    fn file(
        &mut self,
        place: &Place<'_>,
        entry: &Entry,
        archive: &mut Archive,
    ) -> Result<(), UnpackError> {
        if entry.size > self.max_size {
            return Err(UnpackError::Limit {
                what: "bytes",
                limit: self.max_size,
            });
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || fs::openat(place.parent, place.name, flags, Mode::from_raw_mode(0o600));
        let mut file = File::from(self.fresh(place, "create", open)?);
        if let Err(error) = content::write(archive, entry, &mut file, place.path) {
            // Half a file is of no use, and on a full disk takes what is left.
            let _ = fs::unlinkat(place.parent, place.name, AtFlags::empty());
            return Err(error);
        }
        self.placed.bytes += entry.size;
        attributes::of_descriptor(file.as_fd(), place.path, entry)?;
        attributes::time_of_descriptor(file.as_fd(), place.path, entry)
    }

    /// linkat(2) does not follow a symlink in the target's last component, so
    /// a link to a symlink is a second name of the symlink. Owner and mode are
    /// the target's: a link's header repeats them at best.
    fn hard_link(&mut self, place: &Place<'_>, entry: &Entry) -> Result<(), UnpackError> {
        let refused = |reason| UnpackError::entry(&entry.raw_path, reason);
        if entry.link.is_empty() {
            return Err(refused("its hard link has no target"));
        }
        let target =
            clean(&entry.link).map_err(|_| refused("its hard link leads outside of the root"))?;
        let (above, name) = split(&target);
        if name.is_empty() || target == place.path {
            return Err(refused("its hard link has no file for a target"));
        }
        let missing = || refused("the target of its hard link is not in the layer");
        let dir = self.parents.find(above)?.ok_or_else(missing)?;
        let link = || fs::linkat(&*dir, name, place.parent, place.name, AtFlags::empty());
        match link() {
            Err(Errno::EXIST) => {
                self.clear(place)?;
                // Clearing may have removed the target with a tree.
                link()
            }
            other => other,
        }
        .map_err(|e| match e {
            Errno::NOENT => missing(),
            e => UnpackError::io("link", place.path, e),
        })
    }

    fn node(
        &mut self,
        place: &Place<'_>,
        entry: &Entry,
        file_type: FileType,
        device: fs::Dev,
    ) -> Result<(), UnpackError> {
        let mode = Mode::from_raw_mode(0o600);
        self.fresh(place, "mknod", || {
            fs::mknodat(place.parent, place.name, file_type, mode, device)
        })?;
        attributes::of_node(place, file_type, entry)
    }

    /// Runs `create`, once more after clearing the place if it was taken.
    fn fresh<T>(
        &mut self,
        place: &Place<'_>,
        operation: &'static str,
        create: impl Fn() -> rustix::io::Result<T>,
    ) -> Result<T, UnpackError> {
        match create() {
            Err(Errno::EXIST) => {
                self.clear(place)?;
                create()
            }
            other => other,
        }
        .map_err(|e| UnpackError::io(operation, place.path, e))
    }

    fn file_type(&self, place: &Place<'_>) -> Result<FileType, UnpackError> {
        fs::statat(place.parent, place.name, AtFlags::SYMLINK_NOFOLLOW)
            .map(|stat| FileType::from_raw_mode(stat.st_mode))
            .map_err(|e| UnpackError::io("stat", place.path, e))
    }

    fn clear(&mut self, place: &Place<'_>) -> Result<(), UnpackError> {
        let found = self.file_type(place)?;
        removal::remove(place.parent, place.name, &Spared::new())
            .map_err(|e| UnpackError::io("replace", place.path, e))?;
        if matches!(found, FileType::Directory | FileType::Symlink) {
            self.parents.forget();
        }
        Ok(())
    }

    /// `.wh.<name>`: what lower layers have of this name is gone.
    fn hide(&mut self, above: &[u8], name: &[u8]) -> Result<(), UnpackError> {
        match self.way {
            Way::Layer(WhiteoutStyle::Overlay) => self.make_whiteout(above, name),
            _ => {
                let Some(parent) = self.parents.find(above)? else {
                    return Ok(());
                };
                removal::remove(parent.as_fd(), name, &self.made)
                    .map_err(|e| UnpackError::io("remove", name, e))?;
                self.parents.forget();
                Ok(())
            }
        }
    }

    fn make_whiteout(&mut self, above: &[u8], name: &[u8]) -> Result<(), UnpackError> {
        let parent = self.parents.make(above)?;
        let place = Place {
            parent: parent.as_fd(),
            name,
            path: name,
        };
        match fs::mknodat(&*parent, name, FileType::CharacterDevice, Mode::empty(), 0) {
            Ok(()) => {
                self.placed.inodes += 1;
                Ok(())
            }
            // The layer brings that name itself, which hides what is below;
            // a directory would be merged with it if it were not opaque.
            Err(Errno::EXIST) if self.file_type(&place)? == FileType::Directory => {
                self.mark_opaque(parent.as_fd(), name)
            }
            Err(Errno::EXIST) => Ok(()),
            Err(e) => Err(UnpackError::io("make whiteout", name, e)),
        }
    }

    /// `.wh..wh..opq`: everything lower layers have in this directory is gone.
    fn hide_all(&mut self, above: &[u8]) -> Result<(), UnpackError> {
        match self.way {
            Way::Layer(WhiteoutStyle::Overlay) => {
                let dir = self.parents.make(above)?;
                self.mark_opaque(dir.as_fd(), b".")
            }
            _ => {
                let Some(dir) = self.parents.find(above)? else {
                    return Ok(());
                };
                let failed = |e| UnpackError::io("empty", above, e);
                // What is kept is opened for its path alone.
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let dir = fs::openat(&*dir, ".", flags, Mode::empty()).map_err(failed)?;
                removal::empty(dir.as_fd(), &self.made).map_err(failed)?;
                self.parents.forget();
                Ok(())
            }
        }
    }

    fn mark_opaque(&self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), UnpackError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = fs::openat(parent, name, flags, Mode::empty())
            .map_err(|e| UnpackError::io("open directory", name, e))?;
        attributes::make_opaque(dir.as_fd(), name)
    }

    fn remember(&mut self, place: &Place<'_>) -> Result<(), UnpackError> {
        if self.way.deletes() {
            let stat = fs::statat(place.parent, place.name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| UnpackError::io("stat", place.path, e))?;
            self.made.insert(stat.st_ino);
        }
        Ok(())
    }

    fn time_later(&mut self, path: &[u8], entry: &Entry) -> Result<(), UnpackError> {
        self.dir_times
            .push(path, entry.mtime)
            .map_err(|e| UnpackError::io("keep the time of", path, e))
    }

    fn finish(self) -> Result<Placed, UnpackError> {
        let Self {
            mut parents,
            dir_times,
            placed,
            ..
        } = self;
        dir_times.each(|path, mtime| {
            let (above, name) = split(path);
            // A later entry may have put something else in its place.
            let Ok(Some(parent)) = parents.find(above) else {
                return Ok(());
            };
            let name = if name.is_empty() { b"." } else { name };
            let is_dir = fs::statat(&*parent, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory);
            if is_dir {
                attributes::set_time(parent.as_fd(), name, path, mtime)
            } else {
                Ok(())
            }
        })?;
        Ok(placed)
    }
}
