//! Several things at once.

use std::fs;

use bulkhead_plugin_api::testing::conformance::Failure;

use super::chains;
use crate::kernel::Case;
use crate::kernel::bench::{Bench, Expecting, Outcome};
use crate::kernel::layer::Layer;
use crate::kernel::root::same;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "containers-at-once",
        why: "containers of one image are made, used and removed at the same time",
        run: containers,
    },
    Case {
        name: "layers-at-once",
        why: "layers of different images are unpacked at the same time",
        run: layers,
    },
    Case {
        name: "one-key-at-once",
        why: "of several who make one snapshot exactly one does",
        run: one_key,
    },
];

const THREADS: usize = 8;

/// Runs the work on threads that share this one's mount namespace.
fn at_once<T: Send>(work: impl Fn(usize) -> Outcome<T> + Sync) -> Vec<Outcome<T>> {
    std::thread::scope(|scope| {
        let work = &work;
        let started: Vec<_> = (0..THREADS)
            .map(|at| scope.spawn(move || work(at)))
            .collect();
        let panicked = |_| Err(Failure::new("a thread", "an end", "a panic"));
        started
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(panicked))
            .collect()
    })
}

fn containers(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 3)?;
    let done = at_once(|at| {
        for round in 0..3 {
            let key = format!("c-{at}-{round}");
            let root = bench.container(&key, &parents)?;
            chains::shows(&root, 3)?;
            root.write("latest", &key)?;
            fs::remove_file(root.path("dir/layer-1")).expecting("removing a file")?;
            root.has("latest", &key)?;
            drop(root);
            if round != 2 {
                bench.remove(&key)?;
            }
        }
        Ok(())
    });
    done.into_iter().collect::<Outcome<()>>()?;
    for at in 0..THREADS {
        let key = format!("c-{at}-2");
        let purpose = bulkhead_model::storage::Purpose::Run;
        bench.mounts(&key, &parents, purpose)?.has("latest", &key)?;
    }
    same("what is left", &(THREADS + 3), &bench.snapshots()?.len())
}

fn layers(bench: &Bench<'_>) -> Outcome {
    let base = chains::build(bench, 1)?;
    let chains = at_once(|at| {
        let mut parents = base.clone();
        for level in 0..3 {
            let file = format!("own-{at}-{level}");
            let layer = Layer::new().file(&file, "x").file("latest", &file);
            parents = bench.layer(&format!("l-{at}-{level}"), &parents, layer)?;
        }
        Ok(parents)
    });
    for (at, parents) in chains.into_iter().enumerate() {
        let root = bench.container(&format!("c-{at}"), &parents?)?;
        root.has("latest", &format!("own-{at}-2"))?;
        let own = [0, 1, 2].map(|level| format!("own-{at}-{level}"));
        let mut expected = vec!["dir", "latest"];
        expected.extend(own.iter().map(String::as_str));
        root.holds("", &expected)?;
    }
    Ok(())
}

fn one_key(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 2)?;
    for round in 0..4 {
        let key = format!("same-{round}");
        let made = at_once(|_| bench.container(&key, &parents));
        let roots: Vec<_> = made.into_iter().flatten().collect();
        same("how many made the snapshot", &1, &roots.len())?;
        chains::shows(&roots[0], 2)?;
        roots[0].write("own", "x")?;
    }
    Ok(())
}
