use std::io::Read;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::layout;

fn file(path: &str) -> &'static [u8] {
    layout()
        .iter()
        .find(|(known, _)| *known == path)
        .unwrap_or_else(|| panic!("{path} is missing"))
        .1
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The blob a descriptor describes, with digest and size checked.
fn blob(descriptor: &Value) -> &'static [u8] {
    let digest = descriptor["digest"]
        .as_str()
        .unwrap()
        .strip_prefix("sha256:")
        .unwrap();
    let bytes = file(&format!("blobs/sha256/{digest}"));
    assert_eq!(hex(bytes), digest);
    assert_eq!(bytes.len() as u64, descriptor["size"].as_u64().unwrap());
    bytes
}

fn manifest() -> Value {
    json(blob(&json(file("index.json"))["manifests"][0]))
}

fn tar() -> Vec<u8> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(blob(&manifest()["layers"][0]))
        .read_to_end(&mut tar)
        .unwrap();
    tar
}

fn program() -> Vec<u8> {
    let tar = tar();
    let mut archive = tar::Archive::new(tar.as_slice());
    let entry = archive
        .entries()
        .unwrap()
        .map(Result::unwrap)
        .find(|entry| entry.path_bytes().as_ref() == b"hello");
    let mut bytes = Vec::new();
    entry.unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn every_descriptor_of_the_layout_leads_to_its_blob() {
    assert_eq!(json(file("oci-layout"))["imageLayoutVersion"], "1.0.0");
    let config = json(blob(&manifest()["config"]));
    assert_eq!(
        config["rootfs"]["diff_ids"][0],
        format!("sha256:{}", hex(&tar()))
    );
    assert_eq!(config["config"]["Entrypoint"][0], "/hello");
    assert_eq!(config["os"], "linux");
    let blobs = layout()
        .iter()
        .filter(|(path, _)| path.starts_with("blobs/"))
        .count();
    assert_eq!(blobs, 3);
}

#[test]
fn the_layer_holds_the_root_directory_and_the_program_and_no_time_of_day() {
    let tar = tar();
    let mut archive = tar::Archive::new(tar.as_slice());
    let entries: Vec<_> = archive.entries().unwrap().map(Result::unwrap).collect();
    let shown = |entry: &tar::Entry<'_, &[u8]>| {
        let header = entry.header();
        let owner = (
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
        );
        (
            entry.path().unwrap().display().to_string(),
            header.mode().unwrap(),
            owner,
        )
    };
    let expected = [
        ("./".to_owned(), 0o755, (0, 0, 0)),
        ("hello".to_owned(), 0o755, (0, 0, 0)),
    ];
    assert_eq!(entries.iter().map(shown).collect::<Vec<_>>(), expected);
}

#[test]
fn the_program_is_a_static_binary() {
    let program = program();
    assert_eq!(&program[..4], b"\x7fELF");
    // Elf64_Ehdr: e_phoff at 32, e_phentsize at 54, e_phnum at 56 (elf(5)).
    let number = |at: usize, size: usize| {
        program[at..at + size]
            .iter()
            .rev()
            .fold(0, |n, byte| n << 8 | usize::from(*byte))
    };
    let (offset, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let types: Vec<usize> = (0..count).map(|i| number(offset + i * size, 4)).collect();
    // PT_DYNAMIC 2, PT_INTERP 3.
    assert!(!types.contains(&2) && !types.contains(&3), "{types:?}");
}

#[test]
fn the_program_runs_and_says_where_it_is() {
    let dir = std::env::temp_dir().join(format!("bulkhead-hello-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("hello");
    std::fs::write(&path, program()).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = std::process::Command::new(&path)
        .env_clear()
        .env(super::ROOTFS_PLUGIN, "storage-overlay 0.1.0 sha256:00")
        .output();
    std::fs::remove_dir_all(&dir).unwrap();
    let output = output.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for line in [
        "process",
        "hostname",
        "user",
        "root filesystem",
        "addresses",
        "capabilities",
        "seccomp",
    ] {
        assert!(text.contains(&format!("\n  {line} ")), "{line}: {text}");
    }
    assert!(text.contains("storage-overlay 0.1.0 sha256:00"), "{text}");
}
