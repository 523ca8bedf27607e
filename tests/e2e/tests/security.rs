//! What images and command lines try against the host, through the whole.

use std::os::unix::fs::PermissionsExt;

use bulkhead_test_support::{Daemon, Image, Tree, images};
use serde_json::json;

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

/// Busybox under another name, changed by `change`.
fn with(name: &str, change: impl FnOnce(Image) -> Image) -> Daemon {
    let daemon = Daemon::start();
    daemon.load(name, &change(images::busybox()));
    daemon
}

#[test]
fn an_image_with_proc_sys_or_dev_as_a_link_or_a_file_never_reaches_the_host() {
    let canary = tempfile::tempdir().unwrap();
    let outside = canary.path().to_str().unwrap();
    for place in ["proc", "sys", "dev"] {
        for link in [true, false] {
            let layer = if link {
                Tree::new().symlink(place, outside)
            } else {
                Tree::new().file(place, 0o644, b"a file")
            };
            let daemon = with("odd:latest", |image| image.layer(layer));
            let output = daemon.bulkhead(&["run", "--rm", "odd", "true"]);
            assert_eq!(output.status, Some(125), "{place}: {}", output.stderr);
            assert!(output.stderr.contains(place), "{}", output.stderr);
            assert_eq!(daemon.bulkhead(&["ps", "-aq"]).success(), "");
            assert_eq!(std::fs::read_dir(outside).unwrap().count(), 0, "{place}");
        }
    }
}

#[test]
fn volumes_over_the_kernels_file_systems_are_refused_and_over_etc_are_not() {
    for place in ["/proc", "/sys", "/proc/sys/kernel"] {
        let daemon = with("odd:latest", |image| {
            image.config("Volumes", json!({ place: {} }))
        });
        let output = daemon.bulkhead(&["run", "--rm", "odd", "true"]);
        assert_eq!(output.status, Some(125), "{place}: {}", output.stderr);
        assert_eq!(daemon.bulkhead(&["ps", "-aq"]).success(), "");
        let volumes = daemon.folder().join("data/volumes");
        assert_eq!(std::fs::read_dir(volumes).unwrap().count(), 0, "{place}");
    }
    let daemon = with_busybox();
    let run = ["run", "--rm", "-v", "mine:/etc", "busybox", "ls", "/etc"];
    let listed = daemon.bulkhead(&run).success();
    for name in ["group", "hostname", "hosts", "passwd", "resolv.conf"] {
        assert!(listed.lines().any(|line| line == name), "{name}: {listed}");
    }
}

#[test]
fn working_directories_among_descriptors_are_refused() {
    for number in 3..=12 {
        let place = format!("/proc/self/fd/{number}");
        let daemon = with("odd:latest", |image| {
            image.config("WorkingDir", json!(place))
        });
        let output = daemon.bulkhead(&["run", "--rm", "odd", "sh", "-c", "ls -d ../../../etc"]);
        assert_ne!(output.status, Some(0), "{place}: {}", output.stdout);
    }
}

#[test]
fn an_entrypoint_that_is_this_process_leaves_our_programs_alone() {
    let programs = ["bulkhead", "bulkheadd", "bulkhead-shim", "bulkhead-sandbox"];
    let read = |name: &&str| std::fs::read(bulkhead_test_support::binary(name)).unwrap();
    let before: Vec<_> = programs.iter().map(read).collect();
    let tree = Tree::new().file("entry", 0o755, b"#!/proc/self/exe\n");
    let daemon = with("odd:latest", |image| image.layer(tree));
    let output = daemon.bulkhead(&["run", "--rm", "odd", "/entry"]);
    assert_ne!(output.status, Some(0));
    let script = "for p in /proc/[0-9]*/exe; do echo x >> $p; done; cat /proc/1/comm";
    daemon.bulkhead(&["run", "--rm", "odd", "sh", "-c", script]);
    let after: Vec<_> = programs.iter().map(read).collect();
    assert!(before == after, "a program of ours was changed");
}

#[test]
fn capabilities_and_controls_are_dockers_defaults() {
    let daemon = with_busybox();
    let run = |script: &str| {
        daemon
            .bulkhead(&["run", "--rm", "busybox", "sh", "-c", script])
            .success()
    };
    assert_eq!(
        run("grep Cap /proc/self/status | tr -d '\\t'"),
        "CapInh:0000000000000000\nCapPrm:00000000a80425fb\nCapEff:00000000a80425fb\n\
         CapBnd:00000000a80425fb\nCapAmb:0000000000000000\n"
    );
    let release = "for f in $(find /sys/fs/cgroup -name release_agent); do \
        echo /bin/true > $f && echo wrote $f; done 2>/dev/null; \
        echo 1 > /sys/fs/cgroup/memory/notify_on_release 2>/dev/null && echo wrote; echo done";
    assert_eq!(run(release), "done\n");
    let core = "echo '|/bin/sh' > /proc/sys/kernel/core_pattern && echo wrote; echo done";
    assert_eq!(run(core), "done\n");
}

#[test]
fn sysctls_of_the_host_are_refused_however_they_are_spelled() {
    let daemon = with_busybox();
    let before = std::fs::read("/proc/sys/kernel/core_pattern").unwrap();
    for (key, value) in [
        ("kernel.core_pattern", "x"),
        ("kernel/core_pattern", "x"),
        ("net.ipv4.ip_forward+kernel.core_pattern", "x"),
        ("net/../kernel/core_pattern", "x"),
        ("net.ipv4.ip_forward\nkernel.core_pattern", "x"),
        ("vm.panic_on_oom", "1"),
        ("", "1"),
    ] {
        let body =
            json!({"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Sysctls": {key: value}}});
        let created = daemon.request_json("POST", "/containers/create", &body);
        if created.status == 201 {
            let id = created.json()["Id"].as_str().unwrap().to_owned();
            let started = daemon.request("POST", &format!("/containers/{id}/start"));
            assert!(started.status >= 400, "{key:?} was taken");
        }
    }
    assert_eq!(
        std::fs::read("/proc/sys/kernel/core_pattern").unwrap(),
        before
    );
    let set = [
        "run",
        "--rm",
        "--sysctl",
        "net.ipv4.ip_unprivileged_port_start=80",
    ];
    let show = [
        "busybox",
        "cat",
        "/proc/sys/net/ipv4/ip_unprivileged_port_start",
    ];
    assert_eq!(
        daemon.bulkhead(&[&set[..], &show].concat()).success(),
        "80\n"
    );
}

#[test]
fn state_is_roots_alone() {
    let daemon = with_busybox();
    daemon
        .bulkhead(&["run", "-d", "-v", "kept:/v", "busybox", "sleep", "1000"])
        .success();
    let mode = |path: &str| {
        let metadata = std::fs::metadata(daemon.folder().join(path)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    for (path, allowed) in [
        ("data", 0o711),
        ("data/volumes", 0o711),
        ("data/blobs", 0o700),
        ("data/storage", 0o700),
        ("data/containers", 0o700),
        ("data/staging", 0o700),
        ("exec", 0o711),
        ("exec/shims", 0o700),
        ("data/state.db", 0o600),
    ] {
        let mode = mode(path);
        assert_eq!(mode & !allowed, 0, "{path} has mode {mode:o}");
    }
    // Others may reach the socket only as its group may.
    let socket = std::fs::metadata(daemon.socket()).unwrap();
    assert_eq!(socket.permissions().mode() & 0o007, 0);
}

#[test]
fn labels_of_an_image_change_nothing() {
    let labels = json!({
        "io.bulkhead.privileged": "true", "io.containers.capabilities": "all",
        "org.opencontainers.runtime.seccomp": "unconfined", "com.docker.network": "host",
        "BULKHEAD_ROOTFS_PLUGIN": "mine",
    });
    let daemon = with("odd:latest", |image| image.config("Labels", labels));
    let script = "grep -E 'CapEff|Seccomp:' /proc/self/status | tr -d '\\t'; env | grep BULKHEAD";
    let shown = daemon
        .bulkhead(&["run", "--rm", "odd", "sh", "-c", script])
        .stdout;
    assert_eq!(shown, "CapEff:00000000a80425fb\nSeccomp:2\n");
}
