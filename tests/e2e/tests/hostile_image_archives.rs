//! `load` of archives that break off, lie or are too much, on a full disk and
//! with the daemon killed in the middle: nothing half-made is seen, nothing
//! stays.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bulkhead_test_support::{Daemon, Filesystem, Image, Tree, digest, images, run_with_input};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(120);

/// MiB that the daemon may have taken at any time.
const MEMORY: u64 = 128;

fn load(daemon: &Daemon, archive: &[u8]) -> bulkhead_test_support::Output {
    run_with_input(&mut daemon.bulkhead_command(&["load"]), archive, LIMIT)
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// What a daemon without images holds: nothing.
#[track_caller]
fn assert_empty(daemon: &Daemon, after: &str) {
    let data = daemon.folder().join("data");
    assert_eq!(daemon.bulkhead(&["images", "-aq"]).success(), "", "{after}");
    assert_eq!(count(&data.join("staging")), 0, "staging after {after}");
    assert_eq!(count(&data.join("blobs/sha256")), 0, "blobs after {after}");
    assert_eq!(daemon.snapshots(), [""; 0], "snapshots after {after}");
}

fn configuration(diff_ids: &[String]) -> String {
    json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    .to_string()
}

/// An archive of one image whose parts need not fit together.
fn archive(config: &str, layers: &[&[u8]]) -> Tree {
    let mut tree = Tree::new().file("config", 0o644, config.as_bytes());
    let names: Vec<String> = (0..layers.len()).map(|n| format!("{n}.tar")).collect();
    for (name, layer) in names.iter().zip(layers) {
        tree = tree.file(name, 0o644, layer);
    }
    let manifest = json!([{"Config": "config", "RepoTags": ["bad:1"], "Layers": names}]);
    tree.file("manifest.json", 0o644, manifest.to_string().as_bytes())
}

fn one_file(name: &str) -> Vec<u8> {
    Tree::new().file(name, 0o644, b"x").into_tar()
}

/// What the kernel says the daemon took at most, MiB.
fn peak(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib: u64 = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    kib / 1024
}

/// The header of a file of `size` bytes that need not follow.
fn header(name: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn what_is_wrong_with_an_archive_is_told_and_nothing_of_it_stays() {
    let daemon = Daemon::start();
    let (good, other) = (one_file("good"), one_file("other"));
    let id = |layer: &[u8]| digest(layer);
    let whole = archive(&configuration(&[id(&good)]), &[&good]).into_tar();
    let escaping = Tree::new()
        .symlink("up", "/../..")
        .file("up/tmp/bulkhead-canary", 0o644, b"x")
        .file("../../tmp/bulkhead-canary", 0o644, b"x")
        .into_tar();
    let linked = Tree::new().symlink("config", "/etc/hostname").file(
        "manifest.json",
        0o644,
        br#"[{"Config":"config","RepoTags":null,"Layers":[]}]"#,
    );
    let windows = configuration(&[]).replace("linux", "windows");
    let many: Vec<u8> = (0..70_000)
        .flat_map(|n| header(&n.to_string(), 0))
        .collect();
    let cases: [(&str, Vec<u8>, &str); 12] = [
        (
            "no archive",
            b"garbage".to_vec(),
            "unexpected end of the archive",
        ),
        (
            "broken off",
            whole[..whole.len() / 2].to_vec(),
            "unexpected end",
        ),
        (
            "no configuration",
            archive("{", &[]).into_tar(),
            "invalid configuration",
        ),
        (
            "another layer",
            archive(&configuration(&[id(&other)]), &[&good]).into_tar(),
            "its content hashes to",
        ),
        (
            "one layer too few",
            archive(&configuration(&[]), &[&good]).into_tar(),
            "1 layers",
        ),
        (
            "a layer that is no tar",
            archive(&configuration(&[id(b"x")]), &[b"x"]).into_tar(),
            "unexpected end",
        ),
        (
            "a layer that climbs",
            archive(&configuration(&[id(&escaping)]), &[&escaping]).into_tar(),
            "outside of the root",
        ),
        (
            "a second layer that is wrong",
            archive(&configuration(&[id(&good), id(&good)]), &[&good, &other]).into_tar(),
            "its content hashes to",
        ),
        (
            "a link to the host",
            linked.into_tar(),
            "leads out of the image archive",
        ),
        (
            "another system",
            archive(&windows, &[]).into_tar(),
            "windows",
        ),
        (
            "a manifest of 1 GB",
            header("manifest.json", 1 << 30),
            "larger than the limit",
        ),
        ("very many members", many, "limit of 65536 members"),
    ];
    for (what, bytes, why) in cases {
        let output = load(&daemon, &bytes);
        let told = output.failure(1);
        assert!(told.contains(why), "{what}: {told}");
        assert_empty(&daemon, what);
    }
    assert!(!Path::new("/tmp/bulkhead-canary").exists());
    assert!(peak(&daemon) < MEMORY, "{} MiB", peak(&daemon));
    load(&daemon, &whole).success();
}

#[test]
fn a_bomb_costs_no_memory() {
    let daemon = Daemon::start();
    // More than the daemon may have in memory, of zeros, in an archive
    // that is compressed once more.
    let bomb = "head -c 167772160 /dev/zero | zstd -q -1";
    let layer = Command::new("sh")
        .args(["-c", bomb])
        .output()
        .unwrap()
        .stdout;
    let bytes = archive(&configuration(&[digest(b"")]), &[&layer]).into_tar();
    let packed = run_gzip(&bytes);
    let told = load(&daemon, &packed).failure(1);
    assert!(told.contains("its content hashes to"), "{told}");
    assert_empty(&daemon, "a bomb");
    assert!(peak(&daemon) < MEMORY, "{} MiB", peak(&daemon));
}

fn run_gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut gzip = Command::new("gzip")
        .arg("-1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = gzip.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writing = std::thread::spawn(move || input.write_all(&bytes).unwrap());
    let output = gzip.wait_with_output().unwrap();
    writing.join().unwrap();
    output.stdout
}

/// Layers of some size, so that a load takes a while.
fn large() -> Image {
    let mut image = images::busybox();
    for n in 0..6_u8 {
        let mut tree = Tree::new();
        for file in 0..200 {
            tree = tree.file(&format!("d{n}/f{file}"), 0o644, &[n; 10_000]);
        }
        image = image.layer(tree);
    }
    image
}

#[test]
fn a_daemon_killed_in_the_middle_of_a_load_has_the_image_or_nothing_of_it() {
    let image = large();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.tar");
    std::fs::write(&path, image.docker_archive("large:1")).unwrap();
    let path = path.to_str().unwrap();
    let mut daemon = Daemon::start();
    let started = Instant::now();
    daemon.bulkhead(&["load", "-i", path]).success();
    let whole = started.elapsed();
    daemon.bulkhead(&["rmi", "large:1"]).success();
    let mut seen = (0, 0);
    for round in 0..12 {
        let mut client = daemon
            .bulkhead_command(&["load", "-i", path])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole * round / 10);
        daemon.kill();
        let told_done = client.wait().unwrap().success();
        daemon.start_again();
        match daemon
            .bulkhead(&["images", "-q", "large:1"])
            .success()
            .is_empty()
        {
            true => {
                assert!(!told_done, "a load that was acknowledged is lost");
                assert_empty(&daemon, &format!("round {round}"));
                seen.0 += 1;
            }
            false => {
                let count = "find /d? -type f | wc -l";
                let ls = [
                    "run",
                    "--rm",
                    "--network",
                    "none",
                    "large:1",
                    "sh",
                    "-c",
                    count,
                ];
                assert_eq!(daemon.bulkhead(&ls).success().trim(), "1200");
                daemon.bulkhead(&["rmi", "large:1"]).success();
                assert_empty(&daemon, &format!("round {round}"));
                seen.1 += 1;
            }
        }
    }
    println!("{} of 12 rounds lost the image, {} had it", seen.0, seen.1);
}

#[test]
fn a_load_that_fills_the_disk_leaves_it_as_it_was() {
    let daemon = Daemon::builder().disk(Filesystem::Ext4, 64).start();
    let layer = |mib: usize| Tree::new().file("zeros", 0o644, &vec![0; mib << 20]);
    let small = images::busybox();
    load(&daemon, &small.docker_archive("small:1")).success();
    let before = daemon.disk().listing();
    // Too large for the spool, and too large to be unpacked beside it.
    for mib in [80, 30] {
        let image = Image::new(Vec::new()).layer(layer(mib));
        let told = load(&daemon, &image.docker_archive("big:1")).failure(1);
        assert!(
            told.to_lowercase().contains("no space left on device"),
            "{told}"
        );
        assert_eq!(daemon.disk().listing(), before, "after {mib} MiB");
        let names = ["images", "--format", "{{.Repository}}"];
        assert_eq!(daemon.bulkhead(&names).success(), "small\n");
    }
    let echo = ["run", "--rm", "--network", "none", "small:1", "echo", "hi"];
    assert_eq!(daemon.bulkhead(&echo).success(), "hi\n");
}
