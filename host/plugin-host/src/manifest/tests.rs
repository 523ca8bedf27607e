use super::*;

const GOOD: &str = r#"
name = "storage-overlay"
version = "0.1.0"
world = "storage"
driver = "overlay"
description = "A directory per layer"

[grants]
create-dir = "a snapshot is a directory"
"#;

#[test]
fn a_manifest_says_who_and_what_and_why() {
    let manifest = Manifest::parse(GOOD).unwrap();
    assert_eq!(manifest.world, World::Storage);
    assert!(manifest.grants.has(Grant::CreateDir));
    assert!(!manifest.grants.has(Grant::Rename));
    assert_eq!((manifest.memory, manifest.time_ms), (64 << 20, 10_000));
}

#[test]
fn unknown_keys_and_grants_are_refused_by_name() {
    let error = |text: String| Manifest::parse(&text).unwrap_err().to_string();
    let unknown = error(format!("privileged = true\n{GOOD}"));
    assert!(unknown.contains("privileged"), "{unknown}");
    let grant = error(format!("{GOOD}bridge = \"why\"\n"));
    assert!(grant.contains("unknown grant \"bridge\""), "{grant}");
    assert!(grant.contains("create-dir"), "{grant}");
}

#[test]
fn a_grant_needs_a_reason() {
    let text = GOOD.replace("a snapshot is a directory", "");
    assert_eq!(
        Manifest::parse(&text),
        Err(ManifestError::Text("create-dir".into()))
    );
}

#[test]
fn limits_stay_within_the_hosts() {
    let more = |limit: &str| Manifest::parse(&format!("{GOOD}[limits]\n{limit}\n"));
    assert_eq!(more("memory-mib = 128").unwrap().memory, 128 << 20);
    for bad in ["memory-mib = 4096", "memory-mib = 0", "time-ms = 600000"] {
        assert!(
            matches!(more(bad), Err(ManifestError::Limit { .. })),
            "{bad}"
        );
    }
}

#[test]
fn names_and_host_patterns_are_checked() {
    for bad in ["../x", "", "Overlay", "a b", "9lives"] {
        let text = GOOD.replace("storage-overlay", bad);
        assert!(Manifest::parse(&text).is_err(), "{bad}");
    }
    assert!(Manifest::parse(&format!("{GOOD}[hosts]\n\"*\" = \"why\"\n")).is_err());
    let registry = GOOD
        .replace("world = \"storage\"", "world = \"registry\"")
        .replace("create-dir", "directory");
    let with = |host: &str| Manifest::parse(&format!("{registry}[hosts]\n\"{host}\" = \"why\"\n"));
    for good in [
        "*",
        "{registry}",
        "*.example.org",
        "registry-1.docker.io",
        "localhost:5000",
    ] {
        assert!(with(good).is_ok(), "{good}");
    }
    for bad in ["", "http://x", "*x*", "{user}", "a/b"] {
        assert!(with(bad).is_err(), "{bad}");
    }
}
