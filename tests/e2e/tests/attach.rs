//! Several clients of one container, slow ones and ones that vanish.

use std::io::Read;
use std::process::{Child, Stdio};
use std::time::Duration;

use bulkhead_test_support::{Daemon, Terminal, images, run_with_input, wait_until};

const LIMIT: Duration = Duration::from_secs(30);

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

#[test]
fn both_of_two_attached_clients_see_the_output_and_may_type() {
    let daemon = with_busybox();
    let script = "while read line; do echo got $line; [ $line = end ] && exit 4; done";
    daemon
        .bulkhead(&[
            "run", "-dit", "--name", "shared", "busybox", "sh", "-c", script,
        ])
        .success();
    let mut one = Terminal::start(&daemon.docker_command(&["attach", "shared"]));
    let mut other = Terminal::start(&daemon.docker_command(&["attach", "shared"]));
    // Attached clients are not told so: the first words may come before.
    std::thread::sleep(Duration::from_millis(500));
    one.keys("first\r");
    one.wait_for("got first", LIMIT);
    other.wait_for("got first", LIMIT);
    other.keys("second\r");
    one.wait_for("got second", LIMIT);
    other.wait_for("got second", LIMIT);
    other.keys("end\r");
    assert_eq!((one.wait(LIMIT), other.wait(LIMIT)), (Some(4), Some(4)));
}

#[test]
fn the_keys_that_detach_leave_the_container_running() {
    let daemon = with_busybox();
    let mut shell = daemon.terminal(&["run", "-it", "--name", "left", "busybox", "sh"]);
    shell.wait_for("# ", LIMIT);
    shell.keys("\x10\x11");
    assert_eq!(shell.wait(LIMIT), Some(0));
    assert!(daemon.bulkhead(&["ps"]).success().contains("left"));
    let mut again = Terminal::start(&daemon.docker_command(&["attach", "left"]));
    again.keys("\recho $((6 * 7))\r");
    again.wait_for("42", LIMIT);
    again.keys("exit 3\r");
    assert_eq!(again.wait(LIMIT), Some(3));
}

fn writer(daemon: &Daemon) -> Child {
    let script = "i=0; while [ $i -lt 200000 ]; do echo line $i; i=$((i + 1)); done";
    let mut run =
        daemon.bulkhead_command(&["run", "--name", "writer", "busybox", "sh", "-c", script]);
    run.stdin(Stdio::null()).stdout(Stdio::piped());
    run.spawn().unwrap()
}

#[test]
fn a_slow_reader_loses_nothing() {
    let daemon = with_busybox();
    let mut run = writer(&daemon);
    let mut stdout = run.stdout.take().unwrap();
    let mut text = String::new();
    let mut piece = [0; 64 * 1024];
    for _ in 0..10 {
        let length = stdout.read(&mut piece).unwrap();
        text += std::str::from_utf8(&piece[..length]).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    stdout.read_to_string(&mut text).unwrap();
    assert!(run.wait().unwrap().success());
    assert_eq!(text.lines().count(), 200_000);
    assert!(text.ends_with("line 199999\n"));
    let logged = daemon.bulkhead(&["logs", "writer"]).success();
    assert!(logged == text, "the log differs from what was shown");
}

#[test]
fn a_client_that_vanishes_does_not_stop_its_container() {
    let daemon = with_busybox();
    let mut run = writer(&daemon);
    let mut some = [0; 100];
    run.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(daemon.bulkhead(&["wait", "writer"]).success(), "0\n");
    let logged = daemon.bulkhead(&["logs", "writer"]).success();
    assert_eq!(logged.lines().count(), 200_000);
}

#[test]
fn logs_follow_to_the_end() {
    let daemon = with_busybox();
    let script = "for i in 1 2 3; do echo $i; sleep 0.3; done";
    daemon
        .bulkhead(&["run", "-d", "--name", "told", "busybox", "sh", "-c", script])
        .success();
    for mut follow in [
        daemon.bulkhead_command(&["logs", "-f", "told"]),
        daemon.docker_command(&["logs", "-f", "told"]),
    ] {
        assert_eq!(
            run_with_input(&mut follow, b"", LIMIT).success(),
            "1\n2\n3\n"
        );
    }
    let tail = daemon
        .docker(&["logs", "--tail", "1", "-t", "told"])
        .success();
    assert!(tail.ends_with("Z 3\n"), "{tail}");
}

#[test]
fn a_thousand_aborted_attaches_cost_nothing() {
    let daemon = with_busybox();
    daemon
        .bulkhead(&["run", "-d", "-i", "--name", "target", "busybox", "cat"])
        .success();
    let descriptors = || {
        std::fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
            .unwrap()
            .count()
    };
    let before = descriptors();
    for _ in 0..1000 {
        use std::io::Write;
        let mut stream = std::os::unix::net::UnixStream::connect(daemon.socket()).unwrap();
        let request = "POST /containers/target/attach?stream=1&stdout=1&stdin=1 HTTP/1.1\r\n\
            Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
    }
    wait_until(|| descriptors() <= before + 5);
    assert!(daemon.bulkhead(&["ps"]).success().contains("target"));
}
