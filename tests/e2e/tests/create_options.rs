//! Options of `create`, as the real docker client sends them.

use bulkhead_test_support::{Daemon, images};
use serde_json::json;

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

fn sh<'a>(options: &[&'a str], script: &'a str) -> Vec<&'a str> {
    let mut all = vec!["run", "--rm"];
    all.extend(options);
    all.extend(["busybox", "sh", "-c", script]);
    all
}

#[test]
fn filesystems_devices_groups_and_profiles_come_from_the_client() {
    let daemon = with_busybox();
    let run = |options: &[&str], script: &str| daemon.docker(&sh(options, script)).success();
    let shown = run(
        &[
            "--tmpfs",
            "/t:size=1m,exec",
            "--mount",
            "type=tmpfs,dst=/u,tmpfs-mode=700",
        ],
        "grep -E ' /(t|u) ' /proc/mounts",
    );
    assert!(
        shown.contains("/t tmpfs rw,nosuid,nodev,relatime,size=1024k"),
        "{shown}"
    );
    assert!(
        shown.contains("/u tmpfs rw,nosuid,nodev,noexec,relatime,mode=700"),
        "{shown}"
    );
    let groups = run(&["--group-add", "44"], "id -G");
    assert!(groups.trim().split(' ').any(|g| g == "44"), "{groups}");
    assert_eq!(
        run(
            &["--device", "/dev/fuse:/dev/f:r"],
            "(: < /dev/f) && (: > /dev/f) || echo ro"
        ),
        "ro\n"
    );
    assert_eq!(
        run(&["--domainname", "d.example"], "hostname -f | cut -d. -f2-"),
        "d.example\n"
    );
    let profile = daemon.folder().join("profile.json");
    let rules = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]});
    std::fs::write(&profile, rules.to_string()).unwrap();
    let option = format!("seccomp={}", profile.display());
    assert_eq!(
        run(
            &["--security-opt", &option],
            "mkdir /x 2>/dev/null || echo refused"
        ),
        "refused\n"
    );
    assert_eq!(
        run(
            &["--security-opt", "systempaths=unconfined"],
            "grep -c ' /proc/' /proc/mounts || true"
        ),
        "0\n"
    );
}

#[test]
fn mounts_of_other_containers_are_taken_over() {
    let daemon = with_busybox();
    let folder = daemon.folder().join("made/by/v");
    let bind = format!("{}:/b", folder.display());
    daemon
        .docker(&[
            "create", "--name", "data", "-v", "kept:/k", "-v", &bind, "busybox", "true",
        ])
        .success();
    let script =
        "touch /k/x && echo kept; touch /b/x && echo bound; grep -cE ' /(k|b) ' /proc/mounts";
    let with = |from: &str, script: &str| daemon.docker(&sh(&["--volumes-from", from], script));
    // The source does not exist before the first start.
    assert!(!folder.exists());
    assert_eq!(with("data", script).success(), "kept\nbound\n2\n");
    assert!(folder.join("x").exists());
    assert_eq!(
        with("data:ro", "touch /k/y || echo read-only").success(),
        "read-only\n"
    );
    assert!(
        with("nobody", "true")
            .failure(125)
            .contains("No such container: nobody")
    );
}

#[test]
fn namespaces_are_joined_while_the_other_runs() {
    let daemon = with_busybox();
    let donor = [
        "run",
        "-d",
        "--name",
        "donor",
        "-h",
        "donor",
        "--ipc",
        "shareable",
        "busybox",
        "sh",
        "-c",
    ];
    let mut command = donor.to_vec();
    command.push("echo shared > /dev/shm/x; exec sleep 1000");
    daemon.docker(&command).success();
    let join = |options: &[&str], script: &str| daemon.docker(&sh(options, script));
    assert!(
        join(&["--pid", "container:donor"], "ps")
            .success()
            .contains("sleep 1000")
    );
    assert_eq!(
        join(&["--ipc", "container:donor"], "cat /dev/shm/x").success(),
        "shared\n"
    );
    let network = join(
        &["--network", "container:donor"],
        "hostname; tail -1 /etc/hosts; ip -4 -o addr show eth0",
    )
    .success();
    assert!(
        network.starts_with("donor\n") && network.contains("inet 10."),
        "{network}"
    );
    let refused = |options: &[&str]| join(options, "true").failure(125);
    assert!(
        refused(&["--network", "container:donor", "-p", "80:80"])
            .contains("port publishing and the container type network mode")
    );
    daemon.docker(&["stop", "-t", "0", "donor"]).success();
    for (option, what) in [("--pid", "PID"), ("--ipc", "IPC"), ("--network", "network")] {
        let told = refused(&[option, "container:donor"]);
        assert!(
            told.contains(&format!("cannot join {what} of a non running container")),
            "{told}"
        );
    }
    daemon
        .docker(&["run", "-d", "--name", "private", "busybox", "sleep", "1000"])
        .success();
    assert!(refused(&["--ipc", "container:private"]).contains("non-shareable IPC"));
    assert!(refused(&["--pid", "container:nobody"]).contains("No such container: nobody"));
}

#[test]
fn what_cannot_be_meant_is_refused_in_dockers_words() {
    let daemon = with_busybox();
    let cases: [(&[&str], &str); 11] = [
        (&["--tmpfs", "/t:nope"], "invalid tmpfs option [\"nope\"]"),
        (&["--tmpfs", "/t:size=1\nexec"], "invalid tmpfs option"),
        (
            &["--device", "/dev/no-such"],
            "error gathering device information while adding custom device \"/dev/no-such\": no such file or directory",
        ),
        (&["-v", "/tmp:/s:odd"], "invalid mode: odd"),
        (
            &["--mount", "type=bind,src=/no/such,dst=/s"],
            "invalid mount config for type \"bind\": bind source path does not exist: /no/such",
        ),
        (
            &["-v", "a-volume:/s", "--tmpfs", "/s/"],
            "Duplicate mount point: /s",
        ),
        (
            &["--gpus", "all"],
            "could not select device driver \"\" with capabilities: [[gpu]]",
        ),
        (
            &["--storage-opt", "size=1G"],
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        ),
        (
            &["--uts", "host", "-h", "x"],
            "conflicting options: hostname and the UTS mode",
        ),
        (
            &["--group-add", "nobody-knows"],
            "Unable to find group nobody-knows: no matching entries in group file",
        ),
        (
            &["--security-opt", "what=ever"],
            "invalid --security-opt 2: \"what=ever\"",
        ),
    ];
    for (options, text) in cases {
        // The client makes 127 of what says "no such file or directory".
        let output = daemon.docker(&sh(options, "true"));
        let refused = matches!(output.status, Some(125 | 127));
        assert!(refused, "{options:?}: {output:?}");
        let told = output.stderr;
        assert!(told.contains(text), "{options:?}: {told}");
    }
    assert_eq!(daemon.docker(&["ps", "-aq"]).success(), "");
}

#[test]
fn our_own_client_has_the_same_flags() {
    let daemon = with_busybox();
    let run = |options: &[&str], script: &str| daemon.bulkhead(&sh(options, script)).success();
    let profile = daemon.folder().join("profile.json");
    std::fs::write(
        &profile,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"mkdir","action":"SCMP_ACT_ERRNO"}]}"#,
    )
    .unwrap();
    let option = format!("seccomp={}", profile.display());
    let options = [
        "--mount",
        "type=tmpfs,dst=/t,tmpfs-mode=700",
        "--device",
        "/dev/fuse:/dev/f:r",
        "--group-add",
        "44",
        "--security-opt",
        &option,
        "--security-opt",
        "systempaths=unconfined",
    ];
    let script = "stat -c %a /t; (: < /dev/f) && id -G | tr ' ' '\\n' | grep -x 44; \
                  mkdir /x 2>/dev/null || echo refused; grep -c ' /proc/' /proc/mounts";
    let output = daemon.bulkhead(&sh(&options, script));
    assert_eq!(output.stdout, "700\n44\nrefused\n0\n", "{}", output.stderr);
    assert_eq!(
        run(
            &["--device-cgroup-rule", "c 10:229 rw"],
            "mknod /f c 10 229; : < /f && echo ok"
        ),
        "ok\n"
    );
    for (options, text) in [
        (
            ["--blkio-weight-device", "/dev/no-such:100"],
            "no such file or directory",
        ),
        (
            ["--memory-swappiness", "200"],
            "Invalid value: 200, valid memory swappiness range is 0-100",
        ),
        (["--cgroup-parent", "../../x"], "invalid cgroup parent"),
    ] {
        let told = daemon.bulkhead(&sh(&options, "true"));
        assert!(told.stderr.contains(text), "{options:?}: {}", told.stderr);
    }
}

/// Below the root of each hierarchy, by what the machine has mounted.
fn cgroup_folders(path: &str) -> Vec<std::path::PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (mount, kind) = (words.next()?, words.next()?);
        kind.starts_with("cgroup").then(|| mount.to_owned())
    });
    mounts
        .map(|mount| std::path::Path::new(&mount).join(path))
        .filter(|folder| folder.is_dir())
        .collect()
}

#[test]
fn a_named_cgroup_parent_holds_the_container_until_it_ends() {
    let mut daemon = with_busybox();
    let top = format!("bhtest{}", std::process::id());
    let slice = format!("{top}-front.slice");
    let parent = format!("{top}.slice/{slice}");
    let sleeper = ["--memory", "64m", "busybox", "sleep", "600"];
    for (name, given) in [("one", &slice), ("two", &format!("/{parent}/"))] {
        let run = ["run", "-d", "--name", name, "--cgroup-parent", given];
        daemon.docker(&[&run[..], &sleeper].concat()).success();
    }
    let id = daemon
        .docker(&["inspect", "-f", "{{.Id}}", "one"])
        .success();
    let own = cgroup_folders(&format!("{parent}/{}", id.trim()));
    assert!(!own.is_empty());
    assert_eq!(own.len(), cgroup_folders("").len());
    let stats = ["stats", "--no-stream", "--format", "{{.MemUsage}}", "one"];
    let limit = |daemon: &Daemon| daemon.docker(&stats).success();
    assert!(limit(&daemon).contains("/ 64MiB"), "{}", limit(&daemon));
    daemon.docker(&["pause", "one"]).success();
    daemon.kill();
    daemon.start_again();
    daemon.docker(&["unpause", "one"]).success();
    daemon
        .docker(&["update", "-m", "32m", "--memory-swap", "32m", "one"])
        .success();
    assert!(limit(&daemon).contains("/ 32MiB"), "{}", limit(&daemon));
    assert!(
        daemon
            .docker(&["top", "one"])
            .success()
            .contains("sleep 600")
    );
    let inside = ["exec", "one", "cat", "/proc/self/cgroup"];
    assert!(!daemon.docker(&inside).success().contains("shims"));
    daemon.docker(&["cp", "one:/etc/passwd", "-"]).success();
    daemon.docker(&["rm", "-f", "one"]).success();
    assert!(cgroup_folders(&format!("{parent}/{}", id.trim())).is_empty());
    assert!(
        !cgroup_folders(&parent).is_empty(),
        "another container is in it"
    );
    daemon.docker(&["rm", "-f", "two"]).success();
    assert!(cgroup_folders(&format!("{top}.slice")).is_empty());
}

#[test]
fn no_cgroup_parent_leads_outside_its_hierarchy() {
    let daemon = with_busybox();
    let long = "x".repeat(300);
    let deep = "x/".repeat(2000);
    for parent in [
        "../../..",
        "/a/../../b",
        ".",
        "a\nb",
        "-.-.slice",
        &long,
        &deep,
    ] {
        let create = ["create", "--cgroup-parent", parent, "busybox"];
        let told = daemon.docker(&create).failure(1);
        assert!(told.contains("invalid cgroup parent"), "{parent:?}: {told}");
    }
    // A name of the kernel's own files is no folder.
    for parent in ["/cgroup.procs", "/cgroup.procs/x"] {
        let run = ["run", "--rm", "--cgroup-parent", parent, "busybox", "true"];
        daemon.docker(&run).failure(125);
    }
    assert_eq!(daemon.docker(&["ps", "-q"]).success(), "");
}

#[test]
fn what_a_machine_cannot_do_is_told_by_dockers_client() {
    let daemon = with_busybox();
    let told = |options: &[&str]| {
        let create = [&["create"], options, &["busybox", "true"]].concat();
        let output = daemon.docker(&create);
        assert_eq!(output.status, Some(0), "{}", output.stderr);
        output.stderr
    };
    assert_eq!(told(&["-m", "64m", "--memory-swap", "-1"]), "");
    let pure = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let oom = match pure {
        true => "Your kernel does not support OomKillDisable",
        false => "OOM killer is disabled for the container, but no memory limit is set",
    };
    for (options, text) in [
        (&["--oom-kill-disable"][..], oom),
        (
            &["--network", "host", "-p", "80:80"],
            "Published ports are discarded when using host network mode",
        ),
    ] {
        let stderr = told(options);
        assert!(
            stderr.starts_with("WARNING: ") && stderr.contains(text),
            "{stderr}"
        );
    }
    for (options, text) in [
        (
            ["--runtime", "nope"],
            "unknown or invalid runtime name: nope",
        ),
        (["--stop-signal", "FOO"], "invalid signal: FOO"),
        (
            ["--memory-reservation", "2m"],
            "Minimum memory reservation allowed is 6MB",
        ),
        (
            ["--workdir", "rel"],
            "the working directory 'rel' is invalid",
        ),
    ] {
        let create = [&["create"], &options[..], &["busybox"]].concat();
        let told = daemon.docker(&create).failure(1);
        assert!(told.contains(text), "{options:?}: {told}");
    }
    for (body, text) in [
        (json!({"Env": ["=x"]}), "invalid environment variable: =x"),
        (
            json!({"HostConfig": {"ExtraHosts": ["x:bad"]}}),
            "invalid IP address in add-host: \"bad\"",
        ),
        (
            json!({"HostConfig": {"ExtraHosts": ["x\ny:1.2.3.4"]}}),
            "bad format for add-host",
        ),
    ] {
        let mut body = body;
        body["Image"] = "busybox".into();
        let answer = daemon.request_json("POST", "/containers/create", &body);
        let said = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && said.contains(text), "{said}");
    }
}

#[test]
fn host_gateway_is_the_host_on_the_containers_network() {
    let daemon = with_busybox();
    let create = ["network", "create", "--subnet", "10.126.0.0/24", "shop"];
    daemon.docker(&create).success();
    let hosts = |network: &str| {
        let options = ["--network", network, "--add-host", "up:host-gateway"];
        let script = "grep -w up /etc/hosts | cut -f1; ip route | cut -d' ' -f3 | head -1";
        daemon.docker(&sh(&options, script)).success()
    };
    assert!(
        hosts("shop").starts_with("10.126.0.1\n"),
        "{}",
        hosts("shop")
    );
    let bridge = hosts("bridge");
    let mut lines = bridge.lines();
    assert_eq!(lines.next(), lines.next(), "{bridge}");
    daemon.docker(&["network", "rm", "shop"]).success();
}
