//! `cargo bench -p bulkhead-shim --bench start`: wall time from the start's
//! call to the exit of `/bin/true`, by parts, without and with a terminal.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use bulkhead_model::network::NetworkPlan;
use bulkhead_model::process::Runtime as _;

const ROUNDS: usize = 100;

fn main() {
    let machine = support::Machine::new();
    let mut starts = Vec::new();
    let mut ends = Vec::new();
    let mut cleanups = Vec::new();
    for _ in 0..ROUNDS {
        // Back to back, starts would share the kernel's RCU grace periods.
        std::thread::sleep(Duration::from_millis(30));
        let plan = machine.plan(&["/bin/true"]);
        let begin = Instant::now();
        let running = machine
            .runtime
            .start(&plan, &NetworkPlan::default(), Vec::new())
            .expect("it starts");
        starts.push(begin.elapsed());
        support::exit(&running.shim);
        ends.push(begin.elapsed());
        drop(running);
        let begin = Instant::now();
        machine.runtime.cleanup(&plan.id).expect("it is cleaned up");
        cleanups.push(begin.elapsed());
    }
    report("start to exec", starts);
    report("start to exit", ends);
    report("cleanup", cleanups);
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e3;
    println!(
        "{what:16} min {:6.2}  median {:6.2}  p99 {:6.2} ms",
        at(0),
        at(50),
        at(99)
    );
}
