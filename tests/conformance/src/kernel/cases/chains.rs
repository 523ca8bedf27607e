//! Layers over layers.

use bulkhead_model::storage::Purpose;

use crate::kernel::Case;
use crate::kernel::bench::{Bench, Outcome};
use crate::kernel::layer::Layer;
use crate::kernel::root::Root;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "real-chain-1",
        why: "a container sees its image's only layer",
        run: |bench| chain(bench, 1),
    },
    Case {
        name: "real-chain-2",
        why: "every parent is part of the root, the nearest uppermost",
        run: |bench| chain(bench, 2),
    },
    Case {
        name: "real-chain-64",
        why: "every parent is part of the root, the nearest uppermost",
        run: |bench| chain(bench, 64),
    },
    Case {
        name: "real-chain-127",
        why: "images have up to 127 layers",
        run: |bench| chain(bench, 127),
    },
    Case {
        name: "real-chain-300",
        why: "layers of commits of commits have no limit but the kernel's",
        run: |bench| chain(bench, 300),
    },
    Case {
        name: "layers-in-the-middle-are-complete",
        why: "each committed layer is an image of its own, whatever is built on it",
        run: middle,
    },
];

/// A chain whose layers have a file each, and a file and a directory in
/// common; what is there of it is used. Its names nearest first.
pub(super) fn build(bench: &Bench<'_>, length: usize) -> Outcome<Vec<String>> {
    let mut parents = Vec::new();
    let known = bench.snapshots()?;
    for at in 1..=length {
        let name = format!("chain-{at}");
        if known.contains(&name) {
            parents.insert(0, name);
            continue;
        }
        let layer = Layer::new()
            .dir("dir")
            .file(&format!("dir/layer-{at}"), &at.to_string())
            .file("latest", &at.to_string());
        parents = bench.layer(&name, &parents, layer)?;
    }
    Ok(parents)
}

/// What such a chain must show.
pub(super) fn shows(root: &Root, length: usize) -> Outcome {
    let mut names: Vec<String> = (1..=length).map(|at| format!("layer-{at}")).collect();
    names.sort();
    let expected: Vec<&str> = names.iter().map(String::as_str).collect();
    root.holds("dir", &expected)?;
    root.has("latest", &length.to_string())?;
    root.has("dir/layer-1", "1")?;
    root.has(&format!("dir/layer-{length}"), &length.to_string())
}

fn chain(bench: &Bench<'_>, length: usize) -> Outcome {
    let parents = build(bench, length)?;
    let root = bench.container("run", &parents)?;
    shows(&root, length)?;
    root.write("latest", "changed")?;
    root.write("dir/own", "new")?;
    drop(root);
    let view = bench.prepare("view", &parents, Purpose::View)?;
    shows(&view, length)?;
    drop(view);
    let again = bench.mounts("run", &parents, Purpose::Run)?;
    again.has("latest", "changed")?;
    again.has("dir/own", "new")?;
    again.has("dir/layer-1", "1")?;
    drop(again);
    ["run", "view"].iter().try_for_each(|key| bench.remove(key))
}

fn middle(bench: &Bench<'_>) -> Outcome {
    let parents = build(bench, 8)?;
    for length in 1..=8 {
        let below = &parents[8 - length..];
        let view = bench.prepare(&format!("view-{length}"), below, Purpose::View)?;
        shows(&view, length)?;
        drop(view);
        bench.remove(&format!("view-{length}"))?;
    }
    Ok(())
}
