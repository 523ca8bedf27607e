//! The main verbs with each real `docker` client of this machine: Debian's,
//! and the one that `PATH` has, which may be much newer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bulkhead_test_support::{Daemon, Output, images, own_network, run};

/// Where Debian's package `docker.io` has its client.
const DEBIANS: &str = "/usr/bin/docker";
const LIMIT: Duration = Duration::from_secs(60);

struct Client<'a> {
    daemon: &'a Daemon,
    program: PathBuf,
}

impl Client<'_> {
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Output {
        run(&mut self.daemon.client(&self.program, arguments), LIMIT)
    }

    /// What a verb that must not fail prints.
    #[track_caller]
    fn does(&self, arguments: &[&str]) -> String {
        self.run(arguments).success()
    }
}

/// A machine without the client fails: nobody would notice tests left out.
fn drive(program: &Path, verbs: impl Fn(&Client<'_>)) {
    let version = run(
        std::process::Command::new(program).args(["version", "-f", "{{.Client.Version}}"]),
        LIMIT,
    );
    assert!(
        !version.stdout.trim().is_empty(),
        "{}: no docker client: {version:?}",
        program.display()
    );
    eprintln!("client {}", version.stdout.trim());
    own_network();
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let program = program.to_owned();
    verbs(&Client {
        daemon: &daemon,
        program,
    });
}

fn containers(docker: &Client<'_>) {
    assert_eq!(
        docker.does(&["run", "--rm", "busybox", "echo", "hi"]),
        "hi\n"
    );
    let script = "echo out; echo err >&2; exec sleep 1000";
    docker.does(&[
        "run", "-d", "--name", "web", "-l", "life", "-e", "A=b", "busybox", "sh", "-c", script,
    ]);
    assert_eq!(docker.does(&["exec", "web", "sh", "-c", "echo $A"]), "b\n");
    let failing = docker.run(&["exec", "web", "sh", "-c", "exit 5"]);
    assert_eq!(failing.status, Some(5));
    let logs = docker.run(&["logs", "web"]);
    assert_eq!((&*logs.stdout, &*logs.stderr), ("out\n", "err\n"));
    let top = docker.does(&["top", "web"]);
    assert!(
        top.starts_with("UID ") && top.contains("sleep 1000"),
        "{top}"
    );
    let format = "{{.Name}} {{.PIDs}} {{.MemUsage}}";
    let stats = docker.does(&["stats", "--no-stream", "--format", format, "web"]);
    assert!(
        stats.starts_with("web 1 ") && !stats.contains(" 0B /"),
        "{stats}"
    );
    let state = docker.does(&["inspect", "-f", "{{.State.Status}} {{.Config.Cmd}}", "web"]);
    assert_eq!(state, format!("running [sh -c {script}]\n"));
    docker.does(&["pause", "web"]);
    assert!(docker.does(&["ps"]).contains("(Paused)"));
    docker.does(&["unpause", "web"]);
    docker.does(&["rename", "web", "site"]);
    docker.does(&["restart", "-t", "0", "site"]);
    docker.does(&["stop", "-t", "0", "site"]);
    assert_eq!(docker.does(&["wait", "site"]), "137\n");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let until = (now + 1).to_string();
    let asked = ["events", "--since", "10m", "--until", &until];
    let shown = ["--filter", "label=life", "--format", "{{.Action}}"];
    let heard = docker.does(&[&asked[..], &shown[..]].concat());
    let mut rest = heard.lines();
    for action in [
        "create",
        "start",
        "exec_create: sh -c echo $A",
        "exec_die",
        "pause",
        "unpause",
        "rename",
        "die",
        "restart",
        "die",
        "stop",
    ] {
        assert!(rest.any(|heard| heard == action), "{action} in\n{heard}");
    }
    docker.does(&["rm", "site"]);
    assert_eq!(docker.does(&["ps", "-aq"]), "");
}

fn files(docker: &Client<'_>) {
    let local = tempfile::tempdir().unwrap();
    let path = |name: &str| local.path().join(name).display().to_string();
    std::fs::write(path("in"), "content\n").unwrap();
    docker.does(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
    docker.does(&["cp", &path("in"), "box:/etc/in"]);
    assert_eq!(docker.does(&["exec", "box", "cat", "/etc/in"]), "content\n");
    docker.does(&["cp", "box:/etc/in", &path("out")]);
    assert_eq!(std::fs::read(path("out")).unwrap(), b"content\n");
    assert!(docker.does(&["diff", "box"]).contains("A /etc/in\n"));
    docker.does(&["export", "-o", &path("tar"), "box"]);
    assert!(std::fs::metadata(path("tar")).unwrap().len() > 10_000);
    docker.does(&["rm", "-f", "box"]);
}

fn networks_and_volumes(docker: &Client<'_>) {
    docker.does(&["network", "create", "--label", "a=b", "shop"]);
    docker.does(&["volume", "create", "--label", "a=b", "data"]);
    docker.does(&[
        "run",
        "-d",
        "--name",
        "db",
        "--network",
        "shop",
        "--network-alias",
        "store",
        "-v",
        "data:/d",
        "busybox",
        "sleep",
        "1000",
    ]);
    let look_up = ["run", "--rm", "--network", "shop", "busybox", "nslookup"];
    let found = docker.does(&[&look_up[..], &["-type=a", "store"]].concat());
    let format = "{{(index .NetworkSettings.Networks \"shop\").IPAddress}}";
    let address = docker.does(&["inspect", "-f", format, "db"]);
    assert!(found.contains(address.trim()), "{found} {address}");
    docker.does(&["network", "connect", "bridge", "db"]);
    docker.does(&["network", "disconnect", "shop", "db"]);
    docker.does(&["exec", "db", "sh", "-c", "echo kept > /d/f"]);
    assert!(
        docker
            .run(&["volume", "rm", "data"])
            .failure(1)
            .contains("in use")
    );
    docker.does(&["rm", "-f", "db"]);
    let kept = docker.does(&["run", "--rm", "-v", "data:/d", "busybox", "cat", "/d/f"]);
    assert_eq!(kept, "kept\n");
    let filtered = docker.does(&["volume", "ls", "-q", "--filter", "label=a=b"]);
    assert_eq!(filtered, "data\n");
    docker.does(&["volume", "rm", "data"]);
    assert!(docker.does(&["network", "ls"]).contains("shop"));
    docker.does(&["network", "rm", "shop"]);
}

#[test]
fn debians_client_lives_with_containers() {
    drive(Path::new(DEBIANS), containers);
}

#[test]
fn debians_client_copies_files() {
    drive(Path::new(DEBIANS), files);
}

#[test]
fn debians_client_makes_networks_and_volumes() {
    drive(Path::new(DEBIANS), networks_and_volumes);
}

#[test]
fn the_client_in_path_lives_with_containers() {
    drive(Path::new("docker"), containers);
}

#[test]
fn the_client_in_path_copies_files() {
    drive(Path::new("docker"), files);
}

#[test]
fn the_client_in_path_makes_networks_and_volumes() {
    drive(Path::new("docker"), networks_and_volumes);
}
