//! `bulkhead run` against a scripted daemon.

use crate::scripted::{Answer, Daemon, Shown};
use std::sync::atomic::{AtomicUsize, Ordering};

fn shown(code: i32, stdout: &str, stderr: &str) -> Shown {
    Shown {
        code,
        stdout: stdout.into(),
        stderr: stderr.into(),
    }
}

/// A daemon whose containers write to both streams and exit with 7.
fn ordinary(_: &str, path: &str, _: &str) -> Answer {
    match path {
        path if path.contains("/create") => {
            Answer::Whole(201, r#"{"Id":"c0ffee","Warnings":["no swap limit"]}"#)
        }
        path if path.contains("/attach") => {
            Answer::Upgrade(b"\x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x04err\n")
        }
        path if path.contains("/wait") => Answer::Whole(200, r#"{"StatusCode":7}"#),
        _ => Answer::Whole(204, ""),
    }
}

#[test]
fn output_is_told_apart_and_the_exit_code_is_the_containers() {
    let daemon = Daemon::start(ordinary);
    assert_eq!(
        daemon.bulkhead(&["run", "--rm", "busybox", "sh", "-c", "x"]),
        shown(7, "out\n", "WARNING: no swap limit\nerr\n")
    );
    let mut calls = daemon.calls();
    calls[1..3].sort();
    assert_eq!(
        calls,
        [
            "POST /v1.53/containers/create",
            "POST /v1.53/containers/c0ffee/attach?stderr=1&stdout=1&stream=1",
            "POST /v1.53/containers/c0ffee/wait?condition=removed",
            "POST /v1.53/containers/c0ffee/start",
        ]
    );
}

#[test]
fn detached_it_prints_the_id_and_waits_for_nothing() {
    let daemon = Daemon::start(ordinary);
    assert_eq!(
        daemon.bulkhead(&["run", "-d", "--name", "web", "busybox"]),
        shown(0, "c0ffee\n", "WARNING: no swap limit\n")
    );
    assert_eq!(
        daemon.calls(),
        [
            "POST /v1.53/containers/create?name=web",
            "POST /v1.53/containers/c0ffee/start"
        ]
    );
}

#[test]
fn a_missing_image_is_pulled_once_and_the_container_made_again() {
    let creates = AtomicUsize::new(0);
    let daemon = Daemon::start(move |method, path, body| match path {
        path if path.contains("/containers/create")
            && creates.fetch_add(1, Ordering::SeqCst) == 0 =>
        {
            Answer::Whole(404, r#"{"message":"No such image: busybox:latest"}"#)
        }
        path if path.contains("/images/create") => Answer::Whole(
            200,
            "{\"status\":\"Pulling from library/busybox\",\"id\":\"latest\"}\r\n\
             {\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":2},\"id\":\"a1\"}\r\n\
             {\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"a1\"}\r\n",
        ),
        path => ordinary(method, path, body),
    });
    assert_eq!(
        daemon.bulkhead(&["run", "-d", "busybox"]),
        shown(
            0,
            "c0ffee\n",
            "Unable to find image 'busybox:latest' locally\nlatest: Pulling from library/busybox\n\
             a1: Pull complete\nWARNING: no swap limit\n"
        )
    );
    assert_eq!(
        daemon.calls()[1],
        "POST /v1.53/images/create?fromImage=busybox&tag=latest"
    );
}

#[test]
fn a_pull_that_fails_midway_is_an_engine_error() {
    let daemon = Daemon::start(|_, path, _| match path {
        path if path.contains("/images/create") => Answer::Whole(
            200,
            "{\"errorDetail\":{\"message\":\"layer a1: digest mismatch\"},\"error\":\"layer a1: digest mismatch\"}\r\n",
        ),
        _ => Answer::Whole(404, r#"{"message":"No such image: busybox:latest"}"#),
    });
    assert_eq!(
        daemon.bulkhead(&["run", "busybox"]),
        shown(
            125,
            "",
            "Unable to find image 'busybox:latest' locally\nbulkhead: layer a1: digest mismatch\n\n\
             Run 'bulkhead run --help' for more information\n"
        )
    );
}

#[test]
fn an_older_daemon_is_spoken_to_in_its_own_version() {
    let daemon = Daemon::start(|method, path, body| match path {
        path if path.starts_with("/v1.53/") => Answer::Whole(
            400,
            r#"{"message":"client version 1.53 is too new. Maximum supported API version is 1.41"}"#,
        ),
        path => ordinary(method, path, body),
    });
    assert_eq!(daemon.bulkhead(&["run", "-d", "busybox"]).code, 0);
    assert_eq!(
        daemon.calls(),
        [
            "POST /v1.53/containers/create",
            "POST /v1.41/containers/create",
            "POST /v1.41/containers/c0ffee/start",
        ]
    );
}

#[test]
fn why_a_start_failed_decides_the_exit_code() {
    for (message, code) in [
        (
            r#"{"message":"exec: \"x\": executable file not found in $PATH"}"#,
            127,
        ),
        (r#"{"message":"exec: \"/etc\": permission denied"}"#, 126),
        (r#"{"message":"the plugin storage-overlay trapped"}"#, 125),
    ] {
        let daemon = Daemon::start(move |method, path, body| match path {
            path if path.ends_with("/start") => Answer::Whole(400, message),
            path => ordinary(method, path, body),
        });
        let shown = daemon.bulkhead(&["run", "--rm", "busybox", "x"]);
        assert_eq!(shown.code, code, "{}", shown.stderr);
    }
}

#[test]
fn flags_reach_the_daemon_and_words_after_the_image_do_not_count_as_flags() {
    let bodies = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = bodies.clone();
    let daemon = Daemon::start(move |method, path, body| {
        if path.contains("/create") {
            seen.lock()
                .unwrap()
                .push(bulkhead_api::container::CreateRequest::decode(body.as_bytes()).unwrap());
        }
        ordinary(method, path, body)
    });
    let words = "run -d --rm=true -m 64m --memory-swap -1 --cpus 1.5 --pids-limit -1 -p 8080:80 -v data:/d:ro -e A=b -h box \
                 --cap-add NET_ADMIN --storage-driver vfs --read-only --entrypoint /e busybox -c --rm=false -d";
    assert_eq!(
        daemon
            .bulkhead(&words.split_whitespace().collect::<Vec<_>>())
            .code,
        0
    );
    let request = bodies.lock().unwrap().pop().unwrap();
    let host = &request.host_config;
    assert_eq!(request.config.cmd.unwrap(), ["-c", "--rm=false", "-d"]);
    assert_eq!(request.config.entrypoint.unwrap(), ["/e"]);
    assert_eq!(
        (request.config.env, request.config.hostname),
        (vec!["A=b".to_owned()], "box".to_owned())
    );
    assert_eq!(
        (host.memory, host.memory_swap, host.nano_cpus),
        (64 << 20, -1, 1_500_000_000)
    );
    assert_eq!(
        (host.pids_limit, host.storage_driver.as_str()),
        (Some(-1), "vfs")
    );
    assert_eq!(
        (&host.binds, &host.cap_add),
        (
            &vec!["data:/d:ro".to_owned()],
            &vec!["NET_ADMIN".to_owned()]
        )
    );
    assert!(host.auto_remove && host.readonly_rootfs && host.port_bindings.contains_key("80/tcp"));
}
