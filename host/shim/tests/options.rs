//! What a user may ask for beyond the defaults, and what it does not open.

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;

use bulkhead_model::process::{
    BindMount, ContainerPlan, DeviceAccess, DeviceKind, DeviceMapping, DeviceRule, PathList, Peer,
    Propagation, ReadOnly, Runtime as _, SeccompAction, SeccompProfile, SeccompRule, SeccompRules,
    Sharing, TmpfsMount, TmpfsSetting,
};
use support::{Machine, first};

fn tmpfs(target: &str) -> TmpfsMount {
    TmpfsMount {
        target: target.into(),
        ..TmpfsMount::default()
    }
}

#[test]
fn a_tmpfs_has_the_size_and_the_rights_that_were_asked_for() {
    let machine = Machine::new();
    let mut plan = machine.sh("grep -E ' /(t|tmp) ' /proc/mounts; stat -c %a:%u /t /tmp; cp /bin/busybox /tmp/b; /tmp/b true || echo noexec");
    plan.tmpfs.push(TmpfsMount {
        settings: vec![
            (TmpfsSetting::Size, "1m".into()),
            (TmpfsSetting::Mode, "700".into()),
        ],
        uid: Some(33),
        exec: true,
        ..tmpfs("/t")
    });
    plan.tmpfs.push(tmpfs("/tmp"));
    let out = machine.run(&plan).out();
    assert!(
        out.contains("/t tmpfs rw,nosuid,nodev,relatime,size=1024k,mode=700,uid=33"),
        "{out}"
    );
    assert!(out.contains("/tmp tmpfs rw,nosuid,nodev,noexec"), "{out}");
    // That of the directory below it.
    assert!(out.ends_with("700:33\n1777:0\nnoexec"), "{out}");
}

#[test]
fn a_tmpfs_or_a_device_behind_a_link_stays_inside() {
    let machine = Machine::new();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), machine.rootfs().join("out")).unwrap();
    let mut plan = machine.sh("touch /out/t/x && ls -l /out/null");
    plan.tmpfs.push(tmpfs("/out/t"));
    plan.devices.push(DeviceMapping {
        source: "/dev/null".into(),
        target: "/out/null".into(),
        access: DeviceAccess::ALL,
    });
    // The link's target is missing inside and is not made outside.
    assert!(machine.try_run(&plan).is_err());
    std::fs::create_dir_all(
        machine
            .rootfs()
            .join(outside.path().strip_prefix("/").unwrap()),
    )
    .unwrap();
    assert_eq!(machine.run(&plan).exit.code, 0);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn only_the_devices_that_were_asked_for_can_be_used() {
    let machine = Machine::new();
    let mut plan = machine.sh(
        "stat -c %t:%T /dev/lc; (: < /dev/lc) && echo read; (: > /dev/lc) || echo no write; \
         mknod /tmp/f c 10 229; (: < /tmp/f) && echo fuse; mknod /tmp/k c 1 11; (: < /tmp/k) || echo no kmsg",
    );
    plan.devices.push(DeviceMapping {
        source: "/dev/loop-control".into(),
        target: "/dev/lc".into(),
        access: DeviceAccess {
            write: false,
            ..DeviceAccess::ALL
        },
    });
    plan.device_rules.push(DeviceRule {
        kind: Some(DeviceKind::Character),
        major: Some(10),
        minor: Some(229),
        access: DeviceAccess::ALL,
    });
    let outcome = machine.run(&plan);
    assert_eq!(
        outcome.out(),
        "a:ed\nread\nno write\nfuse\nno kmsg",
        "{outcome:?}"
    );
    for missing in ["/dev/no-such", "/etc/passwd"] {
        plan.devices[0].source = missing.into();
        let refused = machine.try_run(&plan).unwrap_err().to_string();
        assert!(refused.contains(missing), "{refused}");
    }
}

#[test]
fn a_folder_of_devices_appears_with_all_of_them() {
    let machine = Machine::new();
    let mut plan = machine.sh("ls /dev/m/fuse; : < /dev/m/fuse && echo ok");
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mknod")
        .arg(folder.path().join("fuse"))
        .args(["c", "10", "229"])
        .status();
    assert!(made.unwrap().success());
    symlink("/dev/mem", folder.path().join("sneaky")).unwrap();
    plan.devices.push(DeviceMapping {
        source: folder.path().to_owned(),
        target: "/dev/m".into(),
        access: DeviceAccess::ALL,
    });
    assert_eq!(machine.run(&plan).out(), "/dev/m/fuse\nok");
}

fn closing(names: &[&str], action: SeccompAction) -> SeccompProfile {
    SeccompProfile::Custom(Arc::new(SeccompRules {
        otherwise: SeccompAction::Allow,
        compat: vec!["x86".into()],
        rules: vec![SeccompRule {
            names: names.iter().map(|n| (*n).to_owned()).collect(),
            action,
            arguments: Vec::new(),
            with_capabilities: 0,
            without_capabilities: 0,
        }],
    }))
}

#[test]
fn a_profile_of_the_users_own_is_enforced() {
    let machine = Machine::new();
    let mut plan = machine.sh("mkdir /tmp/x; echo $?; grep Seccomp: /proc/self/status");
    plan.seccomp = closing(&["mkdir", "mkdirat"], SeccompAction::Errno(1));
    for no_new_privileges in [false, true] {
        plan.no_new_privileges = no_new_privileges;
        let outcome = machine.run(&plan);
        assert!(
            outcome.err().contains("Operation not permitted"),
            "{outcome:?}"
        );
        assert_eq!(outcome.out(), "1\nSeccomp:\t2");
        assert!(!machine.rootfs().join("tmp/x").exists());
    }
    plan.seccomp = closing(&["mkdir", "mkdirat"], SeccompAction::KillProcess);
    plan.args = ["mkdir", "/tmp/x"].map(String::from).to_vec();
    assert_eq!(machine.run(&plan).exit.code, 128 + 31);
}

#[test]
fn a_profile_may_close_what_we_need_before_the_program_runs() {
    let machine = Machine::new();
    let mut plan = machine.sh("id -u");
    plan.user = "web".into();
    plan.seccomp = closing(
        &[
            "setgroups",
            "setgid",
            "setuid",
            "chdir",
            "fchdir",
            "getcwd",
            "prctl",
        ],
        SeccompAction::Errno(1),
    );
    assert_eq!(machine.run(&plan).out(), "33");
}

#[test]
fn lists_of_covered_and_protected_paths_replace_the_defaults() {
    let machine = Machine::new();
    std::fs::create_dir(machine.rootfs().join("secret")).unwrap();
    std::fs::write(machine.rootfs().join("secret/key"), "x").unwrap();
    symlink("/secret", machine.rootfs().join("alias")).unwrap();
    symlink("/../../etc/shadow", machine.rootfs().join("up")).unwrap();
    let mut plan = machine.sh(
        "ls /secret | wc -l; touch /usr/x || echo protected; echo 1 > /proc/sys/kernel/shmmni && echo open; \
         grep -q ' /proc/keys ' /proc/mounts || echo keys",
    );
    let given = |paths: &[&str]| PathList::Given(paths.iter().map(PathBuf::from).collect());
    plan.masked_paths = given(&["/alias", "/up", "/missing"]);
    plan.read_only_paths = given(&["/usr", "/missing/too"]);
    assert_eq!(machine.run(&plan).out(), "0\nprotected\nopen\nkeys");
    assert!(std::fs::metadata("/etc/shadow").unwrap().len() > 0);
}

#[test]
fn added_groups_are_looked_up_inside() {
    let machine = Machine::new();
    let mut plan = machine.sh("id -G");
    plan.groups = vec!["extra".into(), "4000".into()];
    let out = machine.run(&plan).out();
    let ids: Vec<&str> = out.split(' ').collect();
    assert!(ids.contains(&"44") && ids.contains(&"4000"), "{out}");
    plan.groups = vec!["nobody-knows".into()];
    assert!(machine.try_run(&plan).is_err());
    plan.groups = vec!["4294967296".into()];
    assert!(machine.try_run(&plan).is_err());
}

#[test]
fn a_shared_mount_shows_new_mounts_and_a_private_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    // Propagation needs a shared mount, in a namespace of our own.
    let run = move || {
        bulkhead_sys::mount::private_namespace().unwrap();
        let machine = Machine::new();
        let mount = |arguments: &[&str]| {
            let done = std::process::Command::new("mount").args(arguments).status();
            assert!(done.unwrap().success(), "{arguments:?}");
        };
        let path = folder.path().to_str().unwrap();
        mount(&["-t", "tmpfs", "none", path]);
        let bind = |propagation| {
            let mut plan = machine.sh("echo up; for i in $(seq 50); do grep -q ' /s/inner ' /proc/mounts && echo seen && exit; sleep 0.1; done");
            plan.mounts.push(BindMount {
                source: path.into(),
                target: "/s".into(),
                propagation,
                ..BindMount::default()
            });
            plan
        };
        let refused = machine.try_run(&bind(Propagation::Slave)).unwrap_err();
        assert!(
            refused
                .to_string()
                .ends_with("it is not a shared or slave mount"),
            "{refused}"
        );
        mount(&["--make-shared", path]);
        let inner = format!("{path}/inner");
        std::fs::create_dir(&inner).unwrap();
        for (propagation, seen) in [(Propagation::Slave, true), (Propagation::Private, false)] {
            let plan = bind(propagation);
            let running = machine.start(&plan).unwrap();
            mount(&["-t", "tmpfs", "none", &inner]);
            let outcome = running.finish();
            machine.runtime.cleanup(&plan.id).unwrap();
            assert_eq!(outcome.out().contains("seen"), seen, "{propagation:?}");
            bulkhead_sys::mount::unmount_lazily(&inner).unwrap();
        }
    };
    std::thread::spawn(run).join().unwrap();
}

#[test]
fn a_read_only_bind_protects_what_is_mounted_below_it_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let run = move || {
        bulkhead_sys::mount::private_namespace().unwrap();
        let machine = Machine::new();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let done = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "none"])
            .arg(&inner)
            .status();
        assert!(done.unwrap().success());
        let with = |read_only, non_recursive| {
            let mut plan = machine.sh("touch /s/x || echo no; touch /s/inner/x || echo no inner");
            plan.mounts.push(BindMount {
                source: folder.path().to_owned(),
                target: "/s".into(),
                read_only,
                non_recursive,
                ..BindMount::default()
            });
            machine.run(&plan).out()
        };
        assert_eq!(with(ReadOnly::Recursive, false), "no\nno inner");
        assert_eq!(with(ReadOnly::Top, false), "no");
        assert_eq!(with(ReadOnly::No, true), "");
        assert!(folder.path().join("x").exists());
        bulkhead_sys::mount::unmount_lazily(&inner).unwrap();
        assert!(inner.join("x").exists(), "the mount below was left out");
    };
    std::thread::spawn(run).join().unwrap();
}

fn joining(machine: &Machine, script: &str, pid: u32, donor: &ContainerPlan) -> ContainerPlan {
    let peer = Peer {
        id: donor.id.clone(),
        pid,
    };
    let mut plan = machine.sh(script);
    plan.shared.pid = Sharing::Container(peer.clone());
    plan.shared.ipc = Sharing::Container(peer);
    plan
}

#[test]
fn namespaces_of_a_running_container_are_joined() {
    let machine = Machine::new();
    let donor = machine.sh("echo here > /dev/shm/x; echo up; exec sleep 60");
    let mut running = machine.start(&donor).unwrap();
    running.client.wait_for(b"up");
    let script = "cat /dev/shm/x; ps | grep -c 'sleep 60'; readlink /proc/self/ns/ipc; echo $$";
    let plan = joining(&machine, script, running.running.pid, &donor);
    let out = machine.run(&plan).out();
    let ns = std::fs::read_link(format!("/proc/{}/ns/ipc", running.running.pid)).unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "here");
    assert_eq!(lines[2], ns.to_str().unwrap());
    assert_ne!(lines[3], "1", "it is not the first process there");
    // The donor lives on, and takes with it who joined.
    let plan = joining(
        &machine,
        "echo up; exec sleep 60",
        running.running.pid,
        &donor,
    );
    let mut joined = machine.start(&plan).unwrap();
    joined.client.wait_for(b"up");
    machine.runtime.cleanup(&donor.id).unwrap();
    let outcome = joined.finish();
    assert_eq!(outcome.exit.code, 137);
    machine.runtime.cleanup(&plan.id).unwrap();
}

#[test]
fn a_stopped_container_and_a_foreign_process_have_nothing_to_join() {
    let machine = Machine::new();
    let donor = machine.sh("true");
    machine.run(&donor);
    for pid in [1, std::process::id(), 4_000_000] {
        let plan = joining(&machine, "true", pid, &donor);
        let refused = machine.try_run(&plan).unwrap_err().to_string();
        assert!(refused.ends_with("is not running"), "{pid}: {refused}");
    }
}

/// On a tmpfs root too, where each folder has the magic of shared memory.
#[test]
fn a_donor_that_moves_its_shared_memory_away_gives_nothing_of_the_hosts() {
    for machine in [Machine::new(), Machine::new_in("/dev/shm")] {
        for place in ["ln -s /etc", "ln -s /", "mkdir"] {
            let script = format!("umount /dev/shm; rmdir /dev/shm; {place} /dev/shm");
            let mut donor = machine.sh(&format!("{script}; echo up; exec sleep 60"));
            donor.capabilities = u64::MAX >> (63 - 40);
            donor.seccomp = SeccompProfile::Unconfined;
            let mut running = machine.start(&donor).unwrap();
            running.client.wait_for(b"up");
            let plan = joining(&machine, "ls /dev/shm", running.running.pid, &donor);
            assert!(machine.try_run(&plan).is_err(), "{place}");
            machine.runtime.signal(&first(&donor), 9).unwrap();
            machine.runtime.cleanup(&donor.id).unwrap();
        }
    }
}

#[test]
fn a_missing_source_is_made_only_when_asked_for() {
    let machine = Machine::new();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("a/b");
    let mut plan = machine.sh("echo x > /s/f");
    plan.mounts.push(BindMount {
        source: source.clone(),
        target: "/s".into(),
        ..BindMount::default()
    });
    assert!(machine.try_run(&plan).is_err());
    plan.mounts[0].create_source = true;
    assert_eq!(machine.run(&plan).exit.code, 0);
    let made = std::fs::metadata(&source).unwrap();
    assert_eq!((made.uid(), made.permissions().mode() & 0o777), (0, 0o755));
    assert!(source.join("f").exists());
}

#[test]
fn a_path_below_a_volume_is_resolved_inside_it() {
    let machine = Machine::new();
    let volume = tempfile::tempdir().unwrap();
    std::fs::create_dir(volume.path().join("sub")).unwrap();
    std::fs::write(volume.path().join("sub/f"), "inside").unwrap();
    symlink("/etc", volume.path().join("away")).unwrap();
    let mut plan = machine.sh("cat /s/f");
    plan.mounts.push(BindMount {
        source: volume.path().to_owned(),
        subpath: Some("sub".into()),
        target: "/s".into(),
        ..BindMount::default()
    });
    assert_eq!(machine.run(&plan).out(), "inside");
    plan.mounts[0].subpath = Some("away".into());
    assert!(machine.try_run(&plan).is_err());
}
