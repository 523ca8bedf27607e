//! Layers over layers.

use crate::storage::Purpose;
use crate::testing::LayerChange;
use crate::testing::conformance::Case;
use crate::testing::conformance::bench::{Bench, Outcome, file, files, keys};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "first-layer-is-empty",
        why: "a layer without parents is unpacked into an empty, writable root",
        run: first_layer,
    },
    Case {
        name: "chain-1",
        why: "a container sees its image's only layer",
        run: |bench| chain(bench, 1),
    },
    Case {
        name: "chain-2",
        why: "every parent is part of the root, the nearest uppermost",
        run: |bench| chain(bench, 2),
    },
    Case {
        name: "chain-64",
        why: "every parent is part of the root, the nearest uppermost",
        run: |bench| chain(bench, 64),
    },
    Case {
        name: "chain-127",
        why: "images have up to 127 layers",
        run: |bench| chain(bench, 127),
    },
    Case {
        name: "chain-300",
        why: "layers of commits of commits have no limit but the kernel's",
        run: |bench| chain(bench, 300),
    },
    Case {
        name: "whiteout-hides",
        why: "a layer's whiteout removes the name from what is seen above, not from the layer below",
        run: whiteout,
    },
    Case {
        name: "opaque-directory-hides",
        why: "of an opaque directory only what the layer itself has is seen",
        run: opaque,
    },
    Case {
        name: "layers-do-not-change",
        why: "other images and containers are built on the same layer",
        run: layers_stay,
    },
];

fn first_layer(bench: &Bench<'_>) -> Outcome {
    let mount = bench.prepare("extract-a", &[], Purpose::Extract)?;
    bench.shows("the root for a first layer", &mount, &files(&[]))?;
    bench.write("the root for a first layer", &mount, "file", "x")
}

fn chain(bench: &Bench<'_>, length: usize) -> Outcome {
    let parents = bench.chain(length)?;
    let expected = Bench::chain_files(length);
    for (key, purpose) in [("run", Purpose::Run), ("view", Purpose::View)] {
        let what = format!("a {key} over {length} layers");
        let mount = bench.prepare(key, &parents, purpose)?;
        bench.shows(&what, &mount, &expected)?;
        let again = bench.mounts(key, &parents, purpose)?;
        bench.shows(&format!("{what}, mounted again"), &again, &expected)?;
    }
    Ok(())
}

fn whiteout(bench: &Bench<'_>) -> Outcome {
    bench.layer(
        "base",
        &[],
        &[file("a", "1"), file("d/b", "2"), file("d/c", "3")],
    )?;
    let base = keys(&["base"]);
    let gone = [
        LayerChange::Whiteout("a".into()),
        LayerChange::Whiteout("d/b".into()),
        file("new", "4"),
    ];
    bench.layer("top", &base, &gone)?;
    let top = keys(&["top", "base"]);
    let mount = bench.prepare("run", &top, Purpose::Run)?;
    let expected = files(&[("d/c", "3"), ("new", "4")]);
    bench.shows("a container over a layer with whiteouts", &mount, &expected)?;
    let below = bench.prepare("below", &base, Purpose::View)?;
    let expected = files(&[("a", "1"), ("d/b", "2"), ("d/c", "3")]);
    bench.shows("the layer below the whiteouts", &below, &expected)?;
    // What was removed can come back.
    bench.layer("again", &top, &[file("a", "5")])?;
    let mount = bench.prepare("run-2", &keys(&["again", "top", "base"]), Purpose::Run)?;
    let expected = files(&[("a", "5"), ("d/c", "3"), ("new", "4")]);
    bench.shows("a layer that makes a removed file again", &mount, &expected)
}

fn opaque(bench: &Bench<'_>) -> Outcome {
    bench.layer(
        "base",
        &[],
        &[file("d/a", "1"), file("d/e/b", "2"), file("o", "3")],
    )?;
    let replaced = [LayerChange::Opaque("d".into()), file("d/new", "4")];
    bench.layer("top", &keys(&["base"]), &replaced)?;
    let mount = bench.prepare("run", &keys(&["top", "base"]), Purpose::Run)?;
    let expected = files(&[("d/new", "4"), ("o", "3")]);
    bench.shows("a container over an opaque directory", &mount, &expected)
}

fn layers_stay(bench: &Bench<'_>) -> Outcome {
    let parents = bench.chain(2)?;
    for key in ["one", "two"] {
        let mount = bench.prepare(key, &parents, Purpose::Run)?;
        bench.shows("a new container", &mount, &Bench::chain_files(2))?;
        bench.write("a container", &mount, "latest", "changed")?;
        bench.write("a container", &mount, "own", key)?;
        bench.host.delete(&mount, "layer-1").map_err(|found| {
            super::super::Failure::new("a container", "a writable mount", found)
        })?;
    }
    let view = bench.prepare("view", &parents, Purpose::View)?;
    bench.shows(
        "the layers after containers wrote",
        &view,
        &Bench::chain_files(2),
    )
}
