//! `bulkhead run`: what users of `docker run` expect.

use bulkhead_test_support::{Daemon, images};

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

#[test]
fn the_embedded_hello_names_the_plugins_that_made_its_surroundings() {
    let daemon = Daemon::start();
    let said = daemon.bulkhead(&["run", "--rm", "hello"]).success();
    for word in [
        "storage-overlay 0.1.0",
        "network-bridge 0.1.0",
        "sha256:",
        "overlay",
        "pid",
        "seccomp",
    ] {
        assert!(said.contains(word), "{word} is missing in:\n{said}");
    }
}

#[test]
fn exit_codes_are_dockers() {
    let daemon = with_busybox();
    let status = |arguments: &[&str]| {
        daemon
            .bulkhead(&[&["run", "--rm"], arguments].concat())
            .status
    };
    assert_eq!(status(&["busybox", "true"]), Some(0));
    assert_eq!(status(&["busybox", "sh", "-c", "exit 42"]), Some(42));
    assert_eq!(status(&["busybox", "no-such-command"]), Some(127));
    assert_eq!(status(&["busybox", "/etc"]), Some(126));
    assert_eq!(status(&["--cap-add", "NOPE", "busybox", "true"]), Some(125));
    assert_eq!(status(&["--no-such-flag", "busybox"]), Some(125));
}

#[test]
fn a_command_that_is_not_there_is_named_and_nothing_is_left() {
    let daemon = with_busybox();
    let said = daemon
        .bulkhead(&["run", "--rm", "busybox", "no-such-command"])
        .failure(127);
    assert!(
        said.contains("exec: \"no-such-command\": executable file not found in $PATH"),
        "{said}"
    );
    assert_eq!(daemon.bulkhead(&["ps", "-aq"]).success(), "");
}

#[test]
fn output_input_and_environment_pass_through() {
    let daemon = with_busybox();
    let run = |arguments: &[&str]| {
        daemon
            .bulkhead(&[&["run", "--rm"], arguments].concat())
            .success()
    };
    assert_eq!(run(&["busybox", "echo", "hi"]), "hi\n");
    assert_eq!(
        run(&["-e", "A=1 2", "busybox", "sh", "-c", "echo $A"]),
        "1 2\n"
    );
    assert_eq!(run(&["-w", "/new/dir", "busybox", "pwd"]), "/new/dir\n");
    assert_eq!(run(&["-h", "box", "busybox", "hostname"]), "box\n");
    assert_eq!(
        run(&["-u", "1000:1001", "busybox", "sh", "-c", "id -u; id -g"]),
        "1000\n1001\n"
    );
    assert_eq!(run(&["--entrypoint", "echo", "busybox", "x"]), "x\n");
    let mut cat = daemon.bulkhead_command(&["run", "--rm", "-i", "busybox", "cat"]);
    let echoed = bulkhead_test_support::run_with_input(
        &mut cat,
        b"typed",
        std::time::Duration::from_secs(60),
    );
    assert_eq!(echoed.success(), "typed");
}

#[test]
fn standard_error_stays_apart_from_standard_output() {
    let daemon = with_busybox();
    let output = daemon.bulkhead(&[
        "run",
        "--rm",
        "busybox",
        "sh",
        "-c",
        "echo out; echo err >&2",
    ]);
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("out\n", "err\n")
    );
}

#[test]
fn a_large_output_arrives_whole() {
    let daemon = with_busybox();
    let output = daemon
        .bulkhead(&[
            "run",
            "--rm",
            "busybox",
            "sh",
            "-c",
            "yes | head -c 20000000",
        ])
        .success();
    assert_eq!(output.len(), 20_000_000);
}

#[test]
fn a_terminal_has_the_clients_size_and_passes_the_exit_code() {
    let daemon = with_busybox();
    let limit = std::time::Duration::from_secs(60);
    let mut terminal = daemon.terminal(&["run", "--rm", "-it", "busybox", "sh"]);
    terminal.wait_for("# ", limit);
    terminal.keys("stty size; tty\r");
    let shown = terminal.wait_for("/dev/pts/0", limit);
    assert!(shown.contains("24 80"), "{shown}");
    terminal.keys("exit 7\r");
    assert_eq!(terminal.wait(limit), Some(7));
}

#[test]
fn a_detached_container_is_listed_logged_stopped_and_removed() {
    let daemon = with_busybox();
    let id = daemon
        .bulkhead(&[
            "run",
            "-d",
            "--name",
            "web",
            "busybox",
            "sh",
            "-c",
            "echo started; exec sleep 1000",
        ])
        .success();
    assert_eq!(id.trim().len(), 64);
    let listed = daemon.bulkhead(&["ps"]).success();
    assert!(
        listed.contains("web") && listed.contains("busybox") && listed.contains("Up "),
        "{listed}"
    );
    assert_eq!(daemon.bulkhead(&["logs", "web"]).success(), "started\n");
    let taken = daemon
        .bulkhead(&["run", "--name", "web", "busybox", "true"])
        .failure(125);
    assert!(
        taken.contains("The container name \"/web\" is already in use by container"),
        "{taken}"
    );
    assert!(
        daemon
            .bulkhead(&["rm", "web"])
            .failure(1)
            .contains("container is running")
    );
    daemon.bulkhead(&["stop", "-t", "1", "web"]).success();
    assert!(
        daemon
            .bulkhead(&["ps", "-a"])
            .success()
            .contains("Exited (137)")
    );
    assert_eq!(daemon.bulkhead(&["wait", "web"]).success(), "137\n");
    daemon.bulkhead(&["rm", "web"]).success();
    assert_eq!(daemon.bulkhead(&["ps", "-aq"]).success(), "");
}

#[test]
fn a_container_that_is_started_again_keeps_its_files() {
    let daemon = with_busybox();
    daemon
        .bulkhead(&[
            "run",
            "--name",
            "again",
            "busybox",
            "sh",
            "-c",
            "echo x >> /file; wc -l < /file",
        ])
        .success();
    daemon.bulkhead(&["start", "again"]).success();
    daemon.bulkhead(&["wait", "again"]).success();
    assert_eq!(daemon.bulkhead(&["logs", "again"]).success(), "1\n2\n");
}

#[test]
fn both_storage_drivers_show_the_same_files() {
    let daemon = with_busybox();
    let script = "find /bin /etc /root | sort | md5sum; echo x > /new && cat /new";
    let on = |driver: &str| {
        daemon
            .bulkhead(&[
                "run",
                "--rm",
                "--storage-driver",
                driver,
                "busybox",
                "sh",
                "-c",
                script,
            ])
            .success()
    };
    assert_eq!(on("overlay"), on("vfs"));
    let kind = |driver: &str| {
        let script =
            "grep ' / / ' /proc/self/mountinfo || grep ' / ' /proc/self/mountinfo | head -1";
        daemon
            .bulkhead(&[
                "run",
                "--rm",
                "--storage-driver",
                driver,
                "busybox",
                "sh",
                "-c",
                script,
            ])
            .success()
    };
    assert!(kind("overlay").contains("- overlay "));
    assert!(!kind("vfs").contains("- overlay "));
    let unknown = daemon
        .bulkhead(&["run", "--rm", "--storage-driver", "tape", "busybox", "true"])
        .failure(125);
    let known = unknown.split_once("unknown storage driver \"tape\": this daemon has ");
    let (_, known) = known.unwrap_or_else(|| panic!("{unknown}"));
    let known = known.lines().next().unwrap_or_default();
    for driver in ["overlay", "vfs"] {
        assert!(known.split(", ").any(|name| name == driver), "{known}");
    }
}

#[test]
fn limits_are_seen_inside_and_impossible_ones_are_refused() {
    let daemon = with_busybox();
    let script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max";
    let shown = daemon
        .bulkhead(&[
            "run",
            "--rm",
            "-m",
            "64m",
            "--pids-limit",
            "50",
            "busybox",
            "sh",
            "-c",
            script,
        ])
        .success();
    assert_eq!(shown, "67108864\n50\n");
    let refused = |arguments: &[&str]| {
        daemon
            .bulkhead(&[&["run", "--rm"], arguments, &["busybox", "true"]].concat())
            .failure(125)
    };
    assert!(refused(&["-m", "1m"]).contains("Minimum memory limit allowed is 6MB"));
    assert!(refused(&["--cpus", "1000"]).contains("range of CPUs is from 0.01 to"));
}

#[test]
fn a_process_that_takes_too_much_memory_is_killed() {
    let daemon = with_busybox();
    let eat = "head -c 200m /dev/zero | tail";
    let status = daemon
        .bulkhead(&[
            "run",
            "-m",
            "32m",
            "--memory-swap",
            "32m",
            "--name",
            "eater",
            "busybox",
            "sh",
            "-c",
            eat,
        ])
        .status;
    assert_ne!(status, Some(0));
    assert!(
        daemon
            .bulkhead(&["inspect", "eater"])
            .success()
            .contains("\"OOMKilled\": true")
    );
}

#[test]
fn binds_and_volumes_are_mounted_and_volumes_outlive_containers() {
    let daemon = with_busybox();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in"), "from the host").unwrap();
    let bind = format!("{}:/data:ro", folder.path().display());
    assert_eq!(
        daemon
            .bulkhead(&["run", "--rm", "-v", &bind, "busybox", "cat", "/data/in"])
            .success(),
        "from the host"
    );
    let write = daemon
        .bulkhead(&["run", "--rm", "-v", &bind, "busybox", "touch", "/data/out"])
        .failure(1);
    assert!(write.contains("Read-only file system"), "{write}");
    daemon
        .bulkhead(&[
            "run",
            "--rm",
            "-v",
            "keep:/v",
            "busybox",
            "sh",
            "-c",
            "echo kept > /v/f",
        ])
        .success();
    assert_eq!(
        daemon
            .bulkhead(&["run", "--rm", "-v", "keep:/v", "busybox", "cat", "/v/f"])
            .success(),
        "kept\n"
    );
}

#[test]
fn a_read_only_root_cannot_be_written() {
    let daemon = with_busybox();
    let said = daemon
        .bulkhead(&["run", "--rm", "--read-only", "busybox", "touch", "/x"])
        .failure(1);
    assert!(said.contains("Read-only file system"), "{said}");
}

#[test]
fn a_signal_to_the_client_reaches_the_container() {
    let daemon = with_busybox();
    let script = "trap 'echo got it; exit 3' TERM; echo ready; while :; do sleep 0.1; done";
    let mut terminal = daemon.terminal(&["run", "--rm", "busybox", "sh", "-c", script]);
    terminal.wait_for("ready", std::time::Duration::from_secs(60));
    bulkhead_test_support::run(
        std::process::Command::new("kill")
            .arg("-TERM")
            .arg(terminal.pid().to_string()),
        std::time::Duration::from_secs(60),
    )
    .success();
    terminal.wait_for("got it", std::time::Duration::from_secs(60));
    assert_eq!(terminal.wait(std::time::Duration::from_secs(60)), Some(3));
}

#[test]
fn a_missing_image_says_what_was_tried() {
    let daemon = Daemon::start();
    let said = daemon
        .bulkhead(&["run", "--rm", "127.0.0.1:1/none:x"])
        .failure(125);
    assert!(
        said.contains("Unable to find image '127.0.0.1:1/none:x' locally"),
        "{said}"
    );
    assert!(
        said.contains("connection refused") || said.contains("Connection refused"),
        "{said}"
    );
    for bad in ["UPPER", "a b", "x@sha256:1"] {
        assert!(
            daemon
                .bulkhead(&["run", "--rm", bad])
                .failure(125)
                .contains("invalid reference format"),
            "{bad}"
        );
    }
}
