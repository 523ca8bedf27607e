//! More processes in running containers, driven by the real client.

use std::time::Duration;

use bulkhead_test_support::{Daemon, Terminal, images, run_with_input};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

fn with_container() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let run = ["run", "-d", "--name", "host", "busybox", "sleep", "100000"];
    daemon.docker(&run).success();
    daemon
}

#[test]
fn output_exit_codes_and_options_of_exec() {
    let daemon = with_container();
    let exec = |arguments: &[&str]| daemon.docker(&[&["exec"], arguments].concat());
    assert_eq!(exec(&["host", "echo", "hi"]).success(), "hi\n");
    let script = "id -u; pwd; echo $A";
    let options = ["-u", "33:44", "-w", "/tmp", "-e", "A=b", "host", "sh", "-c"];
    let shown = exec(&[&options[..], &[script]].concat()).success();
    assert_eq!(shown, "33\n/tmp\nb\n");
    for code in 0..20 {
        let script = format!("exit {code}");
        assert_eq!(exec(&["host", "sh", "-c", &script]).status, Some(code));
    }
    let missing = exec(&["host", "no-such-command"]);
    assert_eq!(missing.status, Some(127), "{missing:?}");
    assert!(missing.stdout.contains(
        "OCI runtime exec failed: exec failed: unable to start container process: \
             exec: \"no-such-command\": executable file not found in $PATH: unknown"
    ));
    let detached = exec(&["-d", "host", "no-such-command"]).failure(1);
    assert!(
        detached.contains("daemon: OCI runtime exec failed: "),
        "{detached}"
    );
    daemon.docker(&["pause", "host"]).success();
    let paused = exec(&["host", "true"]).failure(1);
    let text = " is paused, unpause the container before exec";
    assert!(paused.contains(text), "{paused}");
    daemon.docker(&["unpause", "host"]).success();
    assert_eq!(exec(&["host", "/etc"]).status, Some(126));
    exec(&["-d", "host", "sh", "-c", "echo done > /tmp/mark"]).success();
    let read = "until [ -e /tmp/mark ]; do sleep 0.02; done; cat /tmp/mark";
    assert_eq!(exec(&["host", "sh", "-c", read]).success(), "done\n");
    daemon.docker(&["stop", "-t", "0", "host"]).success();
    let refused = exec(&["host", "true"]).failure(1);
    assert!(refused.contains("is not running"), "{refused}");
}

#[test]
fn input_goes_through_an_exec_whole() {
    let daemon = with_container();
    let input: Vec<u8> = (0..20_000_000u32).map(|n| (n % 95) as u8 + 32).collect();
    let mut cat = daemon.docker_command(&["exec", "-i", "host", "cat"]);
    let output = run_with_input(&mut cat, &input, LIMIT).success();
    assert!(output.as_bytes() == input, "{} bytes", output.len());
}

#[test]
fn a_terminal_of_an_exec_and_its_detach_keys() {
    let daemon = with_container();
    let mut shell = Terminal::start(&daemon.docker_command(&["exec", "-it", "host", "sh"]));
    shell.wait_for("# ", LIMIT);
    shell.keys("stty size\r");
    shell.wait_for("24 80", LIMIT);
    shell.keys("exit 6\r");
    assert_eq!(shell.wait(LIMIT), Some(6));
    let run = ["exec", "-it", "host", "sh", "-c", "echo up; exec sleep 777"];
    let mut left = Terminal::start(&daemon.docker_command(&run));
    left.wait_for("up", LIMIT);
    left.keys("\x10\x11");
    left.wait_for("read escape sequence", LIMIT);
    let listed = daemon.docker(&["exec", "host", "ps"]).success();
    assert!(listed.contains("sleep 777"), "{listed}");
}

#[test]
fn an_exec_outlives_a_killed_daemon_and_is_found_again() {
    let mut daemon = with_container();
    let wish = json!({ "Cmd": ["sh", "-c", "until [ -e /go ]; do sleep 0.1; done; exit 5"], "AttachStdout": true, "User": "1:2", "Tty": true });
    let made = daemon.request_json("POST", "/containers/host/exec", &wish);
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["Id"].as_str().unwrap().to_owned();
    let target = format!("/exec/{id}/start");
    let started = daemon.request_json("POST", &target, &json!({ "Detach": true }));
    assert_eq!(started.status, 200, "{}", started.text());
    let inspect = |daemon: &Daemon| daemon.request("GET", &format!("/exec/{id}/json")).json();
    let before = inspect(&daemon);
    assert_eq!(before["Running"], true);
    let running = |daemon: &Daemon| daemon.request("GET", "/containers/host/json").json();
    assert_eq!(running(&daemon)["ExecIDs"], json!([id]));
    daemon.kill();
    daemon.start_again();
    assert_eq!(inspect(&daemon), before);
    assert_eq!(running(&daemon)["ExecIDs"], json!([id]));
    daemon.docker(&["exec", "host", "touch", "/go"]).success();
    bulkhead_test_support::wait_until(|| inspect(&daemon)["ExitCode"] == 5);
    assert_eq!(running(&daemon)["ExecIDs"], json!(null));
    let again = daemon.request_json("POST", &target, &json!({}));
    assert_eq!(again.status, 409, "{}", again.text());
    assert_eq!(
        daemon.docker(&["exec", "host", "echo", "x"]).success(),
        "x\n"
    );
    let missing = daemon.request("GET", &format!("/exec/{}/json", "0".repeat(64)));
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("No such exec instance"));
}

#[test]
fn a_checks_output_is_cut_and_its_time_is_limited() {
    let daemon = with_container();
    let run = |name: &str, timeout: &str, command: &str| {
        let options = ["--health-interval", "1s", "--health-timeout", timeout];
        let check = ["--health-cmd", command, "busybox", "sleep", "100000"];
        let all = [&["run", "-d", "--name", name], &options[..], &check[..]].concat();
        daemon.docker(&all).success();
    };
    run("talks", "60s", "yes | head -c 100000; exit 3");
    run("hangs", "4s", "echo partly; exec sleep 4321");
    let first = |name: &str| {
        let state = daemon.request("GET", &format!("/containers/{name}/json"));
        state.json()["State"]["Health"]["Log"][0].clone()
    };
    bulkhead_test_support::wait_until(|| first("talks").is_object() && first("hangs").is_object());
    assert_eq!(first("talks")["ExitCode"], 3);
    assert_eq!(first("talks")["Output"], "y\n".repeat(2048));
    let hung = first("hangs");
    assert_eq!(hung["ExitCode"], -1);
    let told = "Health check exceeded timeout (4s): partly\n";
    assert_eq!(hung["Output"], told);
    let twice = || daemon.request("GET", "/containers/hangs/json").json();
    bulkhead_test_support::wait_until(|| twice()["State"]["Health"]["Log"][1].is_object());
    // The third may run already; no more than that.
    let left = daemon.docker(&["exec", "hangs", "ps"]).success();
    assert!(left.matches("sleep 4321").count() <= 1, "{left}");
}
