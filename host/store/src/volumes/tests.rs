use super::*;

fn names(store: &Store) -> Vec<String> {
    let rows = store.volumes().unwrap();
    rows.into_iter().map(|row| row.name).collect()
}

#[test]
fn volumes_of_a_container_that_was_never_recorded_go() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path()).unwrap();
    for (name, owner) in [("half", "a"), ("whole", "b"), ("kept", "c")] {
        store.unsettle_volume(name, owner).unwrap();
        store.ensure_volume(name, "local", "{}").unwrap();
    }
    store.keep_volumes("c").unwrap();
    store.settle_volumes(|owner, _| owner == "b").unwrap();
    assert_eq!(names(&store), ["kept", "whole"]);
    assert!(!temp.path().join("volumes/half").exists());
    // Whatever becomes of the containers now, they stay.
    store.settle_volumes(|_, _| false).unwrap();
    assert_eq!(names(&store), ["kept", "whole"]);
}

#[test]
fn a_volume_whose_restore_was_cut_off_goes_while_nothing_is_in_it() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path()).unwrap();
    for name in ["cut-off", "cut-late", "restored", "taken"] {
        store.unsettle_volume(name, RESTORE).unwrap();
        store.ensure_volume(name, "local", "{}").unwrap();
    }
    std::fs::write(temp.path().join("volumes/cut-late/_data/file"), "x").unwrap();
    store.unsettle_volume("never-made", RESTORE).unwrap();
    store.keep_restored("restored").unwrap();
    let users = |owner: &str, volume: &str| owner == RESTORE && volume == "taken";
    store.settle_volumes(users).unwrap();
    assert_eq!(names(&store), ["cut-late", "restored", "taken"]);
    std::fs::remove_file(temp.path().join("volumes/cut-late/_data/file")).unwrap();
    store.settle_volumes(|_, _| false).unwrap();
    assert_eq!(names(&store), ["cut-late", "restored", "taken"]);
}

#[test]
fn folders_without_a_record_go_when_they_were_noted() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path()).unwrap();
    store.unsettle_volume("cut", "").unwrap();
    std::fs::create_dir_all(temp.path().join("volumes/cut/_data")).unwrap();
    std::fs::create_dir_all(temp.path().join("volumes/foreign/_data")).unwrap();
    store.ensure_volume("named", "local", "{}").unwrap();
    store.settle_volumes(|_, _| false).unwrap();
    assert!(!temp.path().join("volumes/cut").exists());
    assert!(temp.path().join("volumes/foreign").exists());
    assert_eq!(names(&store), ["named"]);
}

#[test]
fn what_is_mounted_over_a_volume_is_not_removed_with_it() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path()).unwrap();
    store.ensure_volume("bound", "local", "{}").unwrap();
    std::thread::scope(|scope| {
        let seen_from_inside = scope.spawn(|| {
            bulkhead_sys::mount::private_namespace().unwrap();
            let mine = temp.path().join("mine");
            std::fs::create_dir(&mine).unwrap();
            std::fs::write(mine.join("file"), "kept").unwrap();
            let files = store.open_volume("bound").unwrap();
            let mine = bulkhead_sys::path::open_host_dir(&mine).unwrap();
            let mount = bulkhead_sys::mount::clone_mount(mine, false).unwrap();
            bulkhead_sys::mount::move_mount(mount, files).unwrap();
            assert!(store.remove_volume("bound").is_err());
            store.unsettle_volume("bound", "never recorded").unwrap();
            store.settle_volumes(|_, _| false).unwrap();
        });
        seen_from_inside.join().unwrap();
    });
    assert_eq!(names(&store), ["bound"]);
    let kept = std::fs::read_to_string(temp.path().join("mine/file"));
    assert_eq!(kept.unwrap(), "kept");
}
