//! The real `docker` client drives the daemon.

use std::time::Duration;

use bulkhead_test_support::{Daemon, Registry, Terminal, images, own_network};

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

#[test]
fn run_ps_logs_stop_and_rm() {
    let daemon = with_busybox();
    assert_eq!(
        daemon
            .docker(&["run", "--rm", "busybox", "echo", "hi"])
            .success(),
        "hi\n"
    );
    assert_eq!(
        daemon
            .docker(&["run", "--rm", "busybox", "sh", "-c", "exit 9"])
            .status,
        Some(9)
    );
    let refused = daemon.docker(&["run", "--rm", "busybox", "no-such-command"]);
    assert_eq!(refused.status, Some(127));
    let told = refused.stderr.matches("no-such-command").count();
    assert_eq!(told, 1, "told once: {}", refused.stderr);
    let id = daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "web",
            "busybox",
            "sh",
            "-c",
            "echo up; exec sleep 1000",
        ])
        .success();
    assert!(
        daemon
            .docker(&["ps", "--no-trunc", "-q"])
            .success()
            .contains(id.trim())
    );
    assert_eq!(daemon.docker(&["logs", "web"]).success(), "up\n");
    daemon.docker(&["stop", "-t", "0", "web"]).success();
    daemon.docker(&["rm", "web"]).success();
    assert_eq!(daemon.docker(&["ps", "-aq"]).success(), "");
}

#[test]
fn images_info_version_and_inspect() {
    let daemon = with_busybox();
    let listed = daemon
        .docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"])
        .success();
    assert_eq!(listed, "busybox:latest\n");
    assert!(daemon.docker(&["version"]).success().contains("bulkhead"));
    assert!(
        daemon
            .docker(&["info"])
            .success()
            .contains("Storage Driver: overlay")
    );
    let architecture = daemon
        .docker(&[
            "image",
            "inspect",
            "-f",
            "{{.Os}}/{{.Architecture}}",
            "busybox",
        ])
        .success();
    assert!(architecture.starts_with("linux/"), "{architecture}");
    daemon.docker(&["rmi", "busybox"]).success();
    assert_eq!(daemon.docker(&["images", "-q"]).success(), "");
}

#[test]
fn the_clients_input_is_the_containers() {
    let daemon = with_busybox();
    let mut cat = daemon.docker_command(&["run", "--rm", "-i", "busybox", "cat"]);
    let echoed = bulkhead_test_support::run_with_input(
        &mut cat,
        b"typed",
        std::time::Duration::from_secs(60),
    );
    assert_eq!(echoed.success(), "typed");
}

#[test]
fn a_terminal_of_the_real_client() {
    let daemon = with_busybox();
    let limit = Duration::from_secs(60);
    let mut shell = Terminal::start(&daemon.docker_command(&["run", "--rm", "-it", "busybox"]));
    shell.wait_for("# ", limit);
    shell.keys("stty size; hostname\r");
    let shown = shell.wait_for("24 80", limit);
    assert!(shown.contains("stty"), "{shown}");
    shell.keys("exit 6\r");
    assert_eq!(shell.wait(limit), Some(6));
    assert_eq!(daemon.docker(&["ps", "-aq"]).success(), "");
}

#[test]
fn formats_of_ps_and_inspect() {
    let daemon = with_busybox();
    let run = [
        "run", "-d", "--name", "web", "-e", "A=1", "-l", "k=v", "busybox", "sleep", "1000",
    ];
    let id = daemon.docker(&run).success();
    let listed = daemon
        .docker(&[
            "ps",
            "--format",
            "{{.ID}} {{.Image}} {{.Names}} {{.Command}} {{.Labels}}",
        ])
        .success();
    assert_eq!(
        listed,
        format!("{} busybox web \"sleep 1000\" k=v\n", &id[..12])
    );
    let inspect = |format: &str| daemon.docker(&["inspect", "-f", format, "web"]).success();
    assert_eq!(inspect("{{.State.Status}} {{.Name}}"), "running /web\n");
    assert_eq!(inspect("{{index .Config.Labels \"k\"}}"), "v\n");
    assert_eq!(
        inspect("{{.HostConfig.NetworkMode}} {{.Driver}}"),
        "bridge overlay\n"
    );
    let ran = inspect("{{.NetworkSettings.Networks.bridge.IPAddress}}");
    assert!(ran.starts_with("10.213."), "{ran}");
    let filtered = ["ps", "-q", "--filter", "label=k=other"];
    assert_eq!(daemon.docker(&filtered).success(), "");
    daemon.docker(&["rm", "-f", "web"]).success();
    assert!(
        daemon
            .docker(&["inspect", "web"])
            .failure(1)
            .contains("No such object: web")
    );
}

#[test]
fn pull_images_and_rmi_of_a_registrys_image() {
    let (daemon, registry) = (Daemon::start(), Registry::start());
    let reference = registry.push("app:1", &images::busybox());
    let said = daemon.docker(&["pull", &reference]).success();
    assert!(
        said.contains("Status: Downloaded newer image for"),
        "{said}"
    );
    let repository = reference.trim_end_matches(":1");
    let rows = daemon
        .docker(&["images", "--format", "{{.Repository}} {{.Tag}}"])
        .success();
    assert_eq!(rows, format!("{repository} 1\n"));
    let gone = daemon.docker(&["rmi", &reference]).success();
    assert!(gone.contains(&format!("Untagged: {reference}")), "{gone}");
    let run = ["run", "--rm", "--pull", "always", &reference, "echo", "hi"];
    assert_eq!(daemon.docker(&run).success(), "hi\n");
}

#[test]
fn binds_volumes_and_ports() {
    own_network();
    let daemon = with_busybox();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in"), "from the host\n").unwrap();
    let bind = format!("{}:/data:ro", folder.path().display());
    let read = ["run", "--rm", "-v", &bind, "busybox", "cat", "/data/in"];
    assert_eq!(daemon.docker(&read).success(), "from the host\n");
    let write = [
        "run",
        "--rm",
        "-v",
        "kept:/v",
        "busybox",
        "sh",
        "-c",
        "echo kept > /v/f",
    ];
    daemon.docker(&write).success();
    let read = ["run", "--rm", "-v", "kept:/v", "busybox", "cat", "/v/f"];
    assert_eq!(daemon.docker(&read).success(), "kept\n");
    let serve = "while :; do echo served | nc -l -p 80; done";
    let run = [
        "run",
        "-d",
        "--name",
        "web",
        "-p",
        "127.0.0.1::80",
        "busybox",
        "sh",
        "-c",
        serve,
    ];
    daemon.docker(&run).success();
    let shown = daemon.docker(&["port", "web", "80"]);
    let listed = daemon.docker(&["ps", "--format", "{{.Ports}}"]).success();
    assert!(
        listed.starts_with("127.0.0.1:") && listed.ends_with("->80/tcp\n"),
        "{listed}"
    );
    assert_eq!(
        shown.success().trim(),
        listed.trim().trim_end_matches("->80/tcp")
    );
}
