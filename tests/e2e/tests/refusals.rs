//! What `run` refuses: Docker's words and codes, and nothing left.

use bulkhead_test_support::{Daemon, Image, Tree, images};

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

/// Runs `true` with `flags`, which must be refused with `status` and `words`.
#[track_caller]
fn refused(daemon: &Daemon, flags: &[&str], status: i32, words: &str) {
    let run = [&["run", "--rm"], flags, &["busybox", "true"]].concat();
    let said = daemon.bulkhead(&run).failure(status);
    assert!(said.contains(words), "{flags:?}: {said}");
    assert_eq!(daemon.bulkhead(&["ps", "-aq"]).success(), "", "{flags:?}");
}

#[test]
fn users_that_cannot_be_are_refused_in_dockers_words() {
    let daemon = with_busybox();
    for (user, words) in [
        (
            "nobodyhere",
            "unable to find user nobodyhere: no matching entries in passwd file",
        ),
        (
            "root:nogrouphere",
            "unable to find group nogrouphere: no matching entries in group file",
        ),
        ("4294967296", "uids and gids must be in range 0-2147483647"),
        ("2147483648", "uids and gids must be in range 0-2147483647"),
        ("-1", "uids and gids must be in range 0-2147483647"),
    ] {
        refused(&daemon, &["-u", user], 125, words);
    }
    let id = [
        "run",
        "--rm",
        "-u",
        "1000:",
        "busybox",
        "sh",
        "-c",
        "id -u; id -g",
    ];
    assert_eq!(daemon.bulkhead(&id).success(), "1000\n0\n");
}

#[test]
fn limits_that_cannot_be_are_refused_in_dockers_words() {
    let daemon = with_busybox();
    for (flags, words) in [
        (&["-m", "1m"][..], "Minimum memory limit allowed is 6MB"),
        (&["--cpus", "1000"], "ange of CPUs is from 0.01 to"),
        (&["--cpus", "-1"], "ange of CPUs is from 0.01 to"),
        (
            &["-m", "64m", "--memory-swap", "32m"],
            "Minimum memoryswap limit should be larger than memory limit",
        ),
        (
            &["--cpuset-cpus", "99"],
            "Requested CPUs are not available - requested 99",
        ),
        (&["-c", "1"], "the minimum allowed cpu-shares is 2"),
    ] {
        refused(&daemon, flags, 125, words);
    }
}

#[test]
fn other_values_that_cannot_be_are_refused_in_dockers_words() {
    let daemon = with_busybox();
    for (flags, words) in [
        (
            &["-w", "relative"][..],
            "the working directory 'relative' is invalid, it needs to be an absolute path",
        ),
        (
            &["--name", "a"],
            "Invalid container name (a), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
        ),
        (&["--name", "../up"], "Invalid container name (../up)"),
        (&["-p", "70000:80"], "invalid hostPort: 70000"),
        (&["-p", "80:80/xyz"], "invalid proto: xyz"),
        (&["--network", "nope"], "network nope not found"),
        (
            &["-v", "relative/path:/x"],
            "includes invalid characters for a local volume name",
        ),
        (&["--cap-add", "NOPE"], "NOPE"),
    ] {
        refused(&daemon, flags, 125, words);
    }
}

#[test]
fn a_name_in_use_is_refused_naming_its_holder() {
    let daemon = with_busybox();
    let run = ["run", "-d", "--name", "taken", "busybox", "sleep", "1000"];
    let id = daemon.bulkhead(&run).success();
    let said = daemon.bulkhead(&run).failure(125);
    let words = format!(
        "Conflict. The container name \"/taken\" is already in use by container \"{}\"",
        id.trim()
    );
    assert!(said.contains(&words), "{said}");
    let before = daemon.snapshots();
    daemon.bulkhead(&run).failure(125);
    assert_eq!(daemon.snapshots(), before);
}

#[test]
fn commands_that_cannot_run_have_dockers_codes() {
    let daemon = with_busybox();
    let tree = Tree::new()
        .dir("etc", 0o755)
        .file("plain", 0o644, b"text")
        .file("noise", 0o755, b"\x01\x02\x03 no program")
        .file("script", 0o755, b"#!/no/interpreter\n");
    daemon.load("odd:latest", &Image::new(Vec::new()).layer(tree));
    for (command, status, words) in [
        ("/missing", 127, "no such file or directory"),
        ("missing", 127, "executable file not found in $PATH"),
        ("/plain", 126, "permission denied"),
        ("/etc", 126, "is a directory"),
        ("/noise", 126, "exec format error"),
        ("/script", 127, "no such file or directory"),
    ] {
        let output = daemon.bulkhead(&["run", "--rm", "odd", command]);
        let (given, said) = (output.status, output.stderr);
        assert!(
            said.to_lowercase().contains(&words.to_lowercase()),
            "{command}: {said}"
        );
        assert_eq!(given, Some(status), "{command}: {said}");
    }
    let said = daemon.bulkhead(&["run", "--rm", "odd"]).failure(125);
    assert!(
        said.to_lowercase().contains("no command specified"),
        "{said}"
    );
    assert_eq!(daemon.bulkhead(&["ps", "-aq"]).success(), "");
}

#[test]
fn an_environment_or_arguments_beyond_the_kernels_are_an_error() {
    let daemon = with_busybox();
    // Of Linux: 128 KiB for one string, a quarter of the stack for all (execve(2)).
    let create = |command: serde_json::Value, env: serde_json::Value| {
        let body = serde_json::json!({"Image": "busybox", "Cmd": command, "Env": env});
        daemon.request_json("POST", "/containers/create", &body)
    };
    let long = format!("A={}", "x".repeat(2 << 20));
    let many = vec!["an argument"; 300_000];
    for body in [
        create(serde_json::json!(["true"]), serde_json::json!([long])),
        create(serde_json::json!(many), serde_json::json!([])),
    ] {
        if body.status == 201 {
            let id = body.json()["Id"].as_str().unwrap().to_owned();
            let started = daemon.request("POST", &format!("/containers/{id}/start"));
            assert!((400..600).contains(&started.status), "{}", started.status);
            let said = started.text().to_lowercase();
            assert!(said.contains("argument list too long"), "{said}");
            daemon.request("DELETE", &format!("/containers/{id}"));
        } else {
            assert_eq!(body.status, 413, "{}", body.text());
        }
    }
    let fine = vec!["x"; 100_000];
    let run = [&["run", "--rm", "busybox", "true"][..], &fine].concat();
    assert_eq!(daemon.bulkhead(&run).status, Some(0));
}
