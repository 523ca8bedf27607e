//! An OCI image layout of one file (image-spec `image-layout.md`,
//! `manifest.md`, `config.md`).

use std::io::Write;

use flate2::{Compression, GzBuilder};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Reproducible: no time but the epoch.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// Relative paths with their bytes.
pub(crate) fn pack(program: &[u8], architecture: &str) -> Vec<(String, Vec<u8>)> {
    let tar = tar_of(program);
    let layer = compressed(&tar);
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "created": EPOCH,
        "config": {
            "Entrypoint": ["/hello"],
            "Env": ["PATH=/"],
            "WorkingDir": "/",
            "Labels": { "org.opencontainers.image.title": "hello" },
        },
        "rootfs": { "type": "layers", "diff_ids": [digest(&tar)] },
        "history": [{ "created": EPOCH, "created_by": "COPY hello /hello" }],
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    entry["platform"] = json!({ "os": "linux", "architecture": architecture });
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "hello:latest" });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    });
    vec![
        (
            "oci-layout".into(),
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        ),
        ("index.json".into(), index.to_string().into_bytes()),
        (blob_path(&manifest), manifest),
        (blob_path(&config), config),
        (blob_path(&layer), layer),
    ]
}

/// The root directory, which sets the mode of `/`, and the program.
fn tar_of(program: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, tar::EntryType::Directory, "./", &[]);
    append(&mut archive, tar::EntryType::Regular, "hello", program);
    archive.into_inner().expect("writing to memory")
}

fn append(archive: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, path: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(bytes.len() as u64);
    archive
        .append_data(&mut header, path, bytes)
        .expect("writing to memory");
}

fn compressed(tar: &[u8]) -> Vec<u8> {
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    gzip.write_all(tar)
        .and_then(|()| gzip.finish())
        .expect("writing to memory")
}

fn descriptor(media_type: &str, bytes: &[u8]) -> serde_json::Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

fn blob_path(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
