//! No room, and no inodes.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use bulkhead_model::storage::Purpose;
use bulkhead_plugin_api::testing::conformance::Failure;

use super::chains;
use crate::kernel::Case;
use crate::kernel::bench::{Bench, Expecting, Outcome};
use crate::kernel::layer::{Attributes, Layer};
use crate::kernel::place::mount_memory;
use crate::kernel::root::{Root, same};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "full-disk",
        why: "on a full disk a call fails whole; with room again the same call works",
        run: full,
    },
    Case {
        name: "no-inodes-left",
        why: "a filesystem may be full of small files",
        run: no_inodes,
    },
];

fn full(bench: &Bench<'_>) -> Outcome {
    // A pool has a least size.
    match bench.probe()? {
        true => on_small(bench, (512 << 20, 100_000)),
        false => on_small(bench, (24 << 20, 100_000)),
    }
}

fn no_inodes(bench: &Bench<'_>) -> Outcome {
    match bench.probe()? {
        // Its filesystem makes inodes as long as there is room.
        true => Ok(()),
        false => on_small(bench, (1 << 30, 600)),
    }
}

/// A data root on a filesystem in memory of so many bytes and inodes.
fn on_small(bench: &Bench<'_>, bounds: (u64, u64)) -> Outcome {
    let place = bench.data_root.join("small");
    fs::create_dir(&place).expecting("a mount point")?;
    mount_memory(&place, Some(bounds))
        .map_err(|error| Failure::new("a small filesystem", "it to be mounted", error))?;
    let outcome = small(bench, &place);
    let taken_away = bulkhead_sys::mount::unmount_lazily(&place);
    outcome.and(taken_away.expecting("taking the small filesystem away"))
}

fn small(outer: &Bench<'_>, place: &std::path::Path) -> Outcome {
    let bench = Bench::open(outer.driver, place)?;
    // A pool's inodes have no number of their own.
    let files = if bench.probe()? { 0 } else { 200_000 };
    let parents = chains::build(&bench, 2)?;
    let root = bench.container("kept", &parents)?;
    root.write("own", "kept")?;
    drop(root);
    let before = bench.snapshots()?;
    let disk = bench.root()?;
    let ballast = fill(&disk, files)?;

    // Each may fail or, where it takes nothing, work; none may leave a half.
    let attributes = Attributes::mode(0o644);
    let big = || Layer::new().file_with(b"big", &vec![7; 4 << 20], &attributes);
    if bench.layer("big", &parents, big()).is_ok() {
        return Err(Failure::new(
            "a layer of 4 MiB on a full disk",
            "an error",
            "ok",
        ));
    }
    let made = bench.container("more", &parents);
    if made.is_err() && bench.snapshots()?.contains(&"more".to_owned()) {
        return Err(Failure::new(
            "a prepare that failed for want of room",
            "nothing left of it",
            "its directory",
        ));
    }
    drop(made);
    // A mount may take room: an overlay's makes a directory.
    if let Ok(kept) = bench.mounts("kept", &parents, Purpose::Run) {
        kept.has("own", "kept")?;
        chains::shows(&kept, 2)?;
    }

    // What is removed on a full disk is removed.
    for key in ["more", "x-big"] {
        bench.remove(key)?;
    }
    same("what is left", &before, &bench.snapshots()?)?;
    for file in ballast {
        fs::remove_file(file).expecting("making room")?;
    }
    wait_for_room(&disk)?;
    let kept = bench.mounts("kept", &parents, Purpose::Run)?;
    kept.has("own", "kept")?;
    chains::shows(&kept, 2)?;
    let top = bench.layer("big", &parents, big())?;
    let root = bench.container("more", &top)?;
    same(
        "the file that now has room",
        &(4 << 20),
        &root.metadata(b"big")?.len(),
    )?;
    chains::shows(&root, 2)
}

/// Btrfs turns room for data into room for names when its cleaner comes by,
/// every thirty seconds.
fn wait_for_room(root: &Root) -> Outcome {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let open = fs::File::open(root.path(".")).expecting("opening the root")?;
        rustix::fs::syncfs(open).expecting("syncing it")?;
        match fs::create_dir(root.path(".room")) {
            Ok(()) => return fs::remove_dir(root.path(".room")).expecting("removing a directory"),
            Err(error) if Instant::now() > until => {
                return Err(Failure::new("what was removed", "it to make room", error));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Takes every byte, and inodes by so many empty files.
fn fill(root: &Root, small: usize) -> Outcome<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    // A name that no driver can see.
    let first = root.path(".ballast");
    let mut file = fs::File::create(&first).expecting("ballast")?;
    files.push(first);
    for chunk in [1 << 20, 4096] {
        while files.len() < 2_000 && file.metadata().expecting("ballast")?.len() < 512 << 20 {
            match file.write_all(&vec![1; chunk]) {
                Ok(()) => {}
                Err(_) => break,
            }
        }
    }
    for at in 0..small {
        let path = root.path(format!(".ballast-{at}"));
        match fs::File::create(&path) {
            Ok(_) => files.push(path),
            Err(_) => break,
        }
    }
    Ok(files)
}
