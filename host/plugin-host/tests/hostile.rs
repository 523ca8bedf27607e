//! Hostile components: each ends in an ordinary error of its own call, with a
//! cause people can read, and the next call works.

mod fixture;

use bulkhead_model::plugin::PluginFailure;
use bulkhead_model::volume::{VolumeLayout, VolumeRequest};
use bulkhead_model::{ErrorKind, PluginError, error::Kind};

use fixture::{EmptyRoot, Fixture, Pool, endpoint, snapshot};

/// Runs `prepare` of a guest, with little time, then a well-behaved driver.
fn prepare(guest: &str, key: &str) -> PluginError {
    let fixture = Fixture::with_limits(&[guest, "storage-overlay"], "[limits]\ntime-ms = 500");
    let driver = fixture.storage(guest);
    let error = driver.prepare(&EmptyRoot, &snapshot(key)).unwrap_err();
    assert_eq!((error.plugin.as_str(), error.operation), (guest, "prepare"));
    let overlay = fixture.storage("overlay");
    let plan = overlay.prepare(&EmptyRoot, &snapshot("next")).unwrap();
    assert_eq!(plan.steps.len(), 3);
    error
}

#[track_caller]
fn assert_limit(error: &PluginError, wanted: &str) {
    match &error.cause {
        PluginFailure::Limit { what, .. } => assert_eq!(what, wanted),
        other => panic!("expected a limit of {wanted}, got {other:?}"),
    }
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
}

#[test]
fn a_trap_is_an_ordinary_error() {
    let error = prepare("storage-trap", "a");
    assert!(matches!(error.cause, PluginFailure::Trap(_)), "{error}");
}

#[test]
fn an_endless_loop_ends_with_its_time() {
    for guest in ["storage-loop", "storage-busy-host"] {
        let error = prepare(guest, "a");
        let half = std::time::Duration::from_millis(500);
        assert_eq!(error.cause, PluginFailure::Timeout(half), "{guest}");
    }
}

#[test]
fn endless_memory_ends_at_its_limit() {
    let error = prepare("storage-allocate", "a");
    assert_limit(&error, "bytes of memory");
}

#[test]
fn deep_recursion_ends_at_one_of_the_stacks_limits() {
    // The guest's own stack in its memory, or the one wasmtime gives it.
    let error = prepare("storage-recurse", "a");
    assert!(
        matches!(
            error.cause,
            PluginFailure::Trap(_) | PluginFailure::Limit { .. }
        ),
        "{error}"
    );
}

#[test]
fn a_million_steps_end_at_a_thousand() {
    assert_limit(&prepare("storage-million-steps", "a"), "plan steps");
}

#[test]
fn a_million_handles_end_at_their_limit() {
    assert_limit(&prepare("storage-million-handles", "a"), "handles");
}

#[test]
fn kept_state_is_bounded() {
    let error = prepare("storage-state-bomb", "a");
    // The guest was not granted state, or gets no further than its limit.
    assert!(
        matches!(
            error.cause,
            PluginFailure::Limit { .. } | PluginFailure::NotGranted(_)
        ),
        "{error}"
    );
}

#[test]
fn huge_arguments_and_messages_do_not_blow_the_host() {
    for guest in ["storage-huge-argument", "storage-huge-message"] {
        let error = prepare(guest, "a");
        assert!(error.to_string().len() < 3000, "{guest}");
    }
}

#[test]
fn forged_handles_trap() {
    for attempt in ["invented", "largest", "wrong-type", "dropped", "zero"] {
        let error = prepare("storage-wrong-handle", attempt);
        assert!(
            matches!(error.cause, PluginFailure::Trap(_)),
            "{attempt}: {error}"
        );
    }
}

#[test]
fn no_attempt_to_reach_a_foreign_directory_succeeds() {
    let names = ["storage-escape"];
    let fixture = Fixture::new(&names);
    let driver = fixture.storage("storage-escape");
    let attempts = "dotdot dot root absolute nested nul hidden empty long forged-dotdot \
        forged-path forged-other read-dotdot write-parent bind-parent remove-parent \
        rename-parent rename-over-parent clone-into-parent overlay-on-parent snapshot-into-parent \
        snapshot-of-other subvolume-in-parent seal-parent limit-parent limit-absurd pool-outside-probe";
    for attempt in attempts.split_whitespace() {
        let error = driver.prepare(&EmptyRoot, &snapshot(attempt)).unwrap_err();
        let refused = matches!(
            &error.cause,
            PluginFailure::Refused { code, .. } if code == "denied" || code == "invalid"
        );
        let not_granted = matches!(error.cause, PluginFailure::NotGranted(_));
        assert!(refused || not_granted, "{attempt}: {error}");
    }
}

#[test]
fn an_order_beyond_the_grant_names_the_grant() {
    let fixture = Fixture::new(&["storage-beyond-grant"]);
    let driver = fixture.storage("storage-beyond-grant");
    let request = snapshot("a");
    let lacks = PluginFailure::NotGranted("mount-overlay".into());
    let passed_on = driver.prepare(&EmptyRoot, &request).unwrap_err();
    assert_eq!(passed_on.cause, lacks);
    assert_eq!(
        passed_on.to_string(),
        "plugin storage-beyond-grant 0.1.0: prepare: lacks the grant mount-overlay"
    );
    let silent = driver.mounts(&EmptyRoot, &request).unwrap_err();
    assert_eq!(silent.cause, lacks);
}

#[test]
fn a_flood_of_log_lines_is_cut_and_the_call_goes_on() {
    let fixture = Fixture::new(&["storage-log-flood"]);
    let driver = fixture.storage("storage-log-flood");
    driver.prepare(&EmptyRoot, &snapshot("a")).unwrap();
}

#[test]
fn imports_beyond_the_world_are_refused_by_name_before_compiling() {
    let fixture = Fixture::new(&[]);
    let error = fixture
        .host
        .install(&fixture::source("extra-import"))
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("imports") && text.contains("world storage"),
        "{text}"
    );
    assert!(fixture.host.plugins().is_empty());
    let native = std::fs::read_dir(fixture.path().join("components")).unwrap();
    let names: Vec<_> = native.flatten().map(|e| e.file_name()).collect();
    assert!(
        names.iter().all(|n| n == "key" || n == "fingerprint"),
        "{names:?}"
    );
}

#[test]
fn network_drivers_reach_nothing_but_their_own_network() {
    let guests = [
        "network-beyond-grant",
        "network-foreign-bridge",
        "network-foreign-publish",
        "network-unleased-address",
        "network-wide-route",
        "network-drain-pool",
    ];
    let fixture = Fixture::new(&guests);
    for guest in guests {
        let pool = Pool::default();
        let attached = fixture.network(guest).attach(&pool, &endpoint());
        assert!(attached.is_err(), "{guest}: {attached:?}");
        assert!(pool.0.lock().unwrap().is_empty(), "{guest} kept a lease");
    }
}

#[test]
fn silence_about_a_refusal_gains_nothing() {
    let fixture = Fixture::new(&["network-silent-beyond-grant"]);
    let driver = fixture.network("network-silent-beyond-grant");
    let plan = driver.attach(&Pool::default(), &endpoint()).unwrap();
    assert_eq!(plan, Default::default());
}

#[test]
fn volumes_and_pools_that_nobody_can_give_are_refused() {
    let fixture = Fixture::with_limits(&["storage-volumes"], "[limits]\ntime-ms = 2000");
    let driver = fixture.storage("storage-volumes");
    let attempts = "create-absurd create-nothing create-in-parent create-outside create-of-other \
        grow-absurd grow-parent snapshot-over-parent snapshot-of-other mount-parent mount-of-other \
        mount-many-options pool-outside-probe";
    for attempt in attempts.split_whitespace() {
        let error = driver.prepare(&EmptyRoot, &snapshot(attempt)).unwrap_err();
        let refused = matches!(
            &error.cause,
            PluginFailure::Refused { code, .. } if code != "internal"
        );
        let bounded = matches!(
            error.cause,
            PluginFailure::Limit { .. } | PluginFailure::Timeout(_) | PluginFailure::Trap(_)
        );
        assert!(refused || bounded, "{attempt}: {error}");
    }
    let probed = driver.probe(&EmptyRoot).unwrap_err();
    assert!(probed.to_string().contains("refused each"), "{probed}");
}

#[test]
fn a_status_without_end_is_a_short_one() {
    let fixture = Fixture::new(&["storage-volumes"]);
    let rows = fixture.storage("storage-volumes").status(&EmptyRoot);
    let rows = rows.unwrap();
    assert!(rows.len() <= 64, "{} rows", rows.len());
    for text in rows.iter().flat_map(|(name, value)| [name, value]) {
        assert!(
            text.len() <= 1024 && !text.contains(char::is_control),
            "{text:?}"
        );
    }
}

#[test]
fn volume_drivers_mount_nothing_that_the_user_did_not_name() {
    let guest = ["volume-foreign", "volume-local"];
    let fixture = Fixture::with_limits(&guest, "[limits]\ntime-ms = 2000");
    let drivers = fixture.host.volume_drivers();
    let driver = |name| drivers.iter().find(|d| d.driver_name() == name).unwrap();
    let request = |attempt: &str| VolumeRequest {
        name: "data".into(),
        options: [
            ("attempt", attempt),
            ("device", "/srv/data"),
            ("type", "nfs"),
            ("o", "ro,nodev"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into(),
        quota: false,
    };
    let attempts = "root parent prefix relative nul device type set-uid joined many long twice \
        unasked-size endless";
    for attempt in attempts.split_whitespace() {
        let laid_out = driver("volume-foreign").lay_out(&request(attempt));
        assert!(laid_out.is_err(), "{attempt}: {laid_out:?}");
        assert!(laid_out.unwrap_err().to_string().len() < 3000, "{attempt}");
    }
    let silent = driver("volume-foreign").lay_out(&request("silent"));
    assert_eq!(silent.unwrap(), VolumeLayout::default());
    let mut plain = request("");
    plain.options.clear();
    let next = driver("local").lay_out(&plain);
    assert_eq!(next.unwrap(), VolumeLayout::default());
}
