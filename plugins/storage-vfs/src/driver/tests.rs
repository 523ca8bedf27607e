use bulkhead_plugin_api::Code;
use bulkhead_plugin_api::testing::{FakeStorageHost, StorageOrder};

use super::*;

fn container(parents: &[&str]) -> FakeStorageHost {
    let host = FakeStorageHost::new("c-1").with_parents(parents);
    parents
        .iter()
        .fold(host, |host, key| host.with_dir(&format!("{key}/fs")))
}

fn create(dir: &str, mode: u32) -> StorageOrder {
    StorageOrder::CreateDir {
        dir: dir.into(),
        mode,
    }
}

fn bind(source: &str, access: Access) -> StorageOrder {
    StorageOrder::MountBind {
        source: source.into(),
        access,
    }
}

#[test]
fn a_container_is_a_copy_of_the_nearest_layer() {
    for purpose in [Purpose::Run, Purpose::Extract] {
        let host = container(&["top", "base"]);
        Vfs::prepare(&host, purpose).unwrap();
        let clone = StorageOrder::CloneTree {
            source: "top/fs".into(),
            dest: "c-1/fs".into(),
        };
        let expected = [
            create("c-1", 0o700),
            create("c-1/fs", 0o755),
            clone,
            bind("c-1/fs", Access::ReadWrite),
        ];
        assert_eq!(host.orders(), expected);
        host.apply();
    }
}

#[test]
fn the_first_layer_starts_empty() {
    let host = container(&[]);
    Vfs::prepare(&host, Purpose::Extract).unwrap();
    assert_eq!(
        host.orders(),
        [
            create("c-1", 0o700),
            create("c-1/fs", 0o755),
            bind("c-1/fs", Access::ReadWrite)
        ]
    );
    host.apply();
}

#[test]
fn looking_at_a_layer_copies_nothing_and_writes_nothing() {
    let host = container(&["base"]);
    Vfs::prepare(&host, Purpose::View).unwrap();
    assert_eq!(
        host.orders(),
        [create("c-1", 0o700), bind("base/fs", Access::ReadOnly)]
    );
    host.apply();
    Vfs::mounts(&host, Purpose::View).unwrap();
    assert_eq!(host.orders(), [bind("base/fs", Access::ReadOnly)]);
    assert_eq!(Vfs::usage(&host), Ok(Usage::default()));
}

#[test]
fn mounts_shows_the_copy_with_the_access_that_is_asked_for() {
    let host = container(&["base"]).with_dir("c-1/fs");
    Vfs::mounts(&host, Purpose::Run).unwrap();
    Vfs::mounts(&host, Purpose::View).unwrap();
    assert_eq!(
        host.orders(),
        [
            bind("c-1/fs", Access::ReadWrite),
            bind("c-1/fs", Access::ReadOnly)
        ]
    );
    assert_eq!(
        Vfs::mounts(&host.about("c-2"), Purpose::Run)
            .unwrap_err()
            .code,
        Code::NotFound
    );
}

#[test]
fn a_layer_lives_through_extraction_commit_use_and_removal() {
    let layer = FakeStorageHost::new("x-1");
    Vfs::prepare(&layer, Purpose::Extract).unwrap();
    layer.apply();
    Vfs::commit(&layer, "base").unwrap();
    layer.apply();

    let run = layer.about("c-1").with_parents(&["base"]);
    Vfs::prepare(&run, Purpose::Run).unwrap();
    run.apply();
    Vfs::gc(&run.about(""), &["c-1".into()]).unwrap();
    run.apply();
    assert_eq!(run.dirs(), ["c-1", "c-1/fs"]);
    Vfs::remove(&run).unwrap();
    run.apply();
    assert!(run.dirs().is_empty());
}

#[test]
fn the_driver_conforms() {
    bulkhead_plugin_api::testing::conformance::check::<Vfs>(&[]);
}

#[test]
fn a_size_is_refused_and_options_are_unknown() {
    let host = FakeStorageHost::new("c-1").with_size(1 << 30);
    let refused = Vfs::prepare(&host, Purpose::Run).unwrap_err();
    assert_eq!(refused.code, Code::Unsupported);
    assert!(refused.message.contains("quota"), "{refused}");
    let host = FakeStorageHost::new("")
        .with_fact("overlay")
        .with_option("a", "b");
    assert_eq!(Vfs::probe(&host).unwrap_err().code, Code::Invalid);
}

#[test]
fn a_size_counts_the_copy_too_and_usage_does_not() {
    let host = container(&["base"]).with_fact("project-quota");
    let host = host
        .with_file("base/fs/big", b"12345678")
        .with_size(1 << 30);
    Vfs::prepare(&host, Purpose::Run).unwrap();
    let limit = StorageOrder::LimitDir {
        dir: "c-1".into(),
        bytes: 1 << 30,
    };
    assert_eq!(host.orders()[..2], [create("c-1", 0o700), limit]);
    host.apply();
    assert_eq!(Vfs::usage(&host), Ok(Usage::default()));
    let host = host.with_file("c-1/fs/own", b"123");
    let own = Usage {
        bytes: 3,
        inodes: 1,
    };
    assert_eq!(Vfs::usage(&host), Ok(own));
}
