//! Calls that come twice, and calls about what is not there.

use crate::storage::Purpose;
use crate::testing::Operation;
use crate::testing::conformance::bench::{Bench, Outcome, file, files, keys};
use crate::testing::conformance::{Case, Failure};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "prepare-twice-is-refused",
        why: "the key names a snapshot that somebody uses",
        run: prepare_twice,
    },
    Case {
        name: "commit-to-an-existing-name-is-refused",
        why: "a committed layer never changes",
        run: commit_twice,
    },
    Case {
        name: "commit-of-nothing-is-refused",
        why: "a layer that was never unpacked must not come to be",
        run: commit_missing,
    },
    Case {
        name: "mounts-of-nothing-is-not-found",
        why: "the host tells a snapshot that is gone by this code",
        run: mounts_missing,
    },
    Case {
        name: "remove-twice-is-fine",
        why: "the host repeats what a crash may have cut off",
        run: remove_twice,
    },
    Case {
        name: "remove-leaves-others",
        why: "parents and siblings of a snapshot are used by others",
        run: remove_leaves_others,
    },
    Case {
        name: "a-removed-key-can-be-used-again",
        why: "nothing of a removed snapshot may show in a new one",
        run: remove_and_prepare,
    },
];

fn refused(what: &str, outcome: Result<impl Sized, String>) -> Outcome {
    match outcome {
        Err(_) => Ok(()),
        Ok(_) => Err(Failure::new(what, "an error", "it was carried out")),
    }
}

fn prepare_twice(bench: &Bench<'_>) -> Outcome {
    bench.layer("base", &[], &[file("a", "1")])?;
    let parents = keys(&["base"]);
    let mount = bench.prepare("run", &parents, Purpose::Run)?;
    bench.write("a container", &mount, "own", "kept")?;
    for purpose in [Purpose::Run, Purpose::Extract] {
        let again = bench.order("run", &parents, Operation::Prepare(purpose));
        refused("prepare of a key that exists", again)?;
    }
    let expected = files(&[("a", "1"), ("own", "kept")]);
    let mount = bench.mounts("run", &parents, Purpose::Run)?;
    bench.shows("the container after a second prepare", &mount, &expected)
}

fn commit_twice(bench: &Bench<'_>) -> Outcome {
    bench.layer("base", &[], &[file("a", "first")])?;
    let mount = bench.prepare("extract-2", &[], Purpose::Extract)?;
    bench.extract("extract-2", &mount, &[file("a", "second")])?;
    let again = bench.order("extract-2", &[], Operation::Commit("base".into()));
    refused("commit to a name that exists", again)?;
    let view = bench.prepare("view", &keys(&["base"]), Purpose::View)?;
    bench.shows("the committed layer", &view, &files(&[("a", "first")]))?;
    bench.must("extract-2", &[], Operation::Commit("other".into()))?;
    let view = bench.prepare("view-2", &keys(&["other"]), Purpose::View)?;
    bench.shows(
        "the layer under another name",
        &view,
        &files(&[("a", "second")]),
    )
}

fn commit_missing(bench: &Bench<'_>) -> Outcome {
    let committed = bench.order("never-was", &[], Operation::Commit("layer".into()));
    refused("commit of a snapshot that does not exist", committed)?;
    match bench.snapshots().as_slice() {
        [] => Ok(()),
        found => Err(Failure::new(
            "the root afterwards",
            "nothing",
            found.join(", "),
        )),
    }
}

fn mounts_missing(bench: &Bench<'_>) -> Outcome {
    for purpose in [Purpose::Run, Purpose::View] {
        let what = "mounts of a snapshot that does not exist";
        match bench.ask("never-was", &[], Operation::Mounts(purpose)) {
            Err(error) if error.starts_with("not-found:") => {}
            Err(error) => return Err(Failure::new(what, "the code not-found", error)),
            Ok(_) => return Err(Failure::new(what, "the code not-found", "ok")),
        }
    }
    Ok(())
}

fn remove_twice(bench: &Bench<'_>) -> Outcome {
    let parents = bench.chain(1)?;
    bench.must("never-was", &[], Operation::Remove)?;
    for purpose in [Purpose::Run, Purpose::View, Purpose::Extract] {
        bench.prepare("snapshot", &parents, purpose)?;
        for _ in 0..2 {
            bench.must("snapshot", &[], Operation::Remove)?;
        }
        if bench.snapshots().contains(&"snapshot".to_owned()) {
            return Err(Failure::new(
                "remove",
                "no directory of the snapshot",
                "it is there",
            ));
        }
    }
    // Two plans made before either is carried out: two requests at once.
    bench.prepare("snapshot", &parents, Purpose::Run)?;
    let plans = [(); 2].map(|()| bench.ask("snapshot", &[], Operation::Remove));
    for plan in plans {
        plan.and_then(|plan| bench.host.carry_out(&plan.orders))
            .map_err(|found| Failure::new("two removals at once", "both to be fine", found))?;
    }
    Ok(())
}

fn remove_leaves_others(bench: &Bench<'_>) -> Outcome {
    let parents = bench.chain(2)?;
    let one = bench.prepare("one", &parents, Purpose::Run)?;
    bench.write("container one", &one, "own", "kept")?;
    bench.prepare("two", &parents, Purpose::Run)?;
    bench.prepare("view", &parents, Purpose::View)?;
    for key in ["two", "view"] {
        bench.must(key, &[], Operation::Remove)?;
    }
    let mut expected = Bench::chain_files(2);
    let fresh = bench.prepare("three", &parents, Purpose::Run)?;
    bench.shows(
        "a new container after the removal of others",
        &fresh,
        &expected,
    )?;
    expected.insert("own".into(), b"kept".to_vec());
    let mount = bench.mounts("one", &parents, Purpose::Run)?;
    bench.shows("the container that stays", &mount, &expected)
}

fn remove_and_prepare(bench: &Bench<'_>) -> Outcome {
    let parents = bench.chain(1)?;
    for round in ["first", "second", "third"] {
        let mount = bench.prepare("again", &parents, Purpose::Run)?;
        bench.shows(
            &format!("the {round} snapshot"),
            &mount,
            &Bench::chain_files(1),
        )?;
        bench.write("a container", &mount, round, "x")?;
        bench.must("again", &[], Operation::Remove)?;
    }
    let mount = bench.prepare("again", &parents, Purpose::Extract)?;
    bench.extract("again", &mount, &[file("new", "1")])?;
    bench.must("again", &parents, Operation::Commit("top".into()))?;
    let mut expected = Bench::chain_files(1);
    expected.insert("new".into(), b"1".to_vec());
    let view = bench.prepare("view", &keys(&["top", "chain-1"]), Purpose::View)?;
    bench.shows("a layer under a key that containers had", &view, &expected)
}
