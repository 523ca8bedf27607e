//! Garbage.

use crate::storage::Purpose;
use crate::testing::Operation;
use crate::testing::conformance::bench::{Bench, Outcome};
use crate::testing::conformance::{Case, Failure};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "gc-removes-what-is-not-alive",
        why: "what a crash left behind takes the disk until gc removes it",
        run: removes,
    },
    Case {
        name: "gc-keeps-what-is-alive",
        why: "gc runs at every start of the engine, over everybody's data",
        run: keeps,
    },
    Case {
        name: "gc-of-a-great-heap-ends",
        why: "a call has a limit of orders; a heap goes in several calls instead of never",
        run: great_heap,
    },
    Case {
        name: "gc-ignores-files-it-does-not-know",
        why: "an administrator may leave a note in the driver's root",
        run: foreign_files,
    },
];

fn left(bench: &Bench<'_>, what: &str, expected: &[&str]) -> Outcome {
    let found = bench.snapshots();
    match found == expected {
        true => Ok(()),
        false => Err(Failure::new(
            what,
            format!("[{}] to be left", expected.join(", ")),
            format!("[{}]", found.join(", ")),
        )),
    }
}

fn removes(bench: &Bench<'_>) -> Outcome {
    let parents = bench.chain(2)?;
    bench.prepare("run", &parents, Purpose::Run)?;
    bench.prepare("view", &parents, Purpose::View)?;
    bench.prepare("extract", &parents, Purpose::Extract)?;
    bench.collect(&[])?;
    left(bench, "gc with nothing alive", &[])
}

fn keeps(bench: &Bench<'_>) -> Outcome {
    let parents = bench.chain(2)?;
    let mount = bench.prepare("alive", &parents, Purpose::Run)?;
    bench.write("a container", &mount, "own", "kept")?;
    bench.prepare("dead", &parents, Purpose::Run)?;
    bench.layer("unused", &parents, &[])?;
    let live = ["chain-1", "chain-2", "alive"].map(str::to_owned);
    bench.collect(&live)?;
    left(bench, "gc", &["alive", "chain-1", "chain-2"])?;
    let mut expected = Bench::chain_files(2);
    expected.insert("own".into(), b"kept".to_vec());
    let mount = bench.mounts("alive", &parents, Purpose::Run)?;
    bench.shows("the container after gc", &mount, &expected)?;
    // Names that are alive and have no directory are no error.
    bench.collect(&["gone".to_owned(), "alive".to_owned()])?;
    left(bench, "gc", &["alive"])
}

fn great_heap(bench: &Bench<'_>) -> Outcome {
    for at in 0..1_500 {
        let _ = bench.host.clone().with_dir(&format!("heap-{at:04}/fs"));
    }
    bench.collect(&["heap-0700".to_owned()])?;
    left(bench, "gc of 1500 snapshots", &["heap-0700"])
}

fn foreign_files(bench: &Bench<'_>) -> Outcome {
    let parents = bench.chain(1)?;
    let _ = bench.host.clone().with_file("README", b"do not touch");
    bench.must("", &[], Operation::Gc(parents.clone()))?;
    let mount = bench.prepare("run", &parents, Purpose::Run)?;
    bench.shows(
        "a container beside a foreign file",
        &mount,
        &Bench::chain_files(1),
    )
}
