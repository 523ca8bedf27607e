use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::*;

fn sample(length: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Half noise, half text that repeats.
        if state & 0x100_0000 == 0 {
            (state >> 16) as u8
        } else {
            b'a'
        }
    };
    (0..length).map(|_| byte()).collect()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Compression::Gzip.compress(bytes, &mut out).unwrap();
    out
}

#[test]
fn every_length_comes_back_as_one_member() {
    for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 77] {
        let bytes = sample(length);
        let mut back = Vec::new();
        // This decoder stops after the first member.
        flate2::read::GzDecoder::new(gzipped(&bytes).as_slice())
            .read_to_end(&mut back)
            .unwrap();
        assert!(back == bytes, "{length}");
    }
}

#[test]
fn what_cannot_be_compressed_hardly_grows() {
    let mut state = 1_u64;
    let noise: Vec<u8> = (0..3 * BLOCK)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    let compressed = gzipped(&noise);
    assert!(compressed.len() < noise.len() + noise.len() / 1000 + 1024);
    let mut back = Vec::new();
    flate2::read::GzDecoder::new(compressed.as_slice())
        .read_to_end(&mut back)
        .unwrap();
    assert!(back == noise);
}

#[test]
fn the_same_bytes_give_the_same_bytes() {
    let bytes = sample(9 * BLOCK);
    assert!(gzipped(&bytes) == gzipped(&bytes));
}

#[test]
fn gzip_itself_reads_it() {
    let bytes = sample(3 * BLOCK + 5);
    let mut gunzip = Command::new("gzip")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = gunzip.stdin.take().unwrap();
    let compressed = gzipped(&bytes);
    let writer = std::thread::spawn(move || input.write_all(&compressed));
    let output = gunzip.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success() && output.stdout == bytes);
}

#[test]
fn a_reader_or_writer_that_fails_ends_it() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk"))
        }
    }
    let data = sample(3 * BLOCK);
    let error = Compression::Gzip.compress(data.as_slice().chain(Broken), &mut Vec::new());
    assert_eq!(error.unwrap_err().to_string(), "disk");

    struct Full;
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match bytes.len() {
                10 => Ok(10),
                _ => Err(io::ErrorKind::StorageFull.into()),
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = Compression::Gzip.compress(sample(40 * BLOCK).as_slice(), &mut Full);
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn zstd_comes_back_too() {
    let bytes = sample(BLOCK + 3);
    let mut out = Vec::new();
    Compression::Zstd
        .compress(bytes.as_slice(), &mut out)
        .unwrap();
    assert!(zstd::stream::decode_all(out.as_slice()).unwrap() == bytes);
}
