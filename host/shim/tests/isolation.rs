//! What a container sees, and what it cannot do.

mod support;

use std::os::unix::fs::MetadataExt;

use bulkhead_model::ErrorKind;
use bulkhead_model::process::BindMount;
use support::{DOCKER_CAPABILITIES, Machine};

#[test]
fn namespaces_are_its_own() {
    let machine = Machine::new();
    let plan = machine.sh("echo $$; hostname; ls /proc/self/ns; readlink /proc/self/ns/*");
    let out = machine.run(&plan).out();
    assert_eq!(out.lines().next(), Some("1"));
    assert_eq!(out.lines().nth(1), Some(plan.hostname.as_str()));
    for name in ["mnt", "pid", "ipc", "uts", "net", "cgroup"] {
        let ours = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert!(
            !out.contains(ours.to_str().unwrap()),
            "{name} is the host's"
        );
    }
}

#[test]
fn the_hosts_mounts_are_out_of_sight() {
    let machine = Machine::new();
    let mounts = machine.output("cut -d' ' -f5 /proc/self/mountinfo");
    for mount in mounts.lines() {
        let known = ["/proc", "/sys", "/dev"]
            .iter()
            .any(|p| mount == *p || mount.starts_with(&format!("{p}/")));
        assert!(known || mount == "/", "{mount}");
    }
    assert_eq!(mounts.lines().filter(|m| *m == "/").count(), 1);
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(
        !table.contains(machine.temp.path().to_str().unwrap()),
        "{table}"
    );
}

#[test]
fn no_descriptor_of_the_hosts_leaks() {
    let machine = Machine::new();
    // 3 is the directory that ls itself reads.
    assert_eq!(
        machine
            .output("ls /proc/self/fd")
            .split_whitespace()
            .collect::<Vec<_>>(),
        ["0", "1", "2", "3"]
    );
    let links = machine
        .run(&machine.plan(&["ls", "-l", "/proc/self/fd"]))
        .out();
    for line in links.lines().filter(|l| l.contains("->")) {
        assert!(
            ["pipe:", "/dev/null", "/proc/"]
                .iter()
                .any(|ok| line.contains(ok)),
            "{line}"
        );
    }
}

#[test]
fn capability_sets_are_dockers_and_nothing_is_inherited() {
    let machine = Machine::new();
    let sets = |user: &str| {
        let mut plan = machine.sh("grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status");
        plan.user = user.to_owned();
        machine.run(&plan).out()
    };
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|l| l.starts_with(name)).unwrap();
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    let root = sets("");
    for name in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(field(&root, name), DOCKER_CAPABILITIES, "{name}");
    }
    let web = sets("web");
    assert_eq!(
        (
            field(&web, "CapPrm"),
            field(&web, "CapEff"),
            field(&web, "CapBnd")
        ),
        (0, 0, DOCKER_CAPABILITIES)
    );
    for text in [&root, &web] {
        assert_eq!(
            (
                field(text, "CapInh"),
                field(text, "CapAmb"),
                field(text, "Seccomp:")
            ),
            (0, 0, 2)
        );
    }
    let mut plan = machine.sh("grep NoNewPrivs /proc/self/status");
    plan.no_new_privileges = true;
    plan.user = "web".into();
    assert!(machine.run(&plan).out().ends_with('1'));
}

#[test]
fn secrets_of_the_kernel_are_masked_and_controls_are_read_only() {
    let machine = Machine::new();
    assert_eq!(
        machine.output(
            "cat /proc/kcore /proc/keys /proc/timer_list /proc/interrupts 2>/dev/null | wc -c"
        ),
        "0"
    );
    assert_eq!(
        machine.output(
            "ls /sys/firmware /proc/scsi /proc/acpi 2>/dev/null | grep -v ':' | tr -d '\\n'"
        ),
        ""
    );
    for path in [
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/proc/irq/default_smp_affinity",
        "/sys/kernel/uevent_helper",
        "/sys/fs/cgroup/memory/release_agent",
        "/sys/fs/cgroup/memory/notify_on_release",
    ] {
        let outcome = machine.run(&machine.sh(&format!("[ ! -e {path} ] || echo x > {path}")));
        assert!(outcome.exit.code != 0 || outcome.err().is_empty(), "{path}");
        assert!(
            outcome.exit.code == 0
                || outcome.err().contains("Read-only")
                || outcome.err().contains("denied"),
            "{path} {outcome:?}"
        );
    }
    assert!(
        machine
            .run(&machine.sh("mount -o remount,rw /sys; mount -t tmpfs t /tmp; umount /proc"))
            .exit
            .code
            != 0
    );
}

#[test]
fn devices_are_dockers() {
    let machine = Machine::new();
    let names = machine.output("ls /dev");
    assert_eq!(
        names.split_whitespace().collect::<Vec<_>>(),
        [
            "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
            "stdin", "stdout", "tty", "urandom", "zero"
        ]
    );
    assert_eq!(
        machine.output("stat -c '%t:%T %a' /dev/null /dev/zero /dev/tty"),
        "1:3 666\n1:5 666\n5:0 666"
    );
    // mknod is allowed, opening what it made is not.
    let outcome = machine.run(&machine.sh("mknod /tmp/mem c 1 1 && cat /tmp/mem | head -c1"));
    assert!(outcome.err().contains("not permitted"), "{outcome:?}");
    assert_eq!(
        machine.output("df -k /dev/shm | tail -1 | awk '{print $2}'"),
        "65536"
    );
}

#[test]
fn the_system_call_filter_refuses_what_dockers_refuses() {
    let machine = Machine::new();
    let err = machine
        .run(&machine.sh("unshare -m true; mount -t proc p /tmp"))
        .err();
    assert_eq!(
        err.matches("not permitted").count() + err.matches("denied").count(),
        2,
        "{err}"
    );
    let mut open = machine.sh("grep Seccomp: /proc/self/status");
    open.seccomp = bulkhead_model::process::SeccompProfile::Unconfined;
    assert!(machine.run(&open).out().ends_with('0'));
}

#[test]
fn a_read_only_root_can_only_be_read() {
    let machine = Machine::new();
    let mut plan = machine.sh("touch /x; touch /dev/shm/y && echo shm");
    plan.read_only = true;
    let outcome = machine.run(&plan);
    assert!(outcome.err().contains("Read-only"), "{outcome:?}");
    assert_eq!(outcome.out(), "shm");
}

#[test]
fn an_image_that_makes_proc_or_dev_a_symlink_is_refused() {
    for name in ["proc", "sys", "dev"] {
        let machine = Machine::new();
        let victim = machine.temp.path().join("victim");
        std::fs::create_dir(&victim).unwrap();
        std::os::unix::fs::symlink(&victim, machine.rootfs().join(name)).unwrap();
        let error = machine.try_run(&machine.plan(&["true"])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Forbidden, "{error}");
        assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 0);
    }
}

#[test]
fn a_volume_on_proc_or_sys_is_refused() {
    let machine = Machine::new();
    for target in ["/proc", "/proc/sys", "/sys/fs", "/proc/self/attr"] {
        let mut plan = machine.plan(&["true"]);
        let source = machine.temp.path().to_owned();
        plan.mounts.push(BindMount {
            source,
            target: target.into(),
            ..Default::default()
        });
        assert!(machine.try_run(&plan).is_err(), "{target}");
    }
}

#[test]
fn a_mount_through_an_images_links_stays_inside() {
    let machine = Machine::new();
    let victim = machine.temp.path().join("victim");
    std::fs::create_dir(&victim).unwrap();
    std::os::unix::fs::symlink("/../../../../../../../..", machine.rootfs().join("up")).unwrap();
    std::os::unix::fs::symlink("/proc/1/root", machine.rootfs().join("magic")).unwrap();
    let source = machine.temp.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("f"), "x").unwrap();
    let mut plan = machine.sh("cat /new/place/f");
    plan.mounts.push(BindMount {
        source: source.clone(),
        target: "/up/new/place".into(),
        read_only: bulkhead_model::process::ReadOnly::Recursive,
        ..Default::default()
    });
    assert_eq!(machine.run(&plan).out(), "x");
    plan = machine.sh("true");
    plan.mounts.push(BindMount {
        source,
        target: "/magic/tmp".into(),
        read_only: bulkhead_model::process::ReadOnly::Recursive,
        ..Default::default()
    });
    assert!(machine.try_run(&plan).is_err());
}

#[test]
fn a_working_directory_cannot_be_a_leaked_descriptor() {
    let machine = Machine::new();
    for n in 0..12 {
        let mut plan = machine.plan(&["cat", "../../../../../../etc/shadow"]);
        plan.cwd = format!("/proc/self/fd/{n}").into();
        assert!(machine.try_run(&plan).is_err(), "{n}");
        std::os::unix::fs::symlink(&plan.cwd, machine.rootfs().join(format!("link{n}"))).unwrap();
        plan.cwd = format!("/link{n}").into();
        assert!(machine.try_run(&plan).is_err(), "{n} by a link");
    }
}

#[test]
fn a_missing_working_directory_is_made() {
    let machine = Machine::new();
    let mut plan = machine.plan(&["pwd"]);
    plan.cwd = "/made/up".into();
    assert_eq!(machine.run(&plan).out(), "/made/up");
}

#[test]
fn a_program_that_is_proc_self_exe_reaches_no_file_of_ours() {
    let machine = Machine::new();
    let shim = env!("CARGO_BIN_EXE_bulkhead-shim");
    let before = (
        std::fs::read(shim).unwrap(),
        std::fs::metadata(shim).unwrap().mtime_nsec(),
    );
    let script = machine.rootfs().join("bin/evil");
    std::fs::write(&script, "#!/proc/self/exe\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    if let Ok(outcome) = machine.try_run(&machine.plan(&["/bin/evil"])) {
        assert_ne!(outcome.exit.code, 0);
    }
    // While pid 1 is still our code, a second container cannot write it either.
    assert_eq!(
        (
            std::fs::read(shim).unwrap(),
            std::fs::metadata(shim).unwrap().mtime_nsec()
        ),
        before
    );
}

#[test]
fn users_and_groups_come_from_the_image() {
    let machine = Machine::new();
    let id = |user: &str| {
        let mut plan = machine.sh("id -u; id -g; id -G; echo $HOME");
        plan.user = user.to_owned();
        machine.try_run(&plan).map(|o| o.out().replace('\n', " "))
    };
    assert_eq!(id("").unwrap(), "0 0 0 /root");
    assert_eq!(id("web").unwrap(), "33 33 33 44 /tmp");
    assert_eq!(id("1234").unwrap(), "1234 0 0 /");
    assert_eq!(id("1234:33").unwrap(), "1234 33 33 /");
    for bad in ["nobody", "4294967296", "-1", ":33", "0:nogroup"] {
        assert_eq!(
            id(bad).unwrap_err().kind,
            ErrorKind::InvalidArgument,
            "{bad}"
        );
    }
}

#[test]
fn a_hostile_passwd_does_not_hang_or_lead_out() {
    let machine = Machine::new();
    std::fs::remove_file(machine.rootfs().join("etc/passwd")).unwrap();
    std::os::unix::fs::symlink(
        "/../../../../etc/passwd",
        machine.rootfs().join("etc/passwd"),
    )
    .unwrap();
    let mut plan = machine.plan(&["true"]);
    plan.user = "daemon".into();
    assert!(machine.try_run(&plan).is_err());
    std::fs::remove_file(machine.rootfs().join("etc/passwd")).unwrap();
    let dir = bulkhead_sys::path::open_host_dir(machine.rootfs().join("etc")).unwrap();
    bulkhead_sys::directory::mknodat(&dir, "passwd", 0o010_644, 0).unwrap();
    assert!(machine.try_run(&plan).is_err());
}

#[test]
fn sysctls_are_set_inside_and_the_hosts_are_refused() {
    let machine = Machine::new();
    let mut plan = machine.sh("cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_forward");
    plan.sysctls = vec![
        ("kernel.shmmax".into(), "4096".into()),
        ("net.ipv4.ip_forward".into(), "1".into()),
    ];
    assert_eq!(machine.run(&plan).out(), "4096\n1");
    plan.sysctls = vec![("kernel.core_pattern".into(), "|/x".into())];
    assert_eq!(
        machine.try_run(&plan).unwrap_err().kind,
        ErrorKind::InvalidArgument
    );
}

#[test]
fn a_privileged_container_has_all_devices_and_writes_sysfs() {
    let machine = Machine::new();
    let mut plan = machine.sh("ls /dev | wc -l; grep -c kmsg /proc/mounts; grep 'sysfs /sys' /proc/mounts; grep CapEff /proc/self/status; cat /proc/kcore | head -c4 | wc -c");
    plan.privileged = true;
    plan.capabilities = u64::MAX;
    let out = machine.run(&plan).out();
    assert!(out.contains("sysfs /sys sysfs rw"), "{out}");
    let held = bulkhead_sys::process::capabilities().unwrap().permitted;
    assert!(out.contains(&format!("{held:016x}")), "{out}");
}

#[test]
fn files_of_the_image_keep_their_owners() {
    let machine = Machine::new();
    let uid = std::fs::metadata(machine.rootfs().join("etc/passwd"))
        .unwrap()
        .uid();
    assert_eq!(machine.output("stat -c %u /etc/passwd"), uid.to_string());
}
