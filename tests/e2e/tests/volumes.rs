//! Volumes as the docker client makes, shows and removes them.

use bulkhead_test_support::{Daemon, images};
use serde_json::Value;

fn with_busybox() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

#[test]
fn a_volume_keeps_what_containers_write_and_shows_itself_as_dockers_do() {
    let daemon = with_busybox();
    let made = daemon.docker(&["volume", "create", "--label", "tier=db", "data"]);
    assert_eq!(made.success(), "data\n");
    let run = |command: &str| {
        daemon.docker(&[
            "run", "--rm", "-v", "data:/d", "busybox", "sh", "-c", command,
        ])
    };
    run("echo kept > /d/file").success();
    assert_eq!(run("cat /d/file").success(), "kept\n");
    let shown: Value = daemon.request("GET", "/volumes/data").json();
    assert_eq!(shown["Driver"], "local");
    assert_eq!(shown["Scope"], "local");
    assert_eq!(shown["Labels"]["tier"], "db");
    assert_eq!(shown["Options"], Value::Null);
    let mountpoint = shown["Mountpoint"].as_str().unwrap();
    assert!(mountpoint.ends_with("/volumes/data/_data"), "{mountpoint}");
    let again = daemon.docker(&["volume", "create", "data"]);
    assert_eq!(again.success(), "data\n");
    assert_eq!(run("cat /d/file").success(), "kept\n");
}

#[test]
fn a_volume_in_use_stays() {
    let daemon = with_busybox();
    let create = ["create", "--name", "user", "-v", "data:/d", "busybox"];
    let id = daemon.docker(&create).success();
    let refused = daemon.docker(&["volume", "rm", "data"]).failure(1);
    let text = format!("remove data: volume is in use - [{}]", id.trim());
    assert!(refused.contains(&text), "{refused}");
    daemon.docker(&["volume", "prune", "-af"]).success();
    daemon.docker(&["rm", "user"]).success();
    daemon.docker(&["volume", "rm", "data"]).success();
    let gone = daemon.docker(&["volume", "rm", "data"]).failure(1);
    assert!(gone.contains("get data: no such volume"), "{gone}");
    daemon.docker(&["volume", "rm", "-f", "data"]).success();
}

#[test]
fn a_prune_takes_unnamed_volumes_unless_all_are_meant() {
    let daemon = with_busybox();
    daemon.docker(&["volume", "create", "named"]).success();
    let unnamed = daemon.docker(&["volume", "create"]).success();
    daemon
        .docker(&["create", "-v", "/kept", "busybox"])
        .success();
    let names = || daemon.docker(&["volume", "ls", "-q"]).success();
    assert_eq!(names().lines().count(), 3);
    let pruned = daemon.docker(&["volume", "prune", "-f"]).success();
    assert!(pruned.contains(unnamed.trim()), "{pruned}");
    assert!(!pruned.contains("named\n"), "{pruned}");
    let dangling = ["volume", "ls", "-q", "--filter", "dangling=true"];
    assert_eq!(daemon.docker(&dangling).success(), "named\n");
    daemon.docker(&["volume", "prune", "-af"]).success();
    assert_eq!(names().lines().count(), 1);
}

#[test]
fn what_the_local_driver_cannot_do_is_refused_by_name() {
    let daemon = with_busybox();
    for (arguments, text) in [
        (
            &["-o", "type=nfs", "data"][..],
            "option \"type\" is not supported",
        ),
        (&["-d", "flocker", "data"], "plugin \"flocker\" not found"),
        (&["../data"], "includes invalid characters"),
        (&["d"], "volume name is too short"),
    ] {
        let refused = daemon.docker(&[&["volume", "create"], arguments].concat());
        let refused = refused.failure(1);
        assert!(refused.contains(text), "{refused}");
    }
    assert_eq!(daemon.docker(&["volume", "ls", "-q"]).success(), "");
    let unknown = daemon.docker(&["volume", "ls", "--filter", "colour=red"]);
    assert!(unknown.failure(1).contains("nvalid filter 'colour'"));
}
