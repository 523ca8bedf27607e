use bulkhead_plugin_api::oci::media_type::{DOCKER_MANIFEST, OCI_INDEX};
use bulkhead_plugin_api::registry::Scheme;
use bulkhead_plugin_api::testing::{Answered, FakeRegistry, FakeResponse};
use bulkhead_plugin_api::{Code, Digest, Error};

use super::*;

const IMAGE: &str = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;
const MANIFESTS: &str = "https://registry-1.docker.io/v2/library/busybox/manifests/";
const CHALLENGE: &str = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/busybox:pull""#;

fn busybox(tag: Option<&str>, digest: Option<&Digest>) -> Reference {
    Reference {
        domain: "docker.io".into(),
        path: "library/busybox".into(),
        tag: tag.map(str::to_owned),
        digest: digest.cloned(),
    }
}

fn platform() -> Platform {
    "linux/amd64".parse().unwrap()
}

fn image() -> FakeResponse {
    FakeResponse::new(200)
        .with_header("Content-Type", DOCKER_MANIFEST)
        .with_body(IMAGE)
}

fn challenged() -> FakeResponse {
    FakeResponse::new(401).with_header("WWW-Authenticate", CHALLENGE)
}

fn url(reference: &str) -> String {
    format!("{MANIFESTS}{reference}")
}

#[test]
fn a_public_image_costs_one_request_one_token_and_one_more_request() {
    let session = FakeRegistry::new()
        .answer(&url("1"), challenged())
        .answer(&url("1"), image());
    let manifest = Distribution::resolve(&session, &busybox(Some("1"), None), &platform()).unwrap();
    assert_eq!(manifest.digest, Digest::of(IMAGE.as_bytes()));
    assert_eq!(manifest.media_type, DOCKER_MANIFEST);

    let Answered {
        registry,
        scheme,
        params,
    } = session.answered().remove(0);
    assert_eq!(
        (registry.as_str(), scheme),
        ("registry-1.docker.io", Scheme::Bearer)
    );
    assert_eq!(
        params[0],
        (
            "realm".to_owned(),
            "https://auth.docker.io/token".to_owned()
        )
    );
    assert_eq!(params.len(), 3);
    let requests = session.requests();
    assert_eq!(requests.len(), 2);
    assert!(
        requests[0].headers[0].1.contains(OCI_INDEX)
            && requests[0].headers[0].1.contains(DOCKER_MANIFEST)
    );
}

#[test]
fn the_platform_is_chosen_from_an_index_and_the_index_is_what_was_named() {
    let digest = Digest::of(IMAGE.as_bytes());
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{DOCKER_MANIFEST}","digest":"{digest}","size":{},
            "platform":{{"os":"linux","architecture":"amd64"}}}}]}}"#,
        IMAGE.len()
    );
    let session = FakeRegistry::new()
        .answer(
            &url("latest"),
            FakeResponse::new(200)
                .with_header("content-type", OCI_INDEX)
                .with_body(index.clone()),
        )
        .answer(&url(digest.as_str()), image());
    let manifest =
        Distribution::resolve(&session, &busybox(Some("latest"), None), &platform()).unwrap();
    assert_eq!(manifest.bytes, IMAGE.as_bytes());
    assert_eq!(manifest.reference_digest, Digest::of(index.as_bytes()));
}

#[test]
fn a_manifest_other_than_the_one_named_by_digest_is_refused() {
    let digest = Digest::of(b"something else");
    let session = FakeRegistry::new().answer(&url(digest.as_str()), image());
    let error = Distribution::resolve(&session, &busybox(Some("1"), Some(&digest)), &platform())
        .unwrap_err();
    assert_eq!(
        error,
        Error::invalid(format!("manifest verification failed for digest {digest}"))
    );
}

#[test]
fn a_registry_that_contradicts_itself_is_refused() {
    let digest = Digest::of(b"something else");
    let answer = image().with_header("Docker-Content-Digest", digest.as_str());
    let session = FakeRegistry::new().answer(&url("1"), answer);
    let error =
        Distribution::resolve(&session, &busybox(Some("1"), None), &platform()).unwrap_err();
    assert_eq!(error.code, Code::Invalid);
}

#[test]
fn a_second_challenge_is_the_end() {
    let session = FakeRegistry::new().answer(&url("1"), challenged());
    let error =
        Distribution::resolve(&session, &busybox(Some("1"), None), &platform()).unwrap_err();
    assert_eq!(error.code, Code::Unauthorized);
    assert_eq!((session.requests().len(), session.answered().len()), (2, 1));
}

#[test]
fn a_refused_login_is_told_as_the_host_tells_it() {
    let refusal = Error::unauthorized("unauthorized: incorrect username or password");
    let session = FakeRegistry::new()
        .answer(&url("1"), challenged())
        .refusing_login(refusal.clone());
    assert_eq!(
        Distribution::resolve(&session, &busybox(Some("1"), None), &platform()),
        Err(refusal)
    );
}

#[test]
fn basic_is_answered_when_there_is_no_bearer_and_unknown_schemes_are_not() {
    let basic =
        FakeResponse::new(401).with_header("WWW-Authenticate", r#"Negotiate, Basic realm="r""#);
    let session = FakeRegistry::new()
        .answer(&url("1"), basic)
        .answer(&url("1"), image());
    Distribution::resolve(&session, &busybox(Some("1"), None), &platform()).unwrap();
    assert_eq!(session.answered()[0].scheme, Scheme::Basic);

    let unknown = FakeResponse::new(401).with_header("WWW-Authenticate", "Negotiate");
    let session = FakeRegistry::new().answer(&url("1"), unknown);
    let error =
        Distribution::resolve(&session, &busybox(Some("1"), None), &platform()).unwrap_err();
    assert_eq!(
        (error.code, session.requests().len()),
        (Code::Unauthorized, 1)
    );
}

#[test]
fn a_challenge_without_a_scope_gets_one() {
    let answer =
        FakeResponse::new(401).with_header("WWW-Authenticate", r#"Bearer realm="https://t""#);
    let session = FakeRegistry::new()
        .answer(&url("1"), answer)
        .answer(&url("1"), image());
    Distribution::resolve(&session, &busybox(Some("1"), None), &platform()).unwrap();
    let params = session.answered().remove(0).params;
    assert!(
        params.contains(&(
            "scope".to_owned(),
            "repository:library/busybox:pull".to_owned()
        )),
        "{params:?}"
    );
}

#[test]
fn a_blob_is_at_its_url() {
    let blob = Blob {
        digest: Digest::of(b""),
        size: 0,
        media_type: String::new(),
    };
    let location =
        Distribution::locate(&FakeRegistry::new(), &busybox(Some("1"), None), &blob).unwrap();
    let url = format!(
        "https://registry-1.docker.io/v2/library/busybox/blobs/{}",
        blob.digest
    );
    assert_eq!(
        location,
        Location::Url {
            url,
            headers: Vec::new()
        }
    );
}

#[test]
fn hostile_manifests_are_ordinary_errors() {
    for body in [
        "",
        "{",
        "null",
        r#"{"schemaVersion":2}"#,
        &"[".repeat(50_000),
    ] {
        let session = FakeRegistry::new().answer(&url("1"), FakeResponse::new(200).with_body(body));
        let error =
            Distribution::resolve(&session, &busybox(Some("1"), None), &platform()).unwrap_err();
        assert_eq!(error.code, Code::Invalid);
    }
}
