//! Files of every kind, in layers and in containers.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};

use bulkhead_plugin_api::testing::conformance::Failure;
use rustix::fs::{FileType, Mode, makedev, mknodat};
use tar::EntryType;

use crate::kernel::Case;
use crate::kernel::bench::{Bench, Expecting, Outcome};
use crate::kernel::layer::{Attributes, Layer};
use crate::kernel::root::{Root, same};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "hard-links",
        why: "names of one file stay names of one file, from layer to layer",
        run: hard_links,
    },
    Case {
        name: "symbolic-links",
        why: "a link's target is kept byte for byte and followed by nobody",
        run: symbolic_links,
    },
    Case {
        name: "sparse-files",
        why: "a hole that is filled takes the disk of who trusted the image's size",
        run: sparse,
    },
    Case {
        name: "device-nodes",
        why: "device nodes are files like others until the container's rules judge them",
        run: devices,
    },
    Case {
        name: "unix-sockets",
        why: "servers leave their sockets behind",
        run: sockets,
    },
    Case {
        name: "odd-names",
        why: "a name is any bytes but a slash and a zero",
        run: odd_names,
    },
    Case {
        name: "large-file",
        why: "contents are kept, whatever copies them",
        run: large,
    },
    Case {
        name: "many-entries",
        why: "a directory may be larger than one answer of the kernel",
        run: many,
    },
];

/// Runs a check on a container over the layer and on one over a layer more,
/// for which drivers that copy have copied.
fn over_and_above(
    bench: &Bench<'_>,
    layer: Layer,
    check: impl Fn(&Root) -> Outcome,
) -> Outcome<Vec<String>> {
    let base = bench.layer("base", &[], layer)?;
    check(&bench.container("over", &base)?)?;
    let top = bench.layer("top", &base, Layer::new().file("unrelated", ""))?;
    check(&bench.container("above", &top)?)?;
    Ok(top)
}

fn hard_links(bench: &Bench<'_>) -> Outcome {
    let layer = Layer::new()
        .dir("d")
        .file("one", "x")
        .hard_link("d/two", "one")
        .hard_link("three", "d/two");
    let parents = over_and_above(bench, layer, |root| {
        let inodes = [&b"one"[..], b"d/two", b"three"].map(|name| {
            root.metadata(name)
                .map(|found| (found.ino(), found.nlink()))
        });
        let [one, two, three] = inodes;
        let (one, two, three) = (one?, two?, three?);
        same(&root.about("inode and links of d/two"), &one, &two)?;
        same(&root.about("inode and links of three"), &one, &three)?;
        same(&root.about("links of one"), &3, &one.1)
    })?;
    let root = bench.container("run", &parents)?;
    fs::hard_link(root.path("unrelated"), root.path("again")).expecting("a new hard link")?;
    let (old, new) = (root.metadata(b"unrelated")?, root.metadata(b"again")?);
    same("the inode of a new hard link", &old.ino(), &new.ino())?;
    root.write("again", "through the new name")?;
    root.has("unrelated", "through the new name")?;
    fs::remove_file(root.path("unrelated")).expecting("removing one of two names")?;
    root.has("again", "through the new name")
}

fn symbolic_links(bench: &Bench<'_>) -> Outcome {
    let long = "l".repeat(4000);
    let layer = Layer::new()
        .symlink("absolute", "/etc/passwd")
        .symlink("climbing", "../../../../etc")
        .symlink("dangling", "no such file")
        .symlink("long", &long)
        .symlink("itself", "itself");
    over_and_above(bench, layer, |root| {
        for (name, target) in [
            ("absolute", "/etc/passwd"),
            ("climbing", "../../../../etc"),
            ("dangling", "no such file"),
            ("long", &long),
            ("itself", "itself"),
        ] {
            let found = fs::read_link(root.path(name)).expecting(&root.about(name))?;
            same(&root.about(name), &target, &&*found.to_string_lossy())?;
        }
        Ok(())
    })
    .map(drop)
}

fn sparse(bench: &Bench<'_>) -> Outcome {
    const SIZE: u64 = 64 << 20;
    let check = |root: &Root, name: &str| {
        let found = root.metadata(name.as_bytes())?;
        same(
            &root.about(&format!("the size of {name}")),
            &SIZE,
            &found.size(),
        )?;
        if found.blocks() * 512 > 2 << 20 {
            let expected = "less than 2 MiB on the disk";
            let what = root.about(&format!("{name}, 64 MiB with 4 bytes of data"));
            return Err(Failure::new(
                &what,
                expected,
                format!("{} bytes", found.blocks() * 512),
            ));
        }
        let mut bytes = [0; 8];
        let file = fs::File::open(root.path(name)).expecting(name)?;
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, (32 << 20) - 2)
            .expecting(name)?;
        same(
            &root.about(&format!("data in {name}")),
            b"\0\0data\0\0",
            &bytes,
        )
    };
    let layer = Layer::new().sparse("holes", SIZE, 32 << 20, b"data");
    let parents = over_and_above(bench, layer, |root| check(root, "holes"))?;
    let root = bench.container("run", &parents)?;
    let file = fs::File::create(root.path("own")).expecting("a file of its own")?;
    file.set_len(SIZE).expecting("a hole")?;
    std::os::unix::fs::FileExt::write_all_at(&file, b"data", 32 << 20).expecting("data in it")?;
    drop(file);
    check(&root, "own")
}

fn devices(bench: &Bench<'_>) -> Outcome {
    let layer = Layer::new()
        .device(EntryType::Char, "null", 1, 3)
        .device(EntryType::Block, "disk", 7, 200)
        .device(EntryType::Fifo, "fifo", 0, 0);
    let check = |root: &Root| {
        for (name, kind, device) in [
            ("null", FileType::CharacterDevice, makedev(1, 3)),
            ("disk", FileType::BlockDevice, makedev(7, 200)),
            ("fifo", FileType::Fifo, 0),
        ] {
            let found = root.metadata(name.as_bytes())?;
            let what = root.about(&format!("kind and device of {name}"));
            let found = (FileType::from_raw_mode(found.mode()), found.rdev());
            same(&what, &(kind, device), &found)?;
        }
        Ok(())
    };
    let parents = over_and_above(bench, layer, check)?;
    let root = bench.container("run", &parents)?;
    let mode = Mode::from_raw_mode(0o600);
    mknodat(
        &root.mount,
        "own",
        FileType::CharacterDevice,
        mode,
        makedev(1, 5),
    )
    .expecting("a device of its own")?;
    fs::remove_file(root.path("null")).expecting("removing a device of a layer")?;
    drop(root);
    let again = bench.mounts("run", &parents, bulkhead_model::storage::Purpose::Run)?;
    again.lacks("null")?;
    same(
        "its own device",
        &makedev(1, 5),
        &again.metadata(b"own")?.rdev(),
    )
}

fn sockets(bench: &Bench<'_>) -> Outcome {
    let parents = bench.layer("base", &[], Layer::new().dir("run"))?;
    let root = bench.container("run", &parents)?;
    let listener = UnixListener::bind(root.path("run/socket")).expecting("a unix socket")?;
    let mut client = UnixStream::connect(root.path("run/socket")).expecting("connecting to it")?;
    client.write_all(b"x").expecting("writing to it")?;
    let (mut served, _) = listener.accept().expecting("accepting")?;
    let mut byte = [0];
    served.read_exact(&mut byte).expecting("reading from it")?;
    same("what the client wrote", b"x", &byte)?;
    drop(root);
    let again = bench.mounts("run", &parents, bulkhead_model::storage::Purpose::Run)?;
    let left = again.metadata(b"run/socket")?;
    same(
        "whether the socket is still one",
        &true,
        &left.file_type().is_socket(),
    )
}

fn odd_names(bench: &Bench<'_>) -> Outcome {
    let longest = [b'n'; 255];
    let names: [&[u8]; 12] = [
        b"new\nline",
        b"tab\tand space ",
        b"\xff\xfe not UTF-8",
        "\u{fc}n\u{ef}c\u{f6}d\u{e9}".as_bytes(),
        b"-rf",
        b"...",
        b".hidden",
        b"back\\slash",
        b"a:b,c=d%s",
        b"\x01\x7f",
        b"*?[]{}$'\"",
        &longest,
    ];
    let mode = Attributes::mode(0o644);
    let mut layer = Layer::new().dir("odd");
    for name in names {
        let path = [b"odd/", name].concat();
        layer = layer.file_with(&path, name, &mode);
    }
    let check = |root: &Root| {
        for name in names {
            let what = root.about(&String::from_utf8_lossy(name));
            let found = fs::read(root.raw(&[b"odd/", name].concat())).expecting(&what)?;
            same(&what, &name, &found.as_slice())?;
        }
        same(
            "how many there are",
            &names.len(),
            &root.names("odd")?.len(),
        )
    };
    let parents = over_and_above(bench, layer, check)?;
    let root = bench.container("run", &parents)?;
    for name in names {
        let what = format!("removing {:?}", String::from_utf8_lossy(name));
        fs::remove_file(root.raw(&[b"odd/", name].concat())).expecting(&what)?;
    }
    drop(root);
    let again = bench.mounts("run", &parents, bulkhead_model::storage::Purpose::Run)?;
    again.holds("odd", &[])
}

fn large(bench: &Bench<'_>) -> Outcome {
    let bytes: Vec<u8> = (0..8_u32 << 18)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let mode = Attributes::mode(0o644);
    let layer = Layer::new().file_with(b"large", &bytes, &mode);
    let is_whole = |root: &Root| {
        let found = fs::read(root.path("large")).expecting("large")?;
        same(
            &root.about("whether 8 MiB are as they were"),
            &true,
            &(found == bytes),
        )
    };
    let parents = over_and_above(bench, layer, is_whole)?;
    let root = bench.container("run", &parents)?;
    let file = fs::File::options().append(true).open(root.path("large"));
    file.and_then(|mut file| file.write_all(b"end"))
        .expecting("appending to a large file")?;
    same(
        "its size",
        &(bytes.len() as u64 + 3),
        &root.metadata(b"large")?.size(),
    )?;
    let below = bench.container("other", &parents)?;
    is_whole(&below)
}

fn many(bench: &Bench<'_>) -> Outcome {
    const COUNT: usize = 3_000;
    let name = |at: usize| format!("many/entry-with-a-rather-long-name-{at:05}");
    let layer = (0..COUNT).fold(Layer::new().dir("many"), |layer, at| {
        layer.file(&name(at), "")
    });
    let parents = over_and_above(bench, layer, |root| {
        same(
            &root.about("entries of a directory"),
            &COUNT,
            &root.names("many")?.len(),
        )
    })?;
    let root = bench.container("run", &parents)?;
    for at in (0..COUNT).step_by(3) {
        fs::remove_file(root.path(name(at))).expecting("removing one of many")?;
    }
    same(
        "entries after every third was removed",
        &(COUNT - COUNT / 3),
        &root.names("many")?.len(),
    )?;
    fs::remove_dir_all(root.path("many")).expecting("removing all")?;
    root.lacks("many")
}
