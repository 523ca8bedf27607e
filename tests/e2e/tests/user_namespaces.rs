//! `--userns-remap`: containers whose root is nobody on the host.

use std::os::unix::fs::{MetadataExt, chown};

use bulkhead_test_support::{Daemon, FIRST_SUBORDINATE_ID as FIRST, images};
use serde_json::json;

fn remapped() -> Daemon {
    let daemon = Daemon::builder().userns_remap().start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

/// What a process and one that joins it are on the host.
#[test]
fn root_of_a_container_and_of_an_exec_is_a_subordinate_id() {
    let daemon = remapped();
    let read = ["run", "--rm", "busybox", "cat", "/proc/self/uid_map"];
    let words = |text: String| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let map = ["0", &FIRST.to_string(), "65536"];
    assert_eq!(words(daemon.docker(&read).success()), map);
    daemon
        .docker(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"])
        .success();
    let exec = ["exec", "box", "sh", "-c", "id -u; cat /proc/self/gid_map"];
    let seen = words(daemon.docker(&exec).success());
    assert_eq!(seen, [&["0"], &map[..]].concat());
    let inspected = daemon.request("GET", "/containers/box/json").json();
    let pid = &inspected["State"]["Pid"];
    let owner = std::fs::metadata(format!("/proc/{pid}")).unwrap();
    assert_eq!((owner.uid(), owner.gid()), (FIRST, FIRST));
    let options = daemon.request("GET", "/info").json()["SecurityOptions"].clone();
    assert!(
        options.as_array().unwrap().contains(&json!("name=userns")),
        "{options}"
    );
}

#[test]
fn copies_have_the_owners_that_the_container_sees() {
    let daemon = remapped();
    let local = tempfile::tempdir().unwrap();
    let path = |name: &str| local.path().join(name).display().to_string();
    std::fs::write(path("in"), "x").unwrap();
    chown(path("in"), Some(33), Some(44)).unwrap();
    daemon
        .docker(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"])
        .success();
    let inside = |file: &str| {
        let stat = ["exec", "box", "stat", "-c", "%u:%g", file];
        daemon.docker(&stat).success()
    };
    for client in ["bulkhead", "docker"] {
        let copy = |arguments: &[&str]| {
            let arguments = [&["cp"], arguments].concat();
            match client {
                "docker" => daemon.docker(&arguments).success(),
                _ => daemon.bulkhead(&arguments).success(),
            };
        };
        for running in [true, false] {
            let name = format!("/etc/{client}-{running}");
            let to = format!("box:{name}");
            // Ids are the archive's, with and without `-a`, as in Docker.
            copy(&[&path("in"), &to]);
            copy(&["-a", &path("in"), &format!("{to}-a")]);
            let out = path(&format!("out-{client}-{running}"));
            copy(&[&to, &out]);
            assert_eq!(std::fs::metadata(&out).unwrap().uid(), 0);
            if running {
                daemon.docker(&["stop", "-t", "0", "box"]).success();
            } else {
                daemon.docker(&["start", "box"]).success();
            }
        }
        for running in [true, false] {
            let name = format!("/etc/{client}-{running}");
            assert_eq!(inside(&name), "33:44\n");
            assert_eq!(inside(&format!("{name}-a")), "33:44\n");
        }
    }
    let tar = path("tar");
    daemon.docker(&["export", "-o", &tar, "box"]).success();
    let mut archive = tar::Archive::new(std::fs::File::open(&tar).unwrap());
    let mut seen = 0;
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        if entry.path().unwrap().ends_with("docker-true-a") {
            assert_eq!(entry.header().uid().unwrap(), 33);
            seen += 1;
        }
    }
    assert_eq!(seen, 1);
}

#[test]
fn a_volume_is_the_containers_and_no_bind_mount_is() {
    let daemon = remapped();
    let local = tempfile::tempdir().unwrap();
    std::fs::write(local.path().join("secret"), "x").unwrap();
    chown(local.path().join("secret"), Some(0), Some(0)).unwrap();
    let bind = format!("{}:/host", local.path().display());
    let script =
        "echo kept > /d/f && stat -c %u:%g /d/f && stat -c %u /host/secret; rm /host/secret";
    let run = [
        "run", "--rm", "-v", "data:/d", "-v", &bind, "busybox", "sh", "-c", script,
    ];
    let output = daemon.docker(&run);
    // 65534: an id that the container has no name for.
    assert_eq!(output.stdout, "0:0\n65534\n", "{output:?}");
    assert!(local.path().join("secret").exists());
    let again = ["run", "--rm", "-v", "data:/d", "busybox", "cat", "/d/f"];
    assert_eq!(daemon.docker(&again).success(), "kept\n");
    let kept = daemon.folder().join("data/volumes/data/_data/f");
    assert_eq!(std::fs::metadata(kept).unwrap().uid(), FIRST);
}

#[test]
fn the_hosts_namespaces_are_refused_and_the_hosts_ids_are_for_who_asks() {
    let daemon = remapped();
    let host = ["run", "--rm", "--userns", "host"];
    let read = ["busybox", "cat", "/proc/self/uid_map"];
    let map = daemon.docker(&[&host[..], &read].concat()).success();
    assert_eq!(
        map.split_whitespace().collect::<Vec<_>>(),
        ["0", "0", "4294967295"]
    );
    for (flags, why) in [
        (
            ["--privileged"].as_slice(),
            "privileged mode is incompatible with user namespaces",
        ),
        (
            &["--network", "host"],
            "cannot share the host's network namespace when user namespaces are enabled",
        ),
        (
            &["--pid", "host"],
            "cannot share the host PID namespace when user namespaces are enabled",
        ),
    ] {
        let run = [&["run", "--rm"], flags, &["busybox", "true"]].concat();
        let refused = daemon.docker(&run).failure(125);
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(daemon.docker(&["ps", "-aq"]).success(), "");
}
