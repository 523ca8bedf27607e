//! `bulkhead pull` from the CNCF registry, and from layouts on disk.

use bulkhead_test_support::{Compression, Image, ManifestFormat, Tree};
use bulkhead_test_support::{Daemon, Registry, images};

fn layered() -> Image {
    images::busybox()
        .layer(
            Tree::new()
                .dir("gone", 0o755)
                .file("gone/file", 0o644, b"old")
                .file("kept", 0o644, b"1"),
        )
        .layer(
            Tree::new()
                .whiteout("gone")
                .file("kept", 0o644, b"2")
                .file("set", 0o4755, b"x"),
        )
}

#[test]
fn every_compression_and_manifest_format_gives_the_same_files() {
    let (daemon, registry) = (Daemon::start(), Registry::start());
    let mut seen = Vec::new();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        for format in [ManifestFormat::Docker, ManifestFormat::Oci] {
            if format == ManifestFormat::Docker && compression == Compression::Zstd {
                continue; // Docker's schema has no media type for it.
            }
            let name = format!("all:{compression:?}-{format:?}").to_lowercase();
            let reference =
                registry.push(&name, &layered().compression(compression).format(format));
            for driver in ["overlay", "vfs"] {
                let script =
                    "ls -d /gone 2>&1; cat /kept; stat -c %a /set; ls -lA /bin /kept /set | md5sum";
                let run = [
                    "run",
                    "--rm",
                    "--storage-driver",
                    driver,
                    &reference,
                    "sh",
                    "-c",
                    script,
                ];
                seen.push(daemon.bulkhead(&run).success());
            }
        }
    }
    assert!(
        seen[0].contains("No such file") && seen[0].contains("2") && seen[0].contains("4755"),
        "{}",
        seen[0]
    );
    assert!(seen.iter().all(|s| *s == seen[0]), "{seen:#?}");
}

#[test]
fn progress_and_status_lines_are_dockers() {
    let (daemon, registry) = (Daemon::start(), Registry::start());
    let reference = registry.push("small:1", &layered());
    let first = daemon.bulkhead(&["pull", &reference]).success();
    for line in [
        "1: Pulling from small",
        ": Pulling fs layer",
        ": Pull complete",
        "Digest: sha256:",
        "Status: Downloaded newer image for ",
    ] {
        assert!(first.contains(line), "{line} is missing in\n{first}");
    }
    assert!(first.trim_end().ends_with(&reference));
    let again = daemon.bulkhead(&["pull", &reference]).success();
    assert!(
        !again.contains(": Already exists") && again.contains("Status: Image is up to date for "),
        "{again}"
    );
    // What another image brought is told layer by layer.
    let more = layered().layer(Tree::new().file("more", 0o644, b"more"));
    let more = registry.push("small:2", &more);
    let shared = daemon.bulkhead(&["pull", &more]).success();
    assert!(
        shared.contains(": Already exists") && shared.contains(": Pull complete"),
        "{shared}"
    );
}

#[test]
fn what_is_not_there_is_said_in_dockers_words_and_nothing_is_left() {
    let (daemon, registry) = (Daemon::start(), Registry::start());
    let reference = registry.push("there:1", &layered());
    let other = reference.replace(":1", ":2");
    let said = daemon.bulkhead(&["pull", &other]).failure(1);
    assert!(said.contains("not found: manifest unknown"), "{said}");
    let said = daemon
        .bulkhead(&["pull", &format!("{}/nowhere:1", registry.address())])
        .failure(1);
    assert!(
        said.contains("not found") || said.contains("name unknown"),
        "{said}"
    );
    assert_eq!(daemon.bulkhead(&["images", "-q"]).success(), "");
}

#[test]
fn the_image_for_the_asked_processor_is_chosen_and_a_missing_one_is_an_error() {
    let (daemon, registry) = (Daemon::start(), Registry::start());
    let foreign = |name: &str| {
        let tree = Tree::new().file("for", 0o644, name.as_bytes());
        (Image::new(Vec::new()).layer(tree)).architecture(name)
    };
    let reference = registry.push_index(
        "many:1",
        &[("amd64", foreign("amd64")), ("arm64", foreign("arm64"))],
    );
    let pulled = |platform: &str| daemon.bulkhead(&["pull", "--platform", platform, &reference]);
    pulled("linux/arm64").success();
    let shown = daemon.bulkhead(&["inspect", &reference]).success();
    assert!(shown.contains("\"Architecture\": \"arm64\""), "{shown}");
    let said = pulled("linux/s390x").failure(1);
    assert!(
        said.contains("no matching manifest for linux/s390x in the manifest list entries"),
        "{said}"
    );
    let said = pulled("windows").failure(1);
    assert!(said.contains("platform"), "{said}");
}

/// As Docker: such an image says of itself what it is for, and is taken.
#[test]
fn a_single_image_for_another_processor_is_taken_with_a_warning() {
    let (daemon, registry) = (Daemon::start(), Registry::start());
    let reference = registry.push("one:1", &layered().architecture("arm64"));
    let said = daemon
        .bulkhead(&["pull", "--platform", "linux/s390x", &reference])
        .success();
    assert!(
        said.contains(
            "its platform (linux/arm64) does not match the specified platform (linux/s390x)"
        ),
        "{said}"
    );
}

#[test]
fn an_image_goes_with_its_last_name_and_not_while_it_is_used() {
    let (daemon, registry) = (Daemon::start(), Registry::start());
    let reference = registry.push("used:1", &layered());
    daemon
        .bulkhead(&["run", "-d", "--name", "user", &reference, "sleep", "1000"])
        .success();
    let refused = daemon.bulkhead(&["rmi", &reference]).failure(1);
    assert!(refused.contains("conflict: unable to"), "{refused}");
    daemon.bulkhead(&["rm", "-f", "user"]).success();
    let gone = daemon.bulkhead(&["rmi", &reference]).success();
    assert!(
        gone.contains("Untagged: ") && gone.contains("Deleted: sha256:"),
        "{gone}"
    );
    let blobs = daemon.folder().join("data/blobs/sha256");
    assert_eq!(
        std::fs::read_dir(blobs).unwrap().count(),
        0,
        "blobs stayed behind"
    );
}

#[test]
fn a_real_debian_runs_bash() {
    let (daemon, registry) = (Daemon::start(), Registry::start());
    let reference = registry.push("debian:bookworm", &images::debian());
    let limit = std::time::Duration::from_secs(90);
    daemon.bulkhead(&["pull", &reference]).success();
    let mut terminal = daemon.terminal(&["run", "--rm", "-it", &reference, "bash"]);
    terminal.wait_for("# ", limit);
    terminal.keys("dpkg -l | grep -c ^ii; apt-get --version | head -1; stty size\r");
    let shown = terminal.wait_for("24 80", limit);
    assert!(shown.contains("apt "), "{shown}");
    terminal.keys("exit 3\r");
    assert_eq!(terminal.wait(limit), Some(3));
}

#[test]
fn a_mirror_serves_docker_hub_under_its_own_name() {
    let (empty, mirror) = (Registry::start(), Registry::start());
    let daemon = Daemon::builder()
        .argument(&format!("--registry-mirror=http://{}", empty.address()))
        .argument(&format!("--registry-mirror=http://{}", mirror.address()))
        .start();
    mirror.push("library/mirrored:1", &layered());
    let pulled = daemon.bulkhead(&["pull", "mirrored:1"]).success();
    assert!(
        pulled.ends_with("docker.io/library/mirrored:1\n"),
        "{pulled}"
    );
    let run = [
        "run",
        "--rm",
        "--pull",
        "never",
        "mirrored:1",
        "cat",
        "/kept",
    ];
    assert_eq!(daemon.bulkhead(&run).success(), "2");
    assert!(daemon.log().contains("going on without this mirror"));
}
