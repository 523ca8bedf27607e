//! What copies cost the daemon, and what clients that vanish in the middle
//! of one leave: nothing.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bulkhead_test_support::{Daemon, images, wait_until};

/// 300 MB.
const SIZE: usize = 300 << 20;

fn with_container() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let script = "truncate -s 300M /sparse; exec sleep 1000";
    let run = [
        "run",
        "-d",
        "--name",
        "box",
        "--tmpfs",
        "/mem:size=400m",
        "busybox",
        "sh",
        "-c",
    ];
    daemon.bulkhead(&[&run[..], &[script]].concat()).success();
    let made = "until [ -e /sparse ]; do sleep 0.05; done";
    daemon
        .bulkhead(&["exec", "box", "sh", "-c", made])
        .success();
    daemon
}

/// What the daemon holds: descriptors, mounts it sees, threads of archives,
/// unfinished files.
fn held(daemon: &Daemon) -> (usize, usize, usize, usize) {
    let process = format!("/proc/{}", daemon.pid());
    let entries = |path: String| std::fs::read_dir(path).unwrap().flatten();
    let mounts = std::fs::read_to_string(format!("{process}/mountinfo")).unwrap();
    let of_archives = entries(format!("{process}/task")).filter(|task| {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        ["archive", "files"].contains(&name.trim())
    });
    let staging = daemon.folder().join("data/staging");
    (
        entries(format!("{process}/fd")).count(),
        mounts.lines().count(),
        of_archives.count(),
        entries(staging.display().to_string()).count(),
    )
}

/// [`held`] when it no longer changes: what earlier clients had is gone.
fn held_at_rest(daemon: &Daemon) -> (usize, usize, usize, usize) {
    let (mut last, mut same) = (held(daemon), 0);
    while same < 3 {
        std::thread::sleep(Duration::from_millis(500));
        let now = held(daemon);
        let unchanged = std::mem::replace(&mut last, now) == now;
        same = if unchanged { same + 1 } else { 0 };
    }
    last
}

fn ask(daemon: &Daemon, head: &str) -> UnixStream {
    let mut client = UnixStream::connect(daemon.socket()).unwrap();
    let limit = Some(Duration::from_secs(60));
    client.set_read_timeout(limit).unwrap();
    let text = format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    client.write_all(text.as_bytes()).unwrap();
    client
}

/// The head of a ustar entry for a file of `size` bytes.
fn entry(name: &str, size: usize) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn put(daemon: &Daemon, into: &str, size: usize) -> UnixStream {
    let mut client = ask(daemon, &format!("PUT /containers/box/archive?path={into}"));
    // The entry, its bytes, and the archive's end.
    let length = 512 + size + 1024;
    let rest = format!("Content-Type: application/x-tar\r\nContent-Length: {length}\r\n\r\n");
    client.write_all(rest.as_bytes()).unwrap();
    client.write_all(&entry("big", size)).unwrap();
    client
}

#[test]
fn clients_that_vanish_in_the_middle_of_an_archive_leave_nothing() {
    let daemon = with_container();
    for running in [true, false] {
        // What the first of its kind opens for good.
        daemon.bulkhead(&["cp", "box:/etc/passwd", "-"]).success();
        let before = held_at_rest(&daemon);
        for _ in 0..4 {
            for target in ["archive?path=/sparse", "archive?path=/", "export"] {
                let mut client = ask(&daemon, &format!("GET /containers/box/{target}"));
                client.write_all(b"\r\n").unwrap();
                client.read_exact(&mut [0; 100_000]).unwrap();
            }
            let mut client = put(&daemon, "/tmp", SIZE);
            client.write_all(&vec![7; 1 << 20]).unwrap();
        }
        wait_until(|| held(&daemon) == before);
        if running {
            daemon.bulkhead(&["stop", "-t", "0", "box"]).success();
        }
    }
    // And the container starts, as nothing is mounted any more.
    daemon.bulkhead(&["start", "box"]).success();
}

/// The most memory the daemon had since `reset`, in KiB.
fn peak(daemon: &Daemon, field: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn hundreds_of_megabytes_pass_through_a_few_of_the_daemons() {
    let daemon = with_container();
    for target in ["archive?path=/sparse", "export", "PUT"] {
        // proc(5): sets the peak back to what is used now.
        std::fs::write(format!("/proc/{}/clear_refs", daemon.pid()), "5").unwrap();
        let before = peak(&daemon, "VmRSS");
        let answer = if target == "PUT" {
            let mut client = put(&daemon, "/mem", SIZE);
            let piece = vec![7; 1 << 20];
            for _ in 0..SIZE / piece.len() {
                client.write_all(&piece).unwrap();
            }
            client.write_all(&[0; 1024]).unwrap();
            client
        } else {
            let mut client = ask(&daemon, &format!("GET /containers/box/{target}"));
            client.write_all(b"\r\n").unwrap();
            client
        };
        let (mut answer, mut head) = (answer, [0; 15]);
        answer.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        let read = std::io::copy(&mut answer, &mut std::io::sink()).unwrap();
        assert!(target == "PUT" || read > SIZE as u64, "{target}: {read}");
        let grown = peak(&daemon, "VmHWM").saturating_sub(before);
        assert!(grown < 24 << 10, "{target}: {grown} KiB more");
    }
    let size = daemon.bulkhead(&["exec", "box", "stat", "-c", "%s", "/mem/big"]);
    assert_eq!(size.success(), format!("{SIZE}\n"));
}

#[test]
fn copies_reach_memory_that_is_mounted_in_a_running_container() {
    let daemon = with_container();
    let local = tempfile::tempdir().unwrap();
    let path = |name: &str| local.path().join(name).display().to_string();
    std::fs::write(path("in"), "x\n").unwrap();
    for client in ["bulkhead", "docker"] {
        let does = |arguments: &[&str]| match client {
            "docker" => daemon.docker(arguments).success(),
            _ => daemon.bulkhead(arguments).success(),
        };
        does(&["cp", &path("in"), "box:/mem/f"]);
        assert_eq!(does(&["exec", "box", "cat", "/mem/f"]), "x\n");
        does(&["cp", "box:/mem/f", &path(client)]);
        assert_eq!(std::fs::read(path(client)).unwrap(), b"x\n");
    }
    // It went with the process: what is below the mount was never touched.
    daemon.bulkhead(&["stop", "-t", "0", "box"]).success();
    daemon
        .bulkhead(&["cp", "box:/mem/f", &path("gone")])
        .failure(1);
}

/// A client that is connected and does nothing cannot keep a container from
/// being started.
#[test]
fn a_copy_whose_client_stalls_gives_way_to_a_start() {
    let daemon = with_container();
    daemon.bulkhead(&["create", "--name", "other", "busybox", "sleep", "1000"]);
    daemon.bulkhead(&["stop", "-t", "0", "box"]).success();
    let mut reader = ask(&daemon, "GET /containers/box/archive?path=/sparse");
    reader.write_all(b"\r\n").unwrap();
    reader.read_exact(&mut [0]).unwrap();
    let mut writer = ask(&daemon, "PUT /containers/other/archive?path=/");
    writer.write_all(b"Content-Length: 10240\r\n\r\n").unwrap();
    writer.write_all(&entry("never", 5000)).unwrap();
    // Both hold their container's files.
    wait_until(|| held(&daemon).2 == 4);
    let starts = ["box", "other"].map(|name| {
        let mut start = daemon.bulkhead_command(&["start", name]);
        start.spawn().unwrap()
    });
    for mut start in starts {
        assert!(start.wait().unwrap().success());
    }
    let mut rest = Vec::new();
    // The answer breaks off, which may be told as an error.
    let _ = reader.read_to_end(&mut rest);
    assert!(rest.len() < SIZE, "{}", rest.len());
    let mut answer = String::new();
    writer.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(answer.contains("the client stalled"), "{answer}");
}
