//! What the kernel holds that a container engine may have left behind.
//!
//! A snapshot is a set of lines, `kind name`; a leak is a line that was not
//! there before. Mounts, links and namespaces are all listed, whoever made
//! them; what has a name of ours elsewhere (cgroups, tables) only under it.

mod kernel;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// One line per object.
pub(crate) type Snapshot = BTreeSet<String>;

/// The kernel takes network namespaces and cgroups down after the last
/// reference is gone, on a work queue.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) fn snapshot() -> Snapshot {
    let kinds = [
        kernel::mounts(),
        kernel::links(),
        kernel::network_namespaces(),
        kernel::cgroups(),
        kernel::loop_devices(),
        kernel::tables(),
        kernel::processes(),
        kernel::folders(),
    ];
    kinds.into_iter().flatten().collect()
}

/// What is held now and was not in `before`, after a grace for what the
/// kernel takes down by itself.
pub(crate) fn since(before: &Snapshot) -> Vec<String> {
    let deadline = Instant::now() + GRACE;
    loop {
        let left: Vec<String> = snapshot().difference(before).cloned().collect();
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
