//! Docker's json-file log: one object a line, rotated by size.
//!
//! `{"log":"text\n","stream":"stdout","time":"…"}`. A line of output longer than
//! 16 KiB becomes several entries, all but the last without `\n`, as Docker
//! has it. A failure to write (a full disk) loses log lines, never output
//! or the container.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use bulkhead_runtime::order::LogOrder;
use bulkhead_sys::directory::rename;
use bulkhead_sys::path::{OFlag, open_beneath};

use crate::clock;
use crate::output::Stream;

/// Longest text of one entry, bytes, as Docker's `defaultBufSize`.
const LONGEST: usize = 16 * 1024;

/// The log of one container.
pub(crate) struct Log {
    dir: OwnedFd,
    name: String,
    settings: LogOrder,
    file: File,
    size: u64,
    /// Beginnings of lines: standard output, standard error.
    partial: [Vec<u8>; 2],
    entries: Vec<u8>,
}

impl Log {
    pub(crate) fn open(dir: OwnedFd, id: &str, settings: LogOrder) -> io::Result<Self> {
        let name = format!("{id}-json.log");
        let file = open_file(&dir, &name)?;
        let size = file.metadata()?.len();
        Ok(Self {
            dir,
            name,
            settings,
            file,
            size,
            partial: [Vec::new(), Vec::new()],
            entries: Vec::new(),
        })
    }

    /// Takes output as it comes; whole lines are written at once.
    pub(crate) fn append(&mut self, stream: Stream, bytes: &[u8]) {
        let stream = usize::from(stream == Stream::Stderr);
        let time = clock::rfc3339(clock::now());
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            let mut rest = part;
            while !rest.is_empty() {
                let room = LONGEST - self.partial[stream].len();
                let (now, later) = rest.split_at(room.min(rest.len()));
                self.partial[stream].extend_from_slice(now);
                rest = later;
                if now.ends_with(b"\n") || self.partial[stream].len() == LONGEST {
                    self.entry(stream, &time);
                }
            }
        }
        self.write();
    }

    /// Writes the beginnings of lines that never ended.
    pub(crate) fn finish(&mut self) {
        let time = clock::rfc3339(clock::now());
        for stream in 0..2 {
            if !self.partial[stream].is_empty() {
                self.entry(stream, &time);
            }
        }
        self.write();
    }

    fn entry(&mut self, stream: usize, time: &str) {
        self.entries.extend_from_slice(b"{\"log\":\"");
        escape(&self.partial[stream], &mut self.entries);
        let name = ["stdout", "stderr"][stream];
        let _ = writeln!(
            self.entries,
            "\",\"stream\":\"{name}\",\"time\":\"{time}\"}}"
        );
        self.partial[stream].clear();
        if self.settings.max_size > 0
            && self.size + self.entries.len() as u64 > self.settings.max_size
        {
            self.write();
            self.rotate();
        }
    }

    fn write(&mut self) {
        if self.file.write_all(&self.entries).is_ok() {
            self.size += self.entries.len() as u64;
        }
        self.entries.clear();
        self.entries.shrink_to(2 * LONGEST);
    }

    /// `log.1` becomes `log.2` and so on; the oldest is replaced.
    fn rotate(&mut self) {
        let keep = self.settings.max_files.max(1);
        let name = |n: u32| {
            if n == 0 {
                self.name.clone()
            } else {
                format!("{}.{n}", self.name)
            }
        };
        for n in (1..keep).rev() {
            let _ = rename(&self.dir, name(n - 1), &self.dir, name(n));
        }
        if keep == 1 {
            let _ = bulkhead_sys::directory::unlinkat(&self.dir, &self.name);
        }
        if let Ok(file) = open_file(&self.dir, &self.name) {
            self.file = file;
            self.size = 0;
        }
    }
}

fn open_file(dir: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND | OFlag::O_NOFOLLOW;
    Ok(File::from(open_beneath(dir, name, flags, 0o640)?))
}

/// A JSON string's inside, with the characters Go's encoder escapes for HTML.
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    let _ = write!(out, "\\u{:04x}", u32::from(c));
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(max_size: u64, max_files: u32) -> (tempfile::TempDir, Log) {
        let temp = tempfile::tempdir().unwrap();
        let dir = bulkhead_sys::path::open_host_dir(temp.path()).unwrap();
        let log = Log::open(
            dir,
            "x",
            LogOrder {
                max_size,
                max_files,
            },
        )
        .unwrap();
        (temp, log)
    }

    fn texts(temp: &tempfile::TempDir, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(temp.path().join(name)).unwrap_or_default();
        let inside = |line: &str| {
            line.strip_prefix("{\"log\":\"")
                .unwrap()
                .split("\",\"stream")
                .next()
                .unwrap()
                .to_owned()
        };
        text.lines().map(inside).collect()
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let (temp, mut log) = log(0, 1);
        for piece in ["on", "e\ntw", "o\n", "th\u{1}r\"e<e\\"] {
            log.append(Stream::Stdout, piece.as_bytes());
            log.append(Stream::Stderr, b"e");
        }
        log.append(Stream::Stderr, b"\xff\n");
        log.finish();
        assert_eq!(
            texts(&temp, "x-json.log"),
            [
                "one\\n",
                "two\\n",
                "eeee\\ufffd\\n",
                "th\\u0001r\\\"e\\u003ce\\\\"
            ]
        );
    }

    #[test]
    fn endless_lines_are_cut_at_sixteen_kilobytes() {
        let (temp, mut log) = log(0, 1);
        log.append(Stream::Stdout, &vec![b'a'; 40_000]);
        log.append(Stream::Stdout, b"\n");
        let lengths: Vec<usize> = texts(&temp, "x-json.log").iter().map(String::len).collect();
        assert_eq!(lengths, [16_384, 16_384, 40_000 - 32_768 + 2]);
    }

    #[test]
    fn files_rotate_and_the_oldest_goes() {
        let (temp, mut log) = log(1000, 3);
        for n in 0..100 {
            log.append(Stream::Stdout, format!("line {n}\n").as_bytes());
        }
        let mut all: Vec<String> = ["x-json.log.2", "x-json.log.1", "x-json.log"]
            .iter()
            .flat_map(|n| texts(&temp, n))
            .collect();
        assert!(!temp.path().join("x-json.log.3").exists());
        assert_eq!(all.pop().unwrap(), "line 99\\n");
        assert!(all.len() > 15 && all.len() < 60, "{}", all.len());
    }
}
