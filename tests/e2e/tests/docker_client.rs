//! The real `docker` client drives the daemon.

use bulkhead_test_support::{Daemon, images};

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

#[test]
fn run_ps_logs_stop_and_rm() {
    let daemon = with_busybox();
    assert_eq!(
        daemon
            .docker(&["run", "--rm", "busybox", "echo", "hi"])
            .success(),
        "hi\n"
    );
    assert_eq!(
        daemon
            .docker(&["run", "--rm", "busybox", "sh", "-c", "exit 9"])
            .status,
        Some(9)
    );
    assert_eq!(
        daemon
            .docker(&["run", "--rm", "busybox", "no-such-command"])
            .status,
        Some(127)
    );
    let id = daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "web",
            "busybox",
            "sh",
            "-c",
            "echo up; exec sleep 1000",
        ])
        .success();
    assert!(
        daemon
            .docker(&["ps", "--no-trunc", "-q"])
            .success()
            .contains(id.trim())
    );
    assert_eq!(daemon.docker(&["logs", "web"]).success(), "up\n");
    daemon.docker(&["stop", "-t", "0", "web"]).success();
    daemon.docker(&["rm", "web"]).success();
    assert_eq!(daemon.docker(&["ps", "-aq"]).success(), "");
}

#[test]
fn images_info_version_and_inspect() {
    let daemon = with_busybox();
    let listed = daemon
        .docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"])
        .success();
    assert_eq!(listed, "busybox:latest\n");
    assert!(daemon.docker(&["version"]).success().contains("bulkhead"));
    assert!(
        daemon
            .docker(&["info"])
            .success()
            .contains("Storage Driver: overlay")
    );
    let architecture = daemon
        .docker(&[
            "image",
            "inspect",
            "-f",
            "{{.Os}}/{{.Architecture}}",
            "busybox",
        ])
        .success();
    assert!(architecture.starts_with("linux/"), "{architecture}");
    daemon.docker(&["rmi", "busybox"]).success();
    assert_eq!(daemon.docker(&["images", "-q"]).success(), "");
}

#[test]
fn the_clients_input_is_the_containers() {
    let daemon = with_busybox();
    let mut cat = daemon.docker_command(&["run", "--rm", "-i", "busybox", "cat"]);
    let echoed = bulkhead_test_support::run_with_input(
        &mut cat,
        b"typed",
        std::time::Duration::from_secs(30),
    );
    assert_eq!(echoed.success(), "typed");
}
