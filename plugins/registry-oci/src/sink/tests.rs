use bulkhead_plugin_api::Code;
use bulkhead_plugin_api::testing::{FakeRegistry, FakeResponse};

use super::*;

const REPOSITORY: &str = "https://reg.example/v2/team/app";

fn reference(tag: Option<&str>) -> Reference {
    Reference {
        domain: "reg.example".into(),
        path: "team/app".into(),
        tag: tag.map(str::to_owned),
        digest: None,
    }
}

fn blob() -> Blob {
    Blob {
        digest: Digest::of(b"layer"),
        size: 5,
        media_type: String::new(),
    }
}

fn missing() -> FakeRegistry {
    let url = format!("{REPOSITORY}/blobs/{}", blob().digest);
    FakeRegistry::new().answer(&url, FakeResponse::new(404))
}

fn mount_url(from: &str) -> String {
    format!(
        "{REPOSITORY}/blobs/uploads/?mount={}&from={from}",
        blob().digest
    )
}

fn opened(location: &str) -> FakeResponse {
    FakeResponse::new(202).with_header("Location", location)
}

fn begin(session: &FakeRegistry, candidates: &[&str]) -> Result<Upload> {
    let candidates: Vec<String> = candidates.iter().map(|c| (*c).to_owned()).collect();
    Distribution::begin_upload(session, &reference(Some("1")), &blob(), &candidates)
}

#[test]
fn a_blob_that_is_there_is_not_sent() {
    let url = format!("{REPOSITORY}/blobs/{}", blob().digest);
    let session = FakeRegistry::new().answer(&url, FakeResponse::new(200));
    assert_eq!(begin(&session, &["team/other"]).unwrap(), Upload::Present);
    assert_eq!(session.requests().len(), 1);
}

#[test]
fn a_blob_of_another_repository_is_taken_over() {
    let session = missing().answer(&mount_url("team%2Fother"), FakeResponse::new(201));
    assert_eq!(
        begin(&session, &["team/app", "team/other"]).unwrap(),
        Upload::Mounted("team/other".into())
    );
}

#[test]
fn when_nothing_can_be_taken_over_the_last_session_is_used_and_others_are_given_back() {
    let session = missing()
        .answer(&mount_url("a"), opened("/v2/team/app/blobs/uploads/1"))
        .answer(
            &format!("{REPOSITORY}/blobs/uploads/1"),
            FakeResponse::new(204),
        )
        .answer(&mount_url("b"), opened("https://other.example/upload?x=1"));
    let Upload::Session { url, .. } = begin(&session, &["a", "b"]).unwrap() else {
        panic!("no session");
    };
    assert_eq!(url, "https://other.example/upload?x=1");
    let deleted = &session.requests()[2];
    assert_eq!(deleted.method, Method::Delete);
}

#[test]
fn a_token_is_asked_for_that_may_push_and_read_the_other_repository() {
    let challenge = FakeResponse::new(401).with_header(
        "WWW-Authenticate",
        r#"Bearer realm="https://t",service="s",scope="repository:team/app:pull""#,
    );
    let url = format!("{REPOSITORY}/blobs/{}", blob().digest);
    let session = FakeRegistry::new()
        .answer(&url, challenge)
        .answer(&url, FakeResponse::new(404))
        .answer(&mount_url("a"), FakeResponse::new(201));
    begin(&session, &["a"]).unwrap();
    let params = session.answered().remove(0).params;
    let scopes: Vec<_> = params.iter().filter(|(name, _)| name == "scope").collect();
    assert_eq!(scopes[0].1, "repository:team/app:pull,push");
    assert_eq!(scopes[1].1, "repository:a:pull");
    assert_eq!(scopes.len(), 2);
}

#[test]
fn refusals_read_as_dockers() {
    let body =
        r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
    let session = missing().answer(
        &format!("{REPOSITORY}/blobs/uploads/"),
        FakeResponse::new(403).with_body(body),
    );
    let error = begin(&session, &[]).unwrap_err();
    assert_eq!(error.code, Code::Denied);
    assert_eq!(
        error.message,
        "denied: requested access to the resource is denied"
    );

    let lost = missing().answer(
        &format!("{REPOSITORY}/blobs/uploads/"),
        FakeResponse::new(202),
    );
    assert!(
        begin(&lost, &[])
            .unwrap_err()
            .message
            .contains("no Location")
    );
}

fn manifest() -> Manifest {
    let digest = Digest::of(b"{}");
    Manifest {
        digest: digest.clone(),
        media_type: "application/vnd.oci.image.manifest.v1+json".into(),
        bytes: b"{}".to_vec(),
        reference_digest: digest,
    }
}

#[test]
fn a_manifest_goes_to_its_tag_or_to_its_digest() {
    let by_digest = format!("{REPOSITORY}/manifests/{}", manifest().digest);
    let session = FakeRegistry::new()
        .answer(&format!("{REPOSITORY}/manifests/1"), FakeResponse::new(201))
        .answer(&by_digest, FakeResponse::new(201));
    for tag in [Some("1"), None] {
        let put = Distribution::put_manifest(&session, &reference(tag), &manifest());
        assert_eq!(put.unwrap(), manifest().digest);
    }
    let sent = session.requests();
    assert_eq!(
        (sent[0].method, sent[0].body.as_slice()),
        (Method::Put, &b"{}"[..])
    );
    assert_eq!(sent[0].headers[0].1, manifest().media_type);
}

#[test]
fn a_registry_that_calls_the_manifest_by_another_digest_is_not_believed() {
    let answer =
        FakeResponse::new(201).with_header("Docker-Content-Digest", Digest::of(b"x").as_str());
    let session = FakeRegistry::new().answer(&format!("{REPOSITORY}/manifests/1"), answer);
    let error = Distribution::put_manifest(&session, &reference(Some("1")), &manifest());
    assert_eq!(error.unwrap_err().code, Code::Invalid);
}
