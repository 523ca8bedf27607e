//! What the figures were taken on and with.

use std::fs;
use std::process::Command;

/// A few lines for people.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut text = format!(
        "{}, {cores} cores, {} GiB, Linux {}\n",
        processor(),
        memory(),
        kernel.trim()
    );
    let bulkhead = bulkhead_test_support::binary("bulkhead");
    let bulkhead = bulkhead.to_string_lossy().into_owned();
    for (program, arguments) in [
        (bulkhead.as_str(), ["--version"].as_slice()),
        ("dockerd", &["--version"]),
        ("runc", &["--version"]),
        ("skopeo", &["--version"]),
    ] {
        text.push_str(&version(program, arguments));
    }
    text
}

fn version(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let printed = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let line = printed
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or("not installed")
        .to_owned();
    format!("{line}\n")
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model
        .map_or("unknown processor", |(_, name)| name)
        .to_owned()
}

fn memory() -> u64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    (kilobytes.unwrap_or_default() + (1 << 19)) >> 20
}
