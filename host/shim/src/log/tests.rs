use std::io::Read;
use std::path::Path;

use bulkhead_model::log_record::{Decoded, OVERHEAD, decode};

use super::*;

fn order(max_size: u64, max_files: u32) -> LogOrder {
    LogOrder {
        name: "x-json.log".into(),
        json: Some(Vec::new()),
        max_size,
        max_files,
        compress: false,
    }
}

fn open(dir: &Path, order: LogOrder) -> Log {
    let dir = bulkhead_sys::path::open_host_dir(dir).unwrap();
    Log::open(dir, order).unwrap()
}

fn log(max_size: u64, max_files: u32) -> (tempfile::TempDir, Log) {
    let temp = tempfile::tempdir().unwrap();
    let log = open(temp.path(), order(max_size, max_files));
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
    let (temp, mut log) = log(u64::MAX, 1);
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
    let (temp, mut log) = log(u64::MAX, 1);
    log.append(Stream::Stdout, &vec![b'a'; 40_000]);
    log.append(Stream::Stdout, b"\n");
    log.flush();
    let lengths: Vec<usize> = texts(&temp, "x-json.log").iter().map(String::len).collect();
    assert_eq!(lengths, [16_384, 16_384, 40_000 - 32_768 + 2]);
}

#[test]
fn files_rotate_and_the_oldest_goes() {
    let (temp, mut log) = log(1000, 3);
    for n in 0..100 {
        log.append(Stream::Stdout, format!("line {n}\n").as_bytes());
    }
    log.flush();
    let mut all: Vec<String> = ["x-json.log.2", "x-json.log.1", "x-json.log"]
        .iter()
        .flat_map(|n| texts(&temp, n))
        .collect();
    assert!(!temp.path().join("x-json.log.3").exists());
    assert_eq!(all.pop().unwrap(), "line 99\\n");
    assert!(all.len() > 15 && all.len() < 60, "{}", all.len());
}

#[test]
fn older_files_are_compressed_and_keep_every_line() {
    let temp = tempfile::tempdir().unwrap();
    let compressed = LogOrder {
        compress: true,
        ..order(2000, 50)
    };
    let mut log = open(temp.path(), compressed);
    for n in 0..200 {
        log.append(Stream::Stdout, format!("line {n}\n").as_bytes());
    }
    log.finish();
    drop(log);
    let mut all = String::new();
    for number in (1..50).rev() {
        let Ok(file) = std::fs::File::open(temp.path().join(format!("x-json.log.{number}.gz")))
        else {
            continue;
        };
        let mut reader = flate2::read::GzDecoder::new(file);
        reader.read_to_string(&mut all).unwrap();
    }
    all += &std::fs::read_to_string(temp.path().join("x-json.log")).unwrap();
    assert_eq!(all.lines().count(), 200);
    let numbers = all
        .lines()
        .map(|l| l.split(['\\', ' ']).nth(1).unwrap().to_owned());
    assert!(numbers.eq((0..200).map(|n| n.to_string())));
    assert!(!temp.path().join("x-json.log.1").exists());
}

#[test]
fn half_an_entry_of_an_earlier_run_spoils_no_other() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("x-json.log"), "{\"log\":\"hal").unwrap();
    let mut log = open(temp.path(), order(u64::MAX, 3));
    log.append(Stream::Stdout, b"whole\n");
    log.flush();
    assert_eq!(texts(&temp, "x-json.log"), ["whole\\n"]);
}

#[test]
fn binary_records_hold_the_bytes_as_they_came() {
    let temp = tempfile::tempdir().unwrap();
    let binary = LogOrder {
        json: None,
        ..order(u64::MAX, 2)
    };
    let mut log = open(temp.path(), binary);
    log.append(Stream::Stderr, b"\xff\0\nend");
    log.finish();
    let bytes = std::fs::read(temp.path().join("x-json.log")).unwrap();
    let Decoded::Record(first, length) = decode(&bytes) else {
        panic!("no record");
    };
    assert_eq!((first.stderr, first.text), (true, &b"\xff\0\n"[..]));
    let Decoded::Record(second, _) = decode(&bytes[length..]) else {
        panic!("no second record");
    };
    assert_eq!((second.text, length), (&b"end"[..], 3 + OVERHEAD));
}
