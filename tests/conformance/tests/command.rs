//! `bulkhead plugin test`, as an author of a driver types it.

use std::process::{Command, Output};

use bulkhead_test_support::{binary, privileged, release_dir};

fn plugin_test(words: &[&str]) -> Output {
    let mut command = Command::new(binary("bulkhead"));
    command.args(["plugin", "test"]).args(words);
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn component(place: &str) -> String {
    let wasm = release_dir().join(place).join("plugin.wasm");
    wasm.display().to_string()
}

#[test]
fn a_table_says_what_passed_and_what_failed_and_why() {
    if !privileged() {
        return;
    }
    let cases = [
        "--case",
        "prepare-twice-is-refused",
        "--case",
        "real-chain-2",
    ];
    let good = plugin_test(&[&cases[..], &[&component("plugins/storage-vfs")]].concat());
    let text = stdout(&good);
    assert_eq!(good.status.code(), Some(0), "{text}");
    assert!(text.starts_with("LEVEL   CASE"), "{text}");
    assert!(text.contains("storage-vfs: plans 1/1 in "), "{text}");
    assert!(text.contains("; kernel 1/1 in "), "{text}");

    let flaw = ["--storage-opt", "flaw=prepares-twice"];
    let guest = component("guests/storage-broken");
    let broken = plugin_test(&[&cases[..], &flaw, &[&guest]].concat());
    let text = stdout(&broken);
    assert_eq!(broken.status.code(), Some(1), "{text}");
    for line in [
        "FAILED",
        "prepare of a key that exists: expected an error, found it was carried out",
        "rule: the key names a snapshot that somebody uses",
        "storage-broken: plans 0/1 in ",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn the_cases_are_listed_and_an_unknown_one_is_refused() {
    let text = stdout(&plugin_test(&["--list"]));
    assert!(text.lines().count() > 80, "{text}");
    assert!(text.contains("full-disk"), "{text}");
    let unknown = plugin_test(&["--case", "no-such-case", "plugin.wasm"]);
    assert_eq!(unknown.status.code(), Some(1));
    let words = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert_eq!(words, "there is no case \"no-such-case\": see --list\n");
}

#[test]
fn a_component_without_a_manifest_is_refused_with_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let wasm = folder.path().join("driver.wasm");
    std::fs::write(&wasm, "").unwrap();
    let refused = plugin_test(&[&wasm.display().to_string()]);
    assert_eq!(refused.status.code(), Some(1));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    let expected = "plugin.toml is missing: a plugin has a manifest that says what it asks for (--manifest FILE)\n";
    assert!(words.ends_with(expected), "{words}");
}
