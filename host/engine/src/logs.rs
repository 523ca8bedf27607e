//! `logs`: reads Docker's json-file format back, across rotated files.
//!
//! One JSON object a line: `{"log":"text\n","stream":"stdout","time":"RFC 3339"}`.
//! The newest file is `<id>-json.log`; rotation renames it to `.1`, `.1` to `.2`.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;

use crate::Engine;
use crate::error::EngineError;

/// Which lines to give.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Lines of standard output.
    pub stdout: bool,
    /// Lines of standard error.
    pub stderr: bool,
    /// Not before, nanoseconds since the epoch.
    pub since: u64,
    /// Not after, nanoseconds since the epoch; 0 for no end.
    pub until: u64,
    /// Only so many from the end.
    pub tail: Option<usize>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Whether it is standard error's.
    pub stderr: bool,
    /// As the log has it.
    pub time: String,
    /// With its newline, if it had one.
    pub text: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    log: String,
    #[serde(default)]
    stream: String,
    #[serde(default)]
    time: String,
}

impl LogQuery {
    fn wants(&self, line: &LogLine) -> bool {
        let stream = if line.stderr {
            self.stderr
        } else {
            self.stdout
        };
        if self.since == 0 && self.until == 0 {
            return stream;
        }
        let time = nanos(&line.time).unwrap_or(u64::MAX);
        stream && time >= self.since && (self.until == 0 || time <= self.until)
    }
}

fn nanos(time: &str) -> Option<u64> {
    let since = humantime::parse_rfc3339_weak(time)
        .ok()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).ok()
}

/// Reads what is there and, asked again, what has come since. A line that is
/// not whole yet waits for the rest.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    file: Option<BufReader<File>>,
    partial: Vec<u8>,
    query: LogQuery,
}

impl Engine {
    /// A reader of a container's log, and the lines asked for so far.
    pub fn logs(
        &self,
        id: &str,
        query: LogQuery,
    ) -> Result<(Vec<LogLine>, LogReader), EngineError> {
        let record = self.containers.find(id)?.record();
        if record.spec.log_driver == "none" {
            return Err(EngineError::LogsNotKept);
        }
        let path = self
            .store
            .container_path(&record.id)
            .join(format!("{}-json.log", record.id));
        Ok(open(path, query))
    }
}

fn open(path: PathBuf, query: LogQuery) -> (Vec<LogLine>, LogReader) {
    let tail = query.tail;
    let mut lines = Vec::new();
    for rotated in rotated(&path) {
        let mut reader = LogReader::at(rotated, query.clone());
        lines.extend(reader.more());
        keep_last(&mut lines, tail);
    }
    let mut reader = LogReader::at(path, query);
    lines.extend(reader.more());
    keep_last(&mut lines, tail);
    (lines, reader)
}

/// The rotated files, oldest first.
fn rotated(path: &Path) -> Vec<PathBuf> {
    let numbered = |n: u32| {
        path.with_file_name(format!(
            "{}.{n}",
            path.file_name().unwrap_or_default().to_string_lossy()
        ))
    };
    let mut files: Vec<_> = (1..).map(numbered).take_while(|p| p.exists()).collect();
    files.reverse();
    files
}

fn keep_last(lines: &mut Vec<LogLine>, tail: Option<usize>) {
    if let Some(surplus) = tail.and_then(|n| lines.len().checked_sub(n)) {
        lines.drain(..surplus);
    }
}

impl LogReader {
    fn at(path: PathBuf, query: LogQuery) -> Self {
        let file = File::open(&path).ok().map(BufReader::new);
        Self {
            path,
            file,
            partial: Vec::new(),
            query,
        }
    }

    /// The lines that have come since the last call. After a rotation it
    /// finishes the old file before it goes on with the new one.
    pub fn more(&mut self) -> Vec<LogLine> {
        let mut lines = self.drain();
        if self.was_rotated() {
            self.partial.clear();
            self.file = File::open(&self.path).ok().map(BufReader::new);
            lines.extend(self.drain());
        }
        lines
    }

    fn drain(&mut self) -> Vec<LogLine> {
        let mut lines = Vec::new();
        let Some(file) = &mut self.file else {
            return lines;
        };
        while let Ok(read) = file.read_until(b'\n', &mut self.partial) {
            if read == 0 || self.partial.last() != Some(&b'\n') {
                break;
            }
            lines.extend(parse(&self.partial).filter(|l| self.query.wants(l)));
            self.partial.clear();
        }
        lines
    }

    /// Whether the name now means another file, or one shorter than what was read.
    fn was_rotated(&mut self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let Ok(named) = std::fs::metadata(&self.path) else {
            return false;
        };
        let Some(file) = &mut self.file else {
            return true;
        };
        let Ok(open) = file.get_ref().metadata() else {
            return false;
        };
        let position = file.stream_position().unwrap_or(0);
        (named.ino(), named.dev()) != (open.ino(), open.dev()) || named.len() < position
    }
}

fn parse(line: &[u8]) -> Option<LogLine> {
    let entry: Entry = serde_json::from_slice(line).ok()?;
    Some(LogLine {
        stderr: entry.stream == "stderr",
        time: entry.time,
        text: entry.log,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str, stream: &str, second: u32) -> String {
        format!(
            "{{\"log\":\"{text}\\n\",\"stream\":\"{stream}\",\"time\":\"2026-01-01T00:00:{second:02}.5Z\"}}\n"
        )
    }

    fn both() -> LogQuery {
        LogQuery {
            stdout: true,
            stderr: true,
            ..LogQuery::default()
        }
    }

    fn texts(lines: &[LogLine]) -> Vec<&str> {
        lines.iter().map(|l| l.text.trim_end()).collect()
    }

    #[test]
    fn rotated_files_come_first_and_tail_counts_across_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x-json.log");
        std::fs::write(
            dir.path().join("x-json.log.1"),
            entry("a", "stdout", 1) + &entry("b", "stderr", 2),
        )
        .unwrap();
        std::fs::write(&path, entry("c", "stdout", 3)).unwrap();
        assert_eq!(texts(&open(path.clone(), both()).0), ["a", "b", "c"]);
        assert_eq!(
            texts(
                &open(
                    path.clone(),
                    LogQuery {
                        tail: Some(2),
                        ..both()
                    }
                )
                .0
            ),
            ["b", "c"]
        );
        assert_eq!(
            texts(
                &open(
                    path.clone(),
                    LogQuery {
                        stderr: false,
                        ..both()
                    }
                )
                .0
            ),
            ["a", "c"]
        );
        let since = nanos("2026-01-01T00:00:02Z").unwrap();
        assert_eq!(
            texts(&open(path, LogQuery { since, ..both() }).0),
            ["b", "c"]
        );
    }

    #[test]
    fn a_reader_goes_on_through_partial_lines_and_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x-json.log");
        let whole = entry("a", "stdout", 1);
        std::fs::write(&path, &whole[..20]).unwrap();
        let (lines, mut reader) = open(path.clone(), both());
        assert!(lines.is_empty());
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(texts(&reader.more()), ["a"]);
        std::fs::rename(&path, dir.path().join("x-json.log.1")).unwrap();
        assert!(reader.more().is_empty());
        std::fs::write(&path, entry("b", "stdout", 2)).unwrap();
        assert_eq!(texts(&reader.more()), ["b"]);
        assert!(reader.more().is_empty());
    }
}
