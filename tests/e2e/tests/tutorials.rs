//! What every Docker tutorial begins with, typed at docker's own client, on
//! each storage driver: run, change, commit, look, remove; and an image's way
//! through skopeo and Docker and back.

use std::process::Command;
use std::time::Duration;

use bulkhead_test_support::{Daemon, DaemonBuilder, Dockerd, images, run};

const LIMIT: Duration = Duration::from_secs(120);
const IMAGE: &str = "tutor/greeting:v2";

#[test]
fn a_tutorial_on_overlay() {
    follow(Daemon::builder().storage_driver("overlay"));
}

#[test]
fn a_tutorial_on_vfs() {
    follow(Daemon::builder().storage_driver("vfs"));
}

#[test]
fn a_tutorial_on_btrfs() {
    let builder = Daemon::builder().storage_driver("btrfs");
    follow(builder.argument("--storage-opt=btrfs.pool_size=2G"));
}

#[test]
fn a_tutorial_on_devmapper() {
    let builder = Daemon::builder().storage_driver("devmapper");
    let builder = builder.argument("--storage-opt=dm.loopdatasize=2G");
    follow(builder.argument("--storage-opt=dm.basesize=64M"));
}

fn follow(builder: DaemonBuilder) {
    let daemon = builder.start();
    daemon.load("busybox:latest", &images::busybox());
    change(&daemon);
    let id = commit(&daemon);
    remove_the_base(&daemon);
    travel(&daemon, &id);
}

fn docker(daemon: &Daemon, arguments: &[&str]) -> String {
    daemon.docker(arguments).success().trim_end().to_owned()
}

fn change(daemon: &Daemon) {
    let script = "echo hello > /greeting; rm /bin/sleep; mkdir -p /srv/www; \
                  ln -s ../../greeting /srv/www/link; chmod 600 /etc/group";
    docker(
        daemon,
        &["run", "--name", "seed", "busybox", "sh", "-c", script],
    );
    let changes = docker(daemon, &["diff", "seed"]);
    let mut changes: Vec<_> = changes.lines().collect();
    changes.sort_unstable();
    assert_eq!(
        changes,
        [
            "A /greeting",
            "A /srv",
            "A /srv/www",
            "A /srv/www/link",
            "C /bin",
            "C /etc",
            "C /etc/group",
            "D /bin/sleep",
        ]
    );
}

/// The new image's id.
fn commit(daemon: &Daemon) -> String {
    let author = "Tutor <tutor@example.org>";
    let commit = [
        "commit",
        "-m",
        "Added a greeting",
        "-a",
        author,
        "seed",
        IMAGE,
    ];
    let id = docker(daemon, &commit);
    let listed = [
        "images",
        "--no-trunc",
        "--format",
        "{{.Repository}}:{{.Tag}} {{.ID}}",
    ];
    let listed = docker(daemon, &listed);
    assert!(
        listed.lines().count() == 2 && listed.contains(&format!("{IMAGE} {id}")),
        "{listed}"
    );
    let history = ["history", "--format", "{{.CreatedBy}}|{{.Comment}}", IMAGE];
    let history = docker(daemon, &history);
    let newest = history.lines().next().unwrap_or_default();
    assert!(
        newest.starts_with("sh -c echo hello") && newest.ends_with("|Added a greeting"),
        "{history}"
    );
    let words = ["image", "inspect", "-f", "{{.Author}}|{{.Comment}}", IMAGE];
    assert_eq!(docker(daemon, &words), format!("{author}|Added a greeting"));
    check(daemon);
    id
}

/// The image has the changes, and nothing else was changed.
fn check(daemon: &Daemon) {
    let look = "cat /srv/www/link; stat -c %a /etc/group; stat -c %a /etc/passwd; ls /bin/sleep";
    let seen = daemon.docker(&["run", "--rm", IMAGE, "sh", "-c", look]);
    assert_eq!(seen.stdout, "hello\n600\n644\n", "{}", seen.stderr);
    assert!(seen.stderr.contains("No such file"), "{}", seen.stderr);
}

fn remove_the_base(daemon: &Daemon) {
    let used = daemon.docker(&["rmi", "busybox"]).failure(1);
    assert!(used.contains("conflict: unable to remove"), "{used}");
    docker(daemon, &["rm", "seed"]);
    let removed = docker(daemon, &["rmi", "busybox"]);
    // Others were made from it: it loses its names alone.
    assert!(
        removed.starts_with("Untagged: busybox:latest\nUntagged: busybox@sha256:")
            && !removed.contains("Deleted"),
        "{removed}"
    );
    check(daemon);
}

/// Out with `save`, once through Docker and once through skopeo, and back.
fn travel(daemon: &Daemon, id: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (saved, by_docker, by_skopeo) = (file("ours.tar"), file("docker.tar"), file("skopeo.tar"));
    docker(daemon, &["save", "-o", &saved, IMAGE]);
    let from = format!("docker-archive:{saved}:{IMAGE}");
    let to = format!("docker-archive:{by_skopeo}:{IMAGE}");
    let mut skopeo = Command::new("skopeo");
    run(skopeo.args(["copy", "--quiet", &from, &to]), LIMIT).success();
    let peer = Dockerd::start();
    let loaded = peer.docker(&["load", "-i", &saved]).success();
    assert_eq!(loaded, format!("Loaded image: {IMAGE}\n"));
    peer.docker(&["save", "-o", &by_docker, IMAGE]).success();
    for archive in [by_docker, by_skopeo] {
        let removed = docker(daemon, &["rmi", IMAGE]);
        assert!(
            removed.starts_with(&format!("Untagged: {IMAGE}\nDeleted: {id}\n")),
            "{removed}"
        );
        assert_eq!(docker(daemon, &["images", "-aq"]), "");
        let loaded = docker(daemon, &["load", "-qi", &archive]);
        assert_eq!(loaded, format!("Loaded image: {IMAGE}"));
        let now = docker(daemon, &["image", "inspect", "-f", "{{.Id}}", IMAGE]);
        assert_eq!(now, id);
        check(daemon);
    }
}
