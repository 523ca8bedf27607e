//! Images that must be signed: keys and signatures are openssl's.

use std::path::Path;
use std::process::Command;

use bulkhead_test_support::{Daemon, Registry, digest, images};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("run openssl");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// `NAME.key` and `NAME.pem`.
fn make_key(folder: &Path, name: &str, kind: &[&str]) {
    let (key, public) = (format!("{name}.key"), format!("{name}.pem"));
    let make = [&["genpkey", "-out", &key, "-algorithm"], kind].concat();
    openssl(folder, &make);
    openssl(folder, &["pkey", "-in", &key, "-pubout", "-out", &public]);
}

fn sign(folder: &Path, name: &str, payload: &str) -> String {
    std::fs::write(folder.join("payload"), payload).unwrap();
    let key = format!("{name}.key");
    match name {
        "ed25519" => openssl(
            folder,
            &[
                "pkeyutl",
                "-sign",
                "-inkey",
                &key,
                "-rawin",
                "-in",
                "payload",
                "-out",
                "signature",
            ],
        ),
        _ => openssl(
            folder,
            &[
                "dgst",
                "-sha256",
                "-sign",
                &key,
                "-out",
                "signature",
                "payload",
            ],
        ),
    }
    openssl(
        folder,
        &["base64", "-A", "-in", "signature", "-out", "text"],
    );
    std::fs::read_to_string(folder.join("text")).unwrap()
}

/// The digest the registry gives a name.
fn digest_of(name: &str) -> String {
    let output = Command::new("skopeo")
        .args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}"])
        .arg(format!("docker://{name}"))
        .output()
        .expect("run skopeo");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn payload(image: &str) -> String {
    serde_json::json!({
        "critical": {
            "identity": {"docker-reference": ""},
            "image": {"docker-manifest-digest": image},
            "type": "cosign container image signature",
        },
        "optional": null,
    })
    .to_string()
}

/// Puts a signature manifest into `team/app` under `tag`, and gives its digest and size.
fn attach(registry: &Registry, tag: &str, payload: &str, signature: &str) -> (String, usize) {
    let (config, blob) = ("{}", digest(payload.as_bytes()));
    registry.upload("team/app", &digest(config.as_bytes()), config.as_bytes());
    registry.upload("team/app", &blob, payload.as_bytes());
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(config.as_bytes()),
            "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": blob,
            "size": payload.len(),
            "annotations": {"dev.cosignproject.cosign/signature": signature},
        }],
    })
    .to_string();
    let target = format!("/v2/team/app/manifests/{tag}");
    let response = registry.send("PUT", &target, MANIFEST, manifest.as_bytes());
    assert_eq!(response.status, 201, "{}", response.text());
    (digest(manifest.as_bytes()), manifest.len())
}

#[test]
fn only_what_is_signed_as_the_policy_asks_is_pulled() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    make_key(at, "p256", &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    make_key(
        at,
        "stranger",
        &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    );
    make_key(at, "ed25519", &["ed25519"]);
    let registry = Registry::start();
    let image = images::busybox();
    let name = registry.push("team/app:1", &image);
    let free = registry.push("free/app:1", &image);
    let signed = digest_of(&name);
    let policy = serde_json::json!({"rules": [
        {"scope": format!("{}/team", registry.address()), "keys": [at.join("p256.pem"), at.join("ed25519.pem")]},
        {"scope": registry.address(), "unsigned": true},
    ]});
    let file = at.join("policy.json");
    std::fs::write(&file, policy.to_string()).unwrap();
    let argument = format!("--signature-policy={}", file.display());
    let daemon = Daemon::builder().argument(&argument).start();
    let refused = |part: &str| {
        let text = daemon.bulkhead(&["pull", &name]).failure(1);
        assert!(
            text.contains("is refused by the signature policy") && text.contains(part),
            "{text}"
        );
        let images = daemon.bulkhead(&["images", "--quiet"]).success();
        assert_eq!(images, "", "nothing of it is here");
    };

    refused("no signature is attached to sha256:");
    let cosign = format!("{}.sig", signed.replace(':', "-"));
    let good = payload(&signed);
    attach(&registry, &cosign, &good, &sign(at, "stranger", &good));
    refused("is by a key of the rule for");
    // The payload was changed after it was signed.
    let another = payload(&digest(b"another"));
    attach(&registry, &cosign, &good, &sign(at, "p256", &another));
    refused("is by a key of the rule for");
    attach(&registry, &cosign, &another, &sign(at, "p256", &another));
    refused(&format!("is for {}", digest(b"another")));

    attach(&registry, &cosign, &good, &sign(at, "p256", &good));
    daemon.bulkhead(&["pull", &name]).success();
    daemon.bulkhead(&["rmi", &name]).success();

    // As a referrer, by the tag that stands in for the API where there is none.
    let bad = sign(at, "stranger", &good);
    attach(&registry, &cosign, &good, &bad);
    let (attached, size) = attach(&registry, "attached", &good, &sign(at, "ed25519", &good));
    let index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": MANIFEST, "digest": attached, "size": size,
            "artifactType": "application/vnd.dev.cosign.artifact.sig.v1+json"}],
    });
    let target = format!("/v2/team/app/manifests/{}", signed.replace(':', "-"));
    let media_type = "application/vnd.oci.image.index.v1+json";
    let put = registry.send("PUT", &target, media_type, index.to_string().as_bytes());
    assert_eq!(put.status, 201, "{}", put.text());
    daemon.bulkhead(&["pull", &name]).success();
    let listed = daemon.bulkhead(&["image", "referrers", &name]).success();
    assert!(
        listed.contains(&attached) && listed.contains("artifact.sig.v1"),
        "{listed}"
    );
    daemon.bulkhead(&["pull", &free]).success();
}

#[test]
fn a_daemon_whose_policy_cannot_be_read_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    std::fs::write(&file, r#"{"rules":[{"scope":"*"}]}"#).unwrap();
    let output = Command::new(bulkhead_test_support::binary("bulkheadd"))
        .arg("--data-root")
        .arg(folder.path().join("data"))
        .arg("--exec-root")
        .arg(folder.path().join("run"))
        .arg(format!("--host=unix://{}/socket", folder.path().display()))
        .arg(format!("--signature-policy={}", file.display()))
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("either keys or"), "{said}");
}
