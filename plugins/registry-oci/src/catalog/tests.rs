use bulkhead_plugin_api::testing::{FakeRegistry, FakeResponse};

use super::*;

const REPOSITORY: &str = "https://reg.example/v2/team/app";

fn reference(digest: Option<Digest>) -> Reference {
    Reference {
        domain: "reg.example".into(),
        path: "team/app".into(),
        tag: None,
        digest,
    }
}

#[test]
fn all_pages_of_tags_are_read() {
    let session = FakeRegistry::new()
        .answer(
            &format!("{REPOSITORY}/tags/list?n=1000"),
            FakeResponse::new(200)
                .with_header("Link", r#"</v2/team/app/tags/list?last=b&n=2>; rel="next""#)
                .with_body(r#"{"name":"team/app","tags":["a","b"]}"#),
        )
        .answer(
            &format!("{REPOSITORY}/tags/list?last=b&n=2"),
            FakeResponse::new(200).with_body(r#"{"tags":["c"]}"#),
        );
    let tags = Distribution::tags(&session, &reference(None)).unwrap();
    assert_eq!(tags, ["a", "b", "c"]);
}

#[test]
fn a_list_that_leads_back_to_itself_ends() {
    let session = FakeRegistry::new().answer(
        &format!("{REPOSITORY}/tags/list?n=1000"),
        FakeResponse::new(200)
            .with_header("Link", r#"</v2/team/app/tags/list?n=1000>; rel="next""#)
            .with_body(r#"{"tags":null}"#),
    );
    assert_eq!(
        Distribution::tags(&session, &reference(None)).unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(session.requests().len(), 100);
}

#[test]
fn without_the_referrers_api_the_tag_that_stands_in_is_read() {
    let image = Digest::of(b"image");
    let signature = Digest::of(b"signature");
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"m","digest":"{signature}","size":9,
        "artifactType":"application/vnd.dev.cosign.artifact.sig.v1+json","annotations":{{"k":"v"}}}}]}}"#
    );
    let session = FakeRegistry::new()
        .answer(
            &format!("{REPOSITORY}/referrers/{image}"),
            FakeResponse::new(404).with_body("404 page not found"),
        )
        .answer(
            &format!("{REPOSITORY}/manifests/sha256-{}", image.hex()),
            FakeResponse::new(200).with_body(index),
        );
    let found = Distribution::referrers(&session, &reference(Some(image.clone()))).unwrap();
    assert_eq!((&found[0].digest, found[0].size), (&signature, 9));
    assert_eq!(found[0].annotations, [("k".to_owned(), "v".to_owned())]);

    let none = FakeRegistry::new()
        .answer(
            &format!("{REPOSITORY}/referrers/{image}"),
            FakeResponse::new(404),
        )
        .answer(
            &format!("{REPOSITORY}/manifests/sha256-{}", image.hex()),
            FakeResponse::new(404),
        );
    let found = Distribution::referrers(&none, &reference(Some(image))).unwrap();
    assert_eq!(found, []);
}

#[test]
fn hub_is_searched_and_other_registries_are_listed() {
    let hub = FakeRegistry::new().answer(
        "https://index.docker.io/v1/search?q=busy%20box&n=5",
        FakeResponse::new(200).with_body(
            r#"{"results":[{"name":"busybox","description":"d","star_count":3,"is_official":true}]}"#,
        ),
    );
    let found = Distribution::search(&hub, "docker.io", "busy box", 5).unwrap();
    assert!(found[0].is_official && found[0].stars == 3);

    let own = FakeRegistry::new().answer(
        "https://reg.example/v2/_catalog?n=1000",
        FakeResponse::new(200).with_body(r#"{"repositories":["a/busybox","b","busy"]}"#),
    );
    let found = Distribution::search(&own, "reg.example", "busy", 5).unwrap();
    let names: Vec<_> = found.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["a/busybox", "busy"]);

    let closed = FakeRegistry::new().answer(
        "https://reg.example/v2/_catalog?n=1000",
        FakeResponse::new(404),
    );
    let error = Distribution::search(&closed, "reg.example", "busy", 5).unwrap_err();
    assert!(error.message.contains("does not list"), "{error}");
}
