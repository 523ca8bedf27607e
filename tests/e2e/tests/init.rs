//! `run --init`, driven by the real client.

use bulkhead_test_support::{Daemon, images};

#[test]
fn an_init_of_ours_shows_itself_as_dockers_and_passes_signals_on() {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let run = |more: &[&str]| daemon.docker(&[&["run", "--rm"], more].concat());
    let shown = run(&["--init", "busybox", "ps", "-o", "pid,args"]).success();
    assert!(
        shown.contains("1 /sbin/docker-init -- ps -o pid,args\n"),
        "{shown}"
    );
    let code = run(&["--init", "busybox", "sh", "-c", "exit 9"]).status;
    assert_eq!(code, Some(9));
    let missing = run(&["--init", "busybox", "no-such-command"]);
    assert_eq!(missing.status, Some(127), "{missing:?}");
    // Where there are processes already, Docker adds none either.
    let host = run(&[
        "--init",
        "--pid=host",
        "busybox",
        "sh",
        "-c",
        "cat /proc/$$/cmdline",
    ]);
    assert!(!host.success().contains("docker-init"));
    // `sleep` handles nothing: without an init it would take the ten seconds.
    daemon
        .docker(&[
            "run", "-d", "--init", "--name", "sleeper", "busybox", "sleep", "1000",
        ])
        .success();
    let inside = daemon.docker(&["exec", "sleeper", "ps"]).success();
    assert!(
        inside.contains("/sbin/docker-init -- sleep 1000"),
        "{inside}"
    );
    daemon.docker(&["stop", "-t", "60", "sleeper"]).success();
    let ended = daemon.docker(&[
        "inspect",
        "-f",
        "{{.State.ExitCode}} {{.HostConfig.Init}}",
        "sleeper",
    ]);
    assert_eq!(ended.success(), "143 true\n");
}
