//! The host is killed on the way, and the driver finds what it did not make.

use crate::storage::Purpose;
use crate::testing::Operation;
use crate::testing::conformance::bench::{Bench, Outcome, Plan, file, files, keys, word};
use crate::testing::conformance::{Case, Failure};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "killed-while-preparing",
        why: "after any step the host may be killed; remove and gc clean up, and a new try works",
        run: |bench| {
            for purpose in [Purpose::Run, Purpose::View, Purpose::Extract] {
                killed_preparing(bench, purpose)?;
            }
            Ok(())
        },
    },
    Case {
        name: "killed-while-committing",
        why: "a commit that was cut off is undone by gc, and the pull starts again",
        run: killed_committing,
    },
    Case {
        name: "killed-while-removing",
        why: "a removal that was cut off is repeated",
        run: killed_removing,
    },
    Case {
        name: "a-plan-that-fails-can-be-tried-again",
        why: "a full disk is made room on, and the same call comes again",
        run: failed_plan,
    },
    Case {
        name: "garbage-in-the-root",
        why: "directories that the driver did not make are neither followed nor believed",
        run: garbage,
    },
    Case {
        name: "damaged-state",
        why: "a value the driver kept may come back damaged: an error is fine, other files are not",
        run: damaged_state,
    },
];

fn planned(
    bench: &Bench<'_>,
    key: &str,
    parents: &[String],
    operation: Operation,
) -> Outcome<Plan> {
    let what = format!("{} of {key}", word(&operation));
    let asked = bench.ask(key, parents, operation);
    asked.map_err(|found| Failure::new(&what, "a plan", found))
}

fn cut(bench: &Bench<'_>, plan: &Plan, steps: usize) -> Outcome {
    let what = format!("the first {steps} steps of a plan");
    let done = bench.host.carry_out_some(&plan.steps(), steps);
    done.map_err(|found| Failure::new(&what, "them to be carried out", found))
}

fn killed_preparing(bench: &Bench<'_>, purpose: Purpose) -> Outcome {
    let parents = bench.afresh().chain(2)?;
    let steps = {
        let trial = bench.afresh();
        trial.chain(2)?;
        planned(&trial, "cut", &parents, Operation::Prepare(purpose))?
            .steps()
            .len()
    };
    for at in 0..=steps {
        for by_gc in [false, true] {
            let fresh = bench.afresh();
            let parents = fresh.chain(2)?;
            let plan = planned(&fresh, "cut", &parents, Operation::Prepare(purpose))?;
            cut(&fresh, &plan, at)?;
            match by_gc {
                true => fresh.collect(&parents)?,
                false => drop(fresh.must("cut", &[], Operation::Remove)?),
            }
            let what = format!("a snapshot whose first prepare was cut off after step {at}");
            let mount = fresh.prepare("cut", &parents, purpose)?;
            // What a driver shows of the parents to an unpacking host is its own affair.
            if purpose != Purpose::Extract {
                fresh.shows(&what, &mount, &Bench::chain_files(2))?;
            }
        }
    }
    Ok(())
}

fn killed_committing(bench: &Bench<'_>) -> Outcome {
    let mut at = 0;
    loop {
        let fresh = bench.afresh();
        fresh.layer("base", &[], &[file("a", "1")])?;
        let base = keys(&["base"]);
        let mount = fresh.prepare("extract", &base, Purpose::Extract)?;
        fresh.extract("extract", &mount, &[file("b", "2")])?;
        let plan = planned(&fresh, "extract", &base, Operation::Commit("top".into()))?;
        cut(&fresh, &plan, at)?;
        fresh.collect(&base)?;
        let found = fresh.snapshots();
        if found != base {
            let what = format!("gc after a commit that was cut off after step {at}");
            return Err(Failure::new(
                &what,
                "[base] to be left",
                format!("[{}]", found.join(", ")),
            ));
        }
        fresh.layer("top", &base, &[file("b", "3")])?;
        let view = fresh.prepare("view", &keys(&["top", "base"]), Purpose::View)?;
        let expected = files(&[("a", "1"), ("b", "3")]);
        fresh.shows("the layer, unpacked again", &view, &expected)?;
        if at > plan.steps().len() {
            return Ok(());
        }
        at += 1;
    }
}

fn killed_removing(bench: &Bench<'_>) -> Outcome {
    let mut at = 0;
    loop {
        let fresh = bench.afresh();
        let parents = fresh.chain(2)?;
        let mount = fresh.prepare("run", &parents, Purpose::Run)?;
        fresh.write("a container", &mount, "own", "x")?;
        let plan = planned(&fresh, "run", &[], Operation::Remove)?;
        cut(&fresh, &plan, at)?;
        fresh.must("run", &[], Operation::Remove)?;
        let mount = fresh.prepare("run", &parents, Purpose::Run)?;
        let what = format!("a snapshot made after a removal that was cut off after step {at}");
        fresh.shows(&what, &mount, &Bench::chain_files(2))?;
        if at > plan.steps().len() {
            return Ok(());
        }
        at += 1;
    }
}

/// The host takes back what a plan did before it failed.
fn failed_plan(bench: &Bench<'_>) -> Outcome {
    let parents = bench.chain(1)?;
    let plan = planned(bench, "run", &parents, Operation::Prepare(Purpose::Run))?;
    // Not carried out at all: the driver must not have counted on it.
    let again = planned(bench, "run", &parents, Operation::Prepare(Purpose::Run))?;
    if plan.orders != again.orders {
        let expected = format!("the same orders: {:?}", plan.orders);
        return Err(Failure::new(
            "the same call again",
            expected,
            format!("{:?}", again.orders),
        ));
    }
    let mount = bench.prepare("run", &parents, Purpose::Run)?;
    bench.shows("the container in the end", &mount, &Bench::chain_files(1))
}

fn garbage(bench: &Bench<'_>) -> Outcome {
    let parents = bench.chain(2)?;
    for dir in [
        "lost+found",
        "fs",
        "work",
        "-",
        "_",
        "a..b",
        "chain-0",
        "chain-11/fs/fs",
    ] {
        let _ = bench.host.clone().with_dir(dir);
    }
    let _ = bench
        .host
        .clone()
        .with_dir("half")
        .with_file("half/file", b"?");
    let mount = bench.prepare("run", &parents, Purpose::Run)?;
    bench.shows("a container beside garbage", &mount, &Bench::chain_files(2))?;
    let live = [parents.as_slice(), &keys(&["run"])].concat();
    bench.collect(&live)?;
    let mount = bench.mounts("run", &parents, Purpose::Run)?;
    bench.shows(
        "the container after gc of garbage",
        &mount,
        &Bench::chain_files(2),
    )?;
    match bench.snapshots().as_slice() {
        [_, _, _] => Ok(()),
        found => Err(Failure::new(
            "gc",
            "the garbage to go",
            format!("[{}]", found.join(", ")),
        )),
    }
}

fn damaged_state(bench: &Bench<'_>) -> Outcome {
    let probe = bench.afresh();
    probe.chain(2)?;
    for damage in [&b""[..], b"\xff\xfe\0garbage", &[b'9'; 4096]] {
        let fresh = bench.afresh();
        let parents = fresh.chain(2)?;
        let mount = fresh.prepare("run", &parents, Purpose::Run)?;
        fresh.write("a container", &mount, "own", "kept")?;
        for key in fresh.host.state_keys() {
            fresh.host.damage_state(&key, damage);
        }
        let mut expected = Bench::chain_files(2);
        if let Ok(plan) = fresh.ask("new", &parents, Operation::Prepare(Purpose::Run))
            && fresh.host.carry_out(&plan.orders).is_ok()
            && let Some(mount) = plan.mount()
        {
            fresh.shows("a new container with damaged state", &mount, &expected)?;
        }
        expected.insert("own".into(), b"kept".to_vec());
        if let Ok(plan) = fresh.ask("run", &parents, Operation::Mounts(Purpose::Run))
            && let Some(mount) = plan.mount()
        {
            fresh.shows("the container with damaged state", &mount, &expected)?;
        }
    }
    Ok(())
}
