//! docker-py and testcontainers, as programs use them.

use std::path::Path;
use std::time::Duration;

use bulkhead_test_support::{Daemon, images, own_network, python, run};

const LIMIT: Duration = Duration::from_secs(180);

/// Runs one of `clients/` in a network of this test alone: on this machine
/// another engine's packet filter may be in the way.
#[track_caller]
fn passes(script: &str, arguments: &[&str]) {
    let python = python();
    own_network();
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let script = clients.join(script);
    let arguments = [&[script.to_str().unwrap()], arguments].concat();
    let mut client = daemon.client(&python, &arguments);
    // Its reaper is a container with the engine's socket, from a registry.
    client.env("TESTCONTAINERS_RYUK_DISABLED", "true");
    let said = run(&mut client, LIMIT).success();
    assert!(said.ends_with("passed\n"), "{said}");
}

#[test]
fn docker_py_runs_containers_and_reads_their_logs() {
    passes("docker_py.py", &["run"]);
}

#[test]
fn docker_py_follows_logs() {
    passes("docker_py.py", &["logs"]);
}

#[test]
fn docker_py_talks_to_an_attached_container() {
    passes("docker_py.py", &["attach"]);
}

#[test]
fn docker_py_executes_in_a_container() {
    passes("docker_py.py", &["execute"]);
}

#[test]
fn docker_py_reads_stats() {
    passes("docker_py.py", &["stats"]);
}

#[test]
fn docker_py_copies_in_and_out() {
    passes("docker_py.py", &["archive"]);
}

#[test]
fn docker_py_hears_events() {
    passes("docker_py.py", &["events"]);
}

#[test]
fn docker_py_makes_networks() {
    passes("docker_py.py", &["networks"]);
}

#[test]
fn docker_py_makes_volumes() {
    passes("docker_py.py", &["volumes"]);
}

#[test]
fn testcontainers_waits_for_logs_and_finds_the_port() {
    passes("testcontainers_generic.py", &[]);
}
