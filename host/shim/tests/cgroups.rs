//! Limits, on whatever hierarchies this machine has.

mod support;

use bulkhead_model::process::Runtime as _;
use bulkhead_model::resources::{Resources, Rlimit};
use support::Machine;

/// A file of the container's own cgroup, version 1 or 2.
fn read(names: &[&str]) -> String {
    let paths: Vec<String> = names
        .iter()
        .map(|n| format!("/sys/fs/cgroup/{n}"))
        .collect();
    format!(
        "for f in {}; do [ -e $f ] && cat $f && break; done",
        paths.join(" ")
    )
}

#[test]
fn limits_are_in_force() {
    let machine = Machine::new();
    let script = [
        read(&["memory/memory.limit_in_bytes", "memory.max"]),
        read(&["pids/pids.max", "pids.max"]),
        read(&["cpu/cpu.cfs_quota_us", "cpu.max"]),
        read(&["cpuset/cpuset.cpus", "cpuset.cpus"]),
    ]
    .join("; ");
    let mut plan = machine.sh(&script);
    plan.resources = Resources {
        memory: Some(64 << 20),
        pids: Some(33),
        nano_cpus: Some(1_500_000_000),
        cpuset_cpus: Some("0".into()),
        ..Resources::default()
    };
    let outcome = machine.run(&plan);
    let out = outcome.out();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], (64 << 20).to_string(), "{outcome:?}");
    assert_eq!(lines[1], "33");
    assert!(lines[2].starts_with("150000"), "{out}");
    assert_eq!(lines[3], "0");
}

#[test]
fn a_container_that_eats_its_memory_is_killed_and_the_exit_says_so() {
    let machine = Machine::new();
    let mut plan = machine.sh("tail /dev/zero");
    plan.resources.memory = Some(16 << 20);
    plan.resources.memory_swap = Some(16 << 20);
    let outcome = machine.run(&plan);
    assert_eq!(
        (outcome.exit.code, outcome.exit.oom_killed),
        (137, true),
        "{outcome:?}"
    );
}

#[test]
fn too_many_processes_are_refused() {
    let machine = Machine::new();
    let mut plan = machine.sh("for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; wait");
    plan.resources.pids = Some(4);
    let outcome = machine.run(&plan);
    assert!(outcome.err().contains("can't fork"), "{outcome:?}");
}

#[test]
fn cgroups_are_below_our_parent_and_gone_afterwards() {
    let machine = Machine::new();
    let plan = machine.plan(&["sleep", "60"]);
    let running = machine.start(&plan).unwrap().running;
    let text = std::fs::read_to_string(format!("/proc/{}/cgroup", running.pid)).unwrap();
    let expected = format!("/{}/{}", machine.parent, plan.id);
    for line in text.lines() {
        assert!(line.ends_with(&expected), "{line}");
    }
    support::send(
        &running.shim,
        &bulkhead_runtime::shim_protocol::Request::Signal(9),
    );
    support::exit(&running.shim);
    machine.runtime.cleanup(&plan.id).unwrap();
    for base in std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        assert!(!base.path().join(&expected[1..]).exists());
    }
}

#[test]
fn the_container_sees_itself_at_the_root_of_its_cgroups() {
    let machine = Machine::new();
    for line in machine.output("cat /proc/self/cgroup").lines() {
        assert!(line.ends_with(":/"), "{line}");
    }
}

#[test]
fn rates_and_swappiness_arrive_or_are_told() {
    let machine = Machine::new();
    let mut plan = machine.sh("cd /sys/fs/cgroup; cat memory/memory.swappiness blkio/blkio.throttle.read_bps_device io.max 2>/dev/null; true");
    let rate = bulkhead_model::resources::DeviceRate {
        major: 7,
        minor: 0,
        rate: 1 << 20,
    };
    plan.resources.memory_swappiness = Some(42);
    plan.resources.device_read_bps = vec![rate.clone()];
    plan.resources.device_weights = vec![rate];
    let outcome = machine.run(&plan);
    let (out, told) = (outcome.out(), outcome.warnings.join("\n"));
    let arrived = |text: &str, warning: &str| out.contains(text) || told.contains(warning);
    assert!(arrived("42\n", "swappiness"), "{outcome:?}");
    assert!(
        arrived("7:0 1048576", "read rate") || out.contains("rbps=1048576"),
        "{outcome:?}"
    );
    // No device takes a weight of a million.
    assert!(told.contains("Weight-device discarded"), "{outcome:?}");
}

#[test]
fn what_this_machine_cannot_do_is_a_warning() {
    let machine = Machine::new();
    let mut plan = machine.sh("ulimit -n");
    plan.resources.cpuset_cpus = Some("4000".into());
    plan.oom_score_adj = -900;
    let nofile = u64::MAX >> 2;
    plan.rlimits.push(Rlimit {
        name: "nofile".into(),
        soft: 512,
        hard: nofile,
    });
    let outcome = machine.run(&plan);
    assert_eq!(outcome.out(), "512");
    assert!(
        outcome.warnings.iter().any(|w| w.contains("set of CPUs")),
        "{:?}",
        outcome.warnings
    );
}
