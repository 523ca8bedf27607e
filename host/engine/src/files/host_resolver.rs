//! The host's resolv.conf(5), read again when it has changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Where systemd-resolved lists the servers that its stub forwards to.
const BEHIND_THE_STUB: &str = "/run/systemd/resolve/resolv.conf";
const STUB: &str = "127.0.0.53";

/// What was read last.
#[derive(Debug, Default)]
pub struct HostResolver(Mutex<Option<Read>>);

#[derive(Debug)]
struct Read {
    path: PathBuf,
    mark: Mark,
    /// Whether that file named the stub alone.
    stub: bool,
    behind: Option<Mark>,
    text: Arc<str>,
}

/// What differs when a file was written or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl HostResolver {
    /// The text of the file at `path`, empty when there is none; of the list
    /// behind it when all it names is systemd-resolved's stub, which is on
    /// the host's loopback.
    pub fn text(&self, path: &Path) -> Arc<str> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = &*last
            && read.is_current(path)
        {
            return read.text.clone();
        }
        let Some(mark) = mark(path) else {
            *last = None;
            return Arc::from("");
        };
        let read = Read::now(path, mark, Path::new(BEHIND_THE_STUB));
        let text = read.text.clone();
        *last = Some(read);
        text
    }
}

impl Read {
    fn now(path: &Path, mark_before: Mark, behind: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let stub = names_the_stub_alone(&text);
        let list = stub.then(|| fs::read_to_string(behind).ok()).flatten();
        Self {
            path: path.to_owned(),
            mark: mark_before,
            stub,
            behind: stub.then(|| mark(behind)).flatten(),
            text: list.unwrap_or(text).into(),
        }
    }

    fn is_current(&self, path: &Path) -> bool {
        let behind = || mark(Path::new(BEHIND_THE_STUB)) == self.behind;
        self.path == path && mark(path) == Some(self.mark) && (!self.stub || behind())
    }
}

fn mark(path: &Path) -> Option<Mark> {
    let metadata = fs::metadata(path).ok()?;
    Some(Mark {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

fn names_the_stub_alone(text: &str) -> bool {
    super::servers(text).eq([STUB])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_written_or_replaced_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        let host = HostResolver::default();
        assert_eq!(&*host.text(&path), "");
        for text in ["nameserver 192.0.2.1\n", "nameserver 192.0.2.22\n"] {
            fs::write(&path, text).unwrap();
            assert_eq!(&*host.text(&path), text);
        }
        let other = folder.path().join("new");
        fs::write(&other, "nameserver 192.0.2.33\n").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(&*host.text(&path), "nameserver 192.0.2.33\n");
    }

    #[test]
    fn behind_a_stub_is_its_list() {
        let folder = tempfile::tempdir().unwrap();
        let (path, list) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&list, "nameserver 192.0.2.1\n").unwrap();
        for (text, stands_for_the_list) in [
            ("nameserver 127.0.0.53\noptions edns0\n", true),
            ("nameserver 127.0.0.53\nnameserver 192.0.2.9\n", false),
            ("# nameserver 127.0.0.53\nnameserver 192.0.2.9\n", false),
        ] {
            fs::write(&path, text).unwrap();
            let read = Read::now(&path, mark(&path).unwrap(), &list);
            assert_eq!(&*read.text == "nameserver 192.0.2.1\n", stands_for_the_list);
        }
    }
}
