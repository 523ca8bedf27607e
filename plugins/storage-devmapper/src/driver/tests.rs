use bulkhead_plugin_api::storage::Filesystem;
use bulkhead_plugin_api::testing::{FakeStorageHost, StorageOrder};

use super::*;

const BASE: u64 = 10 << 30;

fn host(key: &str) -> FakeStorageHost {
    FakeStorageHost::new(key)
        .with_fact("loop")
        .with_fact("mkfs.ext4")
        .with_fact("mkfs.xfs")
}

fn container(parents: &[&str]) -> FakeStorageHost {
    let host = host("c-1").with_parents(parents);
    parents.iter().fold(host, |host, key| {
        host.with_volume(&format!("{key}/fs"), BASE)
    })
}

fn create(dir: &str) -> StorageOrder {
    StorageOrder::CreateDir {
        dir: dir.into(),
        mode: 0o700,
    }
}

fn shown(source: &str, access: Access) -> StorageOrder {
    StorageOrder::MountVolume {
        source: source.into(),
        access,
        options: vec![VolumeOption::Discard],
    }
}

fn snapshot(source: &str, dest: &str) -> StorageOrder {
    StorageOrder::SnapshotVolume {
        source: source.into(),
        dest: dest.into(),
    }
}

#[test]
fn a_container_is_a_snapshot_of_the_nearest_layer() {
    for purpose in [Purpose::Run, Purpose::Extract] {
        let host = container(&["top", "base"]);
        DeviceMapper::prepare(&host, purpose).unwrap();
        let expected = [
            create("c-1"),
            create("c-1/fs"),
            snapshot("top/fs", "c-1/fs"),
            shown("c-1/fs", Access::ReadWrite),
        ];
        assert_eq!(host.orders(), expected);
        host.apply();
    }
}

#[test]
fn the_first_layer_is_an_empty_volume_of_the_base_size() {
    let host = container(&[])
        .with_option("basesize", "1G")
        .with_option("fs", "xfs");
    DeviceMapper::prepare(&host, Purpose::Extract).unwrap();
    let volume = StorageOrder::CreateVolume {
        dir: "c-1/fs".into(),
        size: 1 << 30,
        filesystem: Filesystem::Xfs,
    };
    assert!(host.orders().contains(&volume), "{:?}", host.orders());
    host.apply();
}

#[test]
fn a_container_can_be_larger_than_the_base_and_not_smaller() {
    let host = container(&["base"]).with_size(20 << 30);
    DeviceMapper::prepare(&host, Purpose::Run).unwrap();
    host.apply();
    assert!(host.volumes().contains(&("c-1/fs".to_owned(), 20 << 30)));
    let host = container(&["base"]).with_size(1 << 30);
    let error = DeviceMapper::prepare(&host, Purpose::Run).unwrap_err();
    assert_eq!(error.code, Code::Invalid);
    assert_eq!(
        error.message,
        "Container size cannot be smaller than 10.74GB"
    );
    // Layers are as large as the base, whatever a container asks for.
    let host = container(&["base"]).with_size(20 << 30);
    DeviceMapper::prepare(&host, Purpose::Extract).unwrap();
    host.apply();
    assert!(host.volumes().contains(&("c-1/fs".to_owned(), BASE)));
}

#[test]
fn looking_at_a_layer_makes_no_snapshot() {
    let host = container(&["base"]);
    DeviceMapper::prepare(&host, Purpose::View).unwrap();
    assert_eq!(
        host.orders(),
        [create("c-1"), shown("base/fs", Access::ReadOnly)]
    );
    host.apply();
    DeviceMapper::mounts(&host, Purpose::View).unwrap();
    assert_eq!(host.orders(), [shown("base/fs", Access::ReadOnly)]);
    assert_eq!(DeviceMapper::usage(&host), Ok(Usage::default()));
}

#[test]
fn a_layer_lives_through_extraction_commit_use_and_removal() {
    let layer = host("x-1");
    DeviceMapper::prepare(&layer, Purpose::Extract).unwrap();
    layer.apply();
    DeviceMapper::commit(&layer, "base").unwrap();
    layer.apply();
    let run = layer.about("c-1").with_parents(&["base"]);
    DeviceMapper::prepare(&run, Purpose::Run).unwrap();
    run.apply();
    assert_eq!(run.volumes().len(), 2);
    DeviceMapper::mounts(&run, Purpose::Run).unwrap();
    assert_eq!(run.orders(), [shown("c-1/fs", Access::ReadWrite)]);
    run.apply();
    DeviceMapper::gc(&run.about(""), &["c-1".into()]).unwrap();
    run.apply();
    assert_eq!(run.dirs(), ["c-1", "c-1/fs"]);
    DeviceMapper::remove(&run).unwrap();
    run.apply();
    assert!(run.dirs().is_empty() && run.volumes().is_empty());
    let gone = DeviceMapper::mounts(&run.about("c-2"), Purpose::Run);
    assert_eq!(gone.unwrap_err().code, Code::NotFound);
}

#[test]
fn nothing_begins_when_the_pool_is_nearly_full() {
    let full = |name: &str, used: u64| {
        container(&["base"])
            .with_pool_status(&format!("{name}-used"), &used.to_string())
            .with_pool_status(&format!("{name}-total"), "1000000")
    };
    for name in ["data", "metadata"] {
        assert!(DeviceMapper::prepare(&full(name, 900_000), Purpose::Run).is_ok());
        let error = DeviceMapper::prepare(&full(name, 950_000), Purpose::Run).unwrap_err();
        assert_eq!(error.code, Code::Exhausted);
        assert!(error.message.contains("50kB of free"), "{}", error.message);
        // What is there can be looked at, and removed.
        assert!(DeviceMapper::prepare(&full(name, 950_000), Purpose::View).is_ok());
        assert!(DeviceMapper::remove(&full(name, 950_000)).is_ok());
    }
    let allowed = full("data", 950_000).with_option("min_free_space", "0%");
    assert!(DeviceMapper::prepare(&allowed, Purpose::Run).is_ok());
}

fn ordered(host: &FakeStorageHost) -> Option<bulkhead_plugin_api::storage::Pool> {
    DeviceMapper::probe(host).unwrap();
    match &host.orders()[..] {
        [StorageOrder::Pool(pool)] => Some(pool.clone()),
        orders => {
            assert!(orders.is_empty(), "{orders:?}");
            None
        }
    }
}

fn pool(host: &FakeStorageHost) -> Option<String> {
    ordered(host).map(|pool| pool.filesystem)
}

#[test]
fn the_backend_is_chosen_by_what_the_kernel_has_and_then_kept() {
    let thin = || host("").with_fact("dm-thin");
    assert_eq!(pool(&thin()).as_deref(), Some("thin"));
    assert_eq!(pool(&thin().with_fact("reflink")).as_deref(), Some("thin"));
    assert_eq!(pool(&host("")).as_deref(), Some("xfs"));
    assert_eq!(pool(&host("").with_fact("reflink")), None);
    // Kept.
    assert_eq!(pool(&thin().with_fact("thin-pool")), None);
    let files = || thin().with_fact("reflink");
    assert_eq!(pool(&files().with_fact("pool")), None);
    assert_eq!(pool(&files().with_dir("layer")), None);
    // Asked for.
    let files = files().with_option("backend", "reflink");
    assert_eq!(pool(&files), None);
    let sized = host("").with_option("loopdatasize", "2G");
    assert_eq!(ordered(&sized).unwrap().size, Some(2 << 30));
}

#[test]
fn a_machine_without_the_means_is_told_what_to_do() {
    let refused = |host: FakeStorageHost| DeviceMapper::probe(&host).unwrap_err().message;
    let bare = || FakeStorageHost::new("").with_fact("loop");
    assert!(refused(bare()).contains("e2fsprogs"));
    assert!(refused(bare().with_fact("mkfs.ext4")).contains("xfsprogs"));
    let no_loop = FakeStorageHost::new("").with_fact("mkfs.ext4");
    assert!(refused(no_loop).contains("loop devices"));
    let thin = || host("").with_option("backend", "thin");
    assert!(refused(thin()).contains("dm-thin"));
    let other = thin().with_fact("reflink").with_fact("pool");
    assert!(refused(other).contains("start anew"));
    assert!(refused(host("").with_option("nonsense", "1")).contains("nonsense"));
}

#[test]
fn the_status_has_dockers_rows() {
    let host = host("")
        .with_pool_status("backend", "thin")
        .with_pool_status("name", "pool")
        .with_pool_status("block-size", "65536")
        .with_pool_status("data-used", "1000000")
        .with_pool_status("data-total", "100000000");
    let rows = DeviceMapper::status(&host).unwrap();
    let row = |name: &str| {
        let found = rows.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(row("Backend"), Some("thin devices (dm-thin)"));
    assert_eq!(row("Pool Blocksize"), Some("65.54kB"));
    assert_eq!(row("Base Device Size"), Some("10.74GB"));
    assert_eq!(row("Data Space Used"), Some("1MB"));
    assert_eq!(row("Data Space Available"), Some("99MB"));
    assert_eq!(row("Thin Pool Minimum Free Space"), Some("10MB"));
    let files = FakeStorageHost::new("").with_pool_status("backend", "reflink");
    let rows = DeviceMapper::status(&files).unwrap();
    assert!(rows[0].1.contains("no dm-thin"), "{rows:?}");
}
