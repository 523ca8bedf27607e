use bulkhead_plugin_api::Code;
use bulkhead_plugin_api::storage::{Access, OverlayOption};
use bulkhead_plugin_api::testing::{FakeStorageHost, StorageOrder};

use super::*;

fn host(key: &str) -> FakeStorageHost {
    FakeStorageHost::new(key).with_fact("overlay")
}

/// A host with committed layers, asked about a container over them.
fn container(parents: &[&str]) -> FakeStorageHost {
    let host = host("c-1").with_parents(parents);
    parents
        .iter()
        .fold(host, |host, key| host.with_dir(&format!("{key}/fs")))
}

fn mounted(host: &FakeStorageHost) -> StorageOrder {
    host.orders().pop().unwrap()
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
fn a_container_is_an_overlay_of_its_layers_nearest_first() {
    let host = container(&["top", "base"]);
    Overlayfs::prepare(&host, Purpose::Run).unwrap();
    let overlay = StorageOrder::MountOverlay {
        lower: vec!["top/fs".into(), "base/fs".into()],
        upper: Some(("c-1/fs".into(), "c-1/work".into())),
        options: Vec::new(),
    };
    let expected = [
        create("c-1", 0o700),
        create("c-1/fs", 0o755),
        create("c-1/work", 0o700),
        overlay,
    ];
    assert_eq!(host.orders(), expected);
    host.apply();
}

#[test]
fn a_container_of_an_empty_image_is_a_directory() {
    let host = container(&[]);
    Overlayfs::prepare(&host, Purpose::Run).unwrap();
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
fn a_layer_is_unpacked_alone() {
    let host = container(&["base"]);
    Overlayfs::prepare(&host, Purpose::Extract).unwrap();
    assert_eq!(mounted(&host), bind("c-1/fs", Access::ReadWrite));
    host.apply();
    assert!(!host.dirs().contains(&"c-1/work".to_owned()));
}

#[test]
fn a_view_is_never_writable() {
    let several = container(&["top", "base"]);
    Overlayfs::prepare(&several, Purpose::View).unwrap();
    let lower = vec!["top/fs".into(), "base/fs".into()];
    assert_eq!(
        mounted(&several),
        StorageOrder::MountOverlay {
            lower,
            upper: None,
            options: Vec::new()
        }
    );

    let single = container(&["base"]);
    Overlayfs::prepare(&single, Purpose::View).unwrap();
    assert_eq!(mounted(&single), bind("base/fs", Access::ReadOnly));

    let empty = container(&[]);
    Overlayfs::prepare(&empty, Purpose::View).unwrap();
    assert_eq!(mounted(&empty), bind("c-1/fs", Access::ReadOnly));
}

#[test]
fn mounts_orders_the_mount_and_nothing_else() {
    let host = container(&["base"]).with_dir("c-1/fs").with_dir("c-1/work");
    Overlayfs::mounts(&host, Purpose::Run).unwrap();
    assert!(matches!(
        host.orders().as_slice(),
        [StorageOrder::MountOverlay { .. }]
    ));
    host.apply();
}

#[test]
fn the_mount_of_a_missing_snapshot_is_not_found() {
    assert_eq!(
        Overlayfs::mounts(&container(&[]), Purpose::Run)
            .unwrap_err()
            .code,
        Code::NotFound
    );
}

#[test]
fn the_index_is_off_where_the_kernel_has_one() {
    let host = container(&["base"]).with_fact("overlay-index");
    Overlayfs::prepare(&host, Purpose::Run).unwrap();
    let StorageOrder::MountOverlay { options, .. } = mounted(&host) else {
        panic!("no overlay")
    };
    assert_eq!(options, [OverlayOption::NoIndex]);
}

#[test]
fn a_layer_lives_through_extraction_commit_use_and_removal() {
    let layer = host("x-1");
    Overlayfs::prepare(&layer, Purpose::Extract).unwrap();
    layer.apply();
    Overlayfs::commit(&layer, "base").unwrap();
    layer.apply();
    assert_eq!(layer.dirs(), ["base", "base/fs"]);

    let run = layer.about("c-1").with_parents(&["base"]);
    Overlayfs::prepare(&run, Purpose::Run).unwrap();
    run.apply();
    Overlayfs::remove(&run).unwrap();
    run.apply();
    assert_eq!(run.dirs(), ["base", "base/fs"]);
    Overlayfs::remove(&run).expect("a missing snapshot is fine");
}

#[test]
fn garbage_is_what_nobody_uses_over_many_pages_and_calls() {
    let host = (0..600).fold(host(""), |host, i| host.with_dir(&format!("s{i:03}/fs")));
    let live = ["s000".to_owned(), "s300".to_owned(), "s599".to_owned()];
    for left in [100, 3] {
        Overlayfs::gc(&host, &live).unwrap();
        host.apply();
        assert_eq!(host.dirs().len(), 2 * left);
    }
    assert_eq!(
        host.dirs(),
        ["s000", "s000/fs", "s300", "s300/fs", "s599", "s599/fs"]
    );
}

#[test]
fn usage_counts_the_layer_without_overlays_workshop() {
    let usage = Usage {
        bytes: 4096,
        inodes: 1,
    };
    let host = host("c-1").with_dir("c-1/fs").with_usage("c-1/fs", usage);
    assert_eq!(Overlayfs::usage(&host), Ok(usage));
    assert_eq!(
        Overlayfs::usage(&host.about("c-2")).unwrap_err().code,
        Code::NotFound
    );
}

#[test]
fn without_overlay_in_the_kernel_the_driver_says_so() {
    assert!(Overlayfs::probe(&host("")).is_ok());
    assert_eq!(
        Overlayfs::probe(&FakeStorageHost::new(""))
            .unwrap_err()
            .code,
        Code::Unsupported
    );
}

#[test]
fn a_refused_order_ends_the_call_with_the_hosts_words() {
    let host = container(&["base"]).without_grant("mount-overlay");
    let error = Overlayfs::prepare(&host, Purpose::Run).unwrap_err();
    assert_eq!(error.code, Code::Denied);
    assert!(error.message.contains("mount-overlay"), "{error}");
}

#[test]
fn the_driver_conforms() {
    bulkhead_plugin_api::testing::conformance::check::<Overlayfs>(&["overlay"]);
}

#[test]
fn a_size_is_refused_and_options_are_unknown() {
    let host = FakeStorageHost::new("c-1").with_size(1 << 30);
    let refused = Overlayfs::prepare(&host, Purpose::Run).unwrap_err();
    assert_eq!(refused.code, Code::Unsupported);
    assert!(refused.message.contains("quota"), "{refused}");
    let on_tmpfs = host.with_fact("tmpfs");
    let refused = Overlayfs::prepare(&on_tmpfs, Purpose::Run).unwrap_err();
    assert!(
        refused.message.ends_with("is on tmpfs without it"),
        "{refused}"
    );
    let host = FakeStorageHost::new("")
        .with_fact("overlay")
        .with_option("a", "b");
    assert_eq!(Overlayfs::probe(&host).unwrap_err().code, Code::Invalid);
}

#[test]
fn a_size_counts_what_is_written_and_overlays_workshop() {
    let host = container(&["base"]).with_fact("project-quota");
    let host = host.with_size(1 << 30);
    Overlayfs::prepare(&host, Purpose::Run).unwrap();
    let limit = StorageOrder::LimitDir {
        dir: "c-1".into(),
        bytes: 1 << 30,
    };
    let expected = [
        create("c-1", 0o700),
        limit,
        create("c-1/fs", 0o755),
        create("c-1/work", 0o700),
    ];
    assert_eq!(host.orders()[..4], expected);
    host.apply();
}
