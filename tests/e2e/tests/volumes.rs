//! Volumes as the docker client makes, shows and removes them.

use bulkhead_test_support::{Daemon, images};
use serde_json::Value;

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

#[test]
fn a_volume_keeps_what_containers_write_and_shows_itself_as_dockers_do() {
    let daemon = with_busybox();
    let made = daemon.docker(&["volume", "create", "--label", "tier=db", "data"]);
    assert_eq!(made.success(), "data\n");
    let run = |command: &str| {
        daemon.docker(&[
            "run", "--rm", "-v", "data:/d", "busybox", "sh", "-c", command,
        ])
    };
    run("echo kept > /d/file").success();
    assert_eq!(run("cat /d/file").success(), "kept\n");
    let shown: Value = daemon.request("GET", "/volumes/data").json();
    assert_eq!(shown["Driver"], "local");
    assert_eq!(shown["Scope"], "local");
    assert_eq!(shown["Labels"]["tier"], "db");
    assert_eq!(shown["Options"], Value::Null);
    let mountpoint = shown["Mountpoint"].as_str().unwrap();
    assert!(mountpoint.ends_with("/volumes/data/_data"), "{mountpoint}");
    let again = daemon.docker(&["volume", "create", "data"]);
    assert_eq!(again.success(), "data\n");
    assert_eq!(run("cat /d/file").success(), "kept\n");
}

#[test]
fn a_volume_in_use_stays() {
    let daemon = with_busybox();
    let create = ["create", "--name", "user", "-v", "data:/d", "busybox"];
    let id = daemon.docker(&create).success();
    let refused = daemon.docker(&["volume", "rm", "data"]).failure(1);
    let text = format!("remove data: volume is in use - [{}]", id.trim());
    assert!(refused.contains(&text), "{refused}");
    daemon.docker(&["volume", "prune", "-af"]).success();
    daemon.docker(&["rm", "user"]).success();
    daemon.docker(&["volume", "rm", "data"]).success();
    let gone = daemon.docker(&["volume", "rm", "data"]).failure(1);
    assert!(gone.contains("get data: no such volume"), "{gone}");
    daemon.docker(&["volume", "rm", "-f", "data"]).success();
}

#[test]
fn a_prune_takes_unnamed_volumes_unless_all_are_meant() {
    let daemon = with_busybox();
    daemon.docker(&["volume", "create", "named"]).success();
    let unnamed = daemon.docker(&["volume", "create"]).success();
    daemon
        .docker(&["create", "-v", "/kept", "busybox"])
        .success();
    let names = || daemon.docker(&["volume", "ls", "-q"]).success();
    assert_eq!(names().lines().count(), 3);
    let pruned = daemon.docker(&["volume", "prune", "-f"]).success();
    assert!(pruned.contains(unnamed.trim()), "{pruned}");
    assert!(!pruned.contains("named\n"), "{pruned}");
    let dangling = ["volume", "ls", "-q", "--filter", "dangling=true"];
    assert_eq!(daemon.docker(&dangling).success(), "named\n");
    daemon.docker(&["volume", "prune", "-af"]).success();
    assert_eq!(names().lines().count(), 1);
}

#[test]
fn what_the_local_driver_cannot_do_is_refused_by_name() {
    let daemon = with_busybox();
    for (arguments, text) in [
        (
            &["-o", "type=nfs", "data"][..],
            "create data: missing required option: \"device\"",
        ),
        (&["-o", "colour=red", "data"], "invalid option: \"colour\""),
        (&["-o", "size=1g", "data"], "no quota support"),
        (&["-d", "flocker", "data"], "plugin \"flocker\" not found"),
        (&["../data"], "includes invalid characters"),
        (&["d"], "volume name is too short"),
    ] {
        let refused = daemon.docker(&[&["volume", "create"], arguments].concat());
        let refused = refused.failure(1);
        assert!(refused.contains(text), "{refused}");
    }
    assert_eq!(daemon.docker(&["volume", "ls", "-q"]).success(), "");
    let unknown = daemon.docker(&["volume", "ls", "--filter", "colour=red"]);
    assert!(unknown.failure(1).contains("nvalid filter 'colour'"));
}

const TMPFS: [&str; 6] = [
    "-o",
    "type=tmpfs",
    "-o",
    "device=tmpfs",
    "-o",
    "o=size=1m,uid=1000",
];

fn mounted_below(daemon: &Daemon) -> usize {
    let folder = daemon.folder().to_str().unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let ours = |line: &&str| line.contains(&format!("{folder}/")) && line.contains("/_data ");
    mounts.lines().filter(ours).count()
}

#[test]
fn a_filesystem_is_there_from_a_volumes_first_container_to_its_last() {
    let mut daemon = with_busybox();
    let create = [&["volume", "create"][..], &TMPFS, &["scratch"]].concat();
    daemon.docker(&create).success();
    assert_eq!(mounted_below(&daemon), 0);
    let first = [
        "run",
        "-d",
        "--name",
        "first",
        "-v",
        "scratch:/s",
        "busybox",
        "sleep",
        "600",
    ];
    daemon.docker(&first).success();
    let run = |daemon: &Daemon, command: &str| {
        let run = [
            "run",
            "--rm",
            "-v",
            "scratch:/s",
            "busybox",
            "sh",
            "-c",
            command,
        ];
        daemon.docker(&run)
    };
    let shown = run(&daemon, "echo x > /s/f; grep ' /s ' /proc/mounts").success();
    assert!(shown.contains("size=1024k,uid=1000"), "{shown}");
    run(&daemon, "dd if=/dev/zero of=/s/big bs=1M count=2").failure(1);
    daemon.kill();
    daemon.start_again();
    assert_eq!(run(&daemon, "cat /s/f").success(), "x\n");
    let copied = daemon.docker(&["cp", "first:/s/f", "-"]).success();
    assert!(copied.contains("x\n"), "{copied:?}");
    daemon.docker(&["rm", "-f", "first"]).success();
    assert_eq!(mounted_below(&daemon), 0);
    assert_eq!(run(&daemon, "ls /s").success(), "");
}

#[test]
fn a_mount_left_by_a_killed_daemon_goes_when_nothing_uses_it() {
    let mut daemon = with_busybox();
    let create = [&["volume", "create"][..], &TMPFS, &["scratch"]].concat();
    daemon.docker(&create).success();
    let run = [
        "run",
        "-d",
        "--name",
        "user",
        "-v",
        "scratch:/s",
        "busybox",
        "sleep",
        "600",
    ];
    daemon.docker(&run).success();
    let format = ["inspect", "-f", "{{.State.Pid}}", "user"];
    let pid = daemon.docker(&format).success();
    daemon.kill();
    let pid = nix::unistd::Pid::from_raw(pid.trim().parse().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(mounted_below(&daemon), 1);
    daemon.start_again();
    bulkhead_test_support::wait_until(|| mounted_below(&daemon) == 0);
}

#[test]
fn a_directory_of_the_hosts_is_shown_and_never_removed() {
    let daemon = with_busybox();
    let folder = daemon.folder().join("mine");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("f"), "mine\n").unwrap();
    let device = format!("device={}", folder.display());
    let bind = [
        "volume",
        "create",
        "-o",
        "type=none",
        "-o",
        "o=bind,ro",
        "-o",
        &device,
        "bound",
    ];
    daemon.docker(&bind).success();
    let user = [
        "run",
        "-d",
        "--name",
        "user",
        "-v",
        "bound:/b",
        "busybox",
        "sh",
        "-c",
        "cat /b/f; touch /b/g; sleep 600",
    ];
    daemon.docker(&user).success();
    bulkhead_test_support::wait_until(|| {
        let logs = daemon.docker(&["logs", "user"]);
        logs.stderr.contains("Read-only file system") && logs.stdout == "mine\n"
    });
    daemon.docker(&["rm", "-f", "user"]).success();
    // Whatever is left over its directory is not walked into.
    let files = daemon.folder().join("data/volumes/bound/_data");
    let files = files.to_str().unwrap();
    let mount = std::process::Command::new("mount")
        .args(["--bind", folder.to_str().unwrap(), files])
        .status();
    assert!(mount.unwrap().success());
    daemon.docker(&["volume", "rm", "bound"]).success();
    assert_eq!(std::fs::read_to_string(folder.join("f")).unwrap(), "mine\n");
}

#[test]
fn a_source_that_is_not_there_is_named_and_holds_up_nothing() {
    let daemon = with_busybox();
    let bind = [
        "volume",
        "create",
        "-o",
        "type=none",
        "-o",
        "o=bind",
        "-o",
        "device=/nowhere/at/all",
        "gone",
    ];
    daemon.docker(&bind).success();
    let run = daemon.docker(&["run", "--rm", "-v", "gone:/g", "busybox", "true"]);
    let refused = run.failure(125);
    assert!(
        refused.contains("/volumes/gone/_data': failed to mount local volume")
            && refused.contains("/nowhere/at/all"),
        "{refused}"
    );
    daemon.docker(&["volume", "rm", "gone"]).success();
}

#[test]
fn a_backup_restores_files_with_all_they_have_and_at_once() {
    let daemon = with_busybox();
    let run = |command: &str| {
        let run = [
            "run", "--rm", "-v", "data:/d", "busybox", "sh", "-c", command,
        ];
        daemon.docker(&run)
    };
    run("chmod 750 /d; chown 5:6 /d; echo one > /d/f; ln /d/f /d/hard; ln -s f /d/soft; mkfifo /d/p; chmod 4711 /d/hard").success();
    let listing = "cd /d && stat -c '%n %f %u %g %h %Y' . * | grep -v '^\\. .* [0-9]*$'; stat -c '%a %u %g' /d; cat f";
    let before = run(listing).success();
    let archive = daemon.folder().join("data.tar");
    let archive = archive.to_str().unwrap();
    let backup = ["volume", "backup", "-o", archive, "data"];
    daemon.bulkhead(&backup).success();
    run("rm -r /d/*; echo other > /d/later; chmod 700 /d").success();
    let restore = ["volume", "restore", "-i", archive, "data"];
    assert_eq!(daemon.bulkhead(&restore).success(), "data\n");
    assert_eq!(run(listing).success(), before);
    run("test ! -e /d/later").success();
    // Into a volume that is not there yet.
    let other = ["volume", "restore", "-i", archive, "copy"];
    daemon.bulkhead(&other).success();
    let copy = ["run", "--rm", "-v", "copy:/d", "busybox", "cat", "/d/soft"];
    assert_eq!(daemon.docker(&copy).success(), "one\n");
}

#[test]
fn what_cannot_be_restored_leaves_a_volume_as_it_was() {
    let daemon = with_busybox();
    let run = |options: &[&str], command: &str| {
        let run = [
            &["run"][..],
            options,
            &["-v", "data:/d", "busybox", "sh", "-c", command],
        ]
        .concat();
        daemon.docker(&run)
    };
    run(&["--rm"], "echo kept > /d/f").success();
    let bad = daemon.folder().join("bad.tar");
    std::fs::write(&bad, vec![b'x'; 5000]).unwrap();
    let restore = ["volume", "restore", "-i", bad.to_str().unwrap(), "data"];
    daemon.bulkhead(&restore).failure(1);
    assert_eq!(run(&["--rm"], "cat /d/f").success(), "kept\n");
    let empty = daemon.folder().join("empty.tar");
    std::fs::write(&empty, vec![0; 1024]).unwrap();
    run(&["-d", "--name", "user"], "sleep 600").success();
    let restore = ["volume", "restore", "-i", empty.to_str().unwrap(), "data"];
    let refused = daemon.bulkhead(&restore).failure(1);
    assert!(refused.contains("used by running containers"), "{refused}");
    daemon.docker(&["rm", "-f", "user"]).success();
    assert_eq!(run(&["--rm"], "cat /d/f").success(), "kept\n");
    let folder = daemon.folder().join("data/volumes/data");
    let left = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(left, 1);
    // Nor is a volume made for it.
    let new = ["volume", "restore", "-i", bad.to_str().unwrap(), "new"];
    daemon.bulkhead(&new).failure(1);
    assert_eq!(daemon.docker(&["volume", "ls", "-q"]).success(), "data\n");
}

#[test]
fn one_restore_of_a_volume_goes_on_at_a_time_and_nobody_removes_it_meanwhile() {
    let daemon = with_busybox();
    daemon.docker(&["volume", "create", "data"]).success();
    let mut slow = daemon
        .bulkhead_command(&["volume", "restore", "data"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let staged = daemon.folder().join("data/volumes/data/_restored");
    bulkhead_test_support::wait_until(|| staged.exists());
    let empty = daemon.folder().join("empty.tar");
    std::fs::write(&empty, vec![0; 1024]).unwrap();
    let again = ["volume", "restore", "-i", empty.to_str().unwrap(), "data"];
    for refused in [
        daemon.bulkhead(&again),
        daemon.docker(&["volume", "rm", "data"]),
    ] {
        let said = refused.failure(1);
        assert!(said.contains("is being restored"), "{said}");
    }
    daemon.docker(&["volume", "prune", "-af"]).success();
    std::io::Write::write_all(&mut slow.stdin.take().unwrap(), &[0; 1024]).unwrap();
    assert!(slow.wait().unwrap().success());
    daemon.docker(&["volume", "rm", "data"]).success();
}

#[test]
fn a_daemon_killed_in_the_middle_of_a_restore_has_no_volume_made_for_it() {
    let mut daemon = with_busybox();
    let mut slow = daemon
        .bulkhead_command(&["volume", "restore", "new"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let folder = daemon.folder().join("data/volumes/new");
    bulkhead_test_support::wait_until(|| folder.join("_restored").exists());
    daemon.kill();
    assert!(!slow.wait().unwrap().success());
    daemon.start_again();
    assert_eq!(daemon.docker(&["volume", "ls", "-q"]).success(), "");
    assert!(!folder.exists());
}

#[test]
fn labels_of_a_volume_change() {
    let daemon = with_busybox();
    let create = [
        "volume", "create", "--label", "a=1", "--label", "b=2", "data",
    ];
    daemon.docker(&create).success();
    let update = [
        "volume",
        "update",
        "--label-add",
        "c=3",
        "--label-rm",
        "a",
        "data",
    ];
    daemon.bulkhead(&update).success();
    let shown: Value = daemon.request("GET", "/volumes/data").json();
    assert_eq!(shown["Labels"], serde_json::json!({"b": "2", "c": "3"}));
    daemon.bulkhead(&["volume", "update", "data"]).failure(1);
}

#[test]
fn options_of_a_mount_reach_the_driver_of_its_volume() {
    let daemon = with_busybox();
    let mount = "type=volume,src=made,dst=/m,volume-driver=local,volume-opt=type=tmpfs,volume-opt=device=tmpfs,\"volume-opt=o=size=2m,noexec\",volume-label=x=y";
    let run = [
        "run",
        "--rm",
        "--mount",
        mount,
        "busybox",
        "grep",
        " /m ",
        "/proc/mounts",
    ];
    let shown = daemon.docker(&run).success();
    assert!(
        shown.contains("noexec") && shown.contains("size=2048k"),
        "{shown}"
    );
    let shown: Value = daemon.request("GET", "/volumes/made").json();
    assert_eq!(shown["Options"]["type"], "tmpfs");
    assert_eq!(shown["Labels"]["x"], "y");
}

#[test]
fn events_say_who_mounts_a_volume_and_inspect_where_files_are() {
    let daemon = with_busybox();
    daemon.docker(&["volume", "create", "data"]).success();
    let run = [
        "run",
        "--name=user",
        "--mount=type=volume,src=data,dst=/d,readonly",
        "--mount=type=tmpfs,dst=/t",
        "busybox",
        "true",
    ];
    daemon.docker(&run).success();
    let until = daemon.request("GET", "/info").json()["SystemTime"].clone();
    let events = [
        "events",
        "--since=0",
        "--until",
        until.as_str().unwrap(),
        "--filter=volume=data",
        "--format={{.Action}} {{json .Actor.Attributes}}",
    ];
    let events = daemon.docker(&events).success();
    let shown: Value = daemon.request("GET", "/containers/user/json").json();
    let id = shown["Id"].as_str().unwrap();
    let mount = format!(
        r#"mount {{"container":"{id}","destination":"/d","driver":"local","propagation":"","read/write":"false"}}"#
    );
    let unmount = format!(r#"unmount {{"container":"{id}","driver":"local"}}"#);
    assert_eq!(events.lines().skip(1).collect::<Vec<_>>(), [mount, unmount]);
    let mounts = shown["Mounts"].as_array().unwrap();
    assert_eq!(mounts[0]["Mode"], "z");
    assert_eq!(
        (&mounts[1]["Type"], &mounts[1]["Destination"]),
        (&"tmpfs".into(), &"/t".into())
    );
    let upper = shown["GraphDriver"]["Data"]["UpperDir"].as_str().unwrap();
    assert!(upper.contains(id), "{upper}");
    let image: Value = daemon.request("GET", "/images/busybox/json").json();
    let layer = image["GraphDriver"]["Data"]["UpperDir"].as_str().unwrap();
    assert!(std::path::Path::new(layer).join("bin").is_dir(), "{layer}");
    let named = |name: &str| {
        let filter = format!("name={name}");
        daemon
            .docker(&["volume", "ls", "-q", "--filter", &filter])
            .success()
    };
    assert_eq!(
        (named("^da").as_str(), named("^at").as_str()),
        ("data\n", "")
    );
}
