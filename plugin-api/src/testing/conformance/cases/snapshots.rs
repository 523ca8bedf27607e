//! A snapshot from its first call to its last.

use crate::storage::Purpose;
use crate::testing::conformance::bench::{Bench, Outcome, file, files, keys};
use crate::testing::conformance::{Case, Failure};
use crate::testing::{Operation, StorageOrder};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "probe-orders-nothing",
        why: "whether a driver can work is asked of several drivers, and one is chosen",
        run: probe,
    },
    Case {
        name: "view-is-read-only",
        why: "a view is of layers that others use",
        run: view_is_read_only,
    },
    Case {
        name: "writes-stay-in-the-container",
        why: "containers of one image do not see each other's files",
        run: writes_are_private,
    },
    Case {
        name: "writes-are-there-when-mounted-again",
        why: "a stopped container keeps its files",
        run: writes_stay,
    },
    Case {
        name: "empty-image-runs",
        why: "an image without layers gives an empty, writable root",
        run: empty_image,
    },
    Case {
        name: "two-plans-before-either-is-carried-out",
        why: "containers are created at the same time",
        run: concurrent,
    },
    Case {
        name: "longest-key",
        why: "a key has up to 128 characters",
        run: longest_key,
    },
    Case {
        name: "usage-counts-what-is-written",
        why: "sizes of containers are shown and limits are set by them",
        run: usage,
    },
    Case {
        name: "a-refused-order-is-an-error",
        why: "a driver that goes on after a refusal leaves half a snapshot",
        run: refused_orders,
    },
];

fn probe(bench: &Bench<'_>) -> Outcome {
    let plan = bench.must("", &[], Operation::Probe)?;
    match plan.orders.as_slice() {
        [] | [StorageOrder::Pool(_)] => Ok(()),
        orders => Err(Failure::new(
            "probe",
            "no orders but a pool",
            format!("{orders:?}"),
        )),
    }
}

fn view_is_read_only(bench: &Bench<'_>) -> Outcome {
    for length in [0, 1, 2] {
        let parents = bench.chain(length)?;
        let key = format!("view-{length}");
        let mount = bench.prepare(&key, &parents, Purpose::View)?;
        let what = format!("a view of {length} layers");
        if bench.host.write(&mount, "x", b"").is_ok() {
            return Err(Failure::new(
                &what,
                "a read-only mount",
                "one that takes writes",
            ));
        }
        bench.collect(&[])?;
    }
    Ok(())
}

fn writes_are_private(bench: &Bench<'_>) -> Outcome {
    bench.layer("base", &[], &[file("a", "1")])?;
    let parents = keys(&["base"]);
    let one = bench.prepare("one", &parents, Purpose::Run)?;
    let two = bench.prepare("two", &parents, Purpose::Run)?;
    bench.write("container one", &one, "own", "one")?;
    bench.write("container one", &one, "a", "changed")?;
    bench.shows("container two", &two, &files(&[("a", "1")]))?;
    bench.write("container two", &two, "own", "two")?;
    let expected = files(&[("a", "changed"), ("own", "one")]);
    bench.shows("container one", &one, &expected)
}

fn writes_stay(bench: &Bench<'_>) -> Outcome {
    bench.layer("base", &[], &[file("a", "1"), file("b", "2")])?;
    let parents = keys(&["base"]);
    let mount = bench.prepare("run", &parents, Purpose::Run)?;
    bench.write("a container", &mount, "own", "kept")?;
    let removed = bench.host.delete(&mount, "a");
    removed.map_err(|found| Failure::new("a container", "a writable mount", found))?;
    let expected = files(&[("b", "2"), ("own", "kept")]);
    for _ in 0..2 {
        let again = bench.mounts("run", &parents, Purpose::Run)?;
        bench.shows("the container, mounted again", &again, &expected)?;
        bench.write("the container, mounted again", &again, "own", "kept")?;
    }
    Ok(())
}

fn empty_image(bench: &Bench<'_>) -> Outcome {
    let mount = bench.prepare("run", &[], Purpose::Run)?;
    bench.shows("a container of an empty image", &mount, &files(&[]))?;
    bench.write("a container of an empty image", &mount, "a", "1")?;
    let again = bench.mounts("run", &[], Purpose::Run)?;
    bench.shows("it, mounted again", &again, &files(&[("a", "1")]))
}

fn concurrent(bench: &Bench<'_>) -> Outcome {
    let parents = bench.chain(2)?;
    let names = ["one", "two", "three"];
    let mut plans = Vec::new();
    for key in names {
        let asked = bench.ask(key, &parents, Operation::Prepare(Purpose::Run));
        plans.push(asked.map_err(|found| Failure::new("prepare", "a plan", found))?);
    }
    for (key, plan) in names.iter().zip(&plans) {
        let done = bench.host.carry_out(&plan.orders);
        done.map_err(|found| {
            Failure::new(
                &format!("the plan for {key}"),
                "it to be carried out",
                found,
            )
        })?;
    }
    for (key, plan) in names.iter().zip(&plans) {
        let what = format!("container {key}");
        let mount = plan.mount();
        let mount = mount.ok_or_else(|| Failure::new(&what, "a mount", "none ordered"))?;
        bench.shows(&what, &mount, &Bench::chain_files(2))?;
        bench.write(&what, &mount, "latest", key)?;
    }
    Ok(())
}

fn longest_key(bench: &Bench<'_>) -> Outcome {
    let key = "k".repeat(128);
    let name = "n".repeat(128);
    let mount = bench.prepare(&key, &[], Purpose::Extract)?;
    bench.extract(&key, &mount, &[file("a", "1")])?;
    bench.must(&key, &[], Operation::Commit(name.clone()))?;
    let view = bench.prepare("view", &[name], Purpose::View)?;
    bench.shows(
        "a layer with the longest name",
        &view,
        &files(&[("a", "1")]),
    )
}

fn usage(bench: &Bench<'_>) -> Outcome {
    bench.layer("base", &[], &[file("big", &"x".repeat(5_000))])?;
    let parents = keys(&["base"]);
    let mount = bench.prepare("run", &parents, Purpose::Run)?;
    let before = bench.usage("run", &parents)?.bytes;
    if before >= 5_000 {
        return Err(Failure::new(
            "usage of a container that wrote nothing",
            "less than its image's 5000 bytes",
            before,
        ));
    }
    bench.write("a container", &mount, "own", &"y".repeat(10_000))?;
    let after = bench.usage("run", &parents)?.bytes;
    if after != before + 10_000 {
        let expected = format!("{before} and 10000 bytes more");
        return Err(Failure::new(
            "usage after a write of 10000 bytes",
            expected,
            after,
        ));
    }
    let other = bench.prepare("other", &parents, Purpose::Run)?;
    bench.write("another container", &other, "own", "1")?;
    match bench.usage("run", &parents)?.bytes {
        same if same == after => Ok(()),
        found => Err(Failure::new(
            "usage after another container wrote",
            format!("{after} bytes as before"),
            found,
        )),
    }
}

/// Whatever order the host refuses, the driver must not call it a success.
fn refused_orders(bench: &Bench<'_>) -> Outcome {
    let parents = bench.chain(2)?;
    let asked = bench.ask("run", &parents, Operation::Prepare(Purpose::Run));
    let plan = asked.map_err(|found| Failure::new("prepare", "a plan", found))?;
    for order in plan.orders {
        let name = crate::testing::storage::order_name(&order);
        let fresh = bench.afresh();
        let parents = fresh.chain(2)?;
        let _ = fresh.host.clone().without_grant(name);
        let asked = fresh.ask("run", &parents, Operation::Prepare(Purpose::Run));
        if asked.is_ok() {
            let what = format!("prepare with {name} refused");
            return Err(Failure::new(&what, "an error", "ok"));
        }
    }
    Ok(())
}
