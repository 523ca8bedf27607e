//! The container's log: lines of output into files that rotate by size.
//!
//! A line of output longer than 16 KiB becomes several entries, all but the
//! last without its newline, as Docker has it. A failure to write (a full
//! disk) loses log lines, never output or the container.

mod files;
mod json;

use std::io;
use std::os::fd::OwnedFd;

use bulkhead_model::log_record::{LONGEST, Record};
use bulkhead_runtime::order::LogOrder;
use memchr::memchr;

use crate::clock;
use crate::output::Stream;
use files::{Files, KEPT};
use json::Lines;

/// The log of one container.
pub(crate) struct Log {
    files: Files,
    format: Format,
    /// Beginnings of lines: standard output, standard error.
    partial: [Vec<u8>; 2],
    entries: Vec<u8>,
}

/// What entries look like.
enum Format {
    Json(Lines),
    Binary,
}

impl Log {
    pub(crate) fn open(dir: OwnedFd, order: LogOrder) -> io::Result<Self> {
        let format = match &order.json {
            Some(attributes) => Format::Json(Lines::new(attributes)),
            None => Format::Binary,
        };
        Ok(Self {
            files: Files::open(dir, order)?,
            format,
            partial: [Vec::new(), Vec::new()],
            entries: Vec::new(),
        })
    }

    /// Takes output as it comes; whole lines are written at once.
    pub(crate) fn append(&mut self, stream: Stream, bytes: &[u8]) {
        let stream = usize::from(stream == Stream::Stderr);
        let stamp = self.stamp(stream);
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = LONGEST - self.partial[stream].len();
            let window = &rest[..rest.len().min(room)];
            let end = match memchr(b'\n', window) {
                Some(newline) => newline + 1,
                None if window.len() == room => room,
                None => {
                    self.partial[stream].extend_from_slice(window);
                    break;
                }
            };
            self.entry(stream, &stamp, &window[..end]);
            rest = &rest[end..];
        }
        self.files.write(&mut self.entries);
    }

    /// Writes the beginnings of lines that never ended.
    pub(crate) fn finish(&mut self) {
        for stream in 0..2 {
            if !self.partial[stream].is_empty() {
                let stamp = self.stamp(stream);
                self.entry(stream, &stamp, b"");
            }
        }
        self.files.write(&mut self.entries);
    }

    fn stamp(&self, stream: usize) -> Stamp {
        let time = clock::now();
        match &self.format {
            Format::Json(lines) => Stamp::Json(lines.end(stream, &clock::rfc3339(time))),
            Format::Binary => Stamp::Binary(time),
        }
    }

    /// One entry: what waited of the line, and the rest of it.
    fn entry(&mut self, stream: usize, stamp: &Stamp, rest: &[u8]) {
        let partial = &mut self.partial[stream];
        let text = if partial.is_empty() {
            rest
        } else {
            partial.extend_from_slice(rest);
            partial.as_slice()
        };
        match stamp {
            Stamp::Json(end) => json::write(text, end, &mut self.entries),
            Stamp::Binary(time) => Record {
                stderr: stream == 1,
                time: *time,
                text,
            }
            .encode(&mut self.entries),
        }
        self.partial[stream].clear();
        let full = self.files.is_full(self.entries.len());
        if full || self.entries.len() >= KEPT {
            self.files.write(&mut self.entries);
        }
        if full {
            self.files.rotate();
        }
    }
}

/// Stream and time, as each format has them.
enum Stamp {
    /// The end of a line.
    Json(Vec<u8>),
    /// Nanoseconds since the epoch.
    Binary(u64),
}

#[cfg(test)]
mod tests;
