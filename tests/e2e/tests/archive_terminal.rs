//! What `cp` and `export` say and refuse at a terminal, beside docker's client.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use bulkhead_test_support::{Daemon, Terminal, images};

const LIMIT: Duration = Duration::from_secs(60);

/// How a command at a terminal ends, and its last words there.
fn at_terminal(command: &Command, wanted: &str) -> (Option<i32>, String) {
    let mut terminal = Terminal::start(command);
    terminal.wait_for(wanted, LIMIT);
    let rest = terminal.wait_for("\n", LIMIT);
    (terminal.wait(LIMIT), format!("{wanted}{}", rest.trim_end()))
}

#[test]
fn cp_tells_how_much_it_copied_and_export_refuses_a_terminal() {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let run = ["run", "-d", "--name", "box", "busybox", "sleep", "1000"];
    daemon.bulkhead(&run).success();
    let local = tempfile::tempdir().unwrap();
    let path = |name: &str| local.path().join(name).display().to_string();
    std::fs::write(path("in"), vec![b'x'; 5000]).unwrap();
    // Fractions of a second, which docker's client drops, would be sent too.
    let whole = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let file = File::options().append(true).open(path("in")).unwrap();
    file.set_modified(whole).unwrap();
    for (arguments, wanted) in [
        (["cp", &path("in"), "box:/etc/in"], "Successfully copied"),
        (["cp", "box:/etc/in", &path("out")], "Successfully copied"),
        (["cp", "box:/etc", &path("all")], "Successfully copied"),
    ] {
        let ours = at_terminal(&daemon.bulkhead_command(&arguments), wanted);
        let dockers = at_terminal(&daemon.docker_command(&arguments), wanted);
        assert_eq!(ours, dockers);
        assert_eq!(ours.0, Some(0));
        let (a, b) = (daemon.bulkhead(&arguments), daemon.docker(&arguments));
        assert_eq!((a.stdout, a.stderr), (b.stdout, b.stderr), "no terminal");
    }
    let wanted = "cowardly refusing to save to a terminal";
    // Docker's client has no colours.
    let mut export = daemon.bulkhead_command(&["export", "box"]);
    let ours = at_terminal(export.env("NO_COLOR", "1"), wanted);
    let dockers = at_terminal(&daemon.docker_command(&["export", "box"]), wanted);
    assert_eq!(ours, dockers);
    assert_eq!(ours.0, Some(1));
}
