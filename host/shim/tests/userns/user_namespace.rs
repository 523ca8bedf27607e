//! Containers in a user namespace of their own.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::support::{Machine, client, exec_like};
use bulkhead_model::network::NetworkPlan;
use bulkhead_model::process::{
    BindMount, ContainerPlan, IdMap, InjectedFile, ProcessRef, Runtime as _,
};
use bulkhead_model::storage::{DirName, DirPath, RootMount};
use bulkhead_model::{ErrorKind, ExecId};

const ROOT: u32 = 300_000;
const MAP: IdMap = IdMap {
    inside: 0,
    host: ROOT,
    count: 65_536,
};

fn remapped(machine: &Machine, script: &str) -> ContainerPlan {
    let mut plan = machine.sh(script);
    plan.user_namespace = vec![MAP];
    plan
}

/// The machine's root filesystem below an empty writable layer.
fn over(machine: &Machine, mut plan: ContainerPlan) -> ContainerPlan {
    let base = machine.rootfs().parent().unwrap().to_owned();
    let dir = |names: &[&str]| DirPath(names.iter().map(|n| DirName::new(n).unwrap()).collect());
    for name in ["snap/upper", "snap/work", "below"] {
        std::fs::create_dir_all(base.join(name)).unwrap();
    }
    plan.rootfs = RootMount::Overlay {
        lower: vec![dir(&["below"]), dir(&["root"])],
        upper: Some((dir(&["snap", "upper"]), dir(&["snap", "work"]))),
        options: Vec::new(),
    };
    plan
}

#[test]
fn a_process_that_joins_is_in_the_user_namespace_too() {
    let machine = Machine::new();
    let plan = remapped(&machine, "sleep 1000");
    let started = machine.start(&plan).unwrap();
    let exec = ExecId::from_bytes(bulkhead_sys::random::bytes().unwrap());
    let mut like = plan.clone();
    like.args = vec![
        "sh".into(),
        "-c".into(),
        "id -u; cat /proc/self/uid_map; mount -t tmpfs x /tmp; sleep 1000".into(),
    ];
    let (mut client, attachment) = client(&like);
    let exec = exec_like(&like, &exec);
    let running = machine.runtime.exec(&exec, vec![attachment]).unwrap();
    client.wait_for(b"denied");
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let link = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert_eq!(link(running.pid), link(started.running.pid));
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid)).unwrap();
    assert!(
        status.contains(&format!("Uid:\t{ROOT}\t{ROOT}\t{ROOT}\t{ROOT}")),
        "{status}"
    );
    machine
        .runtime
        .signal(&ProcessRef::first(&plan.id), 9)
        .unwrap();
    started.finish();
    machine.runtime.cleanup(&plan.id).unwrap();
}

#[test]
fn an_init_of_ours_is_in_the_user_namespace_too() {
    let machine = Machine::new();
    let mut plan = remapped(
        &machine,
        "grep ^Uid /proc/1/status; cat /proc/1/maps; exit 3",
    );
    plan.init = true;
    let outcome = machine.run(&plan);
    assert_eq!(outcome.exit.code, 3, "{outcome:?}");
    assert_eq!(outcome.out(), "Uid:\t0\t0\t0\t0");
    assert!(outcome.err().contains("Permission denied"), "{outcome:?}");
}

#[test]
fn root_inside_is_nobody_special_outside() {
    let machine = Machine::new();
    let mut plan = remapped(
        &machine,
        "id -u; cat /proc/self/uid_map /proc/self/gid_map; cat",
    );
    plan.stdin = true;
    plan.stdin_once = true;
    let started = machine.start(&plan).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", started.running.pid)).unwrap();
    for field in ["Uid", "Gid"] {
        let line = status.lines().find(|l| l.starts_with(field)).unwrap();
        let ids: Vec<u32> = line
            .split_whitespace()
            .skip(1)
            .map(|id| id.parse().unwrap())
            .collect();
        assert_eq!(ids, [ROOT; 4], "{line}");
    }
    let groups = status.lines().find(|l| l.starts_with("Groups")).unwrap();
    assert!(!groups.split_whitespace().any(|g| g == "0"), "{groups}");
    started.client.close_input();
    let outcome = started.finish();
    machine.runtime.cleanup(&plan.id).unwrap();
    let words: Vec<_> = outcome
        .out()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    assert_eq!(words, ["0", "0", "300000", "65536", "0", "300000", "65536"]);
}

#[test]
fn namespaces_belong_to_it_and_mounts_cannot_be_taken_off() {
    let machine = Machine::new();
    let mut plan = remapped(
        &machine,
        "ls -l /proc/self/ns; hostname; hostname other && hostname; umount /proc/kcore; mount -o remount,rw /sys; mount -t tmpfs t /tmp && echo mounted",
    );
    plan.capabilities = u64::MAX;
    plan.seccomp = bulkhead_model::process::SeccompProfile::Unconfined;
    let outcome = machine.run(&plan);
    let out = outcome.out();
    for name in ["mnt", "pid", "ipc", "uts", "net", "cgroup", "user"] {
        let ours = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert!(out.contains(&format!("{name}:[")), "{out}");
        assert!(
            !out.contains(ours.to_str().unwrap()),
            "{name} is the host's"
        );
    }
    assert!(out.contains(&plan.hostname), "{out}");
    assert!(out.ends_with("other\nmounted"), "{outcome:?}");
    assert_eq!(outcome.err().lines().count(), 2, "{outcome:?}");
}

#[test]
fn files_look_the_same_inside_and_on_the_disk() {
    let machine = Machine::new();
    let script = "stat -c '%u:%g' / /etc/passwd /bin/busybox; echo x > /etc/new; mkdir -p /a/b; chown 33:44 /a/b; rm /etc/group; echo y >> /etc/passwd; stat -c '%u:%g' /etc/new /a/b /etc/passwd";
    for overlay in [true, false] {
        let mut plan = remapped(&machine, script);
        if overlay {
            plan = over(&machine, plan);
        }
        let outcome = machine.run(&plan);
        assert_eq!(
            outcome.out().split_whitespace().collect::<Vec<_>>(),
            ["0:0", "0:0", "0:0", "0:0", "33:44", "0:0"],
            "{outcome:?}"
        );
        let upper = if overlay {
            machine.rootfs().parent().unwrap().join("snap/upper")
        } else {
            machine.rootfs()
        };
        let owner = |path: &str| {
            let found = std::fs::symlink_metadata(upper.join(path)).unwrap();
            (found.uid(), found.gid())
        };
        assert_eq!(owner("etc/new"), (0, 0));
        assert_eq!(owner("etc/passwd"), (0, 0));
        assert_eq!(owner("a/b"), (33, 44));
    }
}

#[test]
fn the_same_writable_layer_serves_with_and_without() {
    let machine = Machine::new();
    let first = over(&machine, remapped(&machine, "echo one > /file"));
    assert_eq!(machine.run(&first).exit.code, 0);
    let second = over(&machine, machine.sh("stat -c %u /file; echo two >> /file"));
    assert_eq!(machine.run(&second).out(), "0");
    let third = over(&machine, remapped(&machine, "stat -c %u /file; cat /file"));
    assert_eq!(machine.run(&third).out(), "0\none\ntwo");
}

#[test]
fn devices_work_and_none_can_be_made() {
    let machine = Machine::new();
    let plan = remapped(
        &machine,
        "echo x > /dev/null; head -c2 /dev/zero | wc -c; stat -c '%u %t:%T %a' /dev/null /dev/shm; echo s > /dev/shm/s; cat /dev/shm/s; stat -c %u /dev/mqueue; mknod /tmp/mem c 1 1",
    );
    let outcome = machine.run(&plan);
    assert_eq!(
        outcome.out().lines().collect::<Vec<_>>(),
        ["2", "0 1:3 666", "0 0:0 1777", "s", "0"],
        "{outcome:?}"
    );
    assert!(outcome.err().contains("not permitted"), "{outcome:?}");
}

#[test]
fn a_terminal_belongs_to_it() {
    let machine = Machine::new();
    let mut plan = remapped(
        &machine,
        "tty; stat -c '%u:%g' /dev/pts/0; echo x > /dev/tty",
    );
    plan.terminal = true;
    let outcome = machine.run(&plan);
    assert_eq!(outcome.exit.code, 0, "{outcome:?}");
    assert!(outcome.out().contains("0:5"), "{outcome:?}");
}

#[test]
fn what_is_masked_stays_masked_and_the_host_out_of_reach() {
    let machine = Machine::new();
    let out = machine
        .run(&remapped(
            &machine,
            "cat /proc/kcore /proc/keys | wc -c; echo 1 > /proc/sys/vm/swappiness || echo refused; cat /proc/self/oom_score_adj; grep Seccomp: /proc/self/status; ls /proc/self/fd | wc -l; ls /sys/class/net",
        ))
        .out();
    assert_eq!(
        out.split_whitespace().collect::<Vec<_>>(),
        ["0", "refused", "0", "Seccomp:", "2", "4", "lo"]
    );
}

#[test]
fn its_network_belongs_to_it() {
    let machine = Machine::new();
    let mut plan = remapped(
        &machine,
        "cat /proc/sys/net/ipv4/ip_forward; cat /proc/sys/kernel/shmmax; (nc -l -p 80 -w 1; true) & sleep 0.2; grep -c ':0050 ' /proc/net/tcp /proc/net/tcp6 | cut -d: -f2 | sort | tail -1; ping -c1 -W1 127.0.0.1 | grep -c '1 packets received'",
    );
    plan.sysctls = vec![
        ("net.ipv4.ip_forward".into(), "1".into()),
        ("kernel.shmmax".into(), "4096".into()),
    ];
    let outcome = machine.run(&plan);
    assert_eq!(
        outcome.out().lines().collect::<Vec<_>>(),
        ["1", "4096", "1", "1"],
        "{outcome:?}"
    );
}

#[test]
fn users_of_the_image_and_working_directories_are_found() {
    let machine = Machine::new();
    let mut plan = remapped(
        &machine,
        "id -u; id -G; pwd; touch /tmp/mine; stat -c %u /tmp/mine",
    );
    plan.user = "web".into();
    plan.cwd = "/made/up".into();
    let outcome = machine.run(&plan);
    assert_eq!(
        outcome.out().lines().collect::<Vec<_>>(),
        ["33", "33 44", "/made/up", "33"],
        "{outcome:?}"
    );
    plan.cwd = "/proc/self/fd/5".into();
    assert!(machine.try_run(&plan).is_err());
    symlink("/proc/self/fd/5", machine.rootfs().join("link")).unwrap();
    plan.cwd = "/link".into();
    assert!(machine.try_run(&plan).is_err());
}

#[test]
fn binds_are_the_hosts_and_volumes_and_injected_files_its_own() {
    let machine = Machine::new();
    let (bind, volume) = (
        machine.temp.path().join("bind"),
        machine.temp.path().join("volume"),
    );
    for dir in [&bind, &volume] {
        std::fs::create_dir(dir).unwrap();
    }
    std::fs::write(bind.join("secret"), "x").unwrap();
    std::fs::set_permissions(bind.join("secret"), PermissionsExt::from_mode(0o600)).unwrap();
    let mut plan = remapped(
        &machine,
        "cat /bind/secret; touch /bind/new; echo v > /etc/v && stat -c %u /etc /etc/passwd; cat /hosts; echo more >> /hosts; stat -c %u /hosts",
    );
    let mount = |source: &std::path::Path, target: &str, copy_up| BindMount {
        source: source.to_owned(),
        target: target.into(),
        copy_up,
        ..Default::default()
    };
    plan.mounts = vec![mount(&bind, "/bind", false), mount(&volume, "/etc", true)];
    plan.files = vec![InjectedFile {
        name: "hosts",
        target: "/hosts".into(),
        content: b"here\n".to_vec(),
        of: None,
    }];
    let outcome = machine.run(&plan);
    assert_eq!(
        outcome.out().lines().collect::<Vec<_>>(),
        ["0", "0", "here", "0"],
        "{outcome:?}"
    );
    assert_eq!(outcome.err().matches("denied").count(), 2, "{outcome:?}");
    assert_eq!(std::fs::metadata(volume.join("v")).unwrap().uid(), ROOT);
}

#[test]
fn a_privileged_container_or_a_mapping_without_root_is_refused() {
    let machine = Machine::new();
    let mut plan = remapped(&machine, "true");
    plan.privileged = true;
    let error = machine.try_run(&plan).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    assert!(
        error
            .to_string()
            .contains("incompatible with user namespaces")
    );
    plan.privileged = false;
    plan.user_namespace[0].inside = 1;
    assert_eq!(
        machine.try_run(&plan).unwrap_err().kind,
        ErrorKind::InvalidArgument
    );
    let shared = NetworkPlan::default();
    plan.user_namespace = vec![MAP, MAP];
    assert!(machine.runtime.start(&plan, &shared, Vec::new()).is_err());
    assert!(machine.runtime.known().is_empty());
}

#[test]
fn several_ranges_make_one_namespace() {
    let machine = Machine::new();
    let mut plan = remapped(&machine, "touch /tmp/a; chown 40 /tmp/a; stat -c %u /tmp/a");
    plan.user_namespace = vec![
        IdMap { count: 10, ..MAP },
        IdMap {
            inside: 10,
            host: 900_000,
            count: 100,
        },
    ];
    assert_eq!(machine.run(&plan).out(), "40");
    let owner = std::fs::metadata(machine.rootfs().join("tmp/a")).unwrap();
    assert_eq!(owner.uid(), 40);
}
