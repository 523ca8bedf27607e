//! A driver with one flaw at a time: the suite must find it, in the sandbox
//! and under the host's checks, and say what is wrong.

use bulkhead_conformance::{Component, Options, run};
use bulkhead_test_support::{privileged, release_dir};

/// What the suite says of a flaw, in these cases.
fn told(flaw: &str, cases: &[&str]) -> Vec<String> {
    let wasm = release_dir().join("guests/storage-broken/plugin.wasm");
    let settings = [("flaw".to_owned(), flaw.to_owned())];
    let driver = Component::open(&wasm, None, &settings, &release_dir()).unwrap();
    let options = Options {
        cases: cases.iter().map(|case| (*case).to_owned()).collect(),
        ..Options::default()
    };
    let report = run(&driver, &options).unwrap();
    report.failed().map(ToString::to_string).collect()
}

#[test]
fn each_flaw_is_told_with_what_was_expected_and_why() {
    if !privileged() {
        return;
    }
    let flaws: [(&str, &[&str], &[&str]); 8] = [
        (
            "forgets-a-parent",
            &["chain-64", "real-chain-2", "real-chain-64"],
            &[
                "chain-64: a run over 64 layers: expected the file layer-1, found no such file (every parent is part of the root, the nearest uppermost)",
                "real-chain-64: the directory \"dir\" in run (run, 64 layers): expected",
            ],
        ),
        (
            "writable-view",
            &["view-is-read-only", "a-view-takes-no-writes"],
            &[
                "view-is-read-only: prepare of a view of view-0: expected it to be carried out, found invalid: a view is read-only (a view is of layers that others use)",
                "a-view-takes-no-writes: prepare of view-0 for view: expected it to work, found plugin storage-broken 0.1.0: prepare: a view is read-only (a view is of layers that others use)",
            ],
        ),
        (
            "removes-a-parent",
            &["layers-do-not-change", "real-layers-do-not-change"],
            &[
                "layers-do-not-change: prepare for a layer of extract-chain-2: expected it to be carried out, found denied: chain-1 is not this operation's to change (other images and containers are built on the same layer)",
                "real-layers-do-not-change: prepare of one for run: expected it to work, found plugin storage-broken 0.1.0: prepare: base is not this operation's to change (other images and containers are built on the same layer)",
            ],
        ),
        (
            "loses-state",
            &[
                "remove-leaves-others",
                "found-again-after-a-restart",
                "real-any-order-of-calls",
            ],
            &[
                "remove-leaves-others: mounts of one: expected it to be carried out, found not-found: there is no one (parents and siblings of a snapshot are used by others)",
                "real-any-order-of-calls: mounts of snapshot-",
            ],
        ),
        (
            "wrong-usage",
            &[
                "usage-counts-what-is-written",
                "usage-grows-by-what-is-written",
            ],
            &[
                "usage-counts-what-is-written: usage after a write of 10000 bytes: expected 4096 and 10000 bytes more, found 4096 (sizes of containers are shown and limits are set by them)",
                "usage-grows-by-what-is-written: usage after 4 MiB were written: expected 4 MiB more, found 0 bytes more (sizes of containers are shown and limits are set by them)",
            ],
        ),
        (
            "prepares-twice",
            &["prepare-twice-is-refused", "real-prepare-twice-is-refused"],
            &[
                "prepare-twice-is-refused: prepare of a key that exists: expected an error, found it was carried out (the key names a snapshot that somebody uses)",
                "real-prepare-twice-is-refused: prepare of a key that exists: expected an error, found it was carried out (the key names a snapshot that somebody uses)",
            ],
        ),
        (
            "collects-all",
            &["gc-keeps-what-is-alive", "real-gc"],
            &[
                "gc-keeps-what-is-alive: gc: expected it to be carried out, found denied: alive is not this operation's to change (gc runs at every start of the engine, over everybody's data)",
                "real-gc: gc: expected it to work, found plugin storage-broken 0.1.0: gc: alive is not this operation's to change (gc runs at every start of the engine, over everybody's data)",
            ],
        ),
        (
            "collects-nothing",
            &["gc-removes-what-is-not-alive", "real-gc"],
            &[
                "gc-removes-what-is-not-alive: gc with nothing alive: expected [] to be left, found [chain-1, chain-2, extract, run, view] (what a crash left behind takes the disk until gc removes it)",
                "real-gc: what is left: expected [\"alive\", \"chain-1\", \"chain-2\"], found [\"alive\", \"chain-1\", \"chain-2\", \"dead-extract\", \"dead-layer\", \"dead-run\", \"dead-view\"] (gc runs at every start of the engine, over everybody's data)",
            ],
        ),
    ];
    for (flaw, cases, expected) in flaws {
        let told = told(flaw, cases);
        assert_eq!(told.len(), expected.len(), "{flaw}: {told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(
                told.starts_with(expected),
                "{flaw}:\n{told}\nexpected:\n{expected}"
            );
        }
    }
}

#[test]
fn the_same_driver_without_a_flaw_is_right() {
    if !privileged() {
        return;
    }
    assert_eq!(told("none", &[]), [] as [&str; 0]);
}

#[test]
fn what_is_no_storage_driver_is_refused_by_name() {
    let wasm = release_dir().join("plugins/network-none/plugin.wasm");
    let error = match Component::open(&wasm, None, &[], &release_dir()) {
        Err(error) => error.to_string(),
        Ok(_) => String::new(),
    };
    assert_eq!(
        error,
        "network-none is of world network; the suite is for storage drivers"
    );
}
