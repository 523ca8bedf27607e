//! Exit codes, streams, signals, terminals, and outliving the daemon.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bulkhead_model::ErrorKind;
use bulkhead_model::network::NetworkPlan;
use bulkhead_model::process::{InjectedFile, Runtime as _};
use bulkhead_runtime::shim_protocol::{Message, Request};
use support::{Machine, Started, client, first, send};

fn failure(machine: &Machine, args: &[&str]) -> (ErrorKind, String) {
    let error = machine.try_run(&machine.plan(args)).unwrap_err();
    (error.kind, error.to_string())
}

#[test]
fn programs_that_cannot_run_fail_in_dockers_words() {
    let machine = Machine::new();
    let bin = machine.rootfs().join("bin");
    std::fs::write(bin.join("plain"), "x").unwrap();
    std::fs::write(bin.join("noformat"), "\x7fELFnonsense").unwrap();
    std::fs::write(bin.join("script"), "#!/no/such/interpreter\n").unwrap();
    for name in ["noformat", "script"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bin.join(name), mode).unwrap();
    }
    let not_found = |text: &str| (ErrorKind::CommandNotFound, text.to_owned());
    let unusable = |text: &str| (ErrorKind::CommandNotExecutable, text.to_owned());
    assert_eq!(
        failure(&machine, &["foo"]),
        not_found("exec: \"foo\": executable file not found in $PATH")
    );
    assert_eq!(
        failure(&machine, &["/foo"]),
        not_found("exec: \"/foo\": stat /foo: no such file or directory")
    );
    assert_eq!(
        failure(&machine, &["/bin/script"]),
        not_found("exec /bin/script: no such file or directory")
    );
    assert_eq!(
        failure(&machine, &["/bin/plain"]),
        unusable("exec: \"/bin/plain\": permission denied")
    );
    assert_eq!(
        failure(&machine, &["plain"]),
        unusable("exec: \"plain\": permission denied")
    );
    assert_eq!(
        failure(&machine, &["/etc"]),
        unusable("exec: \"/etc\": is a directory")
    );
    assert_eq!(
        failure(&machine, &["/bin/noformat"]),
        unusable("exec /bin/noformat: exec format error")
    );
}

#[test]
fn a_failed_start_leaves_nothing() {
    let machine = Machine::new();
    let plan = machine.plan(&["/no/such"]);
    assert!(machine.try_run(&plan).is_err());
    let id = plan.id.as_str();
    assert!(!machine.temp.path().join("exec/shims").join(id).exists());
    for base in std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        assert!(!base.path().join(&machine.parent).join(id).exists());
    }
    assert!(machine.runtime.reconnect(&first(&plan)).is_err());
    assert!(machine.runtime.signal(&first(&plan), 9).is_err());
    machine.runtime.cleanup(&plan.id).unwrap();
}

#[test]
fn output_larger_than_any_buffer_arrives_whole_before_the_exit() {
    let machine = Machine::new();
    let plan = machine.sh("head -c 5000000 /dev/zero; echo done >&2");
    let outcome = machine.run(&plan);
    assert_eq!(
        (outcome.stdout.len(), outcome.err().as_str()),
        (5_000_000, "done")
    );
}

#[test]
fn a_slow_client_slows_the_container_and_not_the_shims_memory() {
    use bulkhead_model::process::LogConfig;
    // Zeros are six bytes each in the log.
    for logged in [false, true] {
        let machine = Machine::new();
        let mut plan = machine.sh("head -c 20000000 /dev/zero; echo over >&2");
        if !logged {
            plan.log = LogConfig::None;
        }
        let started = machine.start(&plan).unwrap();
        let shim = shim_pid(&machine, &plan);
        let samples = (0..20).map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            own_memory(shim)
        });
        let bytes = samples.max().unwrap();
        assert_eq!(started.finish().stdout.len(), 20_000_000);
        assert!(bytes < OWN_LIMIT, "{bytes}, logged: {logged}");
        machine.runtime.cleanup(&plan.id).unwrap();
    }
}

#[test]
fn a_client_that_vanishes_does_not_stop_the_container() {
    let machine = Machine::new();
    let mut plan = machine.sh("head -c 3000000 /dev/zero; exit 3");
    plan.log = bulkhead_model::process::LogConfig::None;
    drop(machine.start(&plan).unwrap());
    assert_eq!(await_exit(&machine, &plan), 3);
}

fn await_exit(machine: &Machine, plan: &bulkhead_model::process::ContainerPlan) -> i32 {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(exit) = machine.runtime.recorded_exit(&first(plan)) {
            machine.runtime.cleanup(&plan.id).unwrap();
            return exit.code;
        }
        assert!(Instant::now() < until, "no exit was recorded");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn standard_input_reaches_the_program_and_ends_with_the_client() {
    let machine = Machine::new();
    let mut plan = machine.plan(&["wc", "-c"]);
    (plan.stdin, plan.stdin_once) = (true, true);
    let mut started = machine.start(&plan).unwrap();
    for _ in 0..40 {
        started.client.type_in(&[b'x'; 10_000]);
    }
    started.client.close_input();
    assert_eq!(started.finish().out(), "400000");
    machine.runtime.cleanup(&plan.id).unwrap();
}

#[test]
fn standard_input_without_a_wish_for_it_is_empty() {
    let machine = Machine::new();
    assert_eq!(machine.output("cat; readlink /proc/self/fd/0"), "/dev/null");
}

#[test]
fn signals_reach_the_first_process_and_kill_it_by_number() {
    let machine = Machine::new();
    let plan =
        machine.sh("trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.01; done");
    let mut started = machine.start(&plan).unwrap();
    started.client.wait_for(b"ready\n");
    machine.runtime.signal(&first(&plan), 15).unwrap();
    let outcome = started.finish();
    assert_eq!((outcome.out().as_str(), outcome.exit.code), ("caught", 9));
    machine.runtime.cleanup(&plan.id).unwrap();
    let plan = machine.plan(&["sleep", "60"]);
    let started = machine.start(&plan).unwrap();
    send(&started.running.shim, &Request::Signal(9));
    let exit = started.finish().exit;
    assert_eq!((exit.code, exit.oom_killed), (137, false));
    machine.runtime.cleanup(&plan.id).unwrap();
}

#[test]
fn a_terminal_is_a_terminal_of_the_asked_size_and_can_be_resized() {
    let machine = Machine::new();
    let script = "tty; stty size; ls -l /dev/console; read line
        until [ \"$(stty size)\" = '30 90' ]; do sleep 0.02; done; exit 5";
    let mut plan = machine.sh(script);
    (plan.terminal, plan.stdin, plan.console_size) = (true, true, Some((101, 42)));
    let mut started = machine.start(&plan).unwrap();
    started.client.wait_for(b"/dev/console\r\n");
    machine.runtime.resize(&first(&plan), 90, 30).unwrap();
    // Another connection than the client's: there is no order between them.
    started.client.type_in(b"go\n");
    assert_eq!(started.finish().exit.code, 5);
    machine.runtime.cleanup(&plan.id).unwrap();
    let mut plan = machine.sh("tty; stty size; cat /proc/self/stat | cut -d' ' -f7");
    (plan.terminal, plan.console_size) = (true, Some((101, 42)));
    let text = machine.run(&plan).out();
    assert!(text.starts_with("/dev/pts/0\r\n42 101\r\n"), "{text}");
}

#[test]
fn job_control_works_in_the_terminal() {
    let machine = Machine::new();
    let mut plan = machine.plan(&["sh"]);
    (plan.terminal, plan.stdin) = (true, true);
    let mut started = machine.start(&plan).unwrap();
    // The job itself says that it has the terminal.
    let job = b"sh -c \"echo rea''dy; exec sleep 100\"\n";
    started.client.type_in(job);
    started.client.wait_for(b"ready");
    started.client.type_in(&[3]);
    started.client.type_in(b"exit 4\n");
    assert_eq!(started.finish().exit.code, 4);
    machine.runtime.cleanup(&plan.id).unwrap();
}

#[test]
fn files_are_injected_and_volumes_filled_from_the_image() {
    let machine = Machine::new();
    let volume = machine.temp.path().join("volume");
    std::fs::create_dir(&volume).unwrap();
    std::fs::create_dir(machine.rootfs().join("data")).unwrap();
    std::fs::write(machine.rootfs().join("data/seed"), "seed").unwrap();
    let mut plan =
        machine.sh("cat /etc/hosts /data/seed; echo more > /data/new; echo again >> /etc/hosts");
    plan.files.push(InjectedFile {
        name: "hosts",
        target: "/etc/hosts".into(),
        content: b"127.0.0.1 localhost\n".to_vec(),
        of: None,
    });
    plan.mounts.push(bulkhead_model::process::BindMount {
        source: volume.clone(),
        target: "/data".into(),
        copy_up: true,
        ..Default::default()
    });
    assert_eq!(machine.run(&plan).out(), "127.0.0.1 localhost\nseed");
    assert_eq!(
        std::fs::read_to_string(volume.join("new")).unwrap(),
        "more\n"
    );
    assert!(!machine.rootfs().join("data/new").exists());
}

#[test]
fn no_start_of_many_hangs() {
    let machine = Machine::new();
    for _ in 0..support::times(200, 1000) {
        assert_eq!(machine.run(&machine.plan(&["true"])).exit.code, 0);
    }
    assert!(
        std::fs::read_dir(machine.temp.path().join("exec/shims"))
            .unwrap()
            .next()
            .is_none()
    );
}

#[test]
fn many_containers_start_at_once() {
    let machine = Machine::new();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let machine = &machine;
            scope.spawn(move || {
                for _ in 0..5 {
                    assert_eq!(machine.run(&machine.sh(&format!("exit {n}"))).exit.code, n);
                }
            });
        }
    });
}

fn shim_pid(machine: &Machine, plan: &bulkhead_model::process::ContainerPlan) -> u32 {
    let running = machine.runtime.reconnect(&first(plan)).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.pid)).unwrap();
    stat.rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

/// Bytes a shim may have for itself. An unoptimised one has three times the
/// code and relocations.
const PRIVATE_LIMIT: u64 = if cfg!(debug_assertions) {
    3 << 20
} else {
    1 << 20
};

/// Bytes a shim may have without its code, of which more is mapped at work, 64
/// KiB at a time: what it keeps for a slow client would be here.
const OWN_LIMIT: u64 = PRIVATE_LIMIT / 8 * 3;

fn private_memory(pid: u32) -> u64 {
    memory(pid, "Private_")
}

fn own_memory(pid: u32) -> u64 {
    memory(pid, "Anonymous:")
}

/// The sum of some lines (proc_pid_smaps(5)), bytes.
fn memory(pid: u32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let kilobytes = |l: &str| l.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap();
    text.lines()
        .filter(|l| l.starts_with(field))
        .map(kilobytes)
        .sum::<u64>()
        * 1024
}

#[test]
fn a_shim_needs_less_than_a_mebibyte() {
    let machine = Machine::new();
    let plan = machine.plan(&["sleep", "60"]);
    let started = machine.start(&plan).unwrap();
    let bytes = private_memory(shim_pid(&machine, &plan));
    println!("private memory of a shim: {} KiB", bytes / 1024);
    assert!(bytes < PRIVATE_LIMIT, "{bytes}");
    send(&started.running.shim, &Request::Signal(9));
    started.finish();
    machine.runtime.cleanup(&plan.id).unwrap();
}

#[test]
fn a_new_daemon_finds_the_container_running_or_its_exit_recorded() {
    let machine = Machine::new();
    let mut plan = machine.plan(&["cat"]);
    plan.stdin = true;
    let Started {
        running,
        client: mut old,
    } = machine.start(&plan).unwrap();
    let pid = running.pid;
    drop(running);
    let second = machine.reopen();
    let again = second.reconnect(&first(&plan)).unwrap();
    assert_eq!(again.pid, pid);
    let (mut new, attachment) = client(&plan);
    second.attach(&first(&plan), attachment).unwrap();
    new.type_in(b"still here\n");
    new.wait_for(b"still here\n");
    old.wait_for(b"still here\n");
    second.signal(&first(&plan), 9).unwrap();
    assert_eq!(support::exit(&again.shim).code, 137);
    let exit = second.recorded_exit(&first(&plan)).unwrap();
    assert_eq!((exit.code, exit.oom_killed), (137, false));
    second.cleanup(&plan.id).unwrap();
    assert_eq!(second.recorded_exit(&first(&plan)), None);
}

/// The daemon that the next test kills; alone, it does nothing.
#[test]
fn daemon_to_be_killed() {
    let Ok(path) = std::env::var("BULKHEAD_TEST_SOCKET") else {
        return;
    };
    let mut report = UnixStream::connect(path).unwrap();
    let machine = Machine::new();
    let mut plan = machine.sh(
        "trap go=1 USR1; echo ready; until [ $go ]; do sleep 0.02; done; n=0; \
             while [ $n -lt 40 ]; do echo line $n; n=$((n+1)); done; exit 6",
    );
    plan.hostname = "survivor".into();
    let running = machine
        .runtime
        .start(&plan, &NetworkPlan::default(), Vec::new())
        .unwrap();
    let text = format!(
        "{}\n{}\n{}\n{}\n",
        running.pid,
        plan.id,
        machine.temp.path().display(),
        machine.parent
    );
    report.write_all(text.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_killed_daemon_costs_neither_the_container_nor_its_log() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mut daemon = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "daemon_to_be_killed"])
        .env("BULKHEAD_TEST_SOCKET", &path)
        .spawn()
        .unwrap();
    let (mut report, _) = listener.accept().unwrap();
    let mut text = String::new();
    let mut byte = [0];
    while text.matches('\n').count() < 4 && report.read(&mut byte).unwrap() == 1 {
        text.push(char::from(byte[0]));
    }
    let lines: Vec<&str> = text.lines().collect();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let (pid, id, root) = (lines[0], lines[1], std::path::Path::new(lines[2]));
    assert!(
        std::path::Path::new("/proc").join(pid).exists(),
        "the container lives"
    );
    let log = root.join(format!("data/containers/{id}/{id}-json.log"));
    let lines_of = || std::fs::read_to_string(&log).unwrap().lines().count();
    let record = root.join("exec/shims").join(id).join("exit");
    let until = Instant::now() + Duration::from_secs(60);
    while lines_of() == 0 {
        assert!(Instant::now() < until, "it is not ready");
        std::thread::sleep(Duration::from_millis(10));
    }
    let go = std::process::Command::new("kill")
        .args(["-USR1", pid])
        .status();
    assert!(go.unwrap().success());
    while !record.exists() {
        assert!(Instant::now() < until, "no exit was recorded");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(std::fs::read_to_string(record).unwrap().starts_with("6 0 "));
    assert_eq!(lines_of(), 41);
    std::fs::remove_dir_all(root).unwrap();
    support::remove_parent(lines[3]);
}

#[test]
fn a_stranger_cannot_talk_to_a_shim() {
    let machine = Machine::new();
    let plan = machine.plan(&["sleep", "60"]);
    let started = machine.start(&plan).unwrap();
    let state = machine
        .temp
        .path()
        .join("exec/shims")
        .join(plan.id.as_str());
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
    assert_eq!(
        std::fs::metadata(state.join("shim.sock")).unwrap().mode() & 0o777,
        0o600
    );
    let mut nonsense = UnixStream::connect(state.join("shim.sock")).unwrap();
    nonsense.write_all(&[200; 64]).unwrap();
    assert_eq!(
        nonsense.read(&mut [0; 8]).unwrap(),
        0,
        "it hangs up on nonsense"
    );
    send(&started.running.shim, &Request::Signal(9));
    started.finish();
    let mut bytes = Vec::new();
    Request::GetState.encode(&mut bytes);
    machine.runtime.cleanup(&plan.id).unwrap();
}
