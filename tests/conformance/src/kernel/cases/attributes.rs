//! Modes, owners, times and extended attributes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags, lgetxattr, setxattr, utimensat};
use tar::EntryType;

use crate::kernel::Case;
use crate::kernel::bench::{Bench, Expecting, Outcome};
use crate::kernel::layer::{Attributes, Layer};
use crate::kernel::root::{Root, same};
use bulkhead_model::storage::Purpose;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "modes",
        why: "set-id and sticky bits are what sudo and /tmp work by",
        run: modes,
    },
    Case {
        name: "mode-of-the-root",
        why: "what an image says of / is what its programs find",
        run: root_mode,
    },
    Case {
        name: "owners",
        why: "ids are any 32 bits but the last",
        run: owners,
    },
    Case {
        name: "times-to-the-nanosecond",
        why: "make and rsync compare times; a rebuild must not touch what did not change",
        run: times,
    },
    Case {
        name: "extended-attributes",
        why: "attributes carry what modes cannot",
        run: attributes,
    },
    Case {
        name: "capabilities-of-files",
        why: "ping works by an attribute that every chown clears",
        run: capabilities,
    },
];

fn twice(
    bench: &Bench<'_>,
    layer: Layer,
    check: impl Fn(&Root) -> Outcome,
) -> Outcome<Vec<String>> {
    let base = bench.layer("base", &[], layer)?;
    check(&bench.container("over", &base)?)?;
    let top = bench.layer("top", &base, Layer::new().file("unrelated", ""))?;
    check(&bench.container("above", &top)?)?;
    check(&bench.prepare("view", &top, Purpose::View)?)?;
    Ok(top)
}

fn modes(bench: &Bench<'_>) -> Outcome {
    let files = [0o4755, 0o2755, 0o6711, 0o000, 0o444, 0o777];
    let dirs = [0o1777, 0o2775, 0o000, 0o700, 0o755];
    let mut layer = Layer::new();
    for mode in files {
        layer = layer.file_with(
            format!("f{mode:o}").as_bytes(),
            b"",
            &Attributes::mode(mode),
        );
    }
    for mode in dirs {
        layer = layer.dir_with(format!("d{mode:o}").as_bytes(), &Attributes::mode(mode));
    }
    let parents = twice(bench, layer, |root| {
        let files = files.map(|mode| (format!("f{mode:o}"), mode));
        for (name, mode) in files
            .into_iter()
            .chain(dirs.map(|mode| (format!("d{mode:o}"), mode)))
        {
            let found = root.metadata(name.as_bytes())?.mode() & 0o7777;
            same(
                &root.about(&name),
                &format!("{mode:o}"),
                &format!("{found:o}"),
            )?;
        }
        Ok(())
    })?;
    let root = bench.container("run", &parents)?;
    let changed = fs::Permissions::from_mode(0o1750);
    fs::set_permissions(root.path("d755"), changed).expecting("a change of a layer's directory")?;
    drop(root);
    let again = bench.mounts("run", &parents, Purpose::Run)?;
    same(
        "the changed mode",
        &0o1750,
        &(again.metadata(b"d755")?.mode() & 0o7777),
    )?;
    let other = bench.container("other", &parents)?;
    same(
        "the mode in another container",
        &0o755,
        &(other.metadata(b"d755")?.mode() & 0o7777),
    )
}

fn root_mode(bench: &Bench<'_>) -> Outcome {
    let mut attributes = Attributes::mode(0o751);
    (attributes.uid, attributes.gid) = (12, 34);
    let layer = Layer::new().dir_with(b"./", &attributes).file("a", "");
    let check = |root: &Root, expected| {
        let found = root.metadata(b".")?;
        let found = (found.mode() & 0o7777, found.uid(), found.gid());
        same(&root.about("mode and owner of /"), &expected, &found)
    };
    let base = bench.layer("base", &[], layer)?;
    check(&bench.container("over", &base)?, (0o751, 12, 34))?;
    // A layer that does not speak of its root leaves it as it was.
    let silent = bench.layer("silent", &base, Layer::new().file("b", ""))?;
    let root = bench.container("above", &silent)?;
    check(&root, (0o751, 12, 34))?;
    let layer = Layer::new().dir_with(b"./", &Attributes::mode(0o755));
    let back = bench.layer("back", &silent, layer)?;
    check(&bench.container("run", &back)?, (0o755, 0, 0))?;
    // A container's own change stays its own.
    fs::set_permissions(root.path("."), fs::Permissions::from_mode(0o700))
        .expecting("chmod of /")?;
    drop(root);
    let again = bench.mounts("above", &silent, Purpose::Run)?;
    check(&again, (0o700, 12, 34))?;
    check(&bench.container("other", &silent)?, (0o751, 12, 34))
}

fn owners(bench: &Bench<'_>) -> Outcome {
    let ids = [
        0,
        1,
        1000,
        65_534,
        65_536,
        100_000,
        (1 << 31) - 1,
        1 << 31,
        u32::MAX - 1,
    ];
    let mut layer = Layer::new();
    for id in ids {
        let mut attributes = Attributes::mode(0o640);
        (attributes.uid, attributes.gid) = (id, ids[ids.len() - 1] - id);
        layer = layer.file_with(format!("f{id}").as_bytes(), b"", &attributes);
        let name = format!("l{id}");
        layer = layer.link(EntryType::Symlink, name.as_bytes(), b"target", &attributes);
    }
    let parents = twice(bench, layer, |root| {
        for (kind, id) in ids.iter().flat_map(|id| [('f', *id), ('l', *id)]) {
            let name = format!("{kind}{id}");
            let found = root.metadata(name.as_bytes())?;
            let expected = (id, ids[ids.len() - 1] - id);
            same(
                &root.about(&format!("owner and group of {name}")),
                &expected,
                &(found.uid(), found.gid()),
            )?;
        }
        Ok(())
    })?;
    let root = bench.container("run", &parents)?;
    std::os::unix::fs::chown(root.path("f0"), Some(u32::MAX - 1), Some(7)).expecting("chown")?;
    drop(root);
    let again = bench.mounts("run", &parents, Purpose::Run)?;
    let found = again.metadata(b"f0")?;
    same(
        "the changed owner",
        &(u32::MAX - 1, 7),
        &(found.uid(), found.gid()),
    )
}

fn times(bench: &Bench<'_>) -> Outcome {
    let times = [
        (0, 0),
        (0, 1),
        (1, 999_999_999),
        (-1_000_000, 0),
        (-2, 123_456_789),
        (1_600_000_000, 123_456_789),
        (4_294_967_296, 7),
    ];
    let mut layer = Layer::new();
    for (at, mtime) in times.into_iter().enumerate() {
        let attributes = Attributes {
            mtime,
            ..Attributes::mode(0o755)
        };
        layer = layer.file_with(format!("f{at}").as_bytes(), b"", &attributes);
        layer = layer.dir_with(format!("d{at}").as_bytes(), &attributes);
        let name = format!("l{at}");
        layer = layer.link(EntryType::Symlink, name.as_bytes(), b"target", &attributes);
    }
    let check = |root: &Root| {
        for (at, expected) in times.iter().enumerate() {
            for kind in ['f', 'd', 'l'] {
                let name = format!("{kind}{at}");
                let found = root.metadata(name.as_bytes())?;
                let found = (found.mtime(), found.mtime_nsec() as u32);
                same(
                    &root.about(&format!("the time of {name}")),
                    expected,
                    &found,
                )?;
            }
        }
        Ok(())
    };
    let parents = twice(bench, layer, check)?;
    let root = bench.container("run", &parents)?;
    let moment = Timespec {
        tv_sec: 987_654_321,
        tv_nsec: 987_654_321,
    };
    let both = Timestamps {
        last_access: moment,
        last_modification: moment,
    };
    utimensat(CWD, root.path("f0"), &both, AtFlags::empty()).expecting("a change of a time")?;
    drop(root);
    let again = bench.mounts("run", &parents, Purpose::Run)?;
    let found = again.metadata(b"f0")?;
    same(
        "the changed time",
        &(987_654_321, 987_654_321),
        &(found.mtime(), found.mtime_nsec()),
    )?;
    check(&bench.prepare("after", &parents, Purpose::View)?)
}

fn value(root: &Root, name: &str, attribute: &str) -> Outcome<Vec<u8>> {
    let mut buffer = vec![0; 4096];
    let what = root.about(&format!("the attribute {attribute} of {name}"));
    let length = lgetxattr(root.path(name), attribute, &mut buffer[..]).expecting(&what)?;
    buffer.truncate(length);
    Ok(buffer)
}

fn attributes(bench: &Bench<'_>) -> Outcome {
    let large = vec![b'v'; 1500];
    let all = [
        ("user.text", b"value".to_vec()),
        ("user.empty", Vec::new()),
        ("user.bytes", b"\0\xff\n=".to_vec()),
        ("user.large", large),
    ];
    let marked = Attributes {
        xattrs: all.to_vec(),
        ..Attributes::mode(0o755)
    };
    let layer = Layer::new()
        .file_with(b"file", b"x", &marked)
        .dir_with(b"dir", &marked);
    let parents = twice(bench, layer, |root| {
        for name in ["file", "dir"] {
            for (attribute, expected) in &all {
                let what = root.about(&format!("the attribute {attribute} of {name}"));
                same(&what, expected, &value(root, name, attribute)?)?;
            }
        }
        Ok(())
    })?;
    let root = bench.container("run", &parents)?;
    for name in ["file", "dir"] {
        setxattr(
            root.path(name),
            "user.text",
            b"changed",
            XattrFlags::empty(),
        )
        .expecting("a change of an attribute")?;
        setxattr(root.path(name), "user.own", b"own", XattrFlags::empty())
            .expecting("an attribute of its own")?;
    }
    drop(root);
    let again = bench.mounts("run", &parents, Purpose::Run)?;
    for name in ["file", "dir"] {
        same(
            "a changed attribute",
            &b"changed".to_vec(),
            &value(&again, name, "user.text")?,
        )?;
        same(
            "a new attribute",
            &b"own".to_vec(),
            &value(&again, name, "user.own")?,
        )?;
        same(
            "an unchanged one",
            &Vec::new(),
            &value(&again, name, "user.empty")?,
        )?;
    }
    let other = bench.container("other", &parents)?;
    same(
        "the attribute in another container",
        &b"value".to_vec(),
        &value(&other, "file", "user.text")?,
    )
}

fn capabilities(bench: &Bench<'_>) -> Outcome {
    // capability.h, VFS_CAP_REVISION_2: effective, and CAP_NET_RAW permitted.
    let mut capability = vec![1, 0, 0, 2, 0, 0x20, 0, 0];
    capability.resize(20, 0);
    let attributes = Attributes {
        uid: 1000,
        xattrs: vec![("security.capability", capability.clone())],
        ..Attributes::mode(0o755)
    };
    let layer = Layer::new().file_with(b"ping", b"#!", &attributes);
    let parents = twice(bench, layer, |root| {
        let found = value(root, "ping", "security.capability")?;
        same(&root.about("the capabilities of ping"), &capability, &found)
    })?;
    // A change of the mode copies the file up and keeps them (capabilities(7)).
    let root = bench.container("run", &parents)?;
    fs::set_permissions(root.path("ping"), fs::Permissions::from_mode(0o750)).expecting("chmod")?;
    drop(root);
    let again = bench.mounts("run", &parents, Purpose::Run)?;
    let found = value(&again, "ping", "security.capability")?;
    same(
        "the capabilities after a change of the mode",
        &capability,
        &found,
    )
}
