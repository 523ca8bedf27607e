//! A daemon from start to end, with nothing left of it.

use bulkhead_test_support::{Daemon, Registry, images, privileged};

#[test]
fn a_daemon_answers_restarts_and_leaves_nothing() {
    if !privileged() {
        return;
    }
    let mut daemon = Daemon::start();
    assert_eq!(daemon.request("GET", "/_ping").text(), "OK");
    daemon.kill();
    daemon.start_again();
    daemon.stop();
    daemon.start_again();
    assert_eq!(daemon.request("GET", "/_ping").status, 200);
}

#[test]
fn a_container_of_a_pulled_image_says_what_it_was_told_to() {
    if !privileged() {
        return;
    }
    let daemon = Daemon::start();
    let registry = Registry::start();
    let busybox = registry.push("busybox:latest", &images::busybox());
    let output = daemon.bulkhead(&["run", "--rm", &busybox, "echo", "hi"]);
    assert_eq!(output.success(), "hi\n");
}
