//! A snapshot from its first call to its last.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use bulkhead_model::storage::Purpose;
use bulkhead_plugin_api::testing::conformance::Failure;
use bulkhead_sys::mount::move_mount;
use bulkhead_sys::path::open_host_dir;

use super::chains;
use crate::kernel::Case;
use crate::kernel::bench::{Bench, Expecting, Outcome, refused};
use crate::kernel::layer::Layer;
use crate::kernel::root::{Root, same};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "a-view-takes-no-writes",
        why: "a view is of layers that others use",
        run: read_only,
    },
    Case {
        name: "mounted-in-a-namespace",
        why: "the mount is attached in the container's mount namespace, and nowhere else",
        run: attached,
    },
    Case {
        name: "container-of-an-empty-image",
        why: "an image without layers gives an empty, writable root",
        run: empty,
    },
    Case {
        name: "real-prepare-twice-is-refused",
        why: "the key names a snapshot that somebody uses",
        run: prepare_twice,
    },
    Case {
        name: "real-commit-to-an-existing-name-is-refused",
        why: "a committed layer never changes",
        run: commit_twice,
    },
    Case {
        name: "real-remove-twice-is-fine",
        why: "the host repeats what a crash may have cut off",
        run: remove_twice,
    },
    Case {
        name: "remove-while-busy",
        why: "a removal meets open files: it is done or refused whole, and a retry leaves nothing",
        run: remove_busy,
    },
    Case {
        name: "usage-grows-by-what-is-written",
        why: "sizes of containers are shown and limits are set by them",
        run: usage,
    },
    Case {
        name: "real-gc",
        why: "gc runs at every start of the engine, over everybody's data",
        run: collect,
    },
    Case {
        name: "found-again-after-a-restart",
        why: "what a driver keeps in memory is gone with the next call",
        run: restart,
    },
];

fn read_only(bench: &Bench<'_>) -> Outcome {
    for length in 0..3 {
        let parents = chains::build(bench, length)?;
        let view = bench.prepare(&format!("view-{length}"), &parents, Purpose::View)?;
        let attempts = [
            ("a new file", fs::write(view.path("new"), "x")),
            ("a new directory", fs::create_dir(view.path("new-dir"))),
            ("a change of a file", fs::write(view.path("latest"), "x")),
            ("a removal", fs::remove_file(view.path("latest"))),
            (
                "a change of owner",
                std::os::unix::fs::chown(view.path("."), Some(1), None),
            ),
        ];
        for (what, outcome) in attempts {
            let missing =
                length == 0 && matches!(&outcome, Err(e) if e.kind() == io::ErrorKind::NotFound);
            match outcome {
                Err(error) if missing || error.kind() == io::ErrorKind::ReadOnlyFilesystem => {}
                Err(error) => return Err(Failure::new(&view.about(what), "EROFS", error)),
                Ok(()) => return Err(Failure::new(&view.about(what), "EROFS", "it was done")),
            }
        }
        drop(view);
        bench.collect(&[])?;
    }
    Ok(())
}

/// The caller's thread has a mount namespace of its own.
fn attached(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 2)?;
    let root = bench.container("run", &parents)?;
    let point = tempfile::tempdir().expecting("a mount point")?;
    let place = open_host_dir(point.path()).expecting("the mount point")?;
    move_mount(&root.mount, place).expecting("attaching the mount")?;
    let read = fs::read_to_string(point.path().join("latest")).expecting("reading by path")?;
    same("a file by its path in the namespace", &"2", &read.as_str())?;
    fs::write(point.path().join("own"), "x").expecting("writing by path")?;
    root.has("own", "x")?;
    let table = fs::read_to_string("/proc/self/mountinfo").expecting("the process's mounts")?;
    let name = point.path().display().to_string();
    same(
        "whether the process's other threads see it",
        &false,
        &table.contains(&name),
    )?;
    bulkhead_sys::mount::unmount_lazily(point.path()).expecting("taking it away")
}

fn empty(bench: &Bench<'_>) -> Outcome {
    let root = bench.container("run", &[])?;
    root.holds("", &[])?;
    root.write("a", "1")?;
    same(
        "the mode of /",
        &0o755,
        &(root.metadata(b".")?.mode() & 0o7777),
    )?;
    drop(root);
    bench.mounts("run", &[], Purpose::Run)?.has("a", "1")
}

fn prepare_twice(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 1)?;
    let root = bench.container("run", &parents)?;
    root.write("own", "kept")?;
    drop(root);
    for purpose in [Purpose::Run, Purpose::Extract, Purpose::View] {
        refused(
            "prepare of a key that exists",
            bench.prepare("run", &parents, purpose),
        )?;
    }
    let again = bench.mounts("run", &parents, Purpose::Run)?;
    again.has("own", "kept")?;
    again.has("latest", "1")
}

fn commit_twice(bench: &Bench<'_>) -> Outcome {
    let first = bench.layer("base", &[], Layer::new().file("a", "first"))?;
    let again = bench.layer("base", &[], Layer::new().file("a", "second"));
    refused("commit to a name that exists", again)?;
    bench
        .prepare("view", &first, Purpose::View)?
        .has("a", "first")?;
    bench.commit("x-base", &[], "other")?;
    let view = bench.prepare("view-2", &["other".to_owned()], Purpose::View)?;
    view.has("a", "second")
}

fn remove_twice(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 1)?;
    bench.remove("never-was")?;
    for purpose in [Purpose::Run, Purpose::View, Purpose::Extract] {
        drop(bench.prepare("snapshot", &parents, purpose)?);
        bench.remove("snapshot")?;
        bench.remove("snapshot")?;
    }
    same(
        "what is left",
        &vec!["chain-1".to_owned()],
        &bench.snapshots()?,
    )?;
    let root = bench.container("snapshot", &parents)?;
    root.holds("", &["dir", "latest"])
}

fn remove_busy(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 2)?;
    let root = bench.container("busy", &parents)?;
    root.write("own", "still here")?;
    let open = fs::File::open(root.path("own")).expecting("an open file")?;
    if bench.remove("busy").is_err() {
        // Refused: then it must be whole.
        root.has("own", "still here")?;
        root.has("latest", "2")?;
    }
    let read = io::read_to_string(&open).expecting("reading an open file after the removal")?;
    same("an open file's content", &"still here", &read.as_str())?;
    drop((open, root));
    bench.remove("busy")?;
    let left = bench.snapshots()?;
    same(
        "what is left",
        &vec!["chain-1".to_owned(), "chain-2".to_owned()],
        &left,
    )?;
    let root = bench.container("busy", &parents)?;
    root.lacks("own")?;
    chains::shows(&root, 2)
}

/// Filesystems round up; what they may add beside the bytes that were written.
const SLACK: u64 = 512 << 10;

/// What is not written yet takes no room yet.
fn sync(root: &Root) -> Outcome {
    let open = fs::File::open(root.path(".")).expecting("opening the root")?;
    rustix::fs::syncfs(open).expecting("syncing it")
}

fn usage(bench: &Bench<'_>) -> Outcome {
    const WRITTEN: u64 = 4 << 20;
    let parents = chains::build(bench, 2)?;
    let root = bench.container("run", &parents)?;
    let before = bench.usage("run", &parents)?.bytes;
    let bytes: Vec<u8> = (0..WRITTEN as u32 / 4)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    fs::write(root.path("own"), bytes).expecting("writing 4 MiB")?;
    sync(&root)?;
    let after = bench.usage("run", &parents)?.bytes;
    let grown = after.saturating_sub(before);
    if !(WRITTEN..=WRITTEN + SLACK).contains(&grown) {
        return Err(Failure::new(
            "usage after 4 MiB were written",
            "4 MiB more",
            format!("{grown} bytes more"),
        ));
    }
    let other = bench.container("other", &parents)?;
    fs::write(other.path("own"), vec![1; 1 << 20]).expecting("writing 1 MiB to another")?;
    sync(&other)?;
    let now = bench.usage("run", &parents)?.bytes;
    if now.abs_diff(after) > SLACK {
        return Err(Failure::new(
            "usage after another container wrote 1 MiB",
            after,
            now,
        ));
    }
    Ok(())
}

fn collect(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 2)?;
    let root = bench.container("alive", &parents)?;
    root.write("own", "kept")?;
    drop(root);
    for (key, purpose) in [
        ("dead-run", Purpose::Run),
        ("dead-view", Purpose::View),
        ("dead-extract", Purpose::Extract),
    ] {
        drop(bench.prepare(key, &parents, purpose)?);
    }
    bench.layer("dead-layer", &parents, Layer::new().file("x", ""))?;
    let live = ["alive", "chain-1", "chain-2"].map(str::to_owned);
    bench.collect(&live)?;
    same("what is left", &live.to_vec(), &bench.snapshots()?)?;
    let again = bench.mounts("alive", &parents, Purpose::Run)?;
    again.has("own", "kept")?;
    again.has("latest", "2")?;
    drop(again);
    bench.collect(&[])?;
    same(
        "what is left of nothing alive",
        &Vec::<String>::new(),
        &bench.snapshots()?,
    )
}

fn restart(bench: &Bench<'_>) -> Outcome {
    let parents = chains::build(bench, 2)?;
    let root = bench.container("run", &parents)?;
    root.write("own", "kept")?;
    drop(root);
    let next = Bench::open(bench.driver, &bench.data_root)?.reopened()?;
    let again = next.mounts("run", &parents, Purpose::Run)?;
    again.has("own", "kept")?;
    again.has("latest", "2")?;
    drop(again);
    let top = next.layer("top", &parents, Layer::new().file("latest", "3"))?;
    next.container("run-2", &top)?.has("latest", "3")?;
    next.remove("run")?;
    next.container("run", &parents)?.lacks("own")
}
