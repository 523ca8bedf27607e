//! `bulkhead system check`: what is damaged is named, and repaired where it can be.

use std::path::{Path, PathBuf};

use bulkhead_test_support::{Daemon, images};

fn check(daemon: &Daemon, options: &[&str], status: i32) -> String {
    let output = daemon.bulkhead(&[&["system", "check"], options].concat());
    assert_eq!(output.status, Some(status), "{output:?}");
    output.stdout
}

/// The largest file of the blobs: the layer.
fn layer(daemon: &Daemon) -> PathBuf {
    let folder = daemon.folder().join("data/blobs/sha256");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path());
    files
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap()
}

fn flip_a_byte(path: &Path) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().read(true).write(true).open(path);
    let file = file.unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 100).unwrap();
    file.write_all_at(&[!byte[0]], 100).unwrap();
}

#[test]
fn what_is_sound_is_said_so() {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let run = ["run", "-d", "-v", "data:/d", "busybox", "sleep", "600"];
    daemon.docker(&run).success();
    daemon
        .docker(&["create", "--name", "rests", "busybox"])
        .success();
    let said = check(&daemon, &[], 0);
    assert!(
        said.contains("2 containers, 1 volumes: all sound"),
        "{said}"
    );
}

#[test]
fn a_blob_with_one_wrong_bit_is_found_and_the_next_pull_brings_it() {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    flip_a_byte(&layer(&daemon));
    let said = check(&daemon, &[], 1);
    assert!(
        said.contains("is not what its digest says; image busybox:latest needs it"),
        "{said}"
    );
    check(&daemon, &["--repair"], 0);
    let said = check(&daemon, &[], 1);
    assert!(said.contains("is missing"), "{said}");
    daemon.load("busybox:latest", &images::busybox());
    check(&daemon, &[], 0);
}

#[test]
fn a_layer_that_is_gone_is_laid_out_again() {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let snapshots = daemon.snapshots();
    assert_eq!(snapshots.len(), 1, "{snapshots:?}");
    let folder = daemon.folder().join("data/storage");
    std::fs::remove_dir_all(folder.join(&snapshots[0])).unwrap();
    let said = check(&daemon, &[], 1);
    assert!(said.contains("image busybox:latest needs it"), "{said}");
    let said = check(&daemon, &["--repair"], 0);
    assert!(said.contains("laid out again"), "{said}");
    check(&daemon, &[], 0);
    daemon.docker(&["run", "--rm", "busybox", "true"]).success();
}

#[test]
fn a_volume_whose_directory_is_gone_is_named() {
    let daemon = Daemon::start();
    daemon.docker(&["volume", "create", "data"]).success();
    std::fs::remove_dir_all(daemon.folder().join("data/volumes/data")).unwrap();
    assert!(check(&daemon, &[], 1).contains("volume"));
    let said = check(&daemon, &["--repair"], 0);
    assert!(said.contains("made again, empty"), "{said}");
    check(&daemon, &[], 0);
}

/// Lengths and single bits that go wrong in the whole of the file.
fn damages(sound: &[u8]) -> Vec<(String, Vec<u8>)> {
    let cut = |length: usize| (format!("{length} bytes are left"), sound[..length].to_vec());
    let flip = |part: usize| {
        let at = (sound.len() - 1) * part / 11;
        let mut bytes = sound.to_vec();
        bytes[at] ^= 1 << (part % 8);
        (format!("a bit of byte {at} is wrong"), bytes)
    };
    let cuts = [0, 100, sound.len() / 2, sound.len() - 1].map(cut);
    cuts.into_iter().chain((0..=11).map(flip)).collect()
}

#[test]
fn a_damaged_database_is_refused_or_served_and_takes_no_file_along() {
    let mut daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let keep = ["run", "--name", "keeps", "-v", "data:/d", "busybox"];
    daemon
        .bulkhead(&[&keep[..], &["cp", "/etc/passwd", "/d"]].concat())
        .success();
    daemon.stop();
    let data = daemon.folder().join("data");
    let sound = std::fs::read(data.join("state.db")).unwrap();
    let put = |bytes: &[u8]| {
        for log in ["state.db-wal", "state.db-shm"] {
            let _ = std::fs::remove_file(data.join(log));
        }
        std::fs::write(data.join("state.db"), bytes).unwrap();
    };
    let mut refused = 0;
    for (what, bytes) in damages(&sound) {
        put(&bytes);
        if let Err(status) = daemon.try_again() {
            assert_eq!(status.code(), Some(1), "{what}: {}", daemon.log());
            refused += 1;
        } else {
            for list in [
                "images/json",
                "containers/json?all=1",
                "volumes",
                "networks",
            ] {
                daemon.request("GET", &format!("/{list}"));
            }
            daemon.request("POST", "/system/check");
            daemon.stop();
        }
        let log = daemon.log();
        assert!(!log.contains("panicked"), "{what}: {log}");
    }
    assert!(refused >= 4, "{refused}");
    put(&sound);
    daemon.start_again();
    check(&daemon, &[], 0);
    let show = [
        "run",
        "--rm",
        "-v",
        "data:/d",
        "busybox",
        "cat",
        "/d/passwd",
    ];
    assert!(daemon.bulkhead(&show).success().contains("root"));
}
