//! Files between clients and containers: `cp`, `export`, `diff`, by our own
//! client and by docker's.

use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use bulkhead_test_support::{Daemon, images, wait_until};

fn with_container(arguments: &[&str]) -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let run = ["run", "-d", "--name", "web"];
    let tail = ["busybox", "sleep", "600"];
    daemon
        .bulkhead(&[&run[..], arguments, &tail[..]].concat())
        .success();
    daemon
}

/// Local files of each kind.
fn furnish(dir: &Path) {
    std::fs::create_dir_all(dir.join("d/e")).unwrap();
    std::fs::write(dir.join("f"), "file\n").unwrap();
    std::fs::write(dir.join("g"), "another\n").unwrap();
    std::fs::write(dir.join("d/x"), "x").unwrap();
    symlink("d", dir.join("ld")).unwrap();
    symlink("f", dir.join("lf")).unwrap();
    symlink("nowhere", dir.join("dangling")).unwrap();
}

/// Names and contents below a directory.
fn listing(dir: &Path) -> Vec<String> {
    let found = std::process::Command::new("sh")
        .args(["-c", "find . -printf '%P %y %l %m %T@ ' -type f -exec cat {} \\; -o -printf '%P %y %l %m\\n' | sort"])
        .current_dir(dir)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn copying_out_follows_dockers_rules() {
    let daemon = with_container(&[]);
    let outside = tempfile::tempdir().unwrap();
    furnish(outside.path());
    let put = format!("{}/.", outside.path().display());
    daemon.bulkhead(&["cp", &put, "web:/tmp"]).success();
    let mut results = Vec::new();
    for client in ["bulkhead", "docker"] {
        let mut said = Vec::new();
        for (source, destination) in [
            ("/tmp/f", "."),
            ("/tmp/f", "new"),
            ("/tmp/f", "new/"),
            ("/tmp/f", "exists"),
            ("/tmp/d", "."),
            ("/tmp/d", "newdir"),
            ("/tmp/d/.", "content"),
            ("/tmp/d/.", "dir"),
            ("/tmp/d", "exists"),
            ("/tmp/lf", "link"),
            ("/tmp/ld", "dirlink"),
            ("/tmp/ld/", "followed"),
            ("/tmp/dangling", "."),
            ("/tmp/nope", "."),
            ("/tmp/f/", "."),
            ("/tmp/f", "missing/parent"),
            ("/tmp/f", "tolink"),
        ] {
            for flag in ["-a", "-L"] {
                let dir = tempfile::tempdir().unwrap();
                std::fs::write(dir.path().join("exists"), "old").unwrap();
                std::fs::create_dir(dir.path().join("dir")).unwrap();
                symlink("exists", dir.path().join("tolink")).unwrap();
                let from = format!("web:{source}");
                let arguments = ["cp", flag, &from, destination];
                let mut command = if client == "docker" {
                    daemon.docker_command(&arguments)
                } else {
                    daemon.bulkhead_command(&arguments)
                };
                let done = command.current_dir(dir.path()).output().unwrap();
                let text = String::from_utf8_lossy(&done.stderr).into_owned();
                let kept = done.status.success().then(|| listing(dir.path()));
                let shown = if done.status.success() {
                    text
                } else {
                    "refused".to_owned()
                };
                said.push((source, destination, flag, shown, kept));
            }
        }
        results.push(said);
    }
    for (ours, dockers) in results[0].iter().zip(&results[1]) {
        assert_eq!(without_times(ours), without_times(dockers));
    }
}

type Result<'a> = (&'a str, &'a str, &'a str, String, Option<Vec<String>>);

/// Docker's client writes fractions of a second, ours too; directories made
/// by the test itself differ.
fn without_times(result: &Result<'_>) -> String {
    let lines = result.4.as_ref().map(|lines| {
        let strip = |line: &String| {
            let words = line.split(' ').filter(|w| !w.contains('.') || w.len() < 12);
            words.collect::<Vec<_>>().join(" ")
        };
        lines.iter().map(strip).collect::<Vec<_>>()
    });
    format!(
        "{} {} {} {} {lines:?}",
        result.0, result.1, result.2, result.3
    )
}

#[test]
fn copying_in_follows_dockers_rules() {
    let outside = tempfile::tempdir().unwrap();
    furnish(outside.path());
    let daemon = with_container(&[]);
    let mut results = Vec::new();
    for client in ["bulkhead", "docker"] {
        let mut said = Vec::new();
        for (n, (source, destination)) in [
            ("f", "/"),
            ("f", "/new"),
            ("f", "/new/"),
            ("f", "/exists/g"),
            ("f", "/exists"),
            ("d", "/exists"),
            ("d", "/newdir"),
            ("d/.", "/content"),
            ("d/.", "/exists"),
            ("d", "/exists/g"),
            ("lf", "/link"),
            ("ld", "/dirlink"),
            ("ld/", "/followed"),
            ("dangling", "/"),
            ("nope", "/"),
            ("f", "/missing/parent"),
        ]
        .into_iter()
        .enumerate()
        {
            for flag in ["-q", "-L"] {
                let base = format!("/tmp/{client}{n}{flag}");
                let make = tempfile::tempdir().unwrap();
                let inner = make.path().join(&base[5..]);
                std::fs::create_dir_all(inner.join("exists")).unwrap();
                std::fs::write(inner.join("exists/g"), "old").unwrap();
                daemon
                    .bulkhead(&["cp", &inner.display().to_string(), "web:/tmp/"])
                    .success();
                let to = format!("web:{base}{destination}");
                let arguments = ["cp", flag, source, &to];
                let mut command = if client == "docker" {
                    daemon.docker_command(&arguments)
                } else {
                    daemon.bulkhead_command(&arguments)
                };
                let done = command.current_dir(outside.path()).output().unwrap();
                let back = tempfile::tempdir().unwrap();
                let (from, here) = (format!("web:{base}/."), back.path().display().to_string());
                daemon.bulkhead(&["cp", &from, &here]).success();
                let outcome = if done.status.success() { "" } else { "refused" };
                let kept = Some(listing(back.path()));
                said.push((source, destination, flag, outcome.to_owned(), kept));
            }
        }
        results.push(said);
    }
    for (ours, dockers) in results[0].iter().zip(&results[1]) {
        assert_eq!(without_times(ours), without_times(dockers));
    }
}

#[test]
fn changes_and_exports_are_of_the_root_filesystem_running_or_not() {
    let daemon = with_container(&["-v", "vol:/data"]);
    let outside = tempfile::tempdir().unwrap();
    furnish(outside.path());
    let local = |name: &str| outside.path().join(name).display().to_string();
    for (name, to) in [
        ("f", "web:/root/f"),
        ("g", "web:/data/g"),
        ("f", "web:/etc/passwd"),
    ] {
        daemon.bulkhead(&["cp", &local(name), to]).success();
    }
    let mut seen = Vec::new();
    for _ in 0..2 {
        let diff = daemon.bulkhead(&["diff", "web"]).success();
        assert_eq!(diff, daemon.docker(&["diff", "web"]).success());
        assert!(
            diff.contains("A /root/f\n") && diff.contains("C /etc/passwd\n"),
            "{diff}"
        );
        assert!(!diff.contains("hosts") && !diff.contains("/dev"), "{diff}");
        let tar = local("out.tar");
        daemon.bulkhead(&["export", "-o", &tar, "web"]).success();
        let mut archive = tar::Archive::new(std::fs::File::open(&tar).unwrap());
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|e| e.unwrap().path().unwrap().display().to_string())
            .collect();
        for name in ["data/", "root/f", "bin/busybox"] {
            assert!(names.iter().any(|n| n == name), "{name}");
        }
        assert!(!names.iter().any(|n| n == "data/g"));
        daemon
            .bulkhead(&["cp", "web:/data/g", &local("back")])
            .success();
        assert_eq!(std::fs::read(local("back")).unwrap(), b"another\n");
        seen.push((diff, names));
        daemon.bulkhead(&["stop", "-t", "0", "web"]).success();
    }
    assert_eq!(seen[0], seen[1]);
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&daemon.folder().display().to_string()));
}

/// CVE-2018-15664: the container exchanges a directory and a link that leads
/// out of it while files are copied both ways.
#[test]
fn a_link_exchanged_during_copies_leads_nowhere() {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("secret"), "HOST").unwrap();
    let script = format!(
        "mkdir -p /w/a; echo inside > /w/a/secret; ln -s {} /w/b; mkfifo /w/fifo; cd /w; while :; do mv a t; mv b a; mv a b; mv t a; done",
        host.path().display()
    );
    daemon
        .bulkhead(&["run", "-d", "--name", "web", "busybox", "sh", "-c", &script])
        .success();
    let local = tempfile::tempdir().unwrap();
    std::fs::write(local.path().join("evil"), "EVIL").unwrap();
    let path = |name: &str| local.path().join(name).display().to_string();
    for n in 0..60 {
        let out = path(&format!("out{n}"));
        let _ = daemon.bulkhead(&["cp", "web:/w/a/secret", &out]);
        if let Ok(text) = std::fs::read_to_string(&out) {
            assert_eq!(text, "inside\n");
        }
        let _ = daemon.bulkhead(&["cp", &path("evil"), "web:/w/a/"]);
        let _ = daemon.bulkhead(&["cp", &path("evil"), "web:/w/a/deeper"]);
    }
    daemon
        .bulkhead(&["cp", "web:/w/fifo", &path("fifo")])
        .success();
    let left: Vec<_> = std::fs::read_dir(host.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "something was written to the host");
}

/// One layer is never mounted twice for writing: a start waits for a copy.
#[test]
fn a_start_waits_for_a_copy_of_the_stopped_containers_files() {
    let daemon = with_container(&[]);
    let fill = ["dd", "if=/dev/zero", "of=/big", "bs=1M", "count=20"];
    daemon
        .bulkhead(&[&["exec", "web"], &fill[..]].concat())
        .success();
    daemon.bulkhead(&["stop", "-t", "0", "web"]).success();
    let copy = || {
        let mut client = UnixStream::connect(daemon.socket()).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let get = "GET /containers/web/archive?path=/big HTTP/1.1\r\nHost: x\r\n\
            Connection: close\r\n\r\n";
        client.write_all(get.as_bytes()).unwrap();
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        client
    };
    let state = || daemon.request("GET", "/containers/web/json").json()["State"]["Status"].clone();
    for gone in [true, false] {
        let mut slow = copy();
        let mut start = daemon.bulkhead_command(&["start", "web"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(700));
        assert!(start.try_wait().unwrap().is_none(), "it did not wait");
        assert_eq!(state(), "exited");
        if gone {
            drop(slow);
        } else {
            let mut whole = Vec::new();
            slow.read_to_end(&mut whole).unwrap();
            assert!(whole.len() > 20 << 20, "{}", whole.len());
        }
        wait_until(|| {
            start
                .try_wait()
                .unwrap()
                .is_some_and(|status| status.success())
        });
        assert_eq!(state(), "running");
        let kept = ["exec", "web", "stat", "-c", "%s", "/big"];
        assert_eq!(daemon.bulkhead(&kept).success(), "20971520\n");
        // A copy out of the running one holds up no end, but the next start.
        let slow = copy();
        daemon.bulkhead(&["stop", "-t", "0", "web"]).success();
        let mut start = daemon.bulkhead_command(&["start", "web"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(700));
        assert!(start.try_wait().unwrap().is_none(), "it did not wait");
        drop(slow);
        wait_until(|| {
            start
                .try_wait()
                .unwrap()
                .is_some_and(|status| status.success())
        });
        daemon.bulkhead(&["stop", "-t", "0", "web"]).success();
    }
}
