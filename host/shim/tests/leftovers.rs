//! What a container or a daemon that died leaves behind is found and removed.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use bulkhead_model::ContainerId;
use bulkhead_model::network::{NetworkNamespace, NetworkPlan};
use bulkhead_model::process::Runtime as _;
use bulkhead_runtime::shim_protocol::Request;
use support::{Machine, exit, send};

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

fn cgroups(machine: &Machine, name: &str) -> Vec<PathBuf> {
    let base = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(base).unwrap().flatten();
    let below = hierarchies.map(|h| h.path().join(&machine.parent).join(name));
    let own = base.join(&machine.parent).join(name);
    below.chain([own]).filter(|path| path.exists()).collect()
}

fn random_id() -> ContainerId {
    ContainerId::from_bytes(bulkhead_sys::random::bytes().unwrap())
}

#[test]
fn a_container_whose_daemon_died_is_killed_with_its_shim_when_nobody_wants_it() {
    let machine = Machine::new();
    let plan = machine.plan(&["sleep", "600"]);
    let pid = machine.start(&plan).unwrap().running.pid;
    let next = machine.reopen();
    assert_eq!(next.known(), std::slice::from_ref(&plan.id));
    let before = Instant::now();
    next.cleanup(&plan.id).unwrap();
    assert!(
        before.elapsed() < Duration::from_secs(60),
        "{:?}",
        before.elapsed()
    );
    assert!(!is_alive(pid));
    assert!(next.known().is_empty());
    assert!(cgroups(&machine, plan.id.as_str()).is_empty());
    for shims in cgroups(&machine, "shims") {
        let left = std::fs::read_to_string(shims.join("cgroup.procs")).unwrap();
        assert!(left.is_empty(), "{left}");
    }
}

#[test]
fn the_network_a_container_was_started_with_is_known_to_the_next_daemon() {
    let machine = Machine::new();
    let plan = machine.plan(&["sleep", "60"]);
    let network = NetworkPlan {
        namespace: NetworkNamespace::Host,
        ..NetworkPlan::default()
    };
    let running = machine.runtime.start(&plan, &network, Vec::new()).unwrap();
    let next = machine.reopen();
    assert_eq!(next.noted_network(&plan.id), Some(network));
    assert_eq!(next.noted_network(&random_id()), None);
    send(&running.shim, &Request::Signal(9));
    exit(&running.shim);
    machine.runtime.cleanup(&plan.id).unwrap();
    assert_eq!(next.noted_network(&plan.id), None);
}

#[test]
fn a_cgroup_without_a_container_is_known_and_removed_with_what_runs_in_it() {
    let machine = Machine::new();
    let id = random_id();
    // As a start that was cut off leaves them: in every hierarchy.
    let mut children: Vec<Child> = Vec::new();
    let resources = bulkhead_model::resources::Resources::default();
    let parent = bulkhead_runtime::cgroup::Parent::open(&machine.parent).unwrap();
    let options = bulkhead_runtime::cgroup::Options {
        devices: bulkhead_runtime::cgroup::Access::Beside(Vec::new()),
        mount: false,
    };
    drop(parent.create(id.as_str(), &resources, options).unwrap());
    let made = cgroups(&machine, id.as_str());
    assert!(!made.is_empty());
    for cgroup in &made {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        std::fs::write(cgroup.join("cgroup.procs"), child.id().to_string()).unwrap();
        children.push(child);
    }
    assert_eq!(machine.runtime.known(), std::slice::from_ref(&id));
    machine.runtime.cleanup(&id).unwrap();
    assert!(cgroups(&machine, id.as_str()).is_empty());
    assert!(machine.runtime.known().is_empty());
    for mut child in children {
        assert!(!child.wait().unwrap().success());
    }
}

#[test]
fn the_shims_cgroup_is_no_container() {
    let machine = Machine::new();
    machine.run(&machine.plan(&["true"]));
    assert!(!cgroups(&machine, "shims").is_empty());
    assert!(machine.runtime.known().is_empty());
}

#[test]
fn without_a_pid_namespace_the_first_process_takes_the_others_with_it() {
    let machine = Machine::new();
    let mut plan = machine.sh("sleep 61 >/dev/null 2>&1 & sleep 62 & echo $! ; exit 3");
    plan.shared.pid = bulkhead_model::process::Sharing::Host;
    let before = Instant::now();
    let running = machine.start(&plan).unwrap();
    let outcome = running.finish();
    assert_eq!(outcome.exit.code, 3);
    assert!(
        before.elapsed() < Duration::from_secs(30),
        "{:?}",
        before.elapsed()
    );
    // The shim did it, not the clean-up: no daemon need be there.
    let survivor: u32 = outcome.out().parse().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while is_alive(survivor) {
        assert!(Instant::now() < until, "{survivor} lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
    machine.runtime.cleanup(&plan.id).unwrap();
    assert!(cgroups(&machine, plan.id.as_str()).is_empty());
}

#[test]
fn processes_that_fork_without_end_are_killed_through_the_freezer() {
    let freezer = Path::new("/sys/fs/cgroup/freezer");
    if !freezer.exists() {
        return; // A machine with version 2 alone has `cgroup.kill`.
    }
    let machine = Machine::new();
    let cgroup = freezer.join(&machine.parent).join("forks");
    std::fs::create_dir(&cgroup).unwrap();
    let procs = cgroup.join("cgroup.procs");
    let script = format!(
        "echo 0 > {}; while :; do sh -c 'sleep 0.01 & sleep 60' & sleep 0.005; done",
        procs.display()
    );
    let mut child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
    let members = || std::fs::read_to_string(&procs).unwrap().lines().count();
    let until = Instant::now() + Duration::from_secs(60);
    while members() < 20 {
        assert!(Instant::now() < until, "it forks no more");
        std::thread::sleep(Duration::from_millis(5));
    }
    let dir = bulkhead_sys::path::open_host_dir(&cgroup).unwrap();
    bulkhead_runtime::cgroup::kill(&dir).unwrap();
    child.wait().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(&procs).unwrap().is_empty() {
        assert!(Instant::now() < until, "somebody got away");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::remove_dir(&cgroup).unwrap();
}
