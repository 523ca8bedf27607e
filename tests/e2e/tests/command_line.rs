//! The command line beside docker's, against one daemon.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bulkhead_test_support::{Daemon, images, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

fn with_web() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let run = [
        "run", "-d", "--name", "web", "-l", "a.b=c", "-l", "tier=1", "-e", "X=y", "--expose", "81",
    ];
    daemon
        .bulkhead(&[&run[..], &["busybox", "sleep", "1000"]].concat())
        .success();
    daemon
}

#[test]
fn formats_read_the_same_in_both_clients() {
    let daemon = with_web();
    let both = |arguments: &[&str]| {
        let (ours, docker) = (daemon.bulkhead(arguments), daemon.docker(arguments));
        (ours.success(), docker.success())
    };
    let same = |arguments: &[&str]| {
        let (mut ours, mut docker) = both(arguments);
        // Words for ages change with time: a difference that lasts is one.
        for _ in 0..10 {
            if ours == docker {
                break;
            }
            (ours, docker) = both(arguments);
        }
        assert_eq!(ours, docker, "{arguments:?}");
    };
    for format in [
        "{{.State.Status}} {{.State.Running}} {{.RestartCount}}",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        "{{range $name, $network := .NetworkSettings.Networks}}{{$name}} {{$network.Gateway}}{{end}}",
        "{{.NetworkSettings.Networks.bridge.IPAddress}} {{json .Mounts}}",
        "{{index .Config.Labels \"a.b\"}} {{.Config.Labels}} {{.Config.Labels.nope}}",
        "{{range .Config.Env}}{{println .}}{{end}}{{join .Config.Cmd \"+\"}}",
        "{{json .Config.Labels}} {{json .State.Health}} {{json .HostConfig.PortBindings}}",
        "{{if .State.Health}}{{.State.Health.Status}}{{else}}no check{{end}}",
        "{{.HostConfig.Memory}} {{.HostConfig.Binds}} {{.HostConfig.RestartPolicy.Name}}",
        "{{slice .ID 0 12}} {{.Name | upper}} {{len .Config.Cmd}} {{printf \"%-8s|%5d\" .Path .HostConfig.ShmSize}}",
        "{{with .Config}}{{.Image}} {{.Tty}}{{end}}{{range $port, $to := .NetworkSettings.Ports}} {{$port}}{{end}}",
    ] {
        same(&["inspect", "-f", format, "web"]);
    }
    for format in [
        "{{.Names}}\\t{{.Image}}\\t{{.Label \"tier\"}}\\t{{.Labels}}",
        "table {{.ID}}\\t{{.Names}}\\t{{.Command}}\\t{{.Ports}}\\t{{.Networks}}",
        "{{if eq .State \"running\"}}{{.Names}} is up{{end}}",
        "json",
    ] {
        same(&["ps", "--format", format]);
    }
    same(&["ps", "-a", "--no-trunc"]);
    same(&["images", "--digests"]);
    same(&[
        "network",
        "ls",
        "--format",
        "{{.Name}} {{.Driver}} {{.Scope}}",
    ]);
    same(&["port", "web"]);
}

#[test]
fn one_name_that_fails_does_not_keep_the_others_from_it() {
    let daemon = with_web();
    daemon.bulkhead(&["rename", "web", "site"]).success();
    let stop = daemon.bulkhead(&["stop", "-t", "0", "nosuch", "site"]);
    assert_eq!((stop.status, stop.stdout.as_str()), (Some(1), "site\n"));
    assert!(
        stop.stderr.contains("No such container: nosuch"),
        "{}",
        stop.stderr
    );
    daemon.bulkhead(&["container", "rm", "site"]).success();
}

#[test]
fn a_daemon_behind_ssh_is_reached_through_a_client_there() {
    let daemon = with_web();
    let folder = tempfile::tempdir().unwrap();
    let client = daemon.bulkhead_command(&[]).get_program().to_owned();
    // It stands for the network: what is asked of the other machine runs here.
    let script = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done; shift 2; exec sh -c \"$*\"\n";
    let ssh = folder.path().join("ssh");
    std::fs::write(&ssh, script).unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(client, folder.path().join("bulkhead")).unwrap();
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let host = format!("ssh://me@elsewhere{}", daemon.socket().display());
    let mut run = daemon.bulkhead_command(&[
        "-H",
        &host,
        "run",
        "--rm",
        "busybox",
        "sh",
        "-c",
        "echo far; exit 6",
    ]);
    let output = run.env("PATH", path).output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "far\n");
}

#[test]
fn events_come_as_they_happen_and_end_with_the_signal() {
    let daemon = with_web();
    let mut events = daemon.terminal(&[
        "events",
        "--filter",
        "type=container",
        "--format",
        "{{.Action}} {{.Actor.Attributes.name}}",
    ]);
    // The client has subscribed when the daemon counts it.
    wait_until(|| daemon.request("GET", "/info").json()["NEventsListener"] == 1);
    daemon.bulkhead(&["kill", "web"]).success();
    events.wait_for("kill web", LIMIT);
    events.wait_for("die web", LIMIT);
    events.keys("\x03");
    assert_eq!(events.wait(LIMIT), None);
}
