//! A container's life through the API: each request has one outcome, also
//! when it comes in the middle of another.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bulkhead_test_support::{Daemon, images, wait_until};
use serde_json::{Value, json};

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

fn create(daemon: &Daemon, name: &str, script: &str, host: Value) {
    let body = json!({ "Image": "busybox", "Cmd": ["sh", "-c", script], "HostConfig": host });
    let made = daemon.request_json("POST", &format!("/containers/create?name={name}"), &body);
    assert_eq!(made.status, 201, "{}", made.text());
}

/// Status and message of a call without a body.
fn post(daemon: &Daemon, target: &str) -> (u16, String) {
    let answer = daemon.request("POST", &format!("/containers/{target}"));
    let message = answer.json()["message"].as_str().unwrap_or("").to_owned();
    (answer.status, message)
}

fn ok(daemon: &Daemon, target: &str) {
    let (status, message) = post(daemon, target);
    assert_eq!(status, 204, "{target}: {message}\n{}", daemon.log());
}

fn remove(daemon: &Daemon, target: &str) -> (u16, String) {
    let answer = daemon.request("DELETE", &format!("/containers/{target}"));
    let message = answer.json()["message"].as_str().unwrap_or("").to_owned();
    (answer.status, message)
}

fn inspect(daemon: &Daemon, id: &str) -> Value {
    let answer = daemon.request("GET", &format!("/containers/{id}/json"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn status(daemon: &Daemon, id: &str) -> String {
    inspect(daemon, id)["State"]["Status"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A shell that ends at SIGTERM with 5, and says so once it is ready.
const OBEDIENT: &str = "trap 'exit 5' TERM; touch /ready; while :; do sleep 0.05; done";
const STUBBORN: &str = "trap '' TERM; while :; do sleep 0.05; done";

#[test]
fn restart_policies_start_what_ended_and_count() {
    let daemon = with_busybox();
    let policy = |name: &str, retries: u32| json!({ "RestartPolicy": { "Name": name, "MaximumRetryCount": retries } });
    create(&daemon, "twice", "exit 3", policy("on-failure", 2));
    create(&daemon, "well", "exit 0", policy("on-failure", 2));
    create(&daemon, "always", "exit 0", policy("always", 0));
    for name in ["twice", "well", "always"] {
        ok(&daemon, &format!("{name}/start"));
    }
    wait_until(|| {
        let twice = inspect(&daemon, "twice");
        twice["RestartCount"] == 2 && twice["State"]["Status"] == "exited"
    });
    assert_eq!(inspect(&daemon, "twice")["State"]["ExitCode"], 3);
    assert_eq!(inspect(&daemon, "well")["RestartCount"], 0);
    wait_until(|| inspect(&daemon, "always")["RestartCount"].as_i64() >= Some(3));
    let mut state = Value::Null;
    wait_until(|| {
        state = inspect(&daemon, "always")["State"].clone();
        state["Status"] == "restarting"
    });
    assert_eq!(
        (&state["Running"], &state["Restarting"]),
        (&json!(true), &json!(true))
    );
    // A stop during the back-off is the end of it.
    ok(&daemon, "always/stop");
    let count = inspect(&daemon, "always")["RestartCount"].clone();
    std::thread::sleep(Duration::from_millis(1200));
    let after = inspect(&daemon, "always");
    assert_eq!(
        (&after["State"]["Status"], &after["RestartCount"]),
        (&json!("exited"), &count)
    );
}

#[test]
fn a_stop_by_hand_is_remembered_by_unless_stopped_and_not_by_always() {
    let mut daemon = with_busybox();
    for (name, policy) in [
        ("always", "always"),
        ("unless", "unless-stopped"),
        ("runs", "unless-stopped"),
    ] {
        create(
            &daemon,
            name,
            OBEDIENT,
            json!({ "RestartPolicy": { "Name": policy } }),
        );
        ok(&daemon, &format!("{name}/start"));
    }
    ok(&daemon, "always/stop");
    ok(&daemon, "unless/stop");
    let pid = inspect(&daemon, "runs")["State"]["Pid"].clone();
    daemon.kill();
    daemon.start_again();
    wait_until(|| status(&daemon, "always") == "running");
    assert_eq!(status(&daemon, "unless"), "exited");
    assert_eq!(inspect(&daemon, "runs")["State"]["Pid"], pid);
    // One that dies while no daemon runs is started by the next.
    let pid = i32::try_from(pid.as_i64().unwrap()).unwrap();
    daemon.kill();
    std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()
        .unwrap();
    daemon.start_again();
    wait_until(|| status(&daemon, "runs") == "running");
    assert_eq!(inspect(&daemon, "runs")["RestartCount"], 1);
}

#[test]
fn what_contradicts_itself_is_refused_with_dockers_words() {
    let daemon = with_busybox();
    let refused = |host: Value| {
        let body = json!({ "Image": "busybox", "HostConfig": host });
        let answer = daemon.request_json("POST", "/containers/create", &body);
        assert_eq!(answer.status, 400, "{}", answer.text());
        answer.json()["message"].as_str().unwrap().to_owned()
    };
    let both = json!({ "AutoRemove": true, "RestartPolicy": { "Name": "always" } });
    assert_eq!(
        refused(both),
        "can't create 'AutoRemove' container with restart policy"
    );
    let count = json!({ "RestartPolicy": { "Name": "always", "MaximumRetryCount": 1 } });
    assert!(refused(count).contains("maximum retry count can only be used with 'on-failure'"));
}

#[test]
fn each_request_fits_the_state_or_is_refused() {
    let daemon = with_busybox();
    create(&daemon, "one", OBEDIENT, Value::Null);
    create(&daemon, "two", "true", Value::Null);
    let id = inspect(&daemon, "one")["Id"].as_str().unwrap().to_owned();
    let not_running = format!("container {id} is not running");
    assert_eq!(post(&daemon, "one/stop").0, 304);
    assert_eq!(
        post(&daemon, "one/kill"),
        (409, format!("cannot kill container: one: {not_running}"))
    );
    assert_eq!(post(&daemon, "one/pause"), (409, not_running));
    ok(&daemon, "one/start");
    assert_eq!(post(&daemon, "one/start").0, 304);
    ok(&daemon, "one/pause");
    let state = inspect(&daemon, "one")["State"].clone();
    assert_eq!(
        (&state["Status"], &state["Paused"], &state["Running"]),
        (&json!("paused"), &json!(true), &json!(true))
    );
    let list = daemon.request("GET", "/containers/json").json();
    assert!(
        list[0]["Status"].as_str().unwrap().ends_with("(Paused)"),
        "{list:#}"
    );
    assert_eq!(
        post(&daemon, "one/start"),
        (
            409,
            "cannot start a paused container, try unpause instead".into()
        )
    );
    assert_eq!(
        post(&daemon, "one/pause"),
        (409, format!("container {id} is already paused"))
    );
    let paused = "cannot remove container \"/one\": container is paused and must be unpaused first";
    assert_eq!(remove(&daemon, "one"), (409, paused.into()));
    ok(&daemon, "one/unpause");
    assert_eq!(
        post(&daemon, "one/unpause"),
        (500, format!("container {id} is not paused"))
    );
    let running = "cannot remove container \"/one\": container is running: stop the container before removing or force remove";
    assert_eq!(remove(&daemon, "one"), (409, running.into()));
    // A frozen container can be stopped: it is thawed.
    ok(&daemon, "one/pause");
    ok(&daemon, "one/stop");
    assert_eq!(inspect(&daemon, "one")["State"]["ExitCode"], 5);
    names(&daemon, &id);
}

fn names(daemon: &Daemon, id: &str) {
    let taken = format!(
        "Error when allocating new name: Conflict. The container name \"/one\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
    );
    assert_eq!(post(daemon, "two/rename?name=one"), (409, taken));
    assert_eq!(post(daemon, "one/rename?name=one").0, 400);
    assert_eq!(post(daemon, "one/rename?name=").0, 400);
    assert_eq!(post(daemon, "one/rename?name=a/b").0, 400);
    ok(daemon, "one/rename?name=/three");
    ok(daemon, "two/rename?name=one");
    assert_eq!(inspect(daemon, "three")["Id"], id);
    assert_eq!(remove(daemon, "one").0, 204);
    create(daemon, "one", "true", Value::Null);
}

/// How many signals the daemon says it has sent: two stops send two.
fn kills(daemon: &Daemon) -> usize {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let events = daemon.request("GET", &format!("/events?since=1&until={now}"));
    events.text().matches("\"Action\":\"kill\"").count()
}

#[test]
fn a_kill_during_a_stop_is_served_at_once_and_two_stops_share_the_end() {
    let daemon = with_busybox();
    create(&daemon, "one", STUBBORN, Value::Null);
    ok(&daemon, "one/start");
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let stops = [(); 2].map(|()| scope.spawn(|| post(&daemon, "one/stop?t=100")));
        wait_until(|| kills(&daemon) == 2);
        ok(&daemon, "one/kill");
        for stop in stops {
            assert_eq!(stop.join().unwrap().0, 204);
        }
    });
    assert!(begin.elapsed() < Duration::from_secs(90));
    assert_eq!(inspect(&daemon, "one")["State"]["ExitCode"], 137);
    ok(&daemon, "one/start");
    let begin = Instant::now();
    ok(&daemon, "one/stop?t=1");
    assert!(begin.elapsed() > Duration::from_secs(1) && begin.elapsed() < Duration::from_secs(60));
}

/// A wait that the daemon has taken up: it answers with a head at once.
fn waiting(daemon: &Daemon, target: &str) -> UnixStream {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    let limit = Some(Duration::from_secs(60));
    stream.set_read_timeout(limit).unwrap();
    let request =
        format!("POST /containers/{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    stream
}

fn rest(mut stream: UnixStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn waits_end_with_the_end_the_next_exit_or_the_removal() {
    let daemon = with_busybox();
    create(&daemon, "one", "sleep 0.3; exit 4", Value::Null);
    create(
        &daemon,
        "gone",
        "sleep 0.3; exit 6",
        json!({ "AutoRemove": true }),
    );
    create(&daemon, "bad", "true", Value::Null);
    let code = |target: &str| {
        daemon
            .request("POST", &format!("/containers/{target}"))
            .json()["StatusCode"]
            .clone()
    };
    assert_eq!(code("one/wait"), 0);
    let next = waiting(&daemon, "one/wait?condition=next-exit");
    let gone = waiting(&daemon, "gone/wait?condition=removed");
    ok(&daemon, "one/start");
    ok(&daemon, "gone/start");
    assert!(rest(next).contains("\"StatusCode\":4"));
    assert!(rest(gone).contains("\"StatusCode\":6"));
    assert_eq!(code("one/wait"), 4);
    assert_eq!(daemon.request("GET", "/containers/gone/json").status, 404);
}

#[test]
fn a_container_whose_shim_is_killed_ends_with_137() {
    let mut daemon = with_busybox();
    for with_daemon in [true, false] {
        create(&daemon, "one", "exec sleep 1000", Value::Null);
        ok(&daemon, "one/start");
        let pid = inspect(&daemon, "one")["State"]["Pid"].as_i64().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let shim = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split(' ')
            .nth(2)
            .unwrap()
            .to_owned();
        if !with_daemon {
            daemon.kill();
        }
        std::process::Command::new("kill")
            .args(["-9", &shim])
            .status()
            .unwrap();
        wait_until(|| !std::path::Path::new(&format!("/proc/{pid}")).exists());
        if !with_daemon {
            daemon.start_again();
        }
        wait_until(|| status(&daemon, "one") == "exited");
        assert_eq!(inspect(&daemon, "one")["State"]["ExitCode"], 137);
        assert_eq!(remove(&daemon, "one").0, 204);
    }
}

#[test]
fn a_restart_keeps_a_container_that_goes_with_its_end() {
    let daemon = with_busybox();
    create(&daemon, "one", OBEDIENT, json!({ "AutoRemove": true }));
    ok(&daemon, "one/start");
    let before = inspect(&daemon, "one")["State"]["Pid"].clone();
    ok(&daemon, "one/restart?t=5");
    let after = inspect(&daemon, "one");
    assert_eq!(after["State"]["Status"], "running");
    assert_ne!(after["State"]["Pid"], before);
    assert_ne!(after["State"]["FinishedAt"], "0001-01-01T00:00:00Z");
    let removals: Vec<u16> = std::thread::scope(|scope| {
        let all = [(); 4].map(|()| scope.spawn(|| remove(&daemon, "one?force=1").0));
        all.map(|r| r.join().unwrap()).to_vec()
    });
    assert!(removals.contains(&204), "{removals:?}");
    assert!(
        removals.iter().all(|r| [204, 404, 409].contains(r)),
        "{removals:?}"
    );
    wait_until(|| daemon.request("GET", "/containers/one/json").status == 404);
}

#[test]
fn starts_removals_and_renames_at_once_have_one_outcome() {
    let daemon = with_busybox();
    for round in 0..10 {
        create(&daemon, "one", "exec sleep 1000", Value::Null);
        std::thread::scope(|scope| {
            let start = scope.spawn(|| post(&daemon, "one/start").0);
            let again = scope.spawn(|| post(&daemon, "one/start").0);
            let rename = scope.spawn(|| post(&daemon, "one/rename?name=other").0);
            let gone = scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(round));
                remove(&daemon, "one?force=1").0
            });
            let starts = [start.join().unwrap(), again.join().unwrap()];
            assert!(
                starts.iter().all(|s| [204, 304, 404, 409].contains(s)),
                "{starts:?}"
            );
            assert!([204, 404, 409].contains(&rename.join().unwrap()));
            assert!([204, 404].contains(&gone.join().unwrap()));
        });
        for name in ["one", "other"] {
            remove(&daemon, &format!("{name}?force=1"));
            assert_eq!(
                daemon
                    .request("GET", &format!("/containers/{name}/json"))
                    .status,
                404
            );
        }
    }
    assert_eq!(
        daemon.request("GET", "/containers/json?all=1").json(),
        json!([])
    );
}

#[test]
fn health_checks_give_a_verdict_that_survives_the_daemon() {
    let mut daemon = with_busybox();
    let millis = |n: u64| n * 1_000_000;
    let body = json!({
        "Image": "busybox",
        "Cmd": ["sleep", "1000"],
        "Healthcheck": {
            "Test": ["CMD-SHELL", "cat /state && test -f /good"],
            "Interval": millis(100),
            "Retries": 2,
        },
    });
    let made = daemon.request_json("POST", "/containers/create?name=one", &body);
    assert_eq!(made.status, 201, "{}", made.text());
    let health = |daemon: &Daemon| inspect(daemon, "one")["State"]["Health"].clone();
    assert!(health(&daemon).is_null());
    ok(&daemon, "one/start");
    wait_until(|| health(&daemon)["Status"] == "unhealthy");
    assert!(health(&daemon)["FailingStreak"].as_i64() >= Some(2));
    let list = daemon.request("GET", "/containers/json").json();
    assert!(
        list[0]["Status"].as_str().unwrap().ends_with("(unhealthy)"),
        "{list:#}"
    );
    let touch = ["exec", "one", "sh", "-c", "echo fine > /state; touch /good"];
    daemon.docker(&touch).success();
    wait_until(|| health(&daemon)["Status"] == "healthy");
    let last = health(&daemon)["Log"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(
        (&last["ExitCode"], &last["Output"]),
        (&json!(0), &json!("fine\n"))
    );
    daemon.kill();
    daemon.start_again();
    assert_eq!(health(&daemon)["Status"], "healthy");
    daemon.docker(&["exec", "one", "rm", "/good"]).success();
    wait_until(|| health(&daemon)["Status"] == "unhealthy");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let until = now.unwrap().as_secs() + 1;
    let events = daemon
        .request("GET", &format!("/events?since=1&until={until}"))
        .text();
    assert!(events.contains("health_status: unhealthy"), "{events}");
    ok(&daemon, "one/stop?t=0");
    assert_eq!(health(&daemon)["Status"], "unhealthy");
}
