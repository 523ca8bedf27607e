//! Every driver of ours goes through the whole suite.

use bulkhead_conformance::{Component, Level, Options, run};
use bulkhead_test_support::{privileged, release_dir};

fn conforms(plugin: &str) {
    if !privileged() {
        return;
    }
    let wasm = release_dir()
        .join("plugins")
        .join(plugin)
        .join("plugin.wasm");
    let driver = Component::open(&wasm, None, &[], &release_dir()).unwrap();
    let report = run(&driver, &Options::default()).unwrap();
    println!("{}", report.summary());
    assert!(report.is_ok(), "{report}");
    assert!(report.figures(Level::Kernel).1 > 50);
}

#[test]
fn overlay_conforms() {
    conforms("storage-overlay");
}

#[test]
fn vfs_conforms() {
    conforms("storage-vfs");
}

#[test]
fn devmapper_conforms() {
    conforms("storage-devmapper");
}

#[test]
fn btrfs_conforms() {
    conforms("storage-btrfs");
}
