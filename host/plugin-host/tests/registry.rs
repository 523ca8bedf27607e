//! Registry plugins through the real runner, with a session that answers
//! everything.

mod fixture;

use bulkhead_model::plugin::PluginFailure;
use bulkhead_model::registry::{BlobDescriptor, RegistrySession, Response, SessionError};
use bulkhead_model::{Digest, Platform, Reference};

use fixture::Fixture;

/// Gives every request the same body, and no file.
struct Session {
    body: usize,
    requests: usize,
}

impl RegistrySession for Session {
    fn request(
        &mut self,
        _method: &str,
        _url: &str,
        _headers: &[(String, String)],
    ) -> Result<Response, SessionError> {
        self.requests += 1;
        Ok(Response {
            status: 418,
            headers: vec![("content-type".into(), "text/plain".into())],
            body: vec![7; self.body],
        })
    }

    fn send(
        &mut self,
        _method: &str,
        url: &str,
        _headers: &[(String, String)],
        _body: &[u8],
    ) -> Result<Response, SessionError> {
        panic!("a change of {url} reached the session");
    }

    fn authenticate(
        &mut self,
        _registry: &str,
        _scheme: &str,
        _params: &[(String, String)],
    ) -> Result<(), SessionError> {
        Ok(())
    }

    fn read_file(&mut self, path: &str) -> Result<Vec<u8>, SessionError> {
        panic!("{path} reached the session");
    }

    fn allows_http(&self, _registry: &str) -> bool {
        false
    }
}

fn resolve(guest: &str, tag: &str, session: &mut Session) -> PluginFailure {
    let fixture = Fixture::with_limits(&[guest], "[limits]\ntime-ms = 2000");
    let reference: Reference = format!("localhost:5000/x:{tag}").parse().unwrap();
    let source = fixture.registry(guest);
    let resolved = source.resolve(session, &reference, &Platform::host());
    resolved.unwrap_err().cause
}

#[test]
fn a_body_of_four_mebibytes_reaches_the_plugin() {
    let mut session = Session {
        body: 4 << 20,
        requests: 0,
    };
    // This guest asks once and complains with the status.
    match resolve("registry-other-hosts", "any", &mut session) {
        PluginFailure::Refused { message, .. } => assert!(message.contains("418"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(session.requests, 1);
}

#[test]
fn requests_without_an_end_are_ended() {
    let mut session = Session {
        body: 10,
        requests: 0,
    };
    let cause = resolve("registry-endless-requests", "any", &mut session);
    let ended = matches!(
        cause,
        PluginFailure::Limit { .. } | PluginFailure::Timeout(_)
    );
    assert!(ended, "{cause:?}");
    assert!(session.requests <= 10_000);
}

#[test]
fn a_manifest_of_64_mebibytes_is_refused() {
    let mut session = Session {
        body: 10,
        requests: 0,
    };
    let cause = resolve("registry-oversize", "any", &mut session);
    let refused = matches!(
        cause,
        PluginFailure::Limit { .. } | PluginFailure::Trap(_) | PluginFailure::Protocol(_)
    );
    assert!(refused, "{cause:?}");
}

#[test]
fn no_path_outside_the_directory_reaches_the_session() {
    let mut session = Session {
        body: 0,
        requests: 0,
    };
    for tag in ["dotdot", "absolute", "nested", "other"] {
        let cause = resolve("registry-escape", tag, &mut session);
        let refused = matches!(
            &cause,
            PluginFailure::Refused { code, .. } if code == "invalid" || code == "denied"
        );
        assert!(refused, "{tag}: {cause:?}");
    }
    let fixture = Fixture::new(&["registry-escape"]);
    let source = fixture.registry("registry-escape");
    let blob = BlobDescriptor {
        digest: Digest::from_sha256([1; 32]),
        size: 1,
        media_type: "application/octet-stream".into(),
    };
    for tag in ["absolute", "other"] {
        let reference: Reference = format!("localhost:5000/x:{tag}").parse().unwrap();
        assert!(
            source.locate(&mut session, &reference, &blob).is_err(),
            "{tag}"
        );
    }
}
