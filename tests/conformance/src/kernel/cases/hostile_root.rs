//! The driver's root holds what the driver did not put there.

use std::fs;
use std::os::unix::fs::symlink;

use bulkhead_model::storage::Purpose;

use super::chains;
use crate::kernel::Case;
use crate::kernel::bench::{Bench, Expecting, Outcome, refused};
use crate::kernel::root::same;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "real-garbage-in-the-root",
        why: "files and directories that nobody made are neither followed nor believed",
        run: garbage,
    },
    Case {
        name: "links-in-the-root-lead-nowhere",
        why: "what is outside of the root is not the driver's",
        run: links,
    },
    Case {
        name: "half-a-snapshot",
        why: "an empty directory with a snapshot's name is no snapshot",
        run: half,
    },
    Case {
        name: "real-damaged-state",
        why: "a value the driver kept may come back damaged: an error is fine, other files are not",
        run: damaged_state,
    },
];

fn garbage(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 2)?;
    let root = bench.root()?;
    for name in [
        &b"a file"[..],
        b"README",
        b"\xff\xfe",
        b"new\nline",
        b".hidden",
    ] {
        fs::write(root.raw(name), "garbage").expecting("garbage")?;
    }
    for name in ["lost+found", "garbage/fs/fs", "garbage/work", "x-garbage"] {
        fs::create_dir_all(root.path(name)).expecting("garbage")?;
    }
    let mount = bench.container("run", &parents)?;
    chains::shows(&mount, 2)?;
    mount.write("own", "kept")?;
    drop(mount);
    let live = [parents.as_slice(), &["run".to_owned()]].concat();
    bench.collect(&live)?;
    let left = bench.snapshots()?;
    for name in ["garbage", "x-garbage"] {
        same(
            &format!("whether gc left {name}"),
            &false,
            &left.contains(&name.to_owned()),
        )?;
    }
    let again = bench.mounts("run", &parents, Purpose::Run)?;
    again.has("own", "kept")?;
    again.has("latest", "2")
}

fn links(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 1)?;
    let outside = bench.data_root.join("outside");
    fs::create_dir_all(outside.join("fs")).expecting("a folder outside")?;
    fs::write(outside.join("canary"), "alive").expecting("a canary")?;
    fs::write(outside.join("fs/canary"), "alive").expecting("a canary")?;
    for name in ["evil", "evil-2"] {
        symlink(&outside, bench.root()?.path(name)).expecting("a link in the root")?;
    }
    for purpose in [Purpose::Run, Purpose::Extract] {
        if let Ok(root) = bench.prepare("evil", &parents, purpose) {
            root.lacks("canary")?;
        }
    }
    if let Ok(root) = bench.mounts("evil-2", &parents, Purpose::Run) {
        root.lacks("canary")?;
    }
    // Whether they take the link away or refuse to: nothing behind it may change.
    let _ = (bench.remove("evil"), bench.collect(&parents));
    for canary in ["canary", "fs/canary"] {
        let text = fs::read_to_string(outside.join(canary)).expecting("the canary")?;
        same("the canary behind a link", &"alive", &text.as_str())?;
    }
    let left = fs::read_dir(&outside)
        .expecting("the folder outside")?
        .count();
    same("what is in the folder outside", &2, &left)?;
    chains::shows(&bench.container("run", &parents)?, 1)
}

fn half(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 1)?;
    fs::create_dir(bench.root()?.path("half")).expecting("half a snapshot")?;
    refused(
        "prepare over half a snapshot",
        bench.container("half", &parents),
    )?;
    // Whatever the answer: it is no panic, and nothing foreign is shown.
    if let Ok(root) = bench.mounts("half", &parents, Purpose::Run) {
        root.lacks("own")?;
    }
    let _ = bench.usage("half", &[]);
    bench.remove("half")?;
    chains::shows(&bench.container("half", &parents)?, 1)
}

fn damaged_state(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 2)?;
    let root = bench.container("run", &parents)?;
    root.write("own", "kept")?;
    drop(root);
    let disk = bench.root()?;
    let Ok(values) = fs::read_dir(disk.path(".state")) else {
        // A driver that keeps nothing cannot lose it.
        return Ok(());
    };
    let values: Vec<_> = values.flatten().map(|value| value.path()).collect();
    for damage in [&b""[..], b"\xff\xfe\0garbage", &[b'9'; 4096]] {
        for value in &values {
            fs::write(value, damage).expecting("damage")?;
        }
        if let Ok(root) = bench.mounts("run", &parents, Purpose::Run) {
            root.has("own", "kept")?;
            root.has("latest", "2")?;
        }
        if let Ok(root) = bench.container("new", &parents) {
            chains::shows(&root, 2)?;
            drop(root);
            bench.remove("new")?;
        }
    }
    Ok(())
}
