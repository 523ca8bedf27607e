use bulkhead_plugin_api::Code;
use bulkhead_plugin_api::testing::FakeRegistry;

use super::*;

const IMAGE: &str = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;
const OTHER: &str = r#"{"schemaVersion":2,"config":{},"layers":[ ]}"#;

fn entry(document: &str, more: &str) -> String {
    let digest = Digest::of(document.as_bytes());
    format!(
        r#"{{"mediaType":"","digest":"{digest}","size":{}{more}}}"#,
        document.len()
    )
}

fn named(document: &str, name: &str) -> String {
    entry(
        document,
        &format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{name}"}}"#),
    )
}

fn layout(entries: &[String], blobs: &[&str]) -> FakeRegistry {
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        entries.join(",")
    );
    let session = FakeRegistry::new()
        .with_file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
        .with_file("index.json", index);
    blobs.iter().fold(session, |session, blob| {
        session.with_file(&blob_path(&Digest::of(blob.as_bytes())), *blob)
    })
}

fn reference(tag: &str) -> Reference {
    Reference {
        domain: "docker.io".into(),
        path: "library/hello".into(),
        tag: Some(tag.into()),
        digest: None,
    }
}

fn resolved(session: &FakeRegistry, reference: &Reference) -> Result<Manifest> {
    Layout::resolve(session, reference, &"linux/amd64".parse().unwrap())
}

#[test]
fn an_image_is_found_by_tag_by_short_and_by_full_name() {
    for name in ["1.0", "hello:1.0", "docker.io/library/hello:1.0"] {
        let session = layout(&[named(OTHER, "2.0"), named(IMAGE, name)], &[IMAGE, OTHER]);
        assert_eq!(
            resolved(&session, &reference("1.0")).unwrap().bytes,
            IMAGE.as_bytes(),
            "{name}"
        );
    }
}

#[test]
fn the_only_image_needs_no_name() {
    let session = layout(&[entry(IMAGE, "")], &[IMAGE]);
    assert_eq!(
        resolved(&session, &reference("latest")).unwrap().digest,
        Digest::of(IMAGE.as_bytes())
    );
}

#[test]
fn a_name_that_is_not_there_is_not_found() {
    let session = layout(&[named(IMAGE, "1.0"), named(OTHER, "2.0")], &[IMAGE, OTHER]);
    let error = resolved(&session, &reference("3.0")).unwrap_err();
    assert_eq!(
        error,
        Error::not_found("manifest for hello:3.0 not found in the image layout")
    );
}

#[test]
fn a_digest_is_found_among_the_entries() {
    let session = layout(&[named(IMAGE, "1.0"), named(OTHER, "2.0")], &[IMAGE, OTHER]);
    let by_digest = Reference {
        digest: Some(Digest::of(OTHER.as_bytes())),
        ..reference("x")
    };
    assert_eq!(
        resolved(&session, &by_digest).unwrap().bytes,
        OTHER.as_bytes()
    );
}

#[test]
fn one_name_may_stand_for_a_manifest_per_platform() {
    let on = |document: &str, architecture: &str| {
        let more = format!(
            r#","platform":{{"os":"linux","architecture":"{architecture}"}},
            "annotations":{{"org.opencontainers.image.ref.name":"1"}}"#
        );
        entry(document, &more)
    };
    let session = layout(&[on(OTHER, "arm64"), on(IMAGE, "amd64")], &[IMAGE, OTHER]);
    assert_eq!(
        resolved(&session, &reference("1")).unwrap().bytes,
        IMAGE.as_bytes()
    );
}

#[test]
fn a_nested_index_is_followed_to_the_platform() {
    let platform = r#","platform":{"os":"linux","architecture":"amd64"}"#;
    let nested = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        entry(IMAGE, platform)
    );
    let session = layout(&[named(&nested, "1")], &[IMAGE, &nested]);
    let manifest = resolved(&session, &reference("1")).unwrap();
    assert_eq!(manifest.bytes, IMAGE.as_bytes());
    assert_eq!(manifest.reference_digest, Digest::of(nested.as_bytes()));
}

#[test]
fn a_blob_that_was_changed_is_refused() {
    let path = blob_path(&Digest::of(IMAGE.as_bytes()));
    let session = layout(&[named(IMAGE, "1")], &[]).with_file(&path, OTHER);
    assert_eq!(
        resolved(&session, &reference("1")).unwrap_err().code,
        Code::Invalid
    );
}

#[test]
fn a_directory_that_is_no_layout_is_refused() {
    assert_eq!(
        resolved(&FakeRegistry::new(), &reference("1"))
            .unwrap_err()
            .code,
        Code::NotFound
    );
    for (marker, code) in [
        ("{}", Code::Invalid),
        (r#"{"imageLayoutVersion":"2.0.0"}"#, Code::Unsupported),
    ] {
        let session = FakeRegistry::new().with_file("oci-layout", marker);
        assert_eq!(resolved(&session, &reference("1")).unwrap_err().code, code);
    }
    let session = layout(&[], &[]).with_file("index.json", IMAGE);
    assert_eq!(
        resolved(&session, &reference("1")).unwrap_err().code,
        Code::Invalid
    );
}

#[test]
fn a_blob_is_a_file_named_by_its_digest() {
    let blob = Blob {
        digest: Digest::of(b""),
        size: 0,
        media_type: String::new(),
    };
    let location = Layout::locate(&FakeRegistry::new(), &reference("1"), &blob).unwrap();
    assert_eq!(
        location,
        Location::File(format!("blobs/sha256/{}", blob.digest.hex()))
    );
}
