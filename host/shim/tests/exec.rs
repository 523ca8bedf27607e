//! One more process in a container: where it is, what it may, and what a
//! hostile container can do about it.

mod support;

use std::io::Read;
use std::time::{Duration, Instant};

use bulkhead_model::error::Failure;
use bulkhead_model::process::{ContainerPlan, ExecPlan, Runtime as _};
use bulkhead_model::{ErrorKind, ExecId};
use support::{Machine, Outcome, Started, client, exec_like, exit, first, send};

fn exec_of(container: &ContainerPlan, args: &[&str]) -> ExecPlan {
    let id = ExecId::from_bytes(bulkhead_sys::random::bytes().unwrap());
    ExecPlan {
        args: args.iter().map(|a| (*a).to_owned()).collect(),
        ..exec_like(container, &id)
    }
}

/// A container that runs until the test ends.
struct Host {
    machine: Machine,
    plan: ContainerPlan,
    started: Option<Started>,
}

impl Host {
    fn start() -> Self {
        let machine = Machine::new();
        let plan = machine.plan(&["sleep", "1000"]);
        Self::of(machine, plan)
    }

    fn of(machine: Machine, plan: ContainerPlan) -> Self {
        let started = Some(machine.start(&plan).unwrap());
        Self {
            machine,
            plan,
            started,
        }
    }

    fn pid(&self) -> u32 {
        self.started.as_ref().unwrap().running.pid
    }

    fn begin(&self, exec: &ExecPlan) -> Result<Started, Failure> {
        let like = ContainerPlan {
            terminal: exec.terminal,
            stdin: exec.stdin,
            stdin_once: exec.stdin && !exec.terminal,
            ..self.plan.clone()
        };
        let (client, attachment) = client(&like);
        let running = self.machine.runtime.exec(exec, vec![attachment])?;
        Ok(Started { running, client })
    }

    fn run(&self, exec: &ExecPlan) -> Result<Outcome, Failure> {
        let outcome = self.begin(exec)?.finish();
        self.machine.runtime.forget_exec(&exec.process).unwrap();
        Ok(outcome)
    }

    fn sh(&self, script: &str) -> Outcome {
        self.run(&exec_of(&self.plan, &["sh", "-c", script]))
            .unwrap()
    }

    fn failure(&self, exec: &ExecPlan) -> (ErrorKind, String) {
        let error = self.run(exec).unwrap_err();
        (error.kind, error.to_string())
    }

    fn end(&mut self) {
        if let Some(started) = self.started.take() {
            send(
                &started.running.shim,
                &bulkhead_runtime::shim_protocol::Request::Signal(9),
            );
            exit(&started.running.shim);
            self.machine.runtime.cleanup(&self.plan.id).unwrap();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.end();
    }
}

fn namespaces(of: &str) -> Vec<String> {
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
    let link = |kind| std::fs::read_link(format!("/proc/{of}/ns/{kind}")).unwrap();
    kinds
        .iter()
        .map(|kind| link(kind).to_string_lossy().into_owned())
        .collect()
}

#[test]
fn it_is_in_the_containers_namespaces_and_cgroups_with_the_same_rights() {
    let host = Host::start();
    let exec = exec_of(&host.plan, &["sleep", "1000"]);
    let started = host.begin(&exec).unwrap();
    let (one, other) = (host.pid().to_string(), started.running.pid.to_string());
    assert_eq!(namespaces(&one), namespaces(&other));
    let file = |pid: &str, name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}"));
    assert_eq!(
        file(&one, "cgroup").unwrap(),
        file(&other, "cgroup").unwrap()
    );
    let rights = |pid: &str| -> Vec<String> {
        let text = file(pid, "status").unwrap();
        let fields = ["Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp"];
        text.lines()
            .filter(|l| fields.iter().any(|f| l.starts_with(f)))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(rights(&one), rights(&other));
    host.machine.runtime.signal(&exec.process, 15).unwrap();
    assert_eq!(started.finish().exit.code, 143);
}

#[test]
fn more_capabilities_leave_the_containers_filter_in_force() {
    let host = Host::start();
    let mut exec = exec_of(
        &host.plan,
        &[
            "sh",
            "-c",
            "grep CapEff /proc/self/status; mount -t tmpfs x /tmp",
        ],
    );
    // All that this machine has; the filter allows mount(2) by the container's.
    exec.capabilities = bulkhead_sys::process::capabilities().unwrap().permitted;
    let outcome = host.run(&exec).unwrap();
    assert!(!outcome.out().ends_with("a80425fb"), "{outcome:?}");
    assert_ne!(outcome.exit.code, 0, "{outcome:?}");
    exec.process.exec = Some(ExecId::from_bytes(bulkhead_sys::random::bytes().unwrap()));
    exec.filter_capabilities = exec.capabilities;
    assert_eq!(host.run(&exec).unwrap().exit.code, 0);
}

#[test]
fn a_profile_that_cannot_be_had_is_refused_and_a_note_is_kept() {
    let host = Host::start();
    let mut exec = exec_of(&host.plan, &["cat"]);
    exec.apparmor = Some("no-such-profile".into());
    let (_, message) = host.failure(&exec);
    assert!(message.contains("no-such-profile"), "{message}");
    exec.apparmor = None;
    exec.stdin = true;
    exec.note = b"mine".to_vec();
    let started = host.begin(&exec).unwrap();
    let noted = |runtime: &bulkhead_runtime::Runtime| runtime.noted_exec(&exec.process);
    assert_eq!(noted(&host.machine.reopen()).unwrap(), b"mine");
    started.client.close_input();
    started.finish();
    host.machine.runtime.forget_exec(&exec.process).unwrap();
    assert_eq!(noted(&host.machine.runtime), None);
}

#[test]
fn streams_exit_codes_users_and_directories_are_as_asked() {
    let host = Host::start();
    let outcome = host.sh("echo out; echo err >&2; id -u; pwd; echo $HOME; exit 7");
    assert_eq!(
        (
            outcome.out().as_str(),
            outcome.err().as_str(),
            outcome.exit.code
        ),
        ("out\n0\n/\n/root", "err", 7)
    );
    let mut exec = exec_of(&host.plan, &["sh", "-c", "id -u; id -G; pwd; echo $HOME$A"]);
    exec.user = "web".into();
    exec.cwd = "/etc".into();
    exec.env.push("A=1".into());
    assert_eq!(host.run(&exec).unwrap().out(), "33\n33 44\n/etc\n/tmp1");
    let mut exec = exec_of(&host.plan, &["wc", "-c"]);
    exec.stdin = true;
    let mut started = host.begin(&exec).unwrap();
    started.client.type_in(&[b'x'; 300_000]);
    started.client.close_input();
    assert_eq!(started.finish().out(), "300000");
}

#[test]
fn a_terminal_is_one_of_the_containers() {
    let host = Host::start();
    let mut exec = exec_of(
        &host.plan,
        &["sh", "-c", "tty; stty size; read line; exit 4"],
    );
    (exec.terminal, exec.stdin, exec.console_size) = (true, true, Some((101, 42)));
    let mut started = host.begin(&exec).unwrap();
    started.client.wait_for(b"/dev/pts/0\r\n42 101\r\n");
    started.client.type_in(b"\r");
    assert_eq!(started.finish().exit.code, 4);
}

#[test]
fn programs_that_cannot_run_fail_as_at_the_start_and_leave_nothing() {
    let host = Host::start();
    let failed = |args: &[&str]| host.failure(&exec_of(&host.plan, args));
    assert_eq!(
        failed(&["foo"]),
        (
            ErrorKind::CommandNotFound,
            "exec: \"foo\": executable file not found in $PATH".into()
        )
    );
    assert_eq!(failed(&["/etc/passwd"]).0, ErrorKind::CommandNotExecutable);
    let mut exec = exec_of(&host.plan, &["true"]);
    exec.user = "nobody-knows".into();
    assert!(
        host.failure(&exec)
            .1
            .contains("unable to find user nobody-knows")
    );
    let mut exec = exec_of(&host.plan, &["true"]);
    exec.cwd = "/missing".into();
    assert_eq!(host.failure(&exec).0, ErrorKind::InvalidArgument);
    assert!(host.machine.runtime.known_execs(&host.plan.id).is_empty());
}

#[test]
fn it_ends_with_its_container() {
    let mut host = Host::start();
    let exec = exec_of(&host.plan, &["sleep", "1000"]);
    let started = host.begin(&exec).unwrap();
    host.end();
    assert_eq!(started.finish().exit.code, 137);
    let late = host
        .machine
        .runtime
        .exec(&exec_of(&host.plan, &["true"]), vec![]);
    assert!(late.is_err());
}

#[test]
fn another_daemon_finds_it_again() {
    let host = Host::start();
    let mut exec = exec_of(&host.plan, &["sh", "-c", "read line; exit 9"]);
    exec.stdin = true;
    let mut started = host.begin(&exec).unwrap();
    let second = host.machine.reopen();
    assert_eq!(
        second.known_execs(&host.plan.id),
        [exec.process.exec.clone().unwrap()]
    );
    let again = second.reconnect(&exec.process).unwrap();
    assert_eq!(again.pid, started.running.pid);
    started.client.type_in(b"x\n");
    assert_eq!(exit(&again.shim).code, 9);
    assert_eq!(second.recorded_exit(&exec.process).unwrap().code, 9);
    drop((again, started));
    host.machine.runtime.forget_exec(&exec.process).unwrap();
    assert!(second.known_execs(&host.plan.id).is_empty());
}

#[test]
fn what_it_leaves_behind_does_not_keep_it() {
    let host = Host::start();
    let begin = Instant::now();
    let outcome = host.sh("sleep 1000 & echo mine; while :; do echo noise; done & exit 3");
    assert_eq!(outcome.exit.code, 3);
    assert!(outcome.out().starts_with("mine"), "{outcome:?}");
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn nothing_of_the_hosts_is_open_in_it() {
    let host = Host::start();
    let outcome = host.sh("ls -l /proc/self/fd; cat /proc/self/fdinfo/* 2>/dev/null | wc -l");
    let listed: Vec<_> = outcome
        .stdout
        .split(|b| *b == b'\n')
        .map(|l| String::from_utf8_lossy(l).into_owned())
        .filter(|l| l.contains(" -> "))
        .collect();
    for line in &listed {
        let target = line.split(" -> ").nth(1).unwrap();
        let fine = target == "/dev/null" || target.starts_with("pipe:") || target.contains("/fd");
        assert!(fine, "{listed:?}");
    }
}

#[test]
fn a_working_directory_behind_a_descriptor_is_refused() {
    let host = Host::start();
    for n in 0..20 {
        for path in [
            format!("/proc/self/fd/{n}"),
            format!("/proc/1/fd/{n}"),
            "/proc/self/cwd".into(),
        ] {
            let mut exec = exec_of(&host.plan, &["pwd"]);
            exec.cwd = path.clone().into();
            assert!(host.run(&exec).is_err(), "{path}");
        }
    }
    let link = host.machine.rootfs().join("link");
    std::os::unix::fs::symlink("/proc/self/fd/7", link).unwrap();
    let mut exec = exec_of(&host.plan, &["pwd"]);
    exec.cwd = "/link".into();
    assert!(host.run(&exec).is_err());
}

#[test]
fn the_shims_binary_cannot_be_reached_or_changed() {
    let host = Host::start();
    let exec = exec_of(&host.plan, &["/proc/self/exe", "sh", "-c", "echo ran"]);
    // What it executes is our own program, sealed and without a connection.
    match host.run(&exec) {
        Ok(outcome) => assert_ne!(outcome.exit.code, 0, "{outcome:?}"),
        Err(error) => assert!(error.to_string().contains("exec"), "{error}"),
    }
    let script = "for p in /proc/[0-9]*; do readlink $p/exe; ls -l $p/fd; done 2>&1";
    let seen = host.sh(script).out();
    assert!(
        !seen.contains("bulkhead") && !seen.contains("memfd"),
        "{seen}"
    );
}

/// The container swaps what an exec reads for links to the host's files.
#[test]
fn swapped_files_and_a_forged_proc_lead_nowhere() {
    let machine = Machine::new();
    let secret = machine.temp.path().join("passwd");
    std::fs::write(&secret, "trap:x:4242:4242::/:/bin/sh\n").unwrap();
    let script = format!(
        "exec >/dev/null 2>&1; cp /etc/passwd /tmp/good; while :; do \
         ln -sf {0} /tmp/link; mv -f /tmp/link /etc/passwd; \
         ln -sf /proc/1/root{0} /tmp/link; mv -f /tmp/link /etc/passwd; \
         cp /tmp/good /tmp/copy; mv -f /tmp/copy /etc/passwd; done",
        secret.display()
    );
    let plan = machine.sh(&script);
    let host = Host::of(machine, plan);
    for _ in 0..support::times(30, 500) {
        let mut exec = exec_of(&host.plan, &["true"]);
        exec.user = "trap".into();
        assert!(host.run(&exec).is_err());
    }
    let machine = Machine::new();
    let mut plan = machine
        .sh("mount -t tmpfs none /proc && mkdir -p /proc/self/fd /proc/1 && mount -t tmpfs none /dev/pts && \
             mkdir /dev/pts/ptmx && echo forged && sleep 1000");
    plan.capabilities |= 1 << 21;
    plan.seccomp = bulkhead_model::process::SeccompProfile::Unconfined;
    let mut host = Host::of(machine, plan);
    host.started.as_mut().unwrap().client.wait_for(b"forged");
    let mut exec = exec_of(&host.plan, &["sh", "-c", "echo ran"]);
    exec.oom_score_adj = 5;
    assert_eq!(host.run(&exec).unwrap().out(), "ran");
    let mut exec = exec_of(&host.plan, &["sh"]);
    exec.terminal = true;
    assert!(host.failure(&exec).1.contains("/dev/pts is not a devpts"));
}

#[test]
fn a_container_that_ends_meanwhile_never_hangs_an_exec() {
    let machine = Machine::new();
    for _ in 0..support::times(20, 300) {
        let plan = machine.plan(&["sleep", "0.02"]);
        let started = machine.start(&plan).unwrap();
        let until = Instant::now() + Duration::from_millis(60);
        while Instant::now() < until {
            let exec = exec_of(&plan, &["true"]);
            let (mut client, attachment) = client(&plan);
            if machine.runtime.exec(&exec, vec![attachment]).is_ok() {
                let mut rest = Vec::new();
                client.socket.read_to_end(&mut rest).unwrap();
            }
        }
        exit(&started.running.shim);
        machine.runtime.cleanup(&plan.id).unwrap();
        assert!(machine.runtime.reconnect(&first(&plan)).is_err());
    }
}
