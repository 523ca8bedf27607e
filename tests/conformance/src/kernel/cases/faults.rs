//! The host is killed on the way, or a step fails.

use bulkhead_model::storage::{DirName, DirPath, Purpose, StoragePlan, StorageStep};
use bulkhead_plugin_api::testing::conformance::Failure;

use super::chains;
use crate::kernel::Case;
use crate::kernel::bench::{Bench, Outcome};
use crate::kernel::layer::Layer;
use crate::kernel::root::same;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "killed-while-preparing-for-real",
        why: "after any step the host may be killed; the next start cleans up, and a new try works",
        run: killed_preparing,
    },
    Case {
        name: "killed-while-unpacking",
        why: "half a layer is never seen",
        run: killed_unpacking,
    },
    Case {
        name: "killed-while-committing-for-real",
        why: "a commit that was cut off is undone by gc, and the pull starts again",
        run: killed_committing,
    },
    Case {
        name: "killed-while-removing-for-real",
        why: "a removal that was cut off is repeated",
        run: killed_removing,
    },
    Case {
        name: "a-failing-step-takes-back-the-others",
        why: "a plan is carried out whole or not at all",
        run: failing_step,
    },
];

/// The plan's first steps in the order in which they are carried out, without
/// an undo, as of a host that is killed then.
fn cut(plan: &StoragePlan, steps: usize) -> StoragePlan {
    let is_removal = |step: &&StorageStep| matches!(step, StorageStep::RemoveTree { .. });
    let others = plan.steps.iter().filter(|step| !is_removal(step));
    let ordered = others.chain(plan.steps.iter().filter(is_removal));
    StoragePlan {
        steps: ordered.take(steps).cloned().collect(),
        mount: None,
    }
}

/// Opens the same data root as a next start of the engine does.
fn restarted<'a>(bench: &Bench<'a>) -> Outcome<Bench<'a>> {
    Bench::open(bench.driver, &bench.data_root)?.reopened()
}

fn killed_preparing(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 2)?;
    for purpose in [Purpose::Run, Purpose::View, Purpose::Extract] {
        let steps = bench.ask_prepare("cut", &parents, purpose)?.steps.len();
        for at in 0..=steps {
            let plan = bench.ask_prepare("cut", &parents, purpose)?;
            bench.apply(&cut(&plan, at), "the beginning of a plan")?;
            let next = restarted(bench)?;
            match at % 2 {
                0 => next.collect(&parents)?,
                _ => next.remove("cut")?,
            }
            let root = next.prepare("cut", &parents, purpose)?;
            if purpose != Purpose::Extract {
                chains::shows(&root, 2)?;
            }
            drop(root);
            next.remove("cut")?;
        }
    }
    same("what is left", &2, &bench.snapshots()?.len())
}

fn killed_unpacking(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 1)?;
    let root = bench.prepare("x-half", &parents, Purpose::Extract)?;
    bench.extract(&root, Layer::new().file("half", "of it").whiteout("latest"))?;
    drop(root);
    let next = restarted(bench)?;
    next.collect(&parents)?;
    same("what is left", &parents, &next.snapshots()?)?;
    let top = next.layer("half", &parents, Layer::new().file("whole", "1"))?;
    next.container("run", &top)?
        .holds("", &["dir", "latest", "whole"])
}

fn killed_committing(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 1)?;
    for at in 0.. {
        let root = bench.prepare("x-top", &parents, Purpose::Extract)?;
        bench.extract(&root, Layer::new().file("top", "1"))?;
        drop(root);
        let plan = bench.ask_commit("x-top", &parents, "top")?;
        bench.apply(&cut(&plan, at), "the beginning of a commit")?;
        let next = restarted(bench)?;
        next.collect(&parents)?;
        same(
            "what gc left of a commit that was cut off",
            &parents,
            &next.snapshots()?,
        )?;
        let top = next.layer("top", &parents, Layer::new().file("top", "2"))?;
        let root = next.container("run", &top)?;
        root.has("top", "2")?;
        chains::shows(&root, 1)?;
        drop(root);
        next.collect(&parents)?;
        if at >= plan.steps.len() {
            break;
        }
    }
    Ok(())
}

fn killed_removing(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 2)?;
    for at in 0.. {
        let root = bench.container("run", &parents)?;
        root.write("own", "x")?;
        drop(root);
        let plan = bench.ask_remove("run")?;
        bench.apply(&cut(&plan, at), "the beginning of a removal")?;
        let next = restarted(bench)?;
        next.remove("run")?;
        let root = next.container("run", &parents)?;
        root.lacks("own")?;
        chains::shows(&root, 2)?;
        drop(root);
        next.remove("run")?;
        if at >= plan.steps.len() {
            break;
        }
    }
    Ok(())
}

fn failing_step(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 2)?;
    let before = bench.snapshots()?;
    for purpose in [Purpose::Run, Purpose::View, Purpose::Extract] {
        let mut plan = bench.ask_prepare("fails", &parents, purpose)?;
        let name =
            |text| DirName::new(text).ok_or_else(|| Failure::new("a name", "a good one", text));
        plan.steps.push(StorageStep::CreateDir {
            dir: DirPath(vec![name("no")?, name("parent")?]),
            mode: 0o755,
        });
        let applied = bench.apply(&plan, "a plan whose last step fails");
        crate::kernel::bench::refused("a plan whose last step fails", applied)?;
        same("what is left of it", &before, &bench.snapshots()?)?;
        let root = bench.prepare("fails", &parents, purpose)?;
        if purpose != Purpose::Extract {
            chains::shows(&root, 2)?;
        }
        drop(root);
        bench.remove("fails")?;
    }
    Ok(())
}
