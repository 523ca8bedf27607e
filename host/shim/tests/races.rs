//! A container that changes paths under the runtime's hands.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use bulkhead_model::process::BindMount;
use bulkhead_sys::directory::{entries, mkdirat, rename_exchange, symlinkat};
use bulkhead_sys::path::open_host_dir;
use support::Machine;

#[test]
fn targets_that_are_exchanged_while_mounting_never_lead_to_the_host() {
    let machine = Machine::new();
    let victim = machine.temp.path().join("victim");
    let shared = machine.temp.path().join("shared");
    std::fs::create_dir(&victim).unwrap();
    std::fs::create_dir(&shared).unwrap();
    let dir = open_host_dir(&shared).unwrap();
    mkdirat(&dir, "place", 0o755).unwrap();
    symlinkat(&victim, &dir, "link").unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                rename_exchange(&dir, "place", &dir, "link").unwrap();
            }
        });
        for _ in 0..support::times(150, 5000) {
            let mut plan = machine.plan(&["true"]);
            let mount = |source: &std::path::Path, target: &str| BindMount {
                source: source.to_owned(),
                target: target.into(),
                ..Default::default()
            };
            plan.mounts = vec![
                mount(&shared, "/shared"),
                mount(&machine.rootfs(), "/shared/place/inner/deep"),
            ];
            // A link to a path that is not in the container is an error.
            let _ = machine.try_run(&plan);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(entries(open_host_dir(&victim).unwrap()).unwrap().is_empty());
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(
        !table.contains(machine.temp.path().to_str().unwrap()),
        "{table}"
    );
}
