use std::io::Write;

use bulkhead_model::log_record::Record;
use bulkhead_model::process::INODE_FIELD;
use flate2::{Compression, GzBuilder};

use super::*;

const NAME: &str = "x-json.log";

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

fn follow() -> LogQuery {
    LogQuery {
        follow: true,
        ..both()
    }
}

fn open(dir: &Path, query: LogQuery) -> LogReader {
    LogReader::open(dir.to_owned(), NAME, Format::Json, query).unwrap()
}

/// Everything until there is no more for now.
fn drain(reader: &mut LogReader) -> Vec<String> {
    let mut batch = Vec::new();
    while reader.read(&mut batch).unwrap() == LogState::More {}
    let text = |e: &LogEntry| String::from_utf8_lossy(&e.text).trim_end().to_owned();
    batch.iter().map(text).collect()
}

fn read(dir: &Path, query: LogQuery) -> Vec<String> {
    drain(&mut open(dir, query))
}

fn tail(count: usize) -> LogQuery {
    LogQuery {
        tail: Some(count),
        ..both()
    }
}

/// What the shim does: the order matters.
fn rotate(dir: &Path, keep: u32, compress: bool) {
    let name = |n: u32| match n {
        0 => dir.join(NAME),
        n => dir.join(format!("{NAME}.{n}")),
    };
    for n in (1..keep).rev() {
        let _ = std::fs::rename(name(n - 1), name(n));
        let gz = |n: u32| name(n).with_added_extension("gz");
        let _ = std::fs::rename(gz(n - 1), gz(n));
    }
    File::create(name(0)).unwrap();
    if compress {
        use std::os::unix::fs::MetadataExt;
        let plain = std::fs::read(name(1)).unwrap();
        let inode = std::fs::metadata(name(1)).unwrap().ino().to_le_bytes();
        let field = [&INODE_FIELD[..], &[8, 0], &inode].concat();
        let unfinished = dir.join("unfinished");
        let to = File::create(&unfinished).unwrap();
        let mut gz = GzBuilder::new().extra(field).write(to, Compression::fast());
        gz.write_all(&plain).unwrap();
        gz.finish().unwrap();
        std::fs::rename(unfinished, name(1).with_added_extension("gz")).unwrap();
        std::fs::remove_file(name(1)).unwrap();
    }
}

fn add(dir: &Path, text: &str) {
    let mut options = std::fs::OpenOptions::new();
    let file = options.append(true).create(true).open(dir.join(NAME));
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn rotated_files_come_first_and_tail_counts_across_them() {
    for compress in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        add(
            dir.path(),
            &(entry("a", "stdout", 1) + &entry("b", "stderr", 2)),
        );
        rotate(dir.path(), 3, compress);
        add(dir.path(), &entry("c", "stdout", 3));
        let read = |query| read(dir.path(), query);
        assert_eq!(read(both()), ["a", "b", "c"]);
        assert_eq!(read(tail(2)), ["b", "c"]);
        assert_eq!(read(tail(1)), ["c"]);
        assert_eq!(read(tail(3)), ["a", "b", "c"]);
        assert_eq!(read(tail(usize::MAX)), ["a", "b", "c"]);
        assert!(read(tail(0)).is_empty());
        let stdout = LogQuery {
            stderr: false,
            ..both()
        };
        assert_eq!(read(stdout), ["a", "c"]);
        let (since, until) = (
            nanos("2026-01-01T00:00:02Z").unwrap(),
            nanos("2026-01-01T00:00:03Z").unwrap(),
        );
        assert_eq!(read(LogQuery { since, ..both() }), ["b", "c"]);
        assert_eq!(read(LogQuery { until, ..both() }), ["a", "b"]);
    }
}

#[test]
fn a_reader_goes_on_through_partial_lines_and_rotations() {
    let dir = tempfile::tempdir().unwrap();
    let whole = entry("a", "stdout", 1);
    add(dir.path(), &whole[..20]);
    let mut reader = open(dir.path(), follow());
    assert!(drain(&mut reader).is_empty());
    add(dir.path(), &whole[20..]);
    assert_eq!(drain(&mut reader), ["a"]);
    add(dir.path(), &entry("b", "stdout", 2));
    rotate(dir.path(), 9, false);
    add(dir.path(), &entry("c", "stdout", 3));
    rotate(dir.path(), 9, true);
    rotate(dir.path(), 9, true);
    add(dir.path(), &entry("d", "stdout", 4));
    assert_eq!(drain(&mut reader), ["b", "c", "d"]);
    assert!(drain(&mut reader).is_empty());
}

#[test]
fn a_follower_of_a_compressed_file_finds_its_place_again() {
    let dir = tempfile::tempdir().unwrap();
    add(dir.path(), &entry("a", "stdout", 1));
    let mut reader = open(dir.path(), follow());
    assert_eq!(drain(&mut reader), ["a"]);
    for number in 0..5 {
        add(dir.path(), &entry(&number.to_string(), "stdout", 2));
        rotate(dir.path(), 9, true);
    }
    assert_eq!(drain(&mut reader), ["0", "1", "2", "3", "4"]);
}

#[test]
fn nothing_is_lost_or_told_twice_while_files_rotate() {
    for compress in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let writer = std::thread::spawn(move || {
            for number in 0..2000 {
                add(&path, &entry(&number.to_string(), "stdout", 1));
                if number % 20 == 19 {
                    rotate(&path, 200, compress);
                }
            }
        });
        let mut reader = open(dir.path(), follow());
        let mut seen = Vec::new();
        while !writer.is_finished() {
            seen.extend(drain(&mut reader));
            let so_far = read(dir.path(), both());
            let expected = (0..so_far.len()).map(|n| n.to_string());
            let ends = (so_far.first(), so_far.last());
            assert!(so_far.iter().cloned().eq(expected), "{ends:?}");
        }
        writer.join().unwrap();
        seen.extend(drain(&mut reader));
        let wrong = (0..2000).find(|n| seen.get(*n) != Some(&n.to_string()));
        assert_eq!((wrong, seen.len()), (None, 2000));
    }
}

#[test]
fn garbage_between_lines_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let long = "x".repeat(3 << 20);
    add(
        dir.path(),
        &format!(
            "{{broken\n{}\n{long}\n{}",
            entry("a", "stdout", 1),
            entry("b", "stdout", 2)
        ),
    );
    assert_eq!(read(dir.path(), both()), ["a", "b"]);
}

#[test]
fn a_log_that_was_never_written_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    assert!(read(dir.path(), tail(5)).is_empty());
    let mut reader = open(&dir.path().join("gone"), follow());
    assert!(drain(&mut reader).is_empty());
    let mut reader = open(dir.path(), follow());
    assert!(drain(&mut reader).is_empty());
    add(dir.path(), &entry("first", "stdout", 1));
    assert_eq!(drain(&mut reader), ["first"]);
}

#[test]
fn the_end_of_a_large_log_is_found_without_reading_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join(NAME)).unwrap();
    file.set_len(1 << 40).unwrap();
    add(dir.path(), "\n");
    for number in 0..3 {
        add(dir.path(), &entry(&number.to_string(), "stdout", number));
    }
    assert_eq!(read(dir.path(), tail(2)), ["1", "2"]);
}

#[test]
fn attributes_are_read_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let line = r#"{"log":"a","stream":"stderr","attrs":{"b":"2","a":"1"},"time":"2026-01-01T00:00:00.000000007Z"}"#;
    add(dir.path(), &format!("{line}\n"));
    let mut batch = Vec::new();
    open(dir.path(), both()).read(&mut batch).unwrap();
    let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    assert_eq!(batch[0].attributes, [pair("a", "1"), pair("b", "2")]);
    assert_eq!((batch[0].stderr, batch[0].time % 1000), (true, 7));
}

#[test]
fn binary_logs_are_read_from_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = Vec::new();
    for number in 0..10_000_u64 {
        let text = format!("{number}\n");
        let record = Record {
            stderr: false,
            time: number,
            text: text.as_bytes(),
        };
        let (head, tail) = record.ends();
        bytes.extend([&head, text.as_bytes(), &tail].concat());
    }
    let whole = bytes.len();
    // The last record is being written.
    for cut in [0, 3] {
        std::fs::write(dir.path().join(NAME), &bytes[..whole - cut]).unwrap();
        let open =
            |query| LogReader::open(dir.path().to_owned(), NAME, Format::Binary, query).unwrap();
        let last = if cut == 0 { "9999" } else { "9998" };
        assert_eq!(drain(&mut open(tail(1))), [last]);
        assert_eq!(drain(&mut open(tail(5000))).len(), 5000);
        assert_eq!(
            drain(&mut open(both())).len(),
            10_000 - usize::from(cut > 0)
        );
    }
}
