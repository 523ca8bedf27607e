use super::*;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn digest(n: u8) -> String {
    Digest::from_sha256([n; 32]).to_string()
}

fn config() -> String {
    format!(
        r#"{{"architecture":"amd64","os":"linux","created":"2026-01-01T00:00:00Z",
        "config":{{"Env":["PATH=/bin"],"Cmd":["sh"],"Entrypoint":null,"Labels":null,"Volumes":{{"/data":{{}}}},
        "ExposedPorts":{{"80/tcp":{{}}}},"User":"1:2","OnBuild":null,"ArgsEscaped":true}},
        "rootfs":{{"type":"layers","diff_ids":["{}","{}"]}},"history":[]}}"#,
        digest(1),
        digest(2)
    )
}

fn manifest_json(config: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}",
        "config":{{"mediaType":"{}","digest":"{}","size":{}}},
        "layers":[{{"mediaType":"{OCI_LAYER}","digest":"{}","size":10}},{{"mediaType":"{OCI_LAYER}","digest":"{}","size":20}}]}}"#,
        CONFIGS[0],
        digest_of(config.as_bytes()),
        config.len(),
        digest(3),
        digest(4)
    )
}

fn refused(media_type: &str, json: &str) -> String {
    parse(media_type, json.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_manifest_and_its_configuration_make_an_image_with_chain_ids() {
    let config = config();
    let json = manifest_json(&config);
    let manifest = parse_manifest(OCI_MANIFEST, json.as_bytes()).unwrap();
    let image = image(&digest_of(json.as_bytes()), &manifest, config.as_bytes()).unwrap();
    assert_eq!(image.id, manifest.config.digest);
    assert_eq!(image.layers[0].chain_id, image.layers[0].diff_id);
    let chain = digest_of(format!("{} {}", digest(1), digest(2)).as_bytes());
    assert_eq!(image.layers[1].chain_id, chain);
    assert_eq!(image.config.volumes, ["/data"]);
    assert_eq!(image.config.exposed_ports, ["80/tcp"]);
    assert_eq!(
        (image.config.entrypoint, image.config.cmd),
        (None, Some(vec!["sh".to_owned()]))
    );
    let other = image_error(&manifest, b"{}");
    assert!(other.contains("digest mismatch"), "{other}");
}

fn image_error(manifest: &Manifest, config: &[u8]) -> String {
    let digest = manifest.config.digest.clone();
    image(&digest, manifest, config).unwrap_err().to_string()
}

#[test]
fn an_index_lists_its_platforms() {
    let json = format!(
        r#"{{"schemaVersion":2,"manifests":[
        {{"mediaType":"{OCI_MANIFEST}","digest":"{}","size":1,"platform":{{"os":"linux","architecture":"arm64","variant":"v8"}}}},
        {{"mediaType":"{OCI_MANIFEST}","digest":"{}","size":1}}]}}"#,
        digest(1),
        digest(2)
    );
    for media_type in [
        OCI_INDEX,
        DOCKER_LIST,
        "",
        "application/vnd.oci.image.index.v1+json; charset=utf-8",
    ] {
        let Document::Index(entries) = parse(media_type, json.as_bytes()).unwrap() else {
            panic!()
        };
        assert_eq!(
            entries[0].platform.as_ref().unwrap().to_string(),
            "linux/arm64/v8"
        );
        assert_eq!(entries[1].platform, None);
    }
    assert!(refused(OCI_MANIFEST, &json).contains("it is an index"));
}

#[test]
fn faults_are_named_by_their_field() {
    let bad = format!(
        r#"{{"schemaVersion":2,"config":{{"digest":"{}","size":1}},"layers":[{{"digest":"{}","size":1}},{{"digest":"sha256:x","size":1}}]}}"#,
        digest(1),
        digest(2)
    );
    let text = refused("", &bad);
    assert!(
        text.contains("layers[1].digest") && text.contains("invalid digest"),
        "{text}"
    );
    let negative = bad
        .replace("sha256:x", &digest(3))
        .replacen(r#""size":1"#, r#""size":-1"#, 1);
    assert!(refused("", &negative).contains("config.size"));
    for (json, part) in [
        ("", "EOF"),
        ("[]", "invalid"),
        ("{}", "schemaVersion"),
        (r#"{"schemaVersion":2}"#, "neither"),
        (r#"{"schemaVersion":2,"layers":[]}"#, "config: missing"),
        (r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#, "both"),
        (
            r#"{"schemaVersion":2,"manifests":[],"fsLayers":[]}"#,
            "fsLayers",
        ),
        (r#"{"schemaVersion":2,"manifests":[]} trailing"#, "trailing"),
    ] {
        assert!(
            refused("", json).contains(part),
            "{json}: {}",
            refused("", json)
        );
    }
}

#[test]
fn schema_1_artifacts_and_giants_are_refused() {
    let schema1 = r#"{"schemaVersion":1,"fsLayers":[]}"#;
    assert!(
        refused(
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            schema1
        )
        .contains("schema 1 support has been removed")
    );
    assert!(matches!(
        parse("", schema1.as_bytes()),
        Err(ManifestError::Schema1)
    ));
    let chart = manifest_json("{}").replace(CONFIGS[0], "application/vnd.cncf.helm.config.v1+json");
    assert!(refused("", &chart).contains("helm"));
    let giant = vec![b' '; MAX_DOCUMENT + 1];
    assert!(matches!(
        parse("", &giant),
        Err(ManifestError::TooLarge { .. })
    ));
    let layer = format!(r#"{{"digest":"{}","size":1}}"#, digest(1));
    let many = format!(
        r#"{{"schemaVersion":2,"config":{layer},"layers":[{}]}}"#,
        vec![layer.as_str(); MAX_LAYERS + 1].join(",")
    );
    assert!(matches!(
        parse("", many.as_bytes()),
        Err(ManifestError::TooManyLayers(501))
    ));
    assert!(matches!(
        parse("", "[".repeat(100_000).as_bytes()),
        Err(ManifestError::Field { .. })
    ));
}

#[test]
fn a_configuration_must_list_as_many_layers_as_the_manifest() {
    let config = r#"{"architecture":"amd64","rootfs":{"diff_ids":[]}}"#;
    let manifest = parse_manifest("", manifest_json(config).as_bytes()).unwrap();
    assert!(image_error(&manifest, config.as_bytes()).contains("2 layers"));
    let wrong = r#"{"architecture":"amd64","rootfs":{"diff_ids":["sha256:x"]}}"#;
    let manifest = parse_manifest("", manifest_json(wrong).as_bytes()).unwrap();
    assert!(image_error(&manifest, wrong.as_bytes()).contains("rootfs.diff_ids[0]"));
}
