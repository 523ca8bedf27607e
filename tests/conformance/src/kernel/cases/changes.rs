//! Removing, replacing and renaming what a layer brought.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bulkhead_model::storage::Purpose;

use crate::kernel::Case;
use crate::kernel::bench::{Bench, Expecting, Outcome};
use crate::kernel::layer::{Attributes, Layer};
use crate::kernel::root::Root;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "whiteouts-in-layers",
        why: "a layer's whiteout removes the name from what is seen above, not from the layer below",
        run: whiteouts,
    },
    Case {
        name: "opaque-directories-in-layers",
        why: "of an opaque directory only what the layer itself has is seen",
        run: opaque,
    },
    Case {
        name: "layers-replace-by-another-type",
        why: "what was a file is a directory in the next release",
        run: layers_replace,
    },
    Case {
        name: "container-removes-and-makes-again",
        why: "what was removed does not shine through what is made in its place",
        run: container_replaces,
    },
    Case {
        name: "container-renames-directories-of-layers",
        why: "a rename is carried out or refused with EXDEV, after which a copy works",
        run: renames,
    },
    Case {
        name: "container-moves-files-of-layers",
        why: "a moved file is at one place",
        run: moves,
    },
    Case {
        name: "container-changes-the-owner-above-a-file",
        why: "a change of a directory hides nothing in it",
        run: chown_above,
    },
    Case {
        name: "real-layers-do-not-change",
        why: "other images and containers are built on the same layer",
        run: layers_stay,
    },
];

fn whiteouts(bench: &Bench<'_>) -> Outcome {
    let layer = Layer::new()
        .file("a", "1")
        .dir("d")
        .file("d/b", "2")
        .file("d/c", "3")
        .dir("gone")
        .file("gone/x", "4");
    let base = bench.layer("base", &[], layer)?;
    let layer = Layer::new()
        .whiteout("a")
        .dir("d")
        .whiteout("d/b")
        .whiteout("gone")
        .whiteout("never-was");
    let top = bench.layer("top", &base, layer)?;
    for purpose in [Purpose::Run, Purpose::View] {
        let root = bench.prepare(purpose.as_str(), &top, purpose)?;
        root.holds("", &["d"])?;
        root.holds("d", &["c"])?;
    }
    let below = bench.prepare("below", &base, Purpose::View)?;
    below.holds("", &["a", "d", "gone"])?;
    below.holds("d", &["b", "c"])?;
    let again = bench.layer(
        "again",
        &top,
        Layer::new().file("a", "5").dir("gone").file("gone/y", "6"),
    )?;
    let root = bench.container("run-2", &again)?;
    root.has("a", "5")?;
    root.holds("gone", &["y"])?;
    // A container's own removal hides what the whiteout of a layer had not.
    fs::remove_file(root.path("a")).expecting("removing a file that was made again")?;
    root.write("a", "7")?;
    drop(root);
    bench.mounts("run-2", &again, Purpose::Run)?.has("a", "7")
}

fn opaque(bench: &Bench<'_>) -> Outcome {
    let layer = Layer::new()
        .dir("d")
        .file("d/a", "1")
        .dir("d/e")
        .file("d/e/b", "2")
        .file("o", "3");
    let base = bench.layer("base", &[], layer)?;
    let layer = Layer::new()
        .dir("d")
        .opaque("d")
        .file("d/new", "4")
        .dir("d/e")
        .file("d/e/c", "5");
    let top = bench.layer("top", &base, layer)?;
    for purpose in [Purpose::Run, Purpose::View] {
        let root = bench.prepare(purpose.as_str(), &top, purpose)?;
        root.holds("d", &["e", "new"])?;
        root.holds("d/e", &["c"])?;
        root.has("o", "3")?;
    }
    // The mark may come after what it spares (image-spec, "Opaque Whiteout").
    let layer = Layer::new().dir("d").file("d/late", "6").opaque("d");
    let late = bench.layer("late", &top, layer)?;
    bench.container("run-2", &late)?.holds("d", &["late"])
}

fn layers_replace(bench: &Bench<'_>) -> Outcome {
    let layer = Layer::new()
        .file("file-dir", "1")
        .dir("dir-file")
        .file("dir-file/x", "2")
        .symlink("link-dir", "elsewhere")
        .dir("dir-link")
        .file("dir-link/y", "3")
        .dir("elsewhere")
        .file("elsewhere/z", "4");
    let base = bench.layer("base", &[], layer)?;
    let layer = Layer::new()
        .dir("file-dir")
        .file("file-dir/a", "5")
        .file("dir-file", "6")
        .dir("link-dir")
        .file("link-dir/b", "7")
        .symlink("dir-link", "elsewhere");
    let top = bench.layer("top", &base, layer)?;
    let check = |root: &Root| {
        root.holds("file-dir", &["a"])?;
        root.has("dir-file", "6")?;
        root.holds("link-dir", &["b"])?;
        let target = fs::read_link(root.path("dir-link")).expecting("dir-link")?;
        crate::kernel::root::same("dir-link", &Path::new("elsewhere"), &target.as_path())?;
        root.holds("elsewhere", &["z"])
    };
    check(&bench.container("run", &top)?)?;
    let layer = Layer::new()
        .dir("dir-file")
        .file("dir-file/new", "8")
        .file("file-dir", "9");
    let back = bench.layer("back", &top, layer)?;
    let root = bench.container("run-2", &back)?;
    root.holds("dir-file", &["new"])?;
    root.has("file-dir", "9")?;
    drop(root);
    check(&bench.prepare("view", &top, Purpose::View)?)
}

fn container_replaces(bench: &Bench<'_>) -> Outcome {
    let layer = Layer::new()
        .file("file", "1")
        .dir("dir")
        .file("dir/old", "2")
        .dir("again")
        .file("again/old", "3")
        .symlink("link", "file");
    let parents = bench.layer("base", &[], layer)?;
    let root = bench.container("run", &parents)?;
    fs::remove_file(root.path("file")).expecting("removing a file of a layer")?;
    fs::create_dir(root.path("file")).expecting("a directory in its place")?;
    root.write("file/new", "4")?;
    fs::remove_dir_all(root.path("dir")).expecting("removing a directory of a layer")?;
    root.write("dir", "5")?;
    fs::remove_dir_all(root.path("again")).expecting("removing another")?;
    fs::create_dir(root.path("again")).expecting("making it again")?;
    fs::remove_file(root.path("link")).expecting("removing a link")?;
    fs::create_dir(root.path("link")).expecting("a directory in its place")?;
    let check = |root: &Root| {
        root.holds("", &["again", "dir", "file", "link"])?;
        root.holds("file", &["new"])?;
        root.has("dir", "5")?;
        root.holds("again", &[])?;
        root.holds("link", &[])
    };
    check(&root)?;
    drop(root);
    let again = bench.mounts("run", &parents, Purpose::Run)?;
    check(&again)?;
    fs::remove_dir_all(again.path("file")).expecting("removing what was made")?;
    again.lacks("file")?;
    again.write("file", "6")?;
    drop(again);
    bench
        .mounts("run", &parents, Purpose::Run)?
        .has("file", "6")
}

/// As mv(1): a rename, or a copy where the kernel cannot.
fn rename(root: &Root, from: &str, to: &str) -> Outcome {
    match fs::rename(root.path(from), root.path(to)) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy(&root.path(from), &root.path(to)).expecting("copying what cannot be renamed")?;
            fs::remove_dir_all(root.path(from)).expecting("removing what was copied")
        }
        other => other.expecting(&root.about(&format!("renaming {from} to {to}"))),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, dest) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type()?.is_dir() {
            true => copy(&source, &dest)?,
            false => fs::copy(&source, &dest).map(drop)?,
        }
    }
    Ok(())
}

fn renames(bench: &Bench<'_>) -> Outcome {
    let layer = Layer::new()
        .dir("a")
        .dir("a/b")
        .file("a/b/c", "1")
        .file("a/d", "2")
        .dir("x");
    let base = bench.layer("base", &[], layer)?;
    let parents = bench.layer("top", &base, Layer::new().dir("a").file("a/top", "3"))?;
    let root = bench.container("run", &parents)?;
    rename(&root, "a", "renamed")?;
    rename(&root, "renamed/b", "x/inner")?;
    root.write("x/inner/c", "changed")?;
    // The old name can be used again, and shows nothing of what was there.
    fs::create_dir(root.path("a")).expecting("a directory under the old name")?;
    root.write("a/fresh", "4")?;
    let check = |root: &Root| {
        root.holds("", &["a", "renamed", "x"])?;
        root.holds("a", &["fresh"])?;
        root.holds("renamed", &["d", "top"])?;
        root.holds("x", &["inner"])?;
        root.has("x/inner/c", "changed")
    };
    check(&root)?;
    drop(root);
    check(&bench.mounts("run", &parents, Purpose::Run)?)?;
    bench
        .prepare("view", &parents, Purpose::View)?
        .has("a/b/c", "1")
}

fn moves(bench: &Bench<'_>) -> Outcome {
    let parents = bench.layer(
        "base",
        &[],
        Layer::new().file("a", "1").dir("d").file("d/b", "2"),
    )?;
    let root = bench.container("run", &parents)?;
    fs::rename(root.path("a"), root.path("d/a")).expecting("moving a file of a layer")?;
    fs::rename(root.path("d/b"), root.path("d/a")).expecting("moving it over another")?;
    drop(root);
    let again = bench.mounts("run", &parents, Purpose::Run)?;
    again.holds("", &["d"])?;
    again.holds("d", &["a"])?;
    again.has("d/a", "2")
}

fn chown_above(bench: &Bench<'_>) -> Outcome {
    let parents = bench.layer(
        "base",
        &[],
        Layer::new()
            .dir("opt")
            .dir("opt/a")
            .file("opt/a/b", "1")
            .file("opt/c", "2"),
    )?;
    let root = bench.container("run", &parents)?;
    std::os::unix::fs::chown(root.path("opt"), Some(1), Some(1))
        .expecting("chown of a directory")?;
    std::os::unix::fs::chown(root.path("opt/a"), Some(2), Some(2)).expecting("chown of another")?;
    drop(root);
    let again = bench.mounts("run", &parents, Purpose::Run)?;
    again.has("opt/a/b", "1")?;
    again.has("opt/c", "2")?;
    let owners = (
        again.metadata(b"opt")?.uid(),
        again.metadata(b"opt/a")?.uid(),
    );
    crate::kernel::root::same("the new owners", &(1, 2), &owners)
}

fn layers_stay(bench: &Bench<'_>) -> Outcome {
    let dated = Attributes {
        mtime: (1_111_111_111, 222_222_222),
        uid: 5,
        ..Attributes::mode(0o640)
    };
    let layer = Layer::new()
        .dir_with(b"d", &dated)
        .file_with(b"d/a", b"1", &dated)
        .file_with(b"d/b", b"2", &dated)
        .dir_with(b"d", &dated);
    let parents = bench.layer("base", &[], layer)?;
    for key in ["one", "two", "three"] {
        let root = bench.container(key, &parents)?;
        root.has("d/a", "1")?;
        root.write("d/a", "changed")?;
        root.write("d/new", key)?;
        fs::remove_file(root.path("d/b")).expecting("removing a file of a layer")?;
        std::os::unix::fs::chown(root.path("d"), Some(9), Some(9)).expecting("chown")?;
    }
    let view = bench.prepare("view", &parents, Purpose::View)?;
    view.holds("d", &["a", "b"])?;
    view.has("d/a", "1")?;
    for name in [&b"d"[..], b"d/a", b"d/b"] {
        let found = view.metadata(name)?;
        let found = (found.uid(), found.mtime(), found.mtime_nsec());
        let what = view.about(&format!(
            "owner and time of {}",
            String::from_utf8_lossy(name)
        ));
        crate::kernel::root::same(&what, &(5, 1_111_111_111, 222_222_222), &found)?;
    }
    Ok(())
}
