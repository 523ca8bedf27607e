//! Native code, kept between starts. Whoever could write it could run code in
//! the runner, so the folder is root's, and every entry is authenticated.
//!
//! ```text
//! <dir>/key                                  32 random bytes, 0600
//! <dir>/<component digest>-<fingerprint>     32 bytes of HMAC-SHA256, native code
//! ```

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bulkhead_model::Digest;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::HostError;

const KEY: &str = "key";
const MAC_LEN: usize = 32;

/// The largest entry.
const MAX_ENTRY: u64 = 256 << 20;

/// What an entry is for. All of it is authenticated with the code.
#[derive(Clone, Copy, Debug)]
pub struct EntryKey<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    /// The component's digest.
    pub component: &'a Digest,
    /// The engine's fingerprint: 16 hex digits.
    pub fingerprint: &'a str,
}

/// The folder of native code.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    key: [u8; 32],
}

impl Cache {
    /// Opens the folder, or makes it with a fresh key.
    ///
    /// # Errors
    /// [`HostError::CacheMode`] when somebody else may write to it.
    pub fn open(dir: &Path) -> Result<Self, HostError> {
        let failed = |what| move |e| HostError::file(what, dir, e);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed("cannot create"))?;
        let meta = fs::symlink_metadata(dir).map_err(failed("cannot look at"))?;
        if !meta.is_dir() || meta.uid() != bulkhead_uid() || meta.mode() & 0o077 != 0 {
            return Err(HostError::CacheMode(dir.to_owned()));
        }
        let key = load_key(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            key,
        })
    }

    /// The native code for `entry`; `None` when there is none, or none that
    /// was written by us.
    pub fn load(&self, entry: EntryKey<'_>) -> Option<Vec<u8>> {
        let path = self.path(entry);
        let bytes = match read_bounded(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot read native code");
                return None;
            }
        };
        match self.verified(entry, bytes) {
            Some(code) => Some(code),
            None => {
                tracing::warn!(
                    path = %path.display(),
                    plugin = entry.plugin,
                    "native code was changed by somebody else; compiling it again"
                );
                None
            }
        }
    }

    /// Keeps native code; whole or not at all.
    pub fn store(&self, entry: EntryKey<'_>, code: &[u8]) -> Result<(), HostError> {
        let path = self.path(entry);
        let mac = self.mac(entry, code).finalize().into_bytes();
        // Several daemons may share the folder: each writes under its own name.
        let part = path.with_extension(format!("{}.part", std::process::id()));
        let write = || {
            let mut file = private_file(&part)?;
            file.write_all(&mac)?;
            file.write_all(code)?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        write().map_err(|e| HostError::file("cannot write", &path, e))
    }

    /// Forgets native code.
    pub fn remove(&self, entry: EntryKey<'_>) {
        let _ = fs::remove_file(self.path(entry));
    }

    /// Removes every entry whose component is not in `kept`.
    pub fn prune(&self, kept: &[&Digest]) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some((component, _)) = name.to_str().and_then(|n| n.split_once('-')) else {
                continue;
            };
            if component.len() == 64 && !kept.iter().any(|digest| digest.hex() == component) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, entry: EntryKey<'_>) -> PathBuf {
        let name = format!("{}-{}", entry.component.hex(), entry.fingerprint);
        self.dir.join(name)
    }

    fn mac(&self, entry: EntryKey<'_>, code: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of every length");
        // Lengths first: no two entries are the same bytes.
        for part in [entry.plugin, entry.component.as_str(), entry.fingerprint] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(code);
        mac
    }

    fn verified(&self, entry: EntryKey<'_>, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        let code = bytes.split_off_checked(MAC_LEN)?;
        self.mac(entry, &code).verify_slice(&bytes).ok()?;
        Some(code)
    }
}

trait SplitOffChecked: Sized {
    fn split_off_checked(&mut self, at: usize) -> Option<Self>;
}

impl SplitOffChecked for Vec<u8> {
    fn split_off_checked(&mut self, at: usize) -> Option<Self> {
        (self.len() >= at).then(|| self.split_off(at))
    }
}

/// Root in production; whoever runs the tests in tests.
fn bulkhead_uid() -> u32 {
    fs::metadata("/proc/self").map_or(0, |meta| meta.uid())
}

/// The folder's key. The lock keeps two daemons that start at once from
/// making two.
fn load_key(dir: &Path) -> Result<[u8; 32], HostError> {
    let lock = fs::File::open(dir).and_then(|folder| folder.lock().map(|()| folder));
    let _lock = lock.map_err(|e| HostError::file("cannot lock", dir, e))?;
    let path = &dir.join(KEY);
    let failed = |e| HostError::file("cannot read", path, e);
    match fs::File::open(path) {
        Ok(mut file) => {
            let mode = file.metadata().map_err(failed)?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(HostError::CacheMode(path.to_owned()));
            }
            let mut key = [0; 32];
            file.read_exact(&mut key).map_err(failed)?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => new_key(path),
        Err(error) => Err(failed(error)),
    }
}

fn new_key(path: &Path) -> Result<[u8; 32], HostError> {
    let key = bulkhead_sys::random::bytes()?;
    let write = || {
        let part = path.with_extension("part");
        let mut file = private_file(&part)?;
        file.write_all(&key)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(|e| HostError::file("cannot write", path, e))?;
    Ok(key)
}

/// A new, empty file that only its owner can read.
fn private_file(path: &Path) -> io::Result<fs::File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(MAX_ENTRY).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> Digest {
        Digest::from_sha256([byte; 32])
    }

    fn key<'a>(component: &'a Digest, fingerprint: &'a str) -> EntryKey<'a> {
        EntryKey {
            plugin: "p",
            component,
            fingerprint,
        }
    }

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(&dir.path().join("components")).unwrap();
        (dir, cache)
    }

    #[test]
    fn code_survives_a_restart() {
        let (_dir, cache) = cache();
        let component = digest(1);
        cache.store(key(&component, "f"), b"code").unwrap();
        let again = Cache::open(cache.dir()).unwrap();
        assert_eq!(again.load(key(&component, "f")).unwrap(), b"code");
        assert!(again.load(key(&component, "other")).is_none());
        assert!(again.load(key(&digest(2), "f")).is_none());
    }

    #[test]
    fn changed_truncated_or_moved_code_is_refused() {
        let (_dir, cache) = cache();
        let (one, two) = (digest(1), digest(2));
        cache.store(key(&one, "f"), b"code").unwrap();
        let path = cache.path(key(&one, "f"));
        let good = fs::read(&path).unwrap();
        fs::copy(&path, cache.path(key(&two, "f"))).unwrap();
        assert!(cache.load(key(&two, "f")).is_none());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(cache.load(key(&one, "f")).is_none(), "byte {at}");
            fs::write(&path, &good[..at]).unwrap();
            assert!(cache.load(key(&one, "f")).is_none(), "length {at}");
        }
    }

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let (_dir, cache) = cache();
        for mode in [0o755, 0o770, 0o701] {
            fs::set_permissions(cache.dir(), fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(
                Cache::open(cache.dir()),
                Err(HostError::CacheMode(_))
            ));
        }
    }

    #[test]
    fn key_and_code_are_for_their_owner_alone() {
        let (_dir, cache) = cache();
        let component = digest(1);
        cache.store(key(&component, "f"), b"code").unwrap();
        for path in [cache.dir().join(KEY), cache.path(key(&component, "f"))] {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn pruning_keeps_the_key_and_what_is_named() {
        let (_dir, cache) = cache();
        let (one, two) = (digest(1), digest(2));
        cache.store(key(&one, "f"), b"code").unwrap();
        cache.store(key(&two, "f"), b"code").unwrap();
        cache.prune(&[&one]);
        assert!(cache.load(key(&one, "f")).is_some());
        assert!(cache.load(key(&two, "f")).is_none());
        assert!(Cache::open(cache.dir()).is_ok());
    }
}
