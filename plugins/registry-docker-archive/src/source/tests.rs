use bulkhead_plugin_api::testing::FakeRegistry;

use super::*;

const GZIP: &[u8] = &[0x1f, 0x8b, 8, 0];

fn archive(manifest: &str) -> FakeRegistry {
    FakeRegistry::new()
        .with_file("manifest.json", manifest)
        .with_file("c.json", "{}")
        .with_file("a.tar", "plain")
        .with_file("b.tar", GZIP)
}

fn image(tags: &str) -> String {
    format!(r#"{{"Config":"c.json","RepoTags":{tags},"Layers":["a.tar","b.tar"]}}"#)
}

fn reference(tag: Option<&str>) -> Reference {
    Reference {
        domain: "docker.io".into(),
        path: "library/hello".into(),
        tag: tag.map(str::to_owned),
        digest: None,
    }
}

fn resolved(session: &FakeRegistry, reference: &Reference) -> Result<Manifest> {
    Archive::resolve(session, reference, &"linux/amd64".parse().unwrap())
}

fn code(session: &FakeRegistry, reference: &Reference) -> Code {
    resolved(session, reference).unwrap_err().code
}

#[test]
fn a_manifest_is_made_of_digests_sizes_and_compressions() {
    let session = archive(&format!("[{}]", image(r#"["hello:1"]"#)));
    let manifest = resolved(&session, &reference(Some("1"))).unwrap();
    let digest = |bytes: &[u8]| Digest::of(bytes).to_string();
    let expected = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
        \"config\":{{\"mediaType\":\"{CONFIG}\",\"digest\":\"{}\",\"size\":2}},\"layers\":[\
        {{\"mediaType\":\"{LAYER}\",\"digest\":\"{}\",\"size\":5}},\
        {{\"mediaType\":\"{LAYER}+gzip\",\"digest\":\"{}\",\"size\":4}}]}}",
        digest(b"{}"),
        digest(b"plain"),
        digest(GZIP)
    );
    assert_eq!(String::from_utf8(manifest.bytes.clone()).unwrap(), expected);
    assert_eq!(manifest.digest, Digest::of(&manifest.bytes));
    assert_eq!(manifest.reference_digest, manifest.digest);
}

#[test]
fn a_name_is_found_in_its_short_and_its_full_form() {
    for tag in ["hello:1", "docker.io/library/hello:1"] {
        let others = image(r#"["other:1"]"#);
        let session = archive(&format!("[{others},{}]", image(&format!("[{tag:?}]"))));
        assert!(resolved(&session, &reference(Some("1"))).is_ok(), "{tag}");
        assert_eq!(code(&session, &reference(Some("2"))), Code::NotFound);
    }
}

#[test]
fn the_only_image_needs_no_name_and_several_do() {
    let one = image(r#"["other:1"]"#);
    let session = archive(&format!("[{one}]"));
    assert!(resolved(&session, &reference(None)).is_ok());
    assert_eq!(code(&session, &reference(Some("1"))), Code::NotFound);
    let session = archive(&format!("[{one},{one}]"));
    let error = resolved(&session, &reference(None)).unwrap_err();
    assert!(
        error.message.contains("name one of them: other:1"),
        "{error:?}"
    );
    assert_eq!(code(&archive("[]"), &reference(None)), Code::NotFound);
    let session = archive(&format!("[{}]", image("null")));
    assert!(resolved(&session, &reference(Some("1"))).is_ok());
}

#[test]
fn what_is_not_there_or_makes_no_sense_is_told() {
    assert_eq!(code(&archive("{"), &reference(None)), Code::Invalid);
    let missing = r#"[{"Config":"c.json","RepoTags":null,"Layers":["x.tar"]}]"#;
    assert_eq!(code(&archive(missing), &reference(None)), Code::NotFound);
    let session = archive(&format!("[{}]", image("null"))).with_file("b.tar", "BZh9");
    assert_eq!(code(&session, &reference(None)), Code::Unsupported);
    let by_digest = Reference {
        digest: Some(Digest::of(b"x")),
        ..reference(None)
    };
    assert_eq!(code(&session, &by_digest), Code::Unsupported);
}

#[test]
fn blobs_are_found_by_their_digest() {
    let session = archive(&format!("[{}]", image("null")));
    let located = |bytes: &[u8]| {
        let blob = Blob {
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            media_type: String::new(),
        };
        Archive::locate(&session, &reference(None), &blob)
    };
    assert_eq!(located(b"{}").unwrap(), Location::File("c.json".into()));
    assert_eq!(located(GZIP).unwrap(), Location::File("b.tar".into()));
    assert_eq!(located(b"other").unwrap_err().code, Code::NotFound);
}

#[test]
fn what_to_do_with_an_archive_of_old_is_said() {
    let session = FakeRegistry::new().with_file("repositories", r#"{"hello":{"1":"a"}}"#);
    let error = resolved(&session, &reference(Some("1"))).unwrap_err();
    assert_eq!(error.code, Code::Unsupported);
    assert!(
        error.message.contains("`load` takes it in"),
        "{}",
        error.message
    );
}
