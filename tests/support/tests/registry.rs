//! The registry and the images, judged by skopeo.

use std::process::Command;
use std::time::Duration;

use bulkhead_test_support::{Compression, ManifestFormat, Registry, images, run};

/// Copies the image, which verifies every digest, and returns its manifest.
fn copied(reference: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut skopeo = Command::new("skopeo");
    skopeo
        .args([
            "copy",
            "--quiet",
            "--src-tls-verify=false",
            &format!("docker://{reference}"),
        ])
        .arg(format!("dir:{}", folder.path().display()));
    run(&mut skopeo, Duration::from_secs(30)).success();
    std::fs::read_to_string(folder.path().join("manifest.json")).unwrap()
}

#[test]
fn every_format_and_compression_is_a_valid_image() {
    let registry = Registry::start();
    let busybox = images::busybox();
    for (name, format, compression, layer) in [
        (
            "oci:gzip",
            ManifestFormat::Oci,
            Compression::Gzip,
            "oci.image.layer.v1.tar+gzip",
        ),
        (
            "oci:zstd",
            ManifestFormat::Oci,
            Compression::Zstd,
            "oci.image.layer.v1.tar+zstd",
        ),
        (
            "oci:none",
            ManifestFormat::Oci,
            Compression::None,
            "oci.image.layer.v1.tar",
        ),
        (
            "docker:gzip",
            ManifestFormat::Docker,
            Compression::Gzip,
            "docker.image.rootfs.diff.tar.gzip",
        ),
    ] {
        let image = busybox.clone().format(format).compression(compression);
        let shown = copied(&registry.push(name, &image));
        assert!(
            shown.contains(&format!("application/vnd.{layer}\"")),
            "{shown}"
        );
    }
}

#[test]
fn a_docker_archive_is_read_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("busybox.tar");
    std::fs::write(&file, images::busybox().docker_archive("busybox")).unwrap();
    let mut skopeo = Command::new("skopeo");
    skopeo.args([
        "inspect",
        "--config",
        &format!("docker-archive:{}", file.display()),
    ]);
    let config = run(&mut skopeo, Duration::from_secs(30)).success();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["config"]["Cmd"], serde_json::json!(["sh"]));
}
