//! `pull` from docker-archives of this host: what docker and skopeo write, and
//! what nobody should.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bulkhead_test_support::{Daemon, Image, Tree, digest, images, run, run_with_input};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(120);

fn own_file() -> Image {
    let tree = Tree::new().file("etc/own", 0o644, b"own\n");
    images::busybox().layer(tree)
}

fn written(folder: &Path, name: &str, archive: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, archive).unwrap();
    path
}

fn source(path: &Path, name: &str) -> String {
    format!("docker-archive:{}{name}", path.display())
}

fn inspect(daemon: &Daemon, name: &str, format: &str) -> String {
    let shown = daemon.bulkhead(&["image", "inspect", "-f", format, name]);
    shown.success().trim().to_owned()
}

#[track_caller]
fn refused(daemon: &Daemon, source: &str) -> String {
    daemon.bulkhead(&["pull", source]).failure(1)
}

#[test]
fn an_archive_as_docker_writes_it_is_pulled_by_name_and_without() {
    let daemon = Daemon::start();
    let folder = tempfile::tempdir().unwrap();
    let archive = own_file().docker_archive("own:1");
    let path = written(folder.path(), "Plain.tar", &archive);
    let pulled = daemon.bulkhead(&["pull", &source(&path, ":own:1")]);
    assert!(
        pulled
            .success()
            .contains("Downloaded newer image for own:1")
    );
    let shown = daemon.bulkhead(&["run", "--rm", "own:1", "cat", "/etc/own"]);
    assert_eq!(shown.success(), "own\n");
    daemon.bulkhead(&["pull", &source(&path, "")]).success();
    let id = inspect(&daemon, "own:1", "{{.Id}}");
    assert_eq!(inspect(&daemon, "plain:latest", "{{.Id}}"), id);
    let layers = inspect(&daemon, "own:1", "{{json .RootFS.Layers}}");
    daemon.bulkhead(&["rmi", "own:1", "plain:latest"]).success();

    // `load` makes the same image of it.
    let load = &mut daemon.bulkhead_command(&["load"]);
    run_with_input(load, &archive, LIMIT).success();
    assert_eq!(inspect(&daemon, "own:1", "{{.Id}}"), id);
    assert_eq!(inspect(&daemon, "own:1", "{{json .RootFS.Layers}}"), layers);
}

#[test]
fn what_skopeo_and_save_write_is_pulled() {
    let daemon = Daemon::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    own_file().write_layout(&file("layout"), "1");
    let by_skopeo = file("skopeo.tar");
    let from = format!("oci:{}:1", file("layout").display());
    let to = source(&by_skopeo, ":localhost:5000/own:1");
    run(
        Command::new("skopeo").args(["copy", "-q", &from, &to]),
        LIMIT,
    )
    .success();
    daemon.bulkhead(&["pull", &to]).success();
    let id = inspect(&daemon, "localhost:5000/own:1", "{{.Id}}");

    daemon.load("other:2", &images::busybox());
    let both = file("both.tar");
    let archive = both.display().to_string();
    let names = ["localhost:5000/own:1", "other:2"];
    daemon
        .bulkhead(&[&["save", "-o", &archive][..], &names].concat())
        .success();
    daemon.bulkhead(&[&["rmi"][..], &names].concat()).success();
    let several = refused(&daemon, &source(&both, ""));
    assert!(several.contains("name one of them"), "{several}");
    daemon
        .bulkhead(&["pull", &source(&both, ":localhost:5000/own:1")])
        .success();
    assert_eq!(inspect(&daemon, "localhost:5000/own:1", "{{.Id}}"), id);
    assert_eq!(daemon.bulkhead(&["images", "-q", "other"]).success(), "");
}

#[test]
fn what_is_wrong_with_an_archive_is_told_and_nothing_of_it_stays() {
    let daemon = Daemon::start();
    let folder = tempfile::tempdir().unwrap();
    let layer = Tree::new().file("good", 0o644, b"x").into_tar();
    let configuration = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(b"another")]}});
    let parts = || {
        let config = configuration.to_string();
        let tree = Tree::new().file("config", 0o644, config.as_bytes());
        tree.file("layer.tar", 0o644, &layer)
            .symlink("shadow", "/etc/hostname")
            .symlink("up", "../../../../etc/hostname")
    };
    let archive = |config: &str, layer: &str| {
        let manifest = json!([{"Config": config, "RepoTags": ["bad:1"], "Layers": [layer]}]);
        let tree = parts().file("manifest.json", 0o644, manifest.to_string().as_bytes());
        tree.into_tar()
    };
    let whole = archive("config", "layer.tar");
    let cases: [(&str, Vec<u8>, &str, &str); 10] = [
        ("a link", archive("shadow", "layer.tar"), "", "leads out"),
        ("a link up", archive("config", "up"), "", "leads out"),
        (
            "a file of this host",
            archive("/etc/hostname", "layer.tar"),
            "",
            "the path must be relative",
        ),
        (
            "a file above",
            archive("config", "../layer.tar"),
            "",
            "the path must be relative",
        ),
        (
            "a missing layer",
            archive("config", "x.tar"),
            "",
            "not in the image archive",
        ),
        ("another layer", whole.clone(), ":bad:1", "sha256:"),
        (
            "a wrong name",
            whole.clone(),
            ":good:1",
            "not found in the image archive, which has bad:1",
        ),
        (
            "broken off",
            whole[..whole.len() / 2].to_vec(),
            "",
            "unexpected end",
        ),
        (
            "no manifest",
            parts().into_tar(),
            "",
            "manifest.json\" is not in the image archive",
        ),
        (
            "compressed",
            vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
            "",
            "compressed with gzip",
        ),
    ];
    for (what, archive, name, expected) in cases {
        let path = written(folder.path(), "bad.tar", &archive);
        let told = refused(&daemon, &source(&path, name));
        assert!(told.contains(expected), "{what}: {told}");
        assert_nothing(&daemon, what);
    }
    for path in [folder.path().to_owned(), "/dev/zero".into()] {
        let told = refused(&daemon, &source(&path, ":a:1"));
        assert!(told.contains("not a regular file"), "{told}");
    }
}

#[track_caller]
fn assert_nothing(daemon: &Daemon, after: &str) {
    let data = daemon.folder().join("data");
    let count = |folder: &str| std::fs::read_dir(data.join(folder)).map_or(0, Iterator::count);
    assert_eq!(daemon.bulkhead(&["images", "-aq"]).success(), "", "{after}");
    assert_eq!(count("staging"), 0, "staging after {after}");
    assert_eq!(count("blobs/sha256"), 0, "blobs after {after}");
    assert_eq!(daemon.snapshots(), [""; 0], "snapshots after {after}");
}
