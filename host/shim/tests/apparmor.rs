//! AppArmor profiles, where the kernel knows them: Debian's in the virtual
//! machine does, and so do many CI machines'.

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use bulkhead_model::ExecId;
use bulkhead_model::process::{ContainerPlan, Runtime as _};
use support::{Machine, Started, client, exec_like, first};

/// Allows everything but to write into one directory.
const PROFILE: &str = "profile bulkhead-test flags=(attach_disconnected,mediate_deleted) {
    file, capability, network, mount, remount, umount, pivot_root, signal, ptrace, unix,
    deny /tmp/** w,
}";

/// What a process says of itself, and what it may not do.
const SCRIPT: &str = "cat /proc/self/attr/current; echo x >/tmp/f || echo denied";

const CONFINED: &str = "bulkhead-test (enforce)\ndenied";

fn is_enabled() -> bool {
    std::fs::read_to_string("/sys/module/apparmor/parameters/enabled")
        .is_ok_and(|text| text.starts_with('Y'))
}

/// `-r` loads it, `-R` removes it.
fn parser(action: &str) {
    let mut child = Command::new("apparmor_parser")
        .args([action, "--skip-cache"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(PROFILE.as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_process_has_the_profile_it_was_given_or_does_not_start() {
    let machine = Machine::new();
    let with = |profile: &str| ContainerPlan {
        apparmor: Some(profile.into()),
        ..machine.sh(SCRIPT)
    };
    let refused = machine.try_run(&with("bulkhead-no-such")).unwrap_err();
    if !is_enabled() {
        let reason = "AppArmor is not enabled";
        assert!(refused.to_string().contains(reason), "{refused}");
        return;
    }
    let reason = "AppArmor profile bulkhead-no-such: No such file or directory";
    assert!(refused.to_string().contains(reason), "{refused}");
    parser("-r");
    for init in [false, true] {
        let plan = ContainerPlan {
            init,
            ..with("bulkhead-test")
        };
        assert_eq!(machine.run(&plan).out(), CONFINED);
    }
    assert_eq!(exec_into(&machine, &with("bulkhead-test")), CONFINED);
    parser("-R");
}

/// What the same program says as a second process of a container.
fn exec_into(machine: &Machine, like: &ContainerPlan) -> String {
    let plan = ContainerPlan {
        apparmor: like.apparmor.clone(),
        ..machine.plan(&["sleep", "1000"])
    };
    let first_process = machine.start(&plan).unwrap();
    let mut exec = exec_like(
        &plan,
        &ExecId::from_bytes(bulkhead_sys::random::bytes().unwrap()),
    );
    exec.args.clone_from(&like.args);
    exec.apparmor.clone_from(&like.apparmor);
    let (client, attachment) = client(&plan);
    let running = machine.runtime.exec(&exec, vec![attachment]).unwrap();
    let said = Started { running, client }.finish().out();
    machine.runtime.forget_exec(&exec.process).unwrap();
    machine.runtime.signal(&first(&plan), 9).unwrap();
    first_process.finish();
    machine.runtime.cleanup(&plan.id).unwrap();
    said
}
