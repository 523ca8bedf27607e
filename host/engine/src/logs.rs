//! `logs`: reads back what a container wrote.
//!
//! The newest file is `name`; rotation renames it to `name.1`, that one to
//! `name.2`, and may compress older ones to `.gz`. A reader holds one file
//! open at a time and never more than a batch of entries, however large the
//! log is. It waits for nobody: at the end of what there is, it says so, and
//! whoever follows asks again when the folder has changed.

mod files;
mod records;
mod tail;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use flate2::read::MultiGzDecoder;

use crate::Engine;
use crate::error::EngineError;
use crate::log_options;
use files::LogFile;
use records::Records;

/// A batch ends when its texts have this many bytes.
const BATCH: usize = 128 * 1024;

/// Which entries to give.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Those of standard output.
    pub stdout: bool,
    /// Those of standard error.
    pub stderr: bool,
    /// Not before, nanoseconds since the epoch.
    pub since: u64,
    /// Not after, nanoseconds since the epoch; 0 for no end.
    pub until: u64,
    /// Only so many from the end, of either stream.
    pub tail: Option<usize>,
    /// What is written later, too.
    pub follow: bool,
}

/// One entry: a line, or a piece of a long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Whether it is standard error's.
    pub stderr: bool,
    /// Nanoseconds since the epoch.
    pub time: u64,
    /// With its newline, if it had one.
    pub text: Vec<u8>,
    /// What the log says of every line beside its text, by name.
    pub attributes: Vec<(String, String)>,
}

/// What comes after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogState {
    /// There is more.
    More,
    /// That was all for now.
    Idle,
    /// Nothing more will come: the query's end is reached.
    Ended,
}

/// How a file's entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Binary,
}

/// Reads what is there and, asked again, what has come since. An entry that
/// is not whole yet waits for the rest.
pub struct LogReader {
    folder: PathBuf,
    name: String,
    format: Format,
    query: LogQuery,
    /// Files to read after the open one, oldest first.
    queue: VecDeque<LogFile>,
    open: Option<Open>,
    /// Entries to pass over.
    skip: usize,
    /// The open file is no longer the current one: its end is the last.
    rotated: bool,
    ended: bool,
}

struct Open {
    identity: u64,
    source: Box<dyn Read + Send>,
    records: Records,
}

impl std::fmt::Debug for LogReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogReader")
            .field("folder", &self.folder)
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// A reader of a container's log.
    ///
    /// # Errors
    /// There is no such container, its driver keeps nothing, or the files
    /// cannot be read.
    pub fn logs(&self, id: &str, query: LogQuery) -> Result<LogReader, EngineError> {
        let record = self.containers.find(id)?.record();
        let format = match record.spec.log_driver.as_str() {
            "local" => Format::Binary,
            _ => Format::Json,
        };
        let config = log_options::config(&record)?;
        let name = config.file_name(record.id.as_str());
        let name = name.ok_or(EngineError::LogsNotKept)?;
        let folder = self.store.container_path(&record.id);
        let failed = |source| EngineError::ReadLog {
            path: folder.join(&name),
            source,
        };
        LogReader::open(folder.clone(), &name, format, query).map_err(failed)
    }
}

impl LogReader {
    fn open(folder: PathBuf, name: &str, format: Format, query: LogQuery) -> io::Result<Self> {
        let mut files = files::open_all(&folder, name)?;
        let start = match query.tail {
            Some(wanted) => tail::cut(&mut files, format, wanted)?,
            None => tail::Start::default(),
        };
        // Whatever was last changed before that has nothing of what is asked for.
        let old = files
            .iter()
            .take_while(|f| f.modified < query.since)
            .count();
        let all_old = old == files.len();
        if old > 0 && query.tail.is_none() {
            files.drain(..old - usize::from(all_old));
        }
        let mut reader = Self {
            folder,
            name: name.to_owned(),
            format,
            query,
            queue: files.into(),
            open: None,
            skip: start.skip,
            rotated: false,
            ended: false,
        };
        reader.open_next(start.offset)?;
        Ok(reader)
    }

    /// The folder of the files: it changes when there is more to read.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The next entries.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(&mut self, batch: &mut Vec<LogEntry>) -> io::Result<LogState> {
        let mut bytes = 0;
        while bytes < BATCH {
            if self.ended {
                return Ok(LogState::Ended);
            }
            match self.next()? {
                Some(entry) if self.skip > 0 => {
                    self.skip -= 1;
                    drop(entry);
                }
                Some(entry) if self.query.until != 0 && entry.time > self.query.until => {
                    self.ended = true;
                }
                Some(entry) => {
                    if self.wants(&entry) {
                        // An empty line costs memory, too.
                        bytes += entry.text.len() + size_of::<LogEntry>();
                        batch.push(entry);
                    }
                }
                None if self.advance()? => {}
                None => return Ok(LogState::Idle),
            }
        }
        Ok(LogState::More)
    }

    fn wants(&self, entry: &LogEntry) -> bool {
        let stream = match entry.stderr {
            true => self.query.stderr,
            false => self.query.stdout,
        };
        stream && entry.time >= self.query.since
    }

    fn next(&mut self) -> io::Result<Option<LogEntry>> {
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        match open.records.next(&mut *open.source) {
            // A compressed file that was cut off has nothing after that.
            Err(e) if !self.queue.is_empty() && e.kind() != io::ErrorKind::Interrupted => Ok(None),
            other => other,
        }
    }

    /// Goes on with the next file; whether there is one, or more to read.
    fn advance(&mut self) -> io::Result<bool> {
        if !self.queue.is_empty() {
            self.open_next(0)?;
            return Ok(true);
        }
        if !self.query.follow {
            return Ok(false);
        }
        if !self.rotated {
            // What was written before the rotation was seen may not have been
            // read yet; nothing is written after it.
            self.rotated = self.is_rotated();
            return Ok(self.rotated);
        }
        let files = files::open_all(&self.folder, &self.name)?;
        let open = self.open.as_ref().map(|open| open.identity);
        // Inodes of files that were compressed since are used again: only the
        // newest of that name is ours.
        let here = files.iter().rposition(|file| Some(file.identity) == open);
        self.queue = files
            .into_iter()
            .skip(here.map_or(0, |at| at + 1))
            .collect();
        self.rotated = false;
        if self.queue.is_empty() {
            return Ok(false);
        }
        self.open_next(0)?;
        Ok(true)
    }

    fn is_rotated(&self) -> bool {
        let current = files::current_identity(&self.folder, &self.name);
        current.is_some() && current != self.open.as_ref().map(|open| open.identity)
    }

    fn open_next(&mut self, offset: u64) -> io::Result<()> {
        use std::io::Seek;
        let Some(mut file) = self.queue.pop_front() else {
            return Ok(());
        };
        file.file.seek(io::SeekFrom::Start(offset))?;
        let is_current = self.queue.is_empty();
        let source: Box<dyn Read + Send> = match (file.compressed, self.query.follow) {
            (true, _) => Box::new(MultiGzDecoder::new(io::BufReader::new(file.file))),
            // A busy container must not keep a reader that does not follow.
            (false, false) if is_current => Box::new(until(file.file, file.length - offset)),
            (false, _) => Box::new(file.file),
        };
        self.open = Some(Open {
            identity: file.identity,
            source,
            records: Records::new(self.format),
        });
        Ok(())
    }
}

fn until(file: File, length: u64) -> io::Take<File> {
    file.take(length)
}

/// Nanoseconds since the epoch of an RFC 3339 time.
fn nanos(time: &str) -> Option<u64> {
    let since = humantime::parse_rfc3339_weak(time)
        .ok()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).ok()
}

#[cfg(test)]
mod tests;
