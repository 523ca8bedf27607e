//! Pausing, counting and changing containers that run, on whatever
//! hierarchies this machine has.

mod support;

use std::time::{Duration, Instant};

use bulkhead_model::ContainerId;
use bulkhead_model::process::{ContainerPlan, Running, Runtime as _};
use bulkhead_model::resources::Resources;
use bulkhead_runtime::shim_protocol::Request;
use support::Machine;

/// A container that runs until this goes.
struct Busy<'a> {
    machine: &'a Machine,
    id: ContainerId,
    running: Running,
}

impl<'a> Busy<'a> {
    fn start(machine: &'a Machine, plan: &ContainerPlan) -> Self {
        let running = machine.start(plan).unwrap().running;
        Self {
            machine,
            id: plan.id.clone(),
            running,
        }
    }

    fn kill(&self) -> i32 {
        support::send(&self.running.shim, &Request::Signal(9));
        let _ = self.machine.runtime.unpause(&self.id);
        support::exit(&self.running.shim).code
    }

    fn cpu(&self) -> u64 {
        self.machine.runtime.stats(&self.id).unwrap().cpu.total
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let _ = self.machine.runtime.cleanup(&self.id);
    }
}

fn until(what: &str, done: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < limit, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_paused_container_uses_no_processor_and_goes_on_afterwards() {
    let machine = Machine::new();
    let plan = machine.sh("sh -c 'while :; do :; done' & while :; do :; done");
    let busy = Busy::start(&machine, &plan);
    until("it counts", || busy.cpu() > 0);
    machine.runtime.pause(&plan.id).unwrap();
    let before = busy.cpu();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(busy.cpu(), before);
    machine.runtime.unpause(&plan.id).unwrap();
    until("it goes on", || busy.cpu() > before);
    machine.runtime.unpause(&plan.id).unwrap();
}

#[test]
fn a_paused_container_can_be_killed() {
    let machine = Machine::new();
    let plan = machine.plan(&["sleep", "60"]);
    let busy = Busy::start(&machine, &plan);
    machine.runtime.pause(&plan.id).unwrap();
    assert_eq!(busy.kill(), 137);
}

#[test]
fn a_container_that_ends_while_it_is_paused_is_said_not_to_run() {
    let machine = Machine::new();
    for _ in 0..support::times(10, 200) {
        let plan = machine.plan(&["true"]);
        let busy = Busy::start(&machine, &plan);
        if machine.runtime.pause(&plan.id).is_ok() {
            machine.runtime.unpause(&plan.id).unwrap();
        }
        assert_eq!(support::exit(&busy.running.shim).code, 0);
        assert!(machine.runtime.pause(&plan.id).is_err());
        drop(busy);
        assert!(machine.runtime.pause(&plan.id).is_err());
    }
}

#[test]
fn everything_a_container_uses_is_counted() {
    let machine = Machine::new();
    let mut plan = machine.sh("dd if=/dev/zero of=/tmp/x bs=1M count=8; while :; do :; done");
    plan.resources = Resources {
        memory: Some(64 << 20),
        nano_cpus: Some(200_000_000),
        pids: Some(20),
        ..Resources::default()
    };
    let busy = Busy::start(&machine, &plan);
    let stats = || machine.runtime.stats(&plan.id).unwrap();
    let alone = || machine.runtime.processes(&plan.id) == [busy.running.pid];
    until("it is throttled, and alone", || {
        // A process that has ended counts until its parent, throttled, has seen it.
        alone() && stats().pids == 1 && stats().cpu.throttled_periods > 0
    });
    let stats = stats();
    assert!(stats.cpu.total > 0 && stats.cpu.machine > stats.cpu.total);
    assert!(stats.cpu.online > 0 && stats.cpu.throttled > 0);
    assert_eq!(stats.memory.limit, 64 << 20);
    assert!(stats.memory.usage > 0 && stats.memory.usage <= 64 << 20);
    let anonymous = |(name, value): &(&str, u64)| matches!(*name, "anon" | "rss") && *value > 0;
    assert!(stats.memory.details.iter().any(anonymous), "{stats:?}");
    assert_eq!((stats.pids, stats.pids_limit), (1, Some(20)));
    assert_eq!(stats.interfaces, []);
    assert_eq!(machine.runtime.processes(&plan.id), [busy.running.pid]);
    busy.kill();
    until("it has no process", || {
        machine.runtime.processes(&plan.id).is_empty()
    });
    assert!(machine.runtime.stats(&plan.id).is_err());
}

#[test]
fn limits_of_a_running_container_change_in_either_direction() {
    let machine = Machine::new();
    let mut plan = machine.plan(&["sleep", "60"]);
    plan.resources.memory = Some(64 << 20);
    let busy = Busy::start(&machine, &plan);
    for mebibytes in [256, 16, 1024, 32] {
        let limits = Resources {
            memory: Some(mebibytes << 20),
            memory_swap: Some(i64::try_from(mebibytes << 20).unwrap()),
            pids: Some(7),
            ..Resources::default()
        };
        machine.runtime.update(&plan.id, &limits).unwrap();
        let stats = machine.runtime.stats(&plan.id).unwrap();
        assert_eq!(
            (stats.memory.limit, stats.pids_limit),
            (mebibytes << 20, Some(7))
        );
    }
    drop(busy);
    assert!(machine.runtime.update(&plan.id, &plan.resources).is_err());
}

#[test]
fn a_change_that_is_refused_leaves_no_limit_changed() {
    let machine = Machine::new();
    let mut plan = machine.plan(&["sleep", "60"]);
    plan.resources.memory = Some(64 << 20);
    let _busy = Busy::start(&machine, &plan);
    let impossible = Resources {
        memory: Some(128 << 20),
        cpuset_cpus: Some("4000".into()),
        ..Resources::default()
    };
    assert!(machine.runtime.update(&plan.id, &impossible).is_err());
    let stats = machine.runtime.stats(&plan.id).unwrap();
    assert_eq!(stats.memory.limit, 64 << 20);
}
