use super::*;
use bulkhead_model::storage::DirName;

fn path(text: &str) -> DirPath {
    DirPath(
        text.split('/')
            .filter(|p| !p.is_empty())
            .map(|p| DirName::new(p).unwrap())
            .collect(),
    )
}

fn create(text: &str) -> StorageStep {
    StorageStep::CreateDir {
        dir: path(text),
        mode: 0o755,
    }
}

fn run(root: &OwnedFd, steps: Vec<StorageStep>) -> std::result::Result<(), RuntimeError> {
    let volumes = Volumes::in_files();
    let place = Place {
        root,
        volumes: &volumes,
        home: None,
    };
    apply("test", place, &StoragePlan { steps, mount: None })
}

#[test]
fn a_failing_plan_leaves_the_root_as_it_was() {
    let temp = tempfile::tempdir().unwrap();
    let root = bulkhead_sys::path::open_host_dir(temp.path()).unwrap();
    run(
        &root,
        vec![
            create("a"),
            create("a/fs"),
            StorageStep::PutState {
                key: "k".into(),
                value: Some(b"1".to_vec()),
            },
        ],
    )
    .unwrap();
    std::fs::write(temp.path().join("a/fs/file"), "x").unwrap();
    let error = run(
        &root,
        vec![
            create("b"),
            StorageStep::CloneTree {
                source: path("a/fs"),
                dest: path("b"),
            },
            StorageStep::Rename {
                from: path("a"),
                to: path("c"),
            },
            StorageStep::PutState {
                key: "k".into(),
                value: None,
            },
            StorageStep::RemoveTree { dir: path("c") },
            create("no/parent"),
        ],
    )
    .unwrap_err();
    assert!(
        matches!(error, RuntimeError::Storage { ref step, .. } if step == "create no/parent"),
        "{error:?}"
    );
    assert!(temp.path().join("a/fs/file").exists());
    assert!(!temp.path().join("b").exists() && !temp.path().join("c").exists());
    assert_eq!(state::get(&root, "k").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_plan_clones_renames_and_removes() {
    let temp = tempfile::tempdir().unwrap();
    let root = bulkhead_sys::path::open_host_dir(temp.path()).unwrap();
    run(&root, vec![create("a")]).unwrap();
    std::fs::write(temp.path().join("a/file"), "x").unwrap();
    run(
        &root,
        vec![
            StorageStep::RemoveTree { dir: path("a") },
            StorageStep::RemoveTree {
                dir: path("never/was"),
            },
            create("b"),
            StorageStep::CloneTree {
                source: path("a"),
                dest: path("b"),
            },
            StorageStep::Rename {
                from: path("b"),
                to: path("c"),
            },
        ],
    )
    .unwrap();
    assert_eq!(
        std::fs::read_to_string(temp.path().join("c/file")).unwrap(),
        "x"
    );
    assert!(!temp.path().join("a").exists());
}

#[test]
fn values_are_kept_side_by_side() {
    let temp = tempfile::tempdir().unwrap();
    let root = bulkhead_sys::path::open_host_dir(temp.path()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let root = &root;
            scope.spawn(move || {
                let key = format!("k{thread}");
                for round in 0..50_u32 {
                    let value = format!("{key} {round}").into_bytes();
                    state::put(root, &key, Some(&value)).unwrap();
                    assert_eq!(state::get(root, &key).unwrap(), Some(value));
                }
            });
        }
    });
}

#[test]
fn a_planted_symlink_is_not_followed() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(temp.path().join("root")).unwrap();
    std::fs::create_dir_all(temp.path().join("outside")).unwrap();
    std::os::unix::fs::symlink("../outside", temp.path().join("root/link")).unwrap();
    let root = bulkhead_sys::path::open_host_dir(temp.path().join("root")).unwrap();
    assert!(run(&root, vec![create("link/x")]).is_err());
    assert_eq!(
        std::fs::read_dir(temp.path().join("outside"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_long_chain_of_layers_is_one_mount_in_every_way_the_kernel_takes() {
    use bulkhead_model::storage::RootMount;
    let temp = tempfile::tempdir().unwrap();
    let root = bulkhead_sys::path::open_host_dir(temp.path()).unwrap();
    let layers: Vec<String> = (0..300).map(|i| format!("{i:0>64}")).collect();
    for layer in &layers {
        run(&root, vec![create(layer), create(&format!("{layer}/fs"))]).unwrap();
        std::fs::write(temp.path().join(format!("{layer}/fs/{layer}")), "x").unwrap();
    }
    run(&root, vec![create("up"), create("work")]).unwrap();
    for count in [1, 2, 64, 127, 300] {
        let lower = layers[..count].iter().map(|l| path(&format!("{l}/fs")));
        let mount = RootMount::Overlay {
            lower: lower.collect(),
            upper: Some((path("up"), path("work"))),
            options: vec![],
        };
        let ways = mounts::Way::ALL.map(|way| mounts::overlay(&root, temp.path(), &mount, way));
        let made = ways.into_iter().flatten();
        let shown: Vec<usize> = made.map(|m| entries(&m).unwrap().len()).collect();
        assert!(!shown.is_empty(), "{count} layers");
        assert!(shown.iter().all(|n| *n == count), "{count}: {shown:?}");
        let classic = mounts::overlay(&root, temp.path(), &mount, mounts::Way::Classic);
        assert_eq!(entries(classic.unwrap()).unwrap().len(), count);
    }
}

#[test]
fn an_overlay_mount_shows_all_layers_and_is_in_no_mount_table() {
    use bulkhead_model::storage::RootMount;
    let temp = tempfile::tempdir().unwrap();
    let root = bulkhead_sys::path::open_host_dir(temp.path()).unwrap();
    let mut steps: Vec<_> = (0..40).map(|i| create(&format!("l{i}"))).collect();
    steps.extend([create("up"), create("work")]);
    run(&root, steps).unwrap();
    for i in 0..40 {
        std::fs::write(temp.path().join(format!("l{i}/f{i}")), "x").unwrap();
    }
    let lower = (0..40).map(|i| path(&format!("l{i}"))).collect();
    let mount = RootMount::Overlay {
        lower,
        upper: Some((path("up"), path("work"))),
        options: vec![],
    };
    for way in mounts::Way::ALL {
        let Ok(mounted) = mounts::overlay(&root, temp.path(), &mount, way) else {
            continue;
        };
        assert_eq!(entries(&mounted).unwrap().len(), 40, "{way:?}");
    }
    let volumes = Volumes::in_files();
    let place = Place {
        root: &root,
        volumes: &volumes,
        home: None,
    };
    let mounted = open_mount("test", place, temp.path(), &mount, None).unwrap();
    mkdirat(&mounted, "made", 0o700).unwrap();
    assert!(temp.path().join("up/made").exists());
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!table.contains(temp.path().to_str().unwrap()));
}

#[test]
fn a_driver_reads_its_root_and_nothing_else() {
    use bulkhead_model::driver::DriverRoot;
    let temp = tempfile::tempdir().unwrap();
    let root = bulkhead_sys::path::open_host_dir(temp.path()).unwrap();
    run(
        &root,
        vec![
            create("a"),
            create("a/x"),
            create("a/y"),
            create("a/z"),
            StorageStep::PutState {
                key: "a/../k".into(),
                value: Some(vec![1]),
            },
        ],
    )
    .unwrap();
    std::fs::write(temp.path().join("a/small"), "bytes").unwrap();
    let view = BeneathRoot::new(root, Volumes::in_files());
    assert!(view.is_dir(&path("a")) && !view.is_dir(&path("b")) && !view.is_dir(&path("a/small")));
    assert_eq!(
        view.entries(&path("a"), DirName::new("small").as_ref(), 2)
            .unwrap(),
        ["x", "y"]
    );
    assert_eq!(
        view.read_small(&path("a"), &DirName::new("small").unwrap())
            .unwrap(),
        b"bytes"
    );
    assert_eq!(view.state("a/../k"), Some(vec![1]));
    assert!(view.usage(&path("a")).unwrap().inodes == 5);
    assert!(
        view.facts().contains(&"overlay".to_owned()),
        "{:?}",
        view.facts()
    );
}
