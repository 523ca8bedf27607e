//! The container's log: lines of output into files that rotate by size.
//!
//! A line of output longer than 16 KiB becomes several entries, all but the
//! last without its newline, as Docker has it. A failure to write (a full
//! disk) loses log lines, never output or the container.

mod entries;
mod files;
mod json;

use std::io::{self, Write};
use std::os::fd::OwnedFd;

use bulkhead_model::log_record::{LONGEST, OVERHEAD, Record};
use bulkhead_runtime::order::LogOrder;
use memchr::memchr;

use crate::clock;
use crate::output::Stream;
use files::Files;
use json::{End, Lines};

/// The log of one container.
pub(crate) struct Log {
    files: Files,
    format: Format,
    /// Beginnings of lines: standard output, standard error.
    partial: [Vec<u8>; 2],
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
        })
    }

    /// Takes output as it comes. Whole lines wait for [`Log::flush`] when they
    /// are few.
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
                    let partial = &mut self.partial[stream];
                    partial.reserve_exact(room);
                    partial.extend_from_slice(window);
                    break;
                }
            };
            self.entry(stream, &stamp, &window[..end]);
            rest = &rest[end..];
        }
    }

    /// Writes all whole lines into the file.
    pub(crate) fn flush(&mut self) {
        self.files.entries.flush();
    }

    /// Writes the beginnings of lines that never ended.
    pub(crate) fn finish(&mut self) {
        for stream in 0..2 {
            if !self.partial[stream].is_empty() {
                let stamp = self.stamp(stream);
                self.entry(stream, &stamp, b"");
            }
        }
        self.files.entries.flush();
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
        let entries = &mut self.files.entries;
        match stamp {
            Stamp::Json(end) => entries.entry(text.len() + end.overhead(), |out| {
                json::write(text, end, out)
            }),
            Stamp::Binary(time) => entries.entry(text.len() + OVERHEAD, |out| {
                let record = Record {
                    stderr: stream == 1,
                    time: *time,
                    text,
                };
                let (head, tail) = record.ends();
                out.write_all(&head)?;
                out.write_all(text)?;
                out.write_all(&tail)
            }),
        }
        self.partial[stream].clear();
        self.files.rotate_full();
    }
}

/// Stream and time, as each format has them.
enum Stamp {
    /// The end of a line.
    Json(End),
    /// Nanoseconds since the epoch.
    Binary(u64),
}

#[cfg(test)]
mod tests;
