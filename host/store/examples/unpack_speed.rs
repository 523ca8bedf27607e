//! Times unpacking one archive against `tar -x` on the same archive, both
//! into fresh directories, interleaved, and prints MB/s of uncompressed bytes.
//!
//! `cargo run --release -p bulkhead-store --example unpack_speed -- ARCHIVE [DIR] [ROUNDS]`

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use bulkhead_store::unpack::{Limits, WhiteoutStyle, apply};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let archive = arguments
        .next()
        .expect("usage: unpack_speed ARCHIVE [DIR] [ROUNDS]");
    let dir = arguments.next().unwrap_or_else(|| "/tmp".to_owned());
    let rounds = arguments
        .next()
        .map_or(5, |n| n.parse().expect("a number of rounds"));
    let dir = tempfile::tempdir_in(dir).expect("a temporary directory");
    let (mut ours, mut tars, mut bytes) = (Vec::new(), Vec::new(), 0);
    for round in 0..rounds {
        let target = dir.path().join(format!("ours-{round}"));
        let start = Instant::now();
        bytes = unpack(&archive, &target);
        ours.push(start.elapsed().as_secs_f64());
        std::fs::remove_dir_all(target).expect("remove");
        let target = dir.path().join(format!("tar-{round}"));
        let start = Instant::now();
        untar(&archive, &target);
        tars.push(start.elapsed().as_secs_f64());
        std::fs::remove_dir_all(target).expect("remove");
    }
    for (name, mut times) in [("bulkhead", ours), ("tar -x", tars)] {
        times.sort_by(f64::total_cmp);
        let (best, median) = (times[0], times[times.len() / 2]);
        let speed = |seconds: f64| bytes as f64 / 1e6 / seconds;
        println!(
            "{name:10} median {median:.3} s {:6.0} MB/s   best {best:.3} s {:6.0} MB/s",
            speed(median),
            speed(best)
        );
    }
}

fn unpack(archive: &str, target: &Path) -> u64 {
    std::fs::create_dir(target).expect("mkdir");
    let dest = File::open(target).expect("open");
    let reader = File::open(archive).expect("open the archive");
    let unpacked = apply(
        reader,
        dest.as_fd(),
        WhiteoutStyle::Overlay,
        &Limits::default(),
    );
    unpacked.expect("unpack").archive_bytes
}

fn untar(archive: &str, target: &Path) {
    std::fs::create_dir(target).expect("mkdir");
    let status = Command::new("tar")
        .args(["-x", "-p", "--numeric-owner", "-f", archive, "-C"])
        .arg(target)
        .status();
    assert!(status.expect("run tar").success());
}
