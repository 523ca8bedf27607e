//! Several clients of one container, slow ones and ones that vanish.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use bulkhead_test_support::{Daemon, Terminal, images, run_with_input, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

#[test]
fn both_of_two_attached_clients_see_the_output_and_may_type() {
    let daemon = with_busybox();
    let script = "until [ -e /go ]; do echo waiting; sleep 0.1; done; \
        while read line; do echo got $line; [ $line = end ] && exit 4; done";
    daemon
        .bulkhead(&[
            "run", "-dit", "--name", "shared", "busybox", "sh", "-c", script,
        ])
        .success();
    let mut one = Terminal::start(&daemon.docker_command(&["attach", "shared"]));
    let mut other = Terminal::start(&daemon.docker_command(&["attach", "shared"]));
    // Attached clients are not told so: the first words may come before.
    one.wait_for("waiting", LIMIT);
    other.wait_for("waiting", LIMIT);
    daemon
        .bulkhead(&["exec", "shared", "touch", "/go"])
        .success();
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
        let mut stream = UnixStream::connect(daemon.socket()).unwrap();
        let request = "POST /containers/target/attach?stream=1&stdout=1&stdin=1 HTTP/1.1\r\n\
            Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
    }
    wait_until(|| descriptors() <= before + 5);
    assert!(daemon.bulkhead(&["ps"]).success().contains("target"));
}

/// A connection taken over by attach, past the answer's head.
fn hijacked(daemon: &Daemon, container: &str) -> UnixStream {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let request = format!(
        "POST /containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\n\
         Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let head = read_until(&mut stream, "\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream
}

fn read_until(stream: &mut UnixStream, wanted: &str) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.contains(wanted) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{text:?}");
        text.push(char::from(byte[0]));
    }
    text
}

// Docker's own client ends when its call of `wait` breaks off.
#[test]
fn an_attached_client_outlives_a_killed_daemon() {
    let mut daemon = with_busybox();
    let run = ["run", "-dit", "--name", "kept", "busybox", "sh"];
    daemon.docker(&run).success();
    let mut client = hijacked(&daemon, "kept");
    client.write_all(b"echo $((20 + 21))\n").unwrap();
    read_until(&mut client, "41");
    daemon.kill();
    client.write_all(b"echo $((20 + 22))\n").unwrap();
    read_until(&mut client, "42");
    daemon.start_again();
    client.write_all(b"echo $((20 + 23))\n").unwrap();
    read_until(&mut client, "43");
    let mut second = Terminal::start(&daemon.docker_command(&["attach", "kept"]));
    second.keys("\r");
    second.wait_for("# ", LIMIT);
    second.keys("echo $((20 + 24))\r");
    second.wait_for("44", LIMIT);
    read_until(&mut client, "44");
    second.keys("exit 5\r");
    assert_eq!(second.wait(LIMIT), Some(5));
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
}

#[test]
fn keys_of_the_clients_own_choice_detach_it() {
    let daemon = with_busybox();
    let run = ["run", "-dit", "--name", "own", "busybox", "sh"];
    daemon.docker(&run).success();
    let refused = daemon.request("POST", "/containers/own/attach?stream=1&detachKeys=ctrl-");
    assert_eq!(refused.status, 400);
    assert!(
        refused
            .text()
            .contains("Invalid detach keys (ctrl-) provided"),
        "{}",
        refused.text()
    );
    let attach = ["attach", "--detach-keys", "ctrl-x,a", "own"];
    let mut client = Terminal::start(&daemon.docker_command(&attach));
    client.keys("\recho $((6 * 7))\r");
    client.wait_for("42", LIMIT);
    client.keys("\x18a");
    // Docker's client says so with status 1 after `attach`.
    client.wait_for("read escape sequence", LIMIT);
    assert!(daemon.docker(&["ps"]).success().contains("own"));
}

#[test]
fn a_large_file_goes_in_and_comes_back_whole() {
    let daemon = with_busybox();
    let input: Vec<u8> = (0..30_000_000u32).map(|n| (n % 251) as u8 | 1).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    std::fs::write(&path, &input).unwrap();
    let mut cat = daemon.docker_command(&["run", "--rm", "-i", "busybox", "cat"]);
    cat.stdin(std::fs::File::open(&path).unwrap());
    let output = cat.output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == input, "{} bytes", output.stdout.len());
}

#[test]
fn an_attach_without_an_upgrade_is_an_answer_that_goes_on() {
    let daemon = with_busybox();
    let script = "echo one; until [ -e /go ]; do sleep 0.1; done; echo two >&2";
    let run = [
        "run", "-d", "--name", "plain", "busybox", "sh", "-c", script,
    ];
    daemon.docker(&run).success();
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    // HTTP/1.0 has no chunks: the body is what comes until the end.
    let request = "POST /containers/plain/attach?logs=1&stream=1&stdout=1&stderr=1 HTTP/1.0\r\n\
        Host: docker\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let head = read_until(&mut stream, "\r\n\r\n");
    assert!(head.contains(" 200 OK\r\n"), "{head}");
    assert_eq!(
        read_until(&mut stream, "one\n"),
        "\x01\0\0\0\0\0\0\x04one\n"
    );
    let go = ["exec", "plain", "touch", "/go"];
    daemon.docker(&go).success();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"\x02\0\0\0\0\0\0\x04two\n");
}
