//! The last entries, found from the end: what is before them is not read.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};
use std::os::unix::fs::FileExt;

use bulkhead_model::log_record::last_length;
use flate2::bufread::MultiGzDecoder;
use memchr::{memchr_iter, memrchr_iter};

use super::Format;
use super::files::LogFile;
use super::records::Records;

const BLOCK: usize = 64 * 1024;

/// Where reading begins in the first file.
#[derive(Default)]
pub(super) struct Start {
    pub(super) offset: u64,
    /// Entries after the offset to pass over.
    pub(super) skip: usize,
}

/// Drops files from the front until the rest has no more than `wanted`
/// entries after the place that is returned.
pub(super) fn cut(files: &mut Vec<LogFile>, format: Format, wanted: usize) -> io::Result<Start> {
    let mut left = wanted;
    for at in (0..files.len()).rev() {
        let (found, start) = from_end(&mut files[at], format, left)?;
        if found == left {
            files.drain(..at);
            return Ok(start);
        }
        left -= found;
    }
    Ok(Start::default())
}

/// How many of the last entries there are, up to `wanted`, and where they begin.
fn from_end(file: &mut LogFile, format: Format, wanted: usize) -> io::Result<(usize, Start)> {
    if file.compressed {
        let total = count(file, format)?;
        let found = total.min(wanted);
        let skip = total - found;
        return Ok((found, Start { offset: 0, skip }));
    }
    let (found, offset) = match format {
        Format::Json => lines(&file.file, file.length, wanted)?,
        Format::Binary => records(&file.file, file.length, wanted)?,
    };
    Ok((found, Start { offset, skip: 0 }))
}

fn count(file: &mut LogFile, format: Format) -> io::Result<usize> {
    file.file.rewind()?;
    let mut reader = BufReader::new(MultiGzDecoder::new(BufReader::new(&file.file)));
    let mut total = 0;
    if format == Format::Binary {
        let mut records = Records::new(format);
        while records.next(&mut reader)?.is_some() {
            total += 1;
        }
        return Ok(total);
    }
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(total);
        }
        total += memchr_iter(b'\n', bytes).count();
        let used = bytes.len();
        reader.consume(used);
    }
}

/// Entries end with a newline: the first that is wanted begins after the one
/// before those. What comes after the last newline is not whole yet.
fn lines(file: &File, length: u64, wanted: usize) -> io::Result<(usize, u64)> {
    let mut block = vec![0; BLOCK];
    let mut end = length;
    let mut newlines = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let bytes = &mut block[..(end - start) as usize];
        file.read_exact_at(bytes, start)?;
        for at in memrchr_iter(b'\n', bytes) {
            if newlines == wanted {
                return Ok((wanted, start + at as u64 + 1));
            }
            newlines += 1;
        }
        end = start;
    }
    Ok((newlines, 0))
}

/// Every record ends with its length.
fn records(file: &File, length: u64, wanted: usize) -> io::Result<(usize, u64)> {
    let mut window = Window {
        start: length,
        bytes: Vec::new(),
    };
    let (mut found, mut end) = (0, length);
    while found < wanted && end > 0 {
        let last = window.four_before(file, end)?;
        match last.and_then(last_length) {
            Some(record) if record as u64 <= end => end -= record as u64,
            _ => return records_forward(file, wanted),
        }
        found += 1;
    }
    Ok((found, end))
}

/// A part of a file, read back to front.
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn four_before(&mut self, file: &File, end: u64) -> io::Result<Option<[u8; 4]>> {
        let Some(from) = end.checked_sub(4) else {
            return Ok(None);
        };
        if from < self.start || end > self.start + self.bytes.len() as u64 {
            self.start = end.saturating_sub(BLOCK as u64);
            self.bytes.resize((end - self.start) as usize, 0);
            file.read_exact_at(&mut self.bytes, self.start)?;
        }
        let at = (from - self.start) as usize;
        Ok(self.bytes[at..].first_chunk().copied())
    }
}

/// For a file whose last record is just being written, or that was damaged.
fn records_forward(file: &File, wanted: usize) -> io::Result<(usize, u64)> {
    use bulkhead_model::log_record::OVERHEAD;
    let mut reader = BufReader::new(file);
    reader.rewind()?;
    let mut records = Records::new(Format::Binary);
    let (mut starts, mut offset) = (VecDeque::new(), 0);
    while let Some(entry) = records.next(&mut reader)? {
        starts.push_back(offset);
        offset += (entry.text.len() + OVERHEAD) as u64;
        if starts.len() > wanted {
            starts.pop_front();
        }
    }
    Ok((starts.len(), starts.front().copied().unwrap_or(offset)))
}
