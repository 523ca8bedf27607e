//! The files of one log, all opened at one moment between two rotations.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use bulkhead_model::process::INODE_FIELD;
use flate2::bufread::GzDecoder;

/// How often files are looked at again while they are being rotated.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(1);

/// One file.
pub(super) struct LogFile {
    /// The inode it had when it was the current one: as long as somebody
    /// holds that open, no other file has it.
    pub(super) identity: u64,
    inode: u64,
    pub(super) file: File,
    pub(super) compressed: bool,
    /// Nanoseconds since the epoch.
    pub(super) modified: u64,
    pub(super) length: u64,
}

/// Names by number, the current one's is 0; whether it is compressed.
type Names = BTreeMap<u32, (String, bool)>;

/// Opens all files, the oldest first.
pub(super) fn open_all(folder: &Path, name: &str) -> io::Result<Vec<LogFile>> {
    for _ in 0..TRIES {
        let names = list(folder, name)?;
        // A number is missing while names move up.
        let whole = names.keys().copied().eq(0..names.len() as u32);
        if whole && let Some(files) = open_listed(folder, name, &names)? {
            return Ok(files);
        }
        std::thread::sleep(PAUSE);
    }
    // Nobody rotates: a writer was killed amid that. What is there is given.
    let names = list(folder, name)?;
    let opened = names
        .values()
        .rev()
        .map(|(name, gz)| open(&folder.join(name), *gz));
    opened.filter_map(Result::transpose).collect()
}

/// `None` when a rotation came between.
fn open_listed(folder: &Path, name: &str, names: &Names) -> io::Result<Option<Vec<LogFile>>> {
    let mut files = Vec::with_capacity(names.len());
    for (file, compressed) in names.values().rev() {
        match open(&folder.join(file), *compressed)? {
            Some(file) => files.push(file),
            None => return Ok(None),
        }
    }
    // A folder that is read while names move may show a file under neither its
    // old name nor its new one (readdir(3)). One that is missed twice moved in
    // two rotations, and then the files below it have other names, too.
    for _ in 0..2 {
        if list(folder, name)? != *names {
            return Ok(None);
        }
    }
    // Files only move up: each that still has its name had it when the last
    // one was opened, all of them at the same moment.
    let named = names.values().rev().zip(&files);
    let mut same = named.map(|((at, _), file)| inode(&folder.join(at)) == Some(file.inode));
    Ok(same.all(|same| same).then_some(files))
}

/// The identity of the file that is written now.
pub(super) fn current_identity(folder: &Path, name: &str) -> Option<u64> {
    inode(&folder.join(name))
}

fn inode(path: &Path) -> Option<u64> {
    Some(std::fs::symlink_metadata(path).ok()?.ino())
}

fn list(folder: &Path, name: &str) -> io::Result<Names> {
    let mut names = Names::new();
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(names),
        entries => entries?,
    };
    for entry in entries {
        let file = entry?.file_name().into_string().unwrap_or_default();
        let Some((number, compressed)) = number(&file, name) else {
            continue;
        };
        // Both are there for a moment; the one that was written is whole.
        if !compressed || !names.contains_key(&number) {
            names.insert(number, (file, compressed));
        }
    }
    Ok(names)
}

fn number(file: &str, name: &str) -> Option<(u32, bool)> {
    let ending = file.strip_prefix(name)?;
    if ending.is_empty() {
        return Some((0, false));
    }
    let digits = ending.strip_prefix('.')?;
    let plain = digits.strip_suffix(".gz");
    Some((plain.unwrap_or(digits).parse().ok()?, plain.is_some()))
}

fn open(path: &Path, compressed: bool) -> io::Result<Option<LogFile>> {
    let file = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let metadata = file.metadata()?;
    let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
    let nanos = u64::try_from(metadata.mtime_nsec()).unwrap_or(0);
    let identity = match compressed {
        true => noted_inode(&file).unwrap_or(0),
        false => metadata.ino(),
    };
    Ok(Some(LogFile {
        identity,
        inode: metadata.ino(),
        compressed,
        modified: seconds.saturating_mul(1_000_000_000).saturating_add(nanos),
        length: metadata.len(),
        file,
    }))
}

/// What the compressed file's header says it was.
fn noted_inode(file: &File) -> Option<u64> {
    let decoder = GzDecoder::new(BufReader::new(file.try_clone().ok()?));
    let field = decoder.header()?.extra()?;
    let (name, rest) = field.split_first_chunk::<2>()?;
    let number = rest.get(2..10)?.first_chunk::<8>()?;
    (*name == INODE_FIELD).then(|| u64::from_le_bytes(*number))
}
