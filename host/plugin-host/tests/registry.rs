//! Registry plugins through the real runner, with a session that answers
//! everything.

mod fixture;

use bulkhead_model::plugin::PluginFailure;
use bulkhead_model::registry::{BlobDescriptor, RegistrySession, Response, SessionError};
use bulkhead_model::{Digest, Platform, Reference};

use fixture::Fixture;

/// Gives every request the same body, and no file.
#[derive(Default)]
struct Session {
    body: usize,
    requests: usize,
    /// Whether changes may get here.
    takes: bool,
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
        assert!(self.takes, "a change of {url} reached the session");
        self.request("PUT", url, &[])
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
    resolve_granted("", guest, tag, session)
}

/// With `grants` in its manifest, which has none of its own.
fn resolve_granted(grants: &str, guest: &str, tag: &str, session: &mut Session) -> PluginFailure {
    let fixture = Fixture::with_limits(&[guest], &format!("{grants}\n[limits]\ntime-ms = 2000"));
    let reference: Reference = format!("localhost:5000/x:{tag}").parse().unwrap();
    let source = fixture.registry(guest);
    let resolved = source.resolve(session, &reference, &Platform::host());
    resolved.unwrap_err().cause
}

#[test]
fn a_body_of_four_mebibytes_reaches_the_plugin() {
    let mut session = Session {
        body: 4 << 20,
        ..Session::default()
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
        ..Session::default()
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
        ..Session::default()
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
    let mut session = Session::default();
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

const PUSH: &str = "[grants]\npush = \"a test\"";
const DIRECTORY: &str = "[grants]\ndirectory = \"a test\"";

#[test]
fn nothing_is_sent_without_the_grant_and_nothing_large_or_endless_with_it() {
    let guest = "registry-session";
    let cause = resolve(guest, "send", &mut Session::default());
    assert_eq!(cause, PluginFailure::NotGranted("push".into()));
    // A tag without an attempt fails, but by the guest's own word.
    for attempt in ["send-huge", "send-long", "send-headers"] {
        let mut session = Session::default();
        let cause = resolve_granted(PUSH, guest, attempt, &mut session);
        let own = matches!(&cause, PluginFailure::Refused { code, .. } if code == "internal");
        assert!(!own, "{attempt}: {cause:?}");
        assert!(cause.to_string().len() < 3000, "{attempt}");
    }
    for (grants, attempt) in [(PUSH, "send-endless"), (DIRECTORY, "files-endless")] {
        let mut session = Session {
            takes: true,
            ..Session::default()
        };
        let cause = resolve_granted(grants, guest, attempt, &mut session);
        let ended = matches!(
            &cause,
            PluginFailure::Limit { .. } | PluginFailure::Timeout(_) | PluginFailure::Refused { .. }
        );
        assert!(ended, "{attempt}: {cause:?}");
        assert!(session.requests <= 10_000);
    }
}

#[test]
fn no_fact_about_a_file_outside_the_archive_is_told() {
    let mut session = Session::default();
    match resolve_granted(DIRECTORY, "registry-session", "files", &mut session) {
        PluginFailure::Refused { message, .. } => assert_eq!(message, "refused each of them"),
        // The longest name is too much for one message.
        PluginFailure::Limit { .. } => {}
        other => panic!("{other:?}"),
    }
    let without = resolve("registry-session", "files-endless", &mut session);
    assert_eq!(without, PluginFailure::NotGranted("directory".into()));
}
