use bulkhead_plugin_api::Code;
use bulkhead_plugin_api::testing::{FakeStorageHost, StorageOrder, conformance};

use super::*;

fn container(parents: &[&str]) -> FakeStorageHost {
    let host = FakeStorageHost::new("c-1").with_parents(parents);
    parents
        .iter()
        .fold(host, |host, key| host.with_subvolume(&format!("{key}/fs")))
}

fn create(dir: &str) -> StorageOrder {
    StorageOrder::CreateDir {
        dir: dir.into(),
        mode: 0o700,
    }
}

fn bind(source: &str, access: Access) -> StorageOrder {
    StorageOrder::MountBind {
        source: source.into(),
        access,
    }
}

#[test]
fn a_container_is_a_snapshot_of_the_nearest_layer() {
    for purpose in [Purpose::Run, Purpose::Extract] {
        let host = container(&["top", "base"]);
        Btrfs::prepare(&host, purpose).unwrap();
        let snapshot = StorageOrder::SnapshotSubvolume {
            source: "top/fs".into(),
            dest: "c-1/fs".into(),
            access: Access::ReadWrite,
        };
        let expected = [create("c-1"), snapshot, bind("c-1/fs", Access::ReadWrite)];
        assert_eq!(host.orders(), expected);
        host.apply();
    }
}

#[test]
fn the_first_layer_is_an_empty_subvolume() {
    let host = container(&[]);
    Btrfs::prepare(&host, Purpose::Extract).unwrap();
    let subvolume = StorageOrder::CreateSubvolume {
        dir: "c-1/fs".into(),
        mode: 0o755,
    };
    let expected = [create("c-1"), subvolume, bind("c-1/fs", Access::ReadWrite)];
    assert_eq!(host.orders(), expected);
}

#[test]
fn a_view_takes_no_snapshot() {
    let host = container(&["top"]);
    Btrfs::prepare(&host, Purpose::View).unwrap();
    let expected = [create("c-1"), bind("top/fs", Access::ReadOnly)];
    assert_eq!(host.orders(), expected);
}

#[test]
fn a_committed_layer_is_sealed_and_then_named() {
    let host = container(&["top"]).with_subvolume("c-1/fs");
    Btrfs::commit(&host, "layer").unwrap();
    host.apply();
    let found = host.subvolumes();
    let (_, layer) = found.iter().find(|(path, _)| path == "layer/fs").unwrap();
    assert!(layer.sealed);
    assert!(!host.dirs().contains(&"c-1".to_owned()));
}

#[test]
fn a_size_limits_the_containers_subvolume() {
    let host = container(&["top"]).with_size(1 << 30);
    Btrfs::prepare(&host, Purpose::Run).unwrap();
    host.apply();
    let found = host.subvolumes();
    let (_, own) = found.iter().find(|(path, _)| path == "c-1/fs").unwrap();
    assert_eq!(own.limit, Some(1 << 30));
}

#[test]
fn a_size_below_the_least_is_refused() {
    let host = container(&["top"])
        .with_size(1 << 30)
        .with_option("min_space", "2G");
    let refused = Btrfs::prepare(&host, Purpose::Run).unwrap_err();
    assert_eq!(refused.code, Code::Invalid);
    assert!(refused.message.contains("cannot be less than"), "{refused}");
}

#[test]
fn a_data_root_that_is_btrfs_needs_no_pool() {
    let host = FakeStorageHost::new("").with_fact("btrfs");
    Btrfs::probe(&host).unwrap();
    assert!(host.orders().is_empty());
}

#[test]
fn elsewhere_a_pool_is_wanted_and_what_is_missing_for_it_is_named() {
    let facts = ["kernel-btrfs", "loop", "mkfs.btrfs"];
    let with = |missing: &str| {
        let host = FakeStorageHost::new("").with_option("pool_size", "20G");
        let found = facts.iter().filter(|fact| **fact != missing);
        found.fold(host, |host, fact| host.with_fact(fact))
    };
    let host = with("");
    Btrfs::probe(&host).unwrap();
    let pool = Pool {
        filesystem: "btrfs".into(),
        size: Some(20 << 30),
        options: Vec::new(),
    };
    assert_eq!(host.orders(), [StorageOrder::Pool(pool)]);
    for (missing, said) in [
        ("kernel-btrfs", "no Btrfs"),
        ("loop", "loop devices"),
        ("mkfs.btrfs", "btrfs-progs"),
    ] {
        let refused = Btrfs::probe(&with(missing)).unwrap_err();
        assert_eq!(refused.code, Code::Unsupported);
        assert!(refused.message.contains(said), "{refused}");
    }
}

#[test]
fn options_that_are_not_known_are_refused() {
    for (name, value) in [("nonsense", "1"), ("min_space", "much"), ("pool_size", "")] {
        let host = FakeStorageHost::new("")
            .with_fact("btrfs")
            .with_option(name, value);
        let refused = Btrfs::probe(&host).unwrap_err();
        assert_eq!(refused.code, Code::Invalid, "{name}");
        assert!(refused.message.contains(name), "{refused}");
    }
}

#[test]
fn the_driver_conforms() {
    conformance::check::<Btrfs>(&["btrfs"]);
}

#[test]
fn the_status_says_where_the_subvolumes_are() {
    let host = FakeStorageHost::new("")
        .with_fact("pool")
        .with_pool_status("data-used", "12345678")
        .with_pool_status("data-total", "2147483648");
    let row = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = [
        row(
            "Btrfs",
            "in a file of the data root, storage/btrfs/pool.img",
        ),
        row("Data Space Used", "12.35MB"),
        row("Data Space Total", "2.147GB"),
    ];
    assert_eq!(Btrfs::status(&host).unwrap(), expected);
}
