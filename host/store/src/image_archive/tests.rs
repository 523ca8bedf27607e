use std::io::{Read, Write};

use bulkhead_model::Digest;
use bulkhead_model::image::Image;
use tar::{EntryType, Header};

use super::members::MAX_MEMBERS;
use super::*;
use crate::manifest::digest_of;
use crate::store::Store;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    (dir, store)
}

#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn entry(mut self, kind: EntryType, name: &str, link: &str, data: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, data: impl AsRef<[u8]>) -> Self {
        self.entry(EntryType::Regular, name, "", data.as_ref())
    }

    fn blob(self, data: impl AsRef<[u8]>) -> Self {
        let name = format!("blobs/sha256/{}", digest_of(data.as_ref()).hex());
        self.file(&name, data)
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name, target, b"")
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

fn manifest_json(config: &str, layers: &[&str]) -> String {
    serde_json::json!([{"Config": config, "RepoTags": ["a:1"], "Layers": layers}]).to_string()
}

/// What an archive is refused with, and that nothing of it stays.
fn refusal(archive: &[u8]) -> String {
    let (_dir, store) = store();
    let error = match receive(store.blobs(), archive) {
        Ok(members) => images(&members, None).unwrap_err(),
        Err(error) => error,
    };
    let staged = std::fs::read_dir(store.path().join("staging")).unwrap();
    assert_eq!(staged.count(), 0, "left after {error}");
    bulkhead_model::error::message(&error)
}

fn content(member: &Spooled<'_>) -> String {
    let mut text = String::new();
    member.open().unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_layer_that_is_a_link_to_another_image_s_is_found() {
    let (_dir, store) = store();
    let archive = Tar::default()
        .file("x/layer.tar", "layer")
        .symlink("y/layer.tar", "../x/layer.tar")
        .entry(EntryType::Link, "z/layer.tar", "x/layer.tar", b"")
        .file("c.json", "{}")
        .file(
            "manifest.json",
            manifest_json("c.json", &["y/layer.tar", "z/layer.tar"]),
        )
        .end();
    let members = receive(store.blobs(), &archive[..]).unwrap();
    let found = images(&members, None).unwrap();
    assert_eq!(found[0].names, ["a:1".parse().unwrap()]);
    let layers: Vec<_> = found[0].layers.iter().map(|layer| content(layer)).collect();
    assert_eq!(layers, ["layer", "layer"]);
}

#[test]
fn archives_are_taken_in_every_compression() {
    let plain = Tar::default()
        .file("c.json", "{}")
        .file("manifest.json", manifest_json("c.json", &[]))
        .end();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&plain).unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    let all = [plain, gzip.finish().unwrap(), bzip2.finish().unwrap(), zstd];
    for archive in all {
        let (_dir, store) = store();
        let members = receive(store.blobs(), &archive[..]).unwrap();
        assert_eq!(images(&members, None).unwrap().len(), 1);
    }
}

#[test]
fn no_document_names_what_is_outside() {
    let archive = |config: &str| {
        Tar::default()
            .symlink("shadow", "/etc/shadow")
            .symlink("climb", "../../../etc/shadow")
            .entry(EntryType::Link, "hard", "/etc/shadow", b"")
            .symlink("around", "around")
            .file("manifest.json", manifest_json(config, &[]))
            .end()
    };
    for (config, why) in [
        ("../c.json", "leads out of"),
        ("/etc/shadow", "leads out of"),
        ("a/../../etc/shadow", "leads out of"),
        ("shadow", "leads out of"),
        ("climb", "leads out of"),
        ("hard", "leads out of"),
        ("around", "too many links"),
        ("", "is not in"),
        ("missing", "is not in"),
    ] {
        let refusal = refusal(&archive(config));
        assert!(refusal.contains(why), "{config}: {refusal}");
    }
    let climbing = Tar::default().file("../../etc/x", "x").end();
    assert!(refusal(&climbing).contains("leads out of"));
}

#[test]
fn what_is_no_image_archive_is_refused() {
    let bad = |name: &str, text: &str| refusal(&Tar::default().file(name, text).end());
    assert!(bad("x", "").contains("unrecognized image format"));
    assert!(bad("manifest.json", "[{").contains("invalid manifest.json"));
    assert!(bad("manifest.json", r#"[{"Layers":[]}]"#).contains("Config"));
    assert!(bad("repositories", "[]").contains("invalid repositories"));
    assert!(refusal(b"garbage").contains("unexpected end"));
    let whole = Tar::default().file("layer.tar", [1; 5000]).end();
    assert!(refusal(&whole[..3000]).contains("unexpected end"));
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0];
    assert!(refusal(&gzip).contains("gzip"));
}

#[test]
fn a_blob_is_what_its_name_says() {
    let name = format!("blobs/sha256/{}", digest_of(b"a").hex());
    let refusal = refusal(&Tar::default().file(&name, "b").end());
    assert!(refusal.contains("has digest"), "{refusal}");
}

#[test]
fn tags_have_a_repository_and_a_tag() {
    for tag in ["a", "a@sha256:00", "A:1", "", ":1", "a:1/../b"] {
        let json = serde_json::json!([{"Config": "c", "RepoTags": [tag], "Layers": []}]);
        let archive = Tar::default()
            .file("c", "{}")
            .file("manifest.json", json.to_string())
            .end();
        let refusal = refusal(&archive);
        assert!(refusal.starts_with("invalid tag"), "{tag}: {refusal}");
    }
}

#[test]
fn documents_and_members_are_bounded() {
    let long = Tar::default()
        .file("manifest.json", vec![b' '; 5 << 20])
        .end();
    assert!(refusal(&long).contains("larger than the limit"));
    let entry = Tar::default().file("0", "").0;
    let mut many = Vec::with_capacity(entry.len() * (MAX_MEMBERS + 10));
    for n in 0..MAX_MEMBERS + 1 {
        many.extend_from_slice(&Tar::default().symlink(&n.to_string(), "x").0);
    }
    assert!(refusal(&many).contains("limit of 65536 members"));
    let layers: Vec<_> = (0..600).map(|_| "c").collect();
    let deep = Tar::default()
        .file("c", "{}")
        .file("manifest.json", manifest_json("c", &layers))
        .end();
    assert!(refusal(&deep).contains("600 layers"));
}

fn descriptor(bytes: &str, media_type: &str) -> serde_json::Value {
    serde_json::json!({"mediaType": media_type, "digest": digest_of(bytes.as_bytes()).as_str(), "size": bytes.len()})
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A manifest whose configuration is `config`.
fn manifest(config: &str) -> String {
    let config = descriptor(config, "application/vnd.oci.image.config.v1+json");
    serde_json::json!({"schemaVersion": 2, "config": config, "layers": []}).to_string()
}

fn layout(entries: &[serde_json::Value]) -> Tar {
    let index = serde_json::json!({"schemaVersion": 2, "manifests": entries});
    Tar::default()
        .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
        .file("index.json", index.to_string())
}

#[test]
fn an_index_gives_the_image_for_the_machine_and_skips_attestations() {
    let (_dir, store) = store();
    let (arm, amd) = (manifest("arm"), manifest("amd"));
    let of = |bytes: &str, architecture: &str| {
        let mut entry = descriptor(bytes, MANIFEST);
        entry["platform"] = serde_json::json!({"os": "linux", "architecture": architecture});
        entry
    };
    let mut attestation = of(&arm, "unknown");
    attestation["platform"]["os"] = "unknown".into();
    let nested = serde_json::json!({"schemaVersion": 2, "manifests":
        [attestation.clone(), of(&arm, "arm64"), of(&amd, "amd64")]})
    .to_string();
    let mut top = descriptor(&nested, INDEX);
    top["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": "b:2"});
    let archive = layout(&[top, attestation])
        .blob(&nested)
        .blob(&arm)
        .blob(&amd)
        .blob("arm")
        .blob("amd")
        .end();
    let members = receive(store.blobs(), &archive[..]).unwrap();
    for (platform, config) in [("linux/arm64/v8", "arm"), ("linux/amd64", "amd")] {
        let found = images(&members, Some(&platform.parse().unwrap())).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(content(found[0].config), config);
        assert_eq!(found[0].names, ["b:2".parse().unwrap()]);
    }
    let none = images(&members, Some(&"linux/s390x".parse().unwrap())).unwrap_err();
    assert_eq!(
        none.to_string(),
        "no image for platform linux/s390x in the archive"
    );
}

#[test]
fn names_of_a_layout_are_whole_or_none() {
    let (_dir, store) = store();
    let manifest = manifest("c");
    let named = |annotations: serde_json::Value| {
        let mut entry = descriptor(&manifest, MANIFEST);
        entry["annotations"] = annotations;
        entry
    };
    let archive = layout(&[
        named(serde_json::json!({"org.opencontainers.image.ref.name": "latest"})),
        named(
            serde_json::json!({"org.opencontainers.image.ref.name": "latest",
            "io.containerd.image.name": "docker.io/library/x:latest"}),
        ),
        named(serde_json::json!({"org.opencontainers.image.ref.name": "h:5000/y:1"})),
    ]);
    let archive = archive.blob(&manifest).blob("c").end();
    let members = receive(store.blobs(), &archive[..]).unwrap();
    let found = images(&members, None).unwrap();
    let names: Vec<_> = found[0].names.iter().map(Reference::familiar).collect();
    assert_eq!(
        (found.len(), &names[..]),
        (1, &["x:latest".into(), "h:5000/y:1".into()][..])
    );
}

#[test]
fn a_descriptor_of_a_layout_must_fit_its_blob() {
    let manifest = manifest("c");
    let mut long = descriptor(&manifest, MANIFEST);
    long["size"] = 1.into();
    assert!(refusal(&layout(&[long]).blob(&manifest).blob("c").end()).contains("bytes, not 1"));
    let entry = || descriptor(&manifest, MANIFEST);
    assert!(refusal(&layout(&[entry()]).end()).contains("is not in"));
    let linked = format!("blobs/sha256/{}", digest_of(b"c").hex());
    let elsewhere = layout(&[entry()])
        .blob(&manifest)
        .blob("d")
        .symlink(&linked, digest_of(b"d").hex())
        .end();
    assert!(refusal(&elsewhere).contains("has digest"));
    let confused = r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
    let archive = layout(&[descriptor(confused, MANIFEST)])
        .blob(confused)
        .end();
    assert!(refusal(&archive).contains("both manifests and layers"));
    // An index that contains itself cannot be made; a deep one can.
    let mut inner = manifest.clone();
    let mut deep = Tar::default();
    for _ in 0..10 {
        deep = deep.blob(&inner);
        inner = serde_json::json!({"schemaVersion": 2,
            "manifests": [descriptor(&inner, INDEX)]})
        .to_string();
    }
    let mut archive = layout(&[descriptor(&inner, INDEX)]).blob(&inner);
    archive.0.extend_from_slice(&deep.0);
    assert!(refusal(&archive.end()).contains("nested indexes"));
}

#[test]
fn an_archive_of_the_first_docker_gets_a_configuration() {
    let (_dir, store) = store();
    let lower = r#"{"id":"l","created":"2014-01-01T00:00:00Z","container_config":{"Cmd":["sh","-c","a <b"]}}"#;
    let upper = r#"{"id":"u","parent":"l","created":"2014-02-01T00:00:00Z","architecture":"amd64","os":"linux","Size":1,"config":{"Cmd":["x"]}}"#;
    let archive = Tar::default()
        .file("l/VERSION", "1.0")
        .file("l/json", lower)
        .file("l/layer.tar", "lower")
        .file("u/json", upper)
        .file("u/layer.tar", "upper")
        .file("repositories", r#"{"old":{"1":"u"}}"#)
        .end();
    let members = receive(store.blobs(), &archive[..]).unwrap();
    let found = images(&members, None).unwrap();
    assert_eq!(found[0].names, ["old:1".parse().unwrap()]);
    let layers: Vec<_> = found[0].layers.iter().map(|layer| content(layer)).collect();
    assert_eq!(layers, ["lower", "upper"]);
    let expected = format!(
        r#"{{"architecture":"amd64","config":{{"Cmd":["x"]}},"created":"2014-02-01T00:00:00Z","history":[{{"created":"2014-01-01T00:00:00Z","created_by":"sh -c a \u003cb"}},{{"created":"2014-02-01T00:00:00Z"}}],"os":"linux","rootfs":{{"type":"layers","diff_ids":["{}","{}"]}}}}"#,
        digest_of(b"lower"),
        digest_of(b"upper")
    );
    assert_eq!(content(found[0].config), expected);
}

#[test]
fn parents_in_a_circle_end() {
    let json = |parent: &str| format!(r#"{{"parent":"{parent}"}}"#);
    let archive = Tar::default()
        .file("a/json", json("b"))
        .file("a/layer.tar", "")
        .file("b/json", json("a"))
        .file("b/layer.tar", "")
        .file("repositories", r#"{"x":{"1":"a"}}"#)
        .end();
    assert!(refusal(&archive).contains("lead in a circle"));
}

/// An image of one layer in a store, with the layer's blob as it is.
fn stored(store: &Store, layer: &[u8], diff_id: Digest) -> Image {
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
    );
    let layer = descriptor_of(layer, store);
    let config_digest = store.blobs().spool_bytes(config.as_bytes()).unwrap();
    let held = config_digest.publish().unwrap();
    let bytes = crate::manifest::to_manifest(held.digest(), config.len(), &[layer]);
    let kept = store.blobs().spool_bytes(&bytes).unwrap();
    kept.publish().unwrap();
    let parsed = crate::manifest::parse_manifest("", &bytes).unwrap();
    crate::manifest::image(kept.digest(), &parsed, config.as_bytes()).unwrap()
}

fn descriptor_of(bytes: &[u8], store: &Store) -> bulkhead_model::image::Layer {
    let kept = store.blobs().spool_bytes(bytes).unwrap();
    kept.publish().unwrap();
    bulkhead_model::image::Layer {
        digest: kept.digest().clone(),
        size: kept.size(),
        media_type: "application/vnd.oci.image.layer.v1.tar".into(),
        diff_id: kept.digest().clone(),
        chain_id: kept.digest().clone(),
    }
}

#[test]
fn what_is_written_is_read_again_with_the_same_digests() {
    let (_dir, store) = store();
    let image = stored(&store, b"layer", digest_of(b"layer"));
    let exported = [Exported {
        image: image.clone(),
        names: vec!["a:1".parse().unwrap(), "b/c:2".parse().unwrap()],
    }];
    let mut archive = Vec::new();
    write(store.blobs(), &exported, &mut archive).unwrap();
    let mut again = Vec::new();
    write(store.blobs(), &exported, &mut again).unwrap();
    assert_eq!(archive, again);
    let members = receive(store.blobs(), &archive[..]).unwrap();
    let as_layout = images(&members, None).unwrap();
    let as_docker = docker::images(&members).unwrap();
    for found in [&as_layout[0], &as_docker[0]] {
        assert_eq!(found.config.digest(), &image.id);
        assert_eq!(found.layers[0].digest(), &image.layers[0].digest);
        assert_eq!(found.names, exported[0].names);
    }
    let (media_type, manifest) = as_layout[0].manifest.as_ref().unwrap();
    assert_eq!(
        (media_type.as_str(), manifest.digest()),
        (MANIFEST, &image.manifest)
    );
}

#[test]
fn layers_that_old_dockers_do_not_read_are_written_plain() {
    let (_dir, store) = store();
    let zstd = zstd::encode_all(&b"layer"[..], 1).unwrap();
    let image = stored(&store, &zstd, digest_of(b"layer"));
    let exported = [Exported {
        image,
        names: Vec::new(),
    }];
    let mut archive = Vec::new();
    write(store.blobs(), &exported, &mut archive).unwrap();
    let members = receive(store.blobs(), &archive[..]).unwrap();
    let found = images(&members, None).unwrap();
    assert_eq!(content(found[0].layers[0]), "layer");
    assert!(found[0].names.is_empty());
}

#[test]
fn a_blob_that_is_here_is_not_kept_twice() {
    let (_dir, store) = store();
    let held = store.blobs().spool_bytes(b"layer").unwrap();
    let _held = held.publish().unwrap();
    let archive = Tar::default().blob("layer").end();
    let members = receive(store.blobs(), &archive[..]).unwrap();
    let staged = std::fs::read_dir(store.path().join("staging")).unwrap();
    assert_eq!(staged.count(), 0);
    let name = format!("blobs/sha256/{}", digest_of(b"layer").hex());
    assert_eq!(content(members.find(&name).unwrap()), "layer");
}
