//! Hostile storage plugins under a working daemon: each is contained, named,
//! and leaves engine and running containers unharmed.

use std::time::{Duration, Instant};

use bulkhead_test_support::{Daemon, Registry, images, release_dir, wait_until};

/// The guests that misbehave when a snapshot is prepared, and a word of the
/// error a user then reads.
const CASES: [(&str, &str); 12] = [
    ("storage-trap", "trapped"),
    ("storage-loop", "did not answer within"),
    ("storage-allocate", "memory"),
    ("storage-recurse", "trapped"),
    ("storage-million-steps", "limit"),
    ("storage-million-handles", "limit"),
    ("storage-beyond-grant", "grant"),
    ("storage-escape", "storage-escape"),
    ("storage-huge-message", "storage-huge-message"),
    ("storage-huge-argument", "too much data"),
    ("storage-state-bomb", "limit"),
    ("storage-wrong-handle", "storage-wrong-handle"),
];

fn with_hostile_plugins() -> Daemon {
    let guests = release_dir().join("guests");
    let daemon = Daemon::builder()
        .argument("--plugin-dir")
        .argument(guests.to_str().unwrap())
        .start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

#[test]
fn every_hostile_plugin_is_an_ordinary_error_and_the_next_call_works() {
    let daemon = with_hostile_plugins();
    daemon
        .bulkhead(&[
            "run",
            "-d",
            "--name",
            "bystander",
            "busybox",
            "sleep",
            "1000",
        ])
        .success();
    for (driver, word) in CASES {
        let began = Instant::now();
        let said = daemon
            .bulkhead(&["run", "--rm", "--storage-driver", driver, "busybox", "true"])
            .failure(125);
        assert!(
            said.contains(&format!("plugin {driver} 0.1.0: ")),
            "{driver} is not named: {said}"
        );
        assert!(said.contains(word), "{driver}: {said}");
        assert!(
            began.elapsed() < Duration::from_secs(100),
            "{driver} took {:?}",
            began.elapsed()
        );
        assert_eq!(
            daemon
                .bulkhead(&["run", "--rm", "busybox", "echo", "fine"])
                .success(),
            "fine\n",
            "after {driver}"
        );
    }
    assert!(daemon.bulkhead(&["ps"]).success().contains("bystander"));
    // Files of a container go after its end was answered: one layer and the
    // bystander's snapshot stay, and nothing of a hostile driver's.
    let left = || daemon.snapshots();
    wait_until(|| left().len() == 2 && left().iter().all(|name| name.starts_with("overlay/")));
}

/// The daemon's own driver is hostile: a pull ends as a container's start does.
#[test]
fn a_hostile_driver_fails_a_pull_and_nothing_is_left() {
    let registry = Registry::start();
    let reference = registry.push("busybox:1", &images::busybox());
    // Those of CASES that end in different ways.
    for (driver, word) in [CASES[0], CASES[1], CASES[4], CASES[6], CASES[8]] {
        let guests = release_dir().join("guests");
        let daemon = Daemon::builder()
            .argument("--plugin-dir")
            .argument(guests.to_str().unwrap())
            .storage_driver(driver)
            .start();
        let said = daemon.bulkhead(&["pull", &reference]).failure(1);
        let named = format!("plugin {driver} 0.1.0: prepare: ");
        assert!(said.contains(&named) && said.contains(word), "{said}");
        assert_eq!(daemon.bulkhead(&["images", "-aq"]).success(), "");
        assert_eq!(daemon.snapshots(), [""; 0], "{driver}");
        for folder in ["blobs/sha256", "staging"] {
            let folder = daemon.folder().join("data").join(folder);
            let left = std::fs::read_dir(folder).unwrap().count();
            assert!(left == 0 || word == "did not answer within", "{driver}");
        }
    }
}

#[test]
fn a_plugin_whose_imports_exceed_its_manifest_is_refused_by_name() {
    let daemon = with_hostile_plugins();
    let said = daemon
        .bulkhead(&[
            "run",
            "--rm",
            "--storage-driver",
            "extra-import",
            "busybox",
            "true",
        ])
        .failure(125);
    assert!(
        said.contains("unknown storage driver \"extra-import\""),
        "{said}"
    );
    let log = daemon.log();
    assert!(
        log.contains("extra-import") && log.contains("import"),
        "{log}"
    );
}

#[test]
fn a_killed_runner_is_replaced() {
    let daemon = with_hostile_plugins();
    for _ in 0..3 {
        let runner = child_of(daemon.pid(), "bulkhead-sandb").expect("a runner");
        let kill = std::process::Command::new("kill")
            .arg("-9")
            .arg(runner.to_string())
            .status()
            .unwrap();
        assert!(kill.success());
        let mut said = daemon.bulkhead(&["run", "--rm", "busybox", "echo", "fine"]);
        if said.status != Some(0) {
            assert!(said.stderr.contains("runner died"), "{}", said.stderr);
            said = daemon.bulkhead(&["run", "--rm", "busybox", "echo", "fine"]);
        }
        assert_eq!(said.success(), "fine\n");
    }
}

#[test]
fn the_runner_owns_nothing() {
    let daemon = with_hostile_plugins();
    daemon
        .bulkhead(&["run", "--rm", "busybox", "true"])
        .success();
    let runner = child_of(daemon.pid(), "bulkhead-sandb").expect("a runner");
    let status = std::fs::read_to_string(format!("/proc/{runner}/status")).unwrap();
    let field = |name: &str| {
        status
            .lines()
            .find_map(|l| l.strip_prefix(name))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    assert!(!field("Uid:").split_whitespace().any(|id| id == "0"));
    assert_eq!(
        std::fs::read_dir(format!("/proc/{runner}/root/"))
            .unwrap()
            .count(),
        0,
        "its root is not empty"
    );
    for namespace in ["net", "mnt", "pid", "ipc", "uts"] {
        let link = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/{namespace}")).unwrap();
        assert_ne!(link(&runner.to_string()), link("self"), "{namespace}");
    }
}

/// The descendant of `parent` whose command name starts with `name` and that has no child of that name.
fn child_of(parent: u32, name: &str) -> Option<u32> {
    let children =
        std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let mut found = None;
    for thread in std::fs::read_dir(format!("/proc/{parent}/task"))
        .ok()?
        .flatten()
    {
        let more = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children
            .split_whitespace()
            .chain(more.split_whitespace())
            .filter_map(|c| c.parse().ok())
        {
            let comm = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            if comm.starts_with(name) {
                found = child_of(child, name).or(Some(child));
            }
        }
    }
    found
}
