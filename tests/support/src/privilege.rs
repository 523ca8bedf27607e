//! Tests that need root. One that is left out is written down and counted; in
//! CI it fails.

use std::io::Write;

/// Whether the test may go on; when not, it has been written down as skipped.
///
/// ```
/// fn a_test() {
///     if !bulkhead_test_support::privileged() {
///         return;
///     }
/// }
/// ```
pub fn privileged() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    if !root {
        skip("needs root");
    }
    root
}

/// Writes down that the running test was left out. Panics in CI, where nobody
/// would notice.
pub fn skip(reason: &str) {
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    assert!(!ci, "a test may not be skipped in CI: {reason}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("skipped {test}: {reason}");
    // `cargo xtask test` counts the lines and takes them off the passed ones.
    let Some(file) = std::env::var_os("BULKHEAD_SKIPPED") else {
        return;
    };
    let mut file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(file)
        .expect("open the list of skipped tests");
    writeln!(file, "{test}: {reason}").expect("write the list of skipped tests");
}
