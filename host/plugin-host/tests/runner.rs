//! The runner process: its cell, its death, its cache of native code.

mod fixture;

use std::fs;
use std::time::{Duration, Instant};

use bulkhead_model::plugin::PluginFailure;

use fixture::{EmptyRoot, Fixture, snapshot};

fn signal(pid: u32, signal: i32) {
    let process = bulkhead_sys::pidfd::open(pid).unwrap();
    bulkhead_sys::pidfd::send_signal(&process, signal).unwrap();
}

const SIGKILL: i32 = 9;
const SIGSTOP: i32 = 19;

/// Waits until `condition` holds, for a minute at most.
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_gone(pid: u32) -> bool {
    !fs::exists(format!("/proc/{pid}")).unwrap()
}

/// Processor time that a process has had, in clock ticks (proc(5)).
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let number = |at: usize| fields[at].parse::<u64>().unwrap();
    number(11) + number(12)
}

/// Starts an endless call, does something to the runner, and returns how the
/// call ended; checks that the next one works.
fn interrupted(name: &str, number: i32, seconds: u64) -> PluginFailure {
    let fixture = Fixture::with_limits(
        &["storage-loop", "storage-overlay"],
        &format!("[limits]\ntime-ms = {seconds}000"),
    );
    let driver = fixture.storage("storage-loop");
    let overlay = fixture.storage("overlay");
    overlay.prepare(&EmptyRoot, &snapshot("first")).unwrap();
    let before = fixture.runner();
    let idle = ticks(before);
    let call = std::thread::spawn(move || driver.prepare(&EmptyRoot, &snapshot("a")));
    // Far more than an ordinary call costs: the guest is in its loop.
    wait_until("the call begins", || ticks(before) > idle + 5);
    signal(before, number);
    let error = call.join().unwrap().unwrap_err();
    let overlay = fixture.storage("overlay");
    overlay.prepare(&EmptyRoot, &snapshot("next")).unwrap();
    assert_ne!(fixture.runner(), before, "{name}");
    error.cause
}

#[test]
fn a_runner_killed_under_a_call_is_an_error_of_that_call_alone() {
    let cause = interrupted("kill", SIGKILL, 60);
    assert_eq!(cause, PluginFailure::RunnerDied("exit status 137".into()));
}

#[test]
fn a_wedged_runner_is_killed_when_its_time_is_up() {
    let cause = interrupted("stop", SIGSTOP, 8);
    assert_eq!(cause, PluginFailure::Timeout(Duration::from_secs(8)));
}

/// Kills the runner; its keeper has ended, too, when this returns.
fn kill(fixture: &Fixture) {
    let keeper = fixture.host.runner_pid().unwrap();
    signal(fixture.runner(), SIGKILL);
    // The host learns of it by the next call: until then it is a zombie.
    wait_until("the keeper ends", || is_dead(keeper));
}

fn is_dead(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_none_or(|state| matches!(state, 'Z' | 'X'))
}

#[test]
fn a_runner_that_is_found_dead_is_replaced_without_an_error() {
    let fixture = Fixture::new(&["storage-overlay"]);
    let overlay = fixture.storage("overlay");
    overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap();
    let before = fixture.runner();
    kill(&fixture);
    overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap();
    assert_ne!(fixture.runner(), before);
}

#[test]
fn a_runner_that_dies_again_and_again_is_left_alone_for_a_while() {
    let fixture = Fixture::new(&["storage-overlay"]);
    let overlay = fixture.storage("overlay");
    overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap();
    let started = Instant::now();
    let mut failures = 0;
    while failures == 0 && started.elapsed() < Duration::from_secs(60) {
        kill(&fixture);
        failures += u32::from(overlay.prepare(&EmptyRoot, &snapshot("a")).is_err());
    }
    let error = overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap_err();
    assert_eq!(failures, 1);
    assert!(error.to_string().contains("5 times"), "{error}");
}

fn status(pid: u32) -> impl Fn(&str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    move |name| {
        let line = text.lines().find(|l| l.starts_with(&format!("{name}:")));
        let value = line.unwrap_or_else(|| panic!("no {name}"));
        let words = value.split_whitespace().skip(1);
        words.collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn the_cell_has_no_privilege_left() {
    let fixture = Fixture::new(&["storage-overlay"]);
    let overlay = fixture.storage("overlay");
    overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap();
    let runner = fixture.runner();
    let tasks = fs::read_dir(format!("/proc/{runner}/task")).unwrap();
    for task in tasks {
        let tid = task.unwrap().file_name();
        let field = status(tid.to_str().unwrap().parse().unwrap());
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(field(set), "0000000000000000", "{set}");
        }
        let ids = ["64988"; 4].join(" ");
        assert_eq!((field("Uid"), field("Gid")), (ids.clone(), ids));
        assert_eq!(field("Groups"), "");
        assert_eq!(
            (field("NoNewPrivs"), field("Seccomp")),
            ("1".into(), "2".into())
        );
    }
    for name in ["mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let ours = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        let runners = fs::read_link(format!("/proc/{runner}/ns/{name}")).unwrap();
        assert_ne!(ours, runners, "{name}");
    }
    let root = fs::read_dir(format!("/proc/{runner}/root")).unwrap();
    assert_eq!(root.count(), 0);
    let mounts = fs::read_to_string(format!("/proc/{runner}/mountinfo")).unwrap();
    assert_eq!(mounts.lines().count(), 1, "{mounts}");
    assert!(mounts.contains(" ro,nosuid,nodev,noexec"), "{mounts}");
}

#[test]
fn the_cell_holds_no_descriptor_but_its_sockets() {
    let fixture = Fixture::new(&["storage-overlay"]);
    let overlay = fixture.storage("overlay");
    overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap();
    let runner = fixture.runner();
    for fd in fs::read_dir(format!("/proc/{runner}/fd")).unwrap() {
        let link = fs::read_link(fd.unwrap().path()).unwrap();
        let link = link.to_string_lossy().into_owned();
        let known = ["socket:", "pipe:", "/dev/null", "/memfd:wasm-memory-image"];
        assert!(known.iter().any(|k| link.starts_with(k)), "{link}");
    }
    let limits = fs::read_to_string(format!("/proc/{runner}/limits")).unwrap();
    for name in [
        "Max processes",
        "Max open files",
        "Max file size",
        "Max core file size",
    ] {
        let line = limits.lines().find(|l| l.starts_with(name)).unwrap();
        let hard = line[name.len()..].split_whitespace().nth(1);
        assert_eq!(hard, Some("0"), "{line}");
    }
}

#[test]
fn the_keeper_outside_the_cell_has_no_privilege_either() {
    let fixture = Fixture::new(&["storage-overlay"]);
    let overlay = fixture.storage("overlay");
    overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap();
    let field = status(fixture.host.runner_pid().unwrap());
    assert_eq!(field("CapPrm"), "0000000000000000");
    assert_eq!(field("Seccomp"), "2");
    assert_eq!(field("Uid"), ["64988"; 4].join(" "));
}

#[test]
fn no_process_outlives_the_host() {
    let fixture = Fixture::new(&["storage-overlay"]);
    let overlay = fixture.storage("overlay");
    overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap();
    let pids = [fixture.host.runner_pid().unwrap(), fixture.runner()];
    drop((overlay, fixture));
    wait_until("both end", || pids.iter().all(|pid| is_gone(*pid)));
}

#[test]
fn a_second_start_compiles_nothing() {
    let mut fixture = Fixture::new(&["storage-overlay"]);
    fixture.options.compiler = "/nonexistent".into();
    // The fingerprint is kept with the executable's identity, so that this
    // start must fail: it cannot tell which native code fits.
    assert!(fixture.reopen().is_err());
    let compiler = fixture::bin_dir().join("bulkhead-compiler");
    fixture.options.compiler = compiler;
    let entry = native_code(&fixture);
    let before = fs::metadata(&entry).unwrap().modified().unwrap();
    fixture.reopen().unwrap();
    let overlay = fixture.storage("overlay");
    overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap();
    assert_eq!(fs::metadata(&entry).unwrap().modified().unwrap(), before);
}

#[test]
fn tampered_native_code_is_never_run_but_compiled_again() {
    let mut fixture = Fixture::new(&["storage-overlay"]);
    let entry = native_code(&fixture);
    let good = fs::read(&entry).unwrap();
    let mut bad = good.clone();
    bad[5000] ^= 1;
    for tampered in [&bad[..], &good[..good.len() / 2], b""] {
        fs::write(&entry, tampered).unwrap();
        fixture.reopen().unwrap();
        let overlay = fixture.storage("overlay");
        overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap();
        assert_eq!(fs::read(&entry).unwrap(), good);
    }
}

fn native_code(fixture: &Fixture) -> std::path::PathBuf {
    let entries = fs::read_dir(fixture.path().join("components")).unwrap();
    let mut paths = entries.flatten().map(|e| e.path());
    let is_code = |p: &std::path::PathBuf| p.file_name().unwrap().len() == 64 + 1 + 16;
    paths.find(is_code).unwrap()
}

#[test]
fn a_plugin_is_installed_beside_running_calls_and_removed_again() {
    let fixture = Fixture::new(&["storage-overlay"]);
    let overlay = fixture.storage("overlay");
    overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap();
    let info = fixture
        .host
        .install(&fixture::source("storage-vfs"))
        .unwrap();
    assert_eq!(info.identity.name, "storage-vfs");
    let vfs = fixture.storage("vfs");
    vfs.prepare(&EmptyRoot, &snapshot("a")).unwrap();
    overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap();
    let again = fixture.host.install(&fixture::source("storage-vfs"));
    assert!(again.unwrap_err().to_string().contains("is taken by"));
    fixture.host.remove("storage-vfs").unwrap();
    assert!(vfs.prepare(&EmptyRoot, &snapshot("a")).is_err());
    overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap();
}

#[test]
fn an_unusable_plugin_is_skipped_and_the_others_work() {
    let fixture = Fixture::new(&["storage-overlay"]);
    let plugins = fixture.path().join("plugins");
    fs::create_dir(plugins.join("empty")).unwrap();
    fs::create_dir(plugins.join("nonsense")).unwrap();
    fs::write(plugins.join("nonsense/plugin.toml"), "privileged = true").unwrap();
    fixture::copy_plugin(
        &fixture::source("storage-overlay"),
        &plugins.join("twice"),
        "",
    );
    let mut fixture = fixture;
    fixture.reopen().unwrap();
    assert_eq!(fixture.host.plugins().len(), 1);
    let overlay = fixture.storage("overlay");
    overlay.prepare(&EmptyRoot, &snapshot("a")).unwrap();
}

#[test]
fn calls_run_at_once_and_more_of_them_wait() {
    let fixture = Fixture::new(&["storage-overlay"]);
    let overlay = fixture.storage("overlay");
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let overlay = &overlay;
            scope.spawn(move || {
                for call in 0..50 {
                    let key = format!("t{thread}-{call}");
                    let plan = overlay.prepare(&EmptyRoot, &snapshot(&key)).unwrap();
                    assert!(format!("{plan:?}").contains(&key));
                }
            });
        }
    });
}
