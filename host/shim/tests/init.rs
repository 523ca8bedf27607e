//! A first process of ours with the program as its child: what it does for
//! it, and what the container can see and do of it.

mod support;

use std::time::{Duration, Instant};

use bulkhead_model::ErrorKind;
use bulkhead_model::process::{ContainerPlan, Runtime as _};
use bulkhead_runtime::shim_protocol::Request;
use support::{Machine, Started, exit, first, send};

fn with_init(plan: ContainerPlan) -> ContainerPlan {
    ContainerPlan { init: true, ..plan }
}

fn run(script: &str) -> support::Outcome {
    let machine = Machine::new();
    machine.run(&with_init(machine.sh(script)))
}

#[test]
fn the_program_is_the_second_process_and_its_code_is_the_containers() {
    let outcome = run("echo $$; tr '\\0' ' ' < /proc/1/cmdline; cat /proc/1/comm; exit 7");
    assert_eq!(outcome.exit.code, 7, "{outcome:?}");
    let lines: Vec<String> = outcome.out().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "2");
    assert!(
        lines[1].starts_with("/sbin/docker-init -- sh -c "),
        "{outcome:?}"
    );
    assert!(lines[1].ends_with("docker-init"), "{outcome:?}");
    let killed = run("kill -KILL $$");
    assert_eq!(killed.exit.code, 128 + 9);
}

#[test]
fn orphans_are_reaped() {
    let outcome = run(
        "for i in 1 2 3 4 5 6 7 8; do (sleep 0.05 & exit) & done; wait; sleep 0.5; \
         grep -l 'State:.Z' /proc/[0-9]*/status; ls -d /proc/[0-9]* | wc -l",
    );
    // Itself, init, ls and wc are left.
    assert_eq!(outcome.out(), "4", "{outcome:?}");
}

#[test]
fn a_program_that_cannot_run_is_told_as_without_it() {
    let machine = Machine::new();
    for (name, kind) in [
        ("nope", ErrorKind::CommandNotFound),
        ("/etc/passwd", ErrorKind::CommandNotExecutable),
    ] {
        let plain = machine.plan(&[name]);
        let one = machine.try_run(&plain).unwrap_err();
        let other = machine.try_run(&with_init(plain)).unwrap_err();
        assert_eq!((one.kind, other.kind), (kind, kind));
        assert_eq!(one.to_string(), other.to_string());
    }
    // Found out by the child alone, which ends with it.
    std::fs::write(machine.rootfs().join("bin/script"), "#!/none\n").unwrap();
    let file = machine.rootfs().join("bin/script");
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let error = machine
        .try_run(&with_init(machine.plan(&["script"])))
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::CommandNotFound, "{error}");
}

/// Starts it and waits for `ready` in its output.
fn start(machine: &Machine, plan: &ContainerPlan) -> Started {
    let mut started = machine.start(plan).unwrap();
    started.client.wait_for(b"ready");
    started
}

#[test]
fn signals_reach_the_program() {
    let machine = Machine::new();
    let plan = with_init(machine.sh(
        "trap 'exit 41' TERM; trap 'echo usr; n=1' USR1; echo ready; while :; do sleep 0.05; done",
    ));
    let mut started = start(&machine, &plan);
    machine.runtime.signal(&first(&plan), 10).unwrap();
    started.client.wait_for(b"usr");
    send(&started.running.shim, &Request::Signal(15));
    assert_eq!(started.finish().exit.code, 41);
    machine.runtime.cleanup(&plan.id).unwrap();
    // A program that handles nothing dies, which a first process would not.
    let plan = with_init(machine.sh("echo ready; exec sleep 1000"));
    let started = start(&machine, &plan);
    send(&started.running.shim, &Request::Signal(15));
    assert_eq!(started.finish().exit.code, 128 + 15);
    machine.runtime.cleanup(&plan.id).unwrap();
}

#[test]
fn the_programs_group_has_the_terminal() {
    let machine = Machine::new();
    let plan = ContainerPlan {
        terminal: true,
        stdin: true,
        ..with_init(
            machine.sh("trap 'echo int; exit 3' INT; echo ready; while :; do sleep 0.05; done"),
        )
    };
    let mut started = start(&machine, &plan);
    started.client.type_in(b"\x03");
    started.client.wait_for(b"int");
    assert_eq!(exit(&started.running.shim).code, 3);
    machine.runtime.cleanup(&plan.id).unwrap();
    // A shell with job control finds itself in the foreground.
    let plan = ContainerPlan {
        terminal: true,
        stdin: true,
        ..with_init(machine.plan(&["sh", "-i"]))
    };
    let mut started = machine.start(&plan).unwrap();
    started.client.type_in(b"echo rea''dy; exit 5\n");
    started.client.wait_for(b"ready");
    assert_eq!(exit(&started.running.shim).code, 5);
    machine.runtime.cleanup(&plan.id).unwrap();
}

fn field(status: &str, name: &str) -> String {
    let line = status.lines().find(|l| l.starts_with(name)).unwrap();
    line.split_whitespace()
        .skip(1)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn it_has_no_right_that_the_program_lacks_and_nothing_open() {
    let machine = Machine::new();
    for user in ["", "web"] {
        let plan = ContainerPlan {
            user: user.into(),
            ..with_init(machine.sh("echo ready; cat; :"))
        };
        let plan = ContainerPlan {
            stdin: true,
            ..plan
        };
        let started = start(&machine, &plan);
        let pid = started.running.pid;
        let read = |pid: u32, file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        // The program may be faster than it is at giving everything up.
        let kill = 1 << 5;
        let held = || u64::from_str_radix(&field(&read(pid, "status").unwrap(), "CapPrm"), 16);
        let settled = || held().unwrap() & !kill == 0;
        let until = Instant::now() + Duration::from_secs(60);
        while !settled() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let children = read(pid, &format!("task/{pid}/children")).unwrap();
        let child: u32 = children.trim().parse().unwrap();
        let (own, programs) = (read(pid, "status").unwrap(), read(child, "status").unwrap());
        for same in [
            "Uid",
            "Gid",
            "Groups",
            "CapBnd",
            "NoNewPrivs",
            "Seccomp:",
            "CapInh",
            "CapAmb",
        ] {
            assert_eq!(field(&own, same), field(&programs, same), "{same}");
        }
        let bits = |text: &str, name| u64::from_str_radix(&field(text, name), 16).unwrap();
        for set in ["CapEff", "CapPrm"] {
            assert_eq!(bits(&own, set) & !bits(&programs, set), 0, "{set} {user:?}");
        }
        assert_eq!(
            std::fs::read_dir(format!("/proc/{pid}/fd"))
                .unwrap()
                .count(),
            0
        );
        let exe = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        assert!(exe.to_string_lossy().starts_with("/memfd:"), "{exe:?}");
        assert!(private_bytes(pid) < 300 << 10, "{}", private_bytes(pid));
        send(&started.running.shim, &Request::Signal(9));
        assert_eq!(started.finish().exit.code, 128 + 9);
        machine.runtime.cleanup(&plan.id).unwrap();
    }
}

fn private_bytes(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let kib = |name| -> u64 { field(&text, name).trim_end_matches(" kB").parse().unwrap() };
    (kib("Private_Clean:") + kib("Private_Dirty:")) << 10
}

#[test]
fn the_container_cannot_reach_into_it() {
    let outcome = run(
        "for f in exe root cwd; do ls -l /proc/1/$f 2>&1 | grep -q denied && echo no; done; \
         cat /proc/1/maps /proc/1/environ 2>&1 | grep -c denied; kill -9 1; echo alive",
    );
    assert_eq!(outcome.out(), "no\nno\nno\n2\nalive", "{outcome:?}");
}

#[test]
fn the_end_of_the_program_ends_what_it_left_and_what_was_started_later() {
    let machine = Machine::new();
    let plan = with_init(
        machine.sh("sleep 1000 & echo ready; until [ -e /go ]; do sleep 0.02; done; exit 4"),
    );
    let started = start(&machine, &plan);
    let began = Instant::now();
    let id = bulkhead_model::ExecId::from_bytes(bulkhead_sys::random::bytes().unwrap());
    let mut exec = support::exec_like(&plan, &id);
    exec.args = ["sh", "-c", "touch /go; exec sleep 1000"]
        .map(String::from)
        .to_vec();
    let running = machine.runtime.exec(&exec, Vec::new()).unwrap();
    assert_eq!(exit(&running.shim).code, 128 + 9);
    assert_eq!(started.finish().exit.code, 4);
    assert!(began.elapsed() < Duration::from_secs(90));
    machine.runtime.cleanup(&plan.id).unwrap();
}
