//! Entries out of bytes that come in pieces.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read};

use bulkhead_model::log_record::{Decoded, decode};
use memchr::memchr;
use serde::Deserialize;

use super::{Format, LogEntry, nanos};

const READ: usize = 64 * 1024;

/// The longest line: sixteen KiB of text, escaped, and attributes. What is
/// longer was not written by a shim, and is passed over.
const LONGEST_LINE: usize = 1 << 20;

/// Takes a file apart.
pub(super) struct Records {
    format: Format,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were used.
    start: usize,
    /// Where the search for a newline goes on.
    searched: usize,
    /// Nothing behind this is a record.
    broken: bool,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Cow<'a, str>,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
}

enum Step {
    Entry(LogEntry),
    /// Something was passed over.
    Skipped,
    Incomplete,
}

impl Records {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            broken: false,
        }
    }

    /// The next whole entry; `None` at the end of what there is.
    pub(super) fn next(&mut self, source: &mut dyn Read) -> io::Result<Option<LogEntry>> {
        loop {
            let step = match self.format {
                _ if self.broken => Step::Incomplete,
                Format::Json => self.json(),
                Format::Binary => self.binary(),
            };
            match step {
                Step::Entry(entry) => return Ok(Some(entry)),
                Step::Skipped => {}
                Step::Incomplete => {
                    if self.fill(source)? == 0 {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn fill(&mut self, source: &mut dyn Read) -> io::Result<usize> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.broken || self.buffer.len() > LONGEST_LINE {
            self.buffer.clear();
            self.searched = 0;
        }
        let filled = self.buffer.len();
        self.buffer.resize(filled + READ, 0);
        let read = loop {
            match source.read(&mut self.buffer[filled..]) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
        read
    }

    fn json(&mut self) -> Step {
        let Some(newline) = memchr(b'\n', &self.buffer[self.searched..]) else {
            self.searched = self.buffer.len();
            return Step::Incomplete;
        };
        let end = self.searched + newline;
        let entry = line(&self.buffer[self.start..end]);
        self.start = end + 1;
        self.searched = self.start;
        entry.map_or(Step::Skipped, Step::Entry)
    }

    fn binary(&mut self) -> Step {
        match decode(&self.buffer[self.start..]) {
            Decoded::Record(record, length) => {
                self.start += length;
                self.searched = self.start;
                Step::Entry(LogEntry {
                    stderr: record.stderr,
                    time: record.time,
                    text: record.text.to_vec(),
                    attributes: Vec::new(),
                })
            }
            Decoded::Incomplete => Step::Incomplete,
            Decoded::Invalid => {
                self.broken = true;
                Step::Incomplete
            }
        }
    }
}

/// One line of json-file; `None` when it is none.
fn line(bytes: &[u8]) -> Option<LogEntry> {
    let line: Line<'_> = serde_json::from_slice(bytes).ok()?;
    Some(LogEntry {
        stderr: line.stream == "stderr",
        time: nanos(&line.time)?,
        text: line.log.into_owned().into_bytes(),
        attributes: line.attrs.into_iter().collect(),
    })
}
