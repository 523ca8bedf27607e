//! `save` and `load`: archives exchanged with docker, skopeo, podman and
//! umoci, compared by their digests.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bulkhead_test_support::{
    Compression, Daemon, Dockerd, Image, ManifestFormat, Registry, Tree, images, run,
};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(120);

fn program(name: &str, arguments: &[&str]) -> String {
    run(Command::new(name).args(arguments), LIMIT).success()
}

/// Podman with a storage of its own.
fn podman(folder: &Path, arguments: &[&str]) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    let own = ["--root", &path("root"), "--runroot", &path("run")];
    let driver = ["--storage-driver", "vfs"];
    program("podman", &[&own[..], &driver, arguments].concat())
}

fn id_of(daemon: &Daemon, name: &str) -> String {
    let id = daemon.bulkhead(&["image", "inspect", "-f", "{{.Id}}", name]);
    id.success().trim().to_owned()
}

/// The configuration's digest as skopeo reads it.
fn config_of(source: &str) -> String {
    let manifest = program("skopeo", &["inspect", "--raw", source]);
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    manifest["config"]["digest"].as_str().unwrap().to_owned()
}

fn tag(daemon: &Daemon, image: &str, name: &str) {
    let target = format!("/images/{image}/tag?repo={name}");
    assert_eq!(daemon.request("POST", &target).status, 201);
}

/// Two images with a layer in common.
fn related() -> (Image, Image) {
    let upper = Tree::new().file("etc/own", 0o644, b"own\n");
    (images::busybox(), images::busybox().layer(upper))
}

/// A folder for archives, and a path in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

#[test]
fn what_is_saved_here_is_read_by_docker_skopeo_podman_and_umoci() {
    let daemon = Daemon::start();
    let (lower, upper) = related();
    daemon.load("lower:1", &lower);
    daemon.load("upper:2", &upper.compression(Compression::Zstd));
    let docker_format = images::busybox()
        .config("Labels", serde_json::json!({"a": "b"}))
        .format(ManifestFormat::Docker);
    daemon.load("schema:2", &docker_format);
    let names = ["lower:1", "upper:2", "schema:2"];
    let folder = Folder::new();
    let archive = folder.file("all.tar");
    let save = ["save", "-o", &archive];
    daemon.bulkhead(&[&save[..], &names].concat()).success();

    let docker = Dockerd::start();
    let loaded = docker.docker(&["load", "-i", &archive]).success();
    podman(folder.0.path(), &["load", "-q", "-i", &archive]);
    let layout = folder.file("layout");
    std::fs::create_dir(&layout).unwrap();
    program("tar", &["-xf", &archive, "-C", &layout]);
    for name in names {
        let ours = id_of(&daemon, name);
        assert!(
            loaded.contains(&format!("Loaded image: {name}\n")),
            "{loaded}"
        );
        let inspect = ["image", "inspect", "-f", "{{.Id}}"];
        let of_docker = docker.docker(&[&inspect[..], &[name]].concat()).success();
        assert_eq!(of_docker.trim(), ours);
        let found = podman(folder.0.path(), &["images", "--no-trunc", "-q"]);
        assert!(found.contains(&ours), "{name} of {found}");
        let tag = name.split(':').next_back().unwrap();
        for source in [
            format!("docker-archive:{archive}:{name}"),
            format!("oci:{layout}:{tag}"),
        ] {
            if source.starts_with("oci") && tag == "2" {
                // The tag alone names two images.
                continue;
            }
            let to = folder.file(&format!("{name}-{}", source.len()));
            program("skopeo", &["copy", "-q", &source, &format!("dir:{to}")]);
            let manifest = std::fs::read(format!("{to}/manifest.json")).unwrap();
            let manifest: Value = serde_json::from_slice(&manifest).unwrap();
            assert_eq!(manifest["config"]["digest"], *ours, "{source}");
        }
    }
    let bundle = folder.file("bundle");
    program(
        "umoci",
        &["unpack", "--image", &format!("{layout}:1"), &bundle],
    );
    assert!(Path::new(&bundle).join("rootfs/bin/busybox").exists());
}

#[test]
fn what_docker_skopeo_and_podman_save_is_loaded_here() {
    let (lower, upper) = related();
    let folder = Folder::new();
    let file = |name: &str| folder.file(name);
    let first = file("lower.tar");
    std::fs::write(&first, lower.docker_archive("docker.io/library/lower:1")).unwrap();
    let second = file("upper.tar");
    std::fs::write(&second, upper.docker_archive("docker.io/library/upper:2")).unwrap();
    let docker = Dockerd::start();
    for archive in [&first, &second] {
        docker.docker(&["load", "-i", archive]).success();
        podman(folder.0.path(), &["load", "-q", "-i", archive]);
    }
    // Docker before 25 writes a layer of several images once and links to it.
    let of_docker = file("docker.tar");
    let save = ["save", "-o", &of_docker, "lower:1", "upper:2"];
    docker.docker(&save).success();
    let mut archives = vec![(of_docker, vec!["lower:1", "upper:2"])];
    for format in ["docker-archive", "oci-archive"] {
        let to = file(&format!("podman-{format}.tar"));
        let save = ["save", "-q", "--format", format, "-o", &to];
        let name = "docker.io/library/upper:2";
        podman(folder.0.path(), &[&save[..], &[name]].concat());
        archives.push((to, vec!["upper:2"]));
        let to = file(&format!("skopeo-{format}.tar"));
        let from = format!("docker-archive:{second}:docker.io/library/upper:2");
        program(
            "skopeo",
            &["copy", "-q", &from, &format!("{format}:{to}:upper:2")],
        );
        archives.push((to, vec!["upper:2"]));
    }
    let expected = Daemon::start();
    expected.load("lower:1", &lower);
    expected.load("upper:2", &upper);
    for (archive, names) in archives {
        let daemon = Daemon::start();
        let said = daemon.bulkhead(&["load", "-i", &archive]).success();
        for name in names {
            assert!(
                said.contains(&format!("Loaded image: {name}\n")),
                "{archive}: {said}"
            );
            // Both write another configuration in OCI's format.
            let id = match archive.contains("oci-archive") {
                true => config_of(&format!("oci-archive:{archive}")),
                false => id_of(&expected, name),
            };
            assert_eq!(id_of(&daemon, name), id, "{archive}");
        }
        let cat = [
            "run",
            "--rm",
            "--network",
            "none",
            "upper:2",
            "cat",
            "/etc/own",
        ];
        assert_eq!(daemon.bulkhead(&cat).success(), "own\n", "{archive}");
    }
}

#[test]
fn save_and_load_change_no_digest_in_any_compression() {
    let registry = Registry::start();
    let name = registry.push("app:1", &related().1);
    let daemon = Daemon::start();
    daemon.bulkhead(&["pull", &name]).success();
    let id = id_of(&daemon, &name);
    let folder = Folder::new();
    let archive = folder.file("app.tar");
    daemon.docker(&["save", "-o", &archive, &name]).success();
    let saved = std::fs::read(&archive).unwrap();
    let compressed = [
        ("cat", ""),
        ("gzip", ".gz"),
        ("bzip2", ".bz2"),
        ("xz", ".xz"),
        ("zstd", ".zst"),
    ];
    for (compress, suffix) in compressed {
        daemon.bulkhead(&["rmi", "-f", &name]).success();
        let packed = format!("{archive}{suffix}");
        program(
            "sh",
            &[
                "-c",
                "\"$1\" < \"$2\" > \"$3\".new && mv \"$3\".new \"$3\"",
                "sh",
                compress,
                &archive,
                &packed,
            ],
        );
        let said = daemon.docker(&["load", "-i", &packed]).success();
        assert_eq!(said, format!("Loaded image: {name}\n"));
        assert_eq!(id_of(&daemon, &name), id);
        let second = folder.file("second.tar");
        daemon.bulkhead(&["save", "-o", &second, &name]).success();
        assert!(std::fs::read(&second).unwrap() == saved, "{compress}");
    }
}

#[test]
fn names_progress_and_refusals_are_docker_s() {
    let daemon = Daemon::start();
    daemon.load("a:1", &images::busybox());
    tag(&daemon, "a:1", "a:2");
    let folder = Folder::new();
    let file = |name: &str| folder.file(name);
    // A repository means all its tags, an id none.
    daemon
        .bulkhead(&["save", "-o", &file("a.tar"), "a"])
        .success();
    let id = id_of(&daemon, "a:1");
    daemon
        .bulkhead(&["save", "-o", &file("id.tar"), &id])
        .success();
    assert_eq!(
        daemon.docker(&["save", "nosuch"]).failure(1),
        "Error response from daemon: No such image: nosuch\n"
    );
    daemon.bulkhead(&["rmi", "-f", &id]).success();
    let by_id = daemon.bulkhead(&["load", "-i", &file("id.tar")]).success();
    assert_eq!(by_id, format!("Loaded image ID: {id}\n"));
    // A name that another image had is taken from it.
    daemon.load("a:1", &related().1);
    let other = id_of(&daemon, "a:1");
    let said = daemon.bulkhead(&["load", "-i", &file("a.tar")]).success();
    assert_eq!(
        said,
        format!(
            "The image a:1 already exists, renaming the old one with ID {other} to empty string\nLoaded image: a:1\nLoaded image: a:2\n"
        )
    );
    daemon.bulkhead(&["rmi", "-f", &id, &other]).success();
    let body = std::fs::read(file("a.tar")).unwrap();
    let answer = daemon.send("POST", "/images/load", "application/x-tar", &body);
    let text = answer.text();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["status"], "Loading layer");
    assert_eq!(lines.last().unwrap()["stream"], "Loaded image: a:2\n");
    let no_such = daemon
        .bulkhead(&["load", "-i", &file("missing")])
        .failure(1);
    assert!(no_such.contains("no such file or directory"), "{no_such}");
    let platform = ["save", "--platform", "linux/s390x", "a:1"];
    let refused = daemon.bulkhead(&platform).failure(1);
    assert!(
        refused.contains("does not match the specified platform (linux/s390x)"),
        "{refused}"
    );
    let mut terminal = daemon.terminal(&["save", "a:1"]);
    terminal.wait_for("cowardly refusing to save to a terminal", LIMIT);
}
