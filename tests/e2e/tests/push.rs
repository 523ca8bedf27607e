//! `bulkhead push` to the CNCF registry, and what others read there.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bulkhead_test_support::scripted::{Content, reply};
use bulkhead_test_support::{Compression, Image, ManifestFormat, Tree};
use bulkhead_test_support::{Daemon, Registry, ScriptedRegistry, SecuredRegistry, images};
use bulkhead_test_support::{Output, own_network, run, wait_until};

/// What is left of a line after this.
fn after<'a>(text: &'a str, mark: &str) -> &'a str {
    let (_, rest) = text.split_once(mark).unwrap_or_else(|| panic!("{text}"));
    rest.lines().next().unwrap_or_default()
}

/// The digest in `1: digest: sha256:… size: 527`.
fn pushed_digest(text: &str) -> String {
    let said = after(text, ": digest: ");
    said.split(' ').next().unwrap_or_default().to_owned()
}

#[track_caller]
fn tag(daemon: &Daemon, image: &str, repository: &str, tag: &str) -> String {
    let target = format!("/images/{image}/tag?repo={repository}&tag={tag}");
    let response = daemon.send("POST", &target, "text/plain", b"");
    assert_eq!(response.status, 201, "{}", response.text());
    format!("{repository}:{tag}")
}

#[track_caller]
fn skopeo(arguments: &[&str]) -> Output {
    run(
        Command::new("skopeo").args(arguments),
        Duration::from_secs(120),
    )
}

/// The digest a registry gives a name, as skopeo sees it.
fn digest_of(reference: &str) -> String {
    let name = format!("docker://{reference}");
    let arguments = [
        "inspect",
        "--tls-verify=false",
        "--format",
        "{{.Digest}}",
        &name,
    ];
    skopeo(&arguments).success().trim().to_owned()
}

#[test]
fn a_pulled_image_goes_on_with_the_digest_it_came_with() {
    let (daemon, registry) = (Daemon::start(), Registry::start());
    let other = Registry::start();
    for format in [ManifestFormat::Docker, ManifestFormat::Oci] {
        let image = images::busybox()
            .compression(Compression::Gzip)
            .format(format);
        let from = registry.push("team/from:1", &image);
        daemon.bulkhead(&["pull", &from]).success();
        // Taken over within a registry, sent to another one.
        let near = tag(
            &daemon,
            &from,
            &format!("{}/team/near", registry.address()),
            "1",
        );
        let text = daemon.bulkhead(&["push", &near]).success();
        let told =
            text.contains(": Mounted from team/from") || text.contains(": Layer already exists");
        assert!(text.contains(": Preparing") && told, "{text}");
        let far = tag(&daemon, &from, &format!("{}/far", other.address()), "1");
        let text = daemon.bulkhead(&["push", &far]).success();
        assert!(text.contains("The push refers to repository ["), "{text}");
        assert_eq!(pushed_digest(&text), digest_of(&from), "{format:?}");
        assert_eq!(digest_of(&near), digest_of(&from));
        assert_eq!(digest_of(&far), digest_of(&from));
        let again = daemon.bulkhead(&["push", &far]).success();
        assert!(again.contains(": Layer already exists"), "{again}");
        let known = daemon.bulkhead(&["image", "inspect", "--format", "{{.RepoDigests}}", &far]);
        let known = known.success();
        let by_digest = format!("{}/far@{}", other.address(), digest_of(&far));
        assert!(known.contains(&by_digest), "{known}");
        daemon
            .bulkhead(&["rmi", "-f", &from, &near, &far])
            .success();
    }
}

/// An image as `docker save` writes it: its layers are tars.
fn loaded(daemon: &Daemon, image: &Image, name: &str) {
    let archive = image.docker_archive(name);
    let response = daemon.send("POST", "/images/load", "application/x-tar", &archive);
    assert_eq!(response.status, 200, "{}", response.text());
}

#[test]
fn layers_kept_as_tars_are_compressed_once_and_read_by_others() {
    let (daemon, registry) = (Daemon::start(), Registry::start());
    let noise: Vec<u8> = (0..3_000_000_u32)
        .flat_map(|n| (n / 7).to_le_bytes())
        .collect();
    let image = images::busybox().layer(Tree::new().file("noise", 0o644, &noise));
    let name = format!("{}/made:1", registry.address());
    loaded(&daemon, &image, &name);
    let first = daemon.bulkhead(&["push", &name]).success();
    assert!(first.contains(": Pushed"), "{first}");
    let manifest = daemon.bulkhead(&["manifest", "inspect", &name]).success();
    assert!(
        manifest.contains("docker.distribution.manifest.v2+json")
            && manifest.contains("rootfs.diff.tar.gzip"),
        "{manifest}"
    );
    let again = daemon.bulkhead(&["push", &name]).success();
    assert!(!again.contains(": Pushed"), "{again}");
    assert_eq!(pushed_digest(&again), pushed_digest(&first));
    // In the other repository the compressed layer is known, and taken over.
    let near = tag(&daemon, &name, &format!("{}/near", registry.address()), "1");
    let text = daemon.bulkhead(&["push", &near]).success();
    assert!(text.contains(": Mounted from made"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().display());
    let from = format!("docker://{name}");
    skopeo(&["copy", "--src-tls-verify=false", &from, &to]).success();
    // Removed here and pulled again it is the same image.
    let inspect = ["image", "inspect", "--format", "{{.Id}}", &name];
    let id = daemon.bulkhead(&inspect).success();
    daemon.bulkhead(&["rmi", "-f", &name, &near]).success();
    daemon.bulkhead(&["pull", &name]).success();
    assert_eq!(daemon.bulkhead(&inspect).success(), id);
    let run = daemon.bulkhead(&["run", "--rm", &name, "md5sum", "/noise"]);
    assert!(run.success().contains("/noise"));
}

#[test]
fn zstd_makes_an_oci_image_that_skopeo_reads() {
    let (daemon, registry) = (Daemon::start(), Registry::start());
    let name = format!("{}/z:1", registry.address());
    loaded(&daemon, &images::busybox(), &name);
    daemon
        .bulkhead(&["push", "--compression", "zstd", &name])
        .success();
    let manifest = daemon.bulkhead(&["manifest", "inspect", &name]).success();
    assert!(
        manifest.contains("oci.image.layer.v1.tar+zstd"),
        "{manifest}"
    );
    let folder = tempfile::tempdir().unwrap();
    let to = format!("oci:{}:x", folder.path().display());
    let from = format!("docker://{name}");
    skopeo(&["copy", "--src-tls-verify=false", &from, &to]).success();
    let refused = daemon.bulkhead(&["push", "--compression", "lzma", &name]);
    assert!(refused.failure(1).contains("invalid compression \"lzma\""));
}

#[test]
fn every_tag_goes_and_comes() {
    let (daemon, registry) = (Daemon::start(), Registry::start());
    let repository = format!("{}/all", registry.address());
    daemon.load("bb:1", &images::busybox());
    for name in ["a", "b"] {
        tag(&daemon, "bb:1", &repository, name);
    }
    let pushed = daemon
        .bulkhead(&["push", "--all-tags", &repository])
        .success();
    assert!(
        pushed.contains("a: digest: ") && pushed.contains("b: digest: "),
        "{pushed}"
    );
    daemon
        .bulkhead(&[
            "rmi",
            &format!("{repository}:a"),
            &format!("{repository}:b"),
        ])
        .success();
    let pulled = daemon
        .bulkhead(&["pull", "--all-tags", &repository])
        .success();
    let status = after(&pulled, "Status: ");
    assert!(status.ends_with(&format!(" {repository}")), "{pulled}");
    let images = daemon.bulkhead(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    let images = images.success();
    for name in ["a", "b"] {
        let name = format!("{repository}:{name}");
        assert!(images.lines().any(|line| line == name), "{images}");
    }
    let found = daemon
        .bulkhead(&["search", "--format", "{{.Name}}", &repository])
        .success();
    assert_eq!(found.trim(), repository);
    let tagged = daemon.bulkhead(&["push", "-a", &format!("{repository}:a")]);
    assert!(
        tagged
            .failure(1)
            .contains("tag can't be used with --all-tags/-a")
    );
}

#[test]
fn what_is_not_here_is_not_pushed_in_dockers_words() {
    let daemon = Daemon::start();
    daemon.load("bb:1", &images::busybox());
    let name = tag(&daemon, "bb:1", "127.0.0.1:1/bb", "1");
    let refused = |arguments: &[&str]| daemon.bulkhead(arguments).failure(1);
    let text = refused(&["push", "127.0.0.1:1/none"]);
    assert!(
        text.contains("An image does not exist locally with the tag: 127.0.0.1:1/none"),
        "{text}"
    );
    let text = refused(&["push", "127.0.0.1:1/bb:2"]);
    assert!(
        text.contains("tag does not exist: 127.0.0.1:1/bb:2"),
        "{text}"
    );
    let text = refused(&["push", &name]);
    assert!(
        text.contains("dial tcp 127.0.0.1:1: connect: connection refused"),
        "{text}"
    );
}

#[test]
fn a_push_without_the_password_is_refused_and_with_it_goes() {
    let (daemon, registry) = (Daemon::start(), Registry::with_password());
    daemon.load("bb:1", &images::busybox());
    let name = tag(&daemon, "bb:1", &format!("{}/bb", registry.address()), "1");
    let refused = daemon.bulkhead(&["push", &name]).failure(1);
    assert!(refused.contains("no basic auth credentials"), "{refused}");
    daemon.log_in(registry.address(), "tester", "wrong");
    let refused = daemon.bulkhead(&["push", &name]).failure(1);
    assert!(refused.contains("unauthorized"), "{refused}");
    daemon.log_in(registry.address(), "tester", "secret");
    daemon.bulkhead(&["push", &name]).success();
}

#[test]
fn a_private_authority_and_client_certificates_are_honoured() {
    own_network();
    let registry = SecuredRegistry::start();
    let daemon = Daemon::start();
    daemon.load("bb:1", &images::busybox());
    let name = tag(&daemon, "bb:1", &format!("{}/bb", registry.address()), "1");
    daemon.log_in(registry.address(), "tester", "secret");
    let refused = daemon.bulkhead(&["push", &name]).failure(1);
    assert!(
        refused.contains("certificate signed by unknown authority"),
        "{refused}"
    );
    registry.trust(&["ca.crt"]);
    daemon.bulkhead(&["push", &name]).failure(1);
    registry.trust(&["client.cert", "client.key"]);
    let pushed = daemon.bulkhead(&["push", &name]).success();
    daemon.bulkhead(&["rmi", &name]).success();
    let pulled = daemon.bulkhead(&["pull", &name]).success();
    assert_eq!(after(&pulled, "Digest: "), pushed_digest(&pushed));
}

/// Bytes that no compression makes fewer.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length / 8).flat_map(|_| word()).collect()
}

#[test]
fn a_client_that_leaves_ends_its_push() {
    let sending = Arc::new(AtomicBool::new(false));
    let begun = sending.clone();
    let registry = ScriptedRegistry::start(Content::default(), move |request, stream| {
        match request.method.as_str() {
            "POST" => reply(stream, "202 Accepted", &[("Location", "/session")], b""),
            "PATCH" => {
                begun.store(true, Ordering::Relaxed);
                // All of it would take an hour.
                while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            _ => return false,
        }
        true
    });
    let daemon = Daemon::start();
    let image = images::busybox().layer(Tree::new().file("noise", 0o644, &noise(1, 24_000_000)));
    let name = registry.reference("big:1");
    loaded(&daemon, &image, &name);
    let mut push = daemon
        .bulkhead_command(&["push", "-q", &name])
        .spawn()
        .unwrap();
    wait_until(|| sending.load(Ordering::Relaxed));
    push.kill().unwrap();
    push.wait().unwrap();
    wait_until(|| daemon.log().contains("nobody waits for it any more"));
    let asked = registry.requests();
    assert!(
        asked
            .iter()
            .all(|request| !request.target.contains("/manifests/"))
    );
}

#[test]
fn a_daemon_killed_in_the_middle_of_a_push_leaves_no_tag_and_goes_on_later() {
    let (mut daemon, registry) = (Daemon::start(), Registry::start());
    let mut image = images::busybox();
    for number in 1..5 {
        let noise = noise(number, 12_000_000);
        image = image.layer(Tree::new().file(&format!("noise{number}"), 0o644, &noise));
    }
    let name = format!("{}/big:1", registry.address());
    loaded(&daemon, &image, &name);
    let mut push = daemon
        .bulkhead_command(&["push", &name])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let catalogue = || {
        registry
            .send("GET", "/v2/_catalog", "text/plain", b"")
            .text()
    };
    wait_until(|| catalogue().contains("big"));
    daemon.kill();
    push.wait().unwrap();
    let manifest = || registry.send("GET", "/v2/big/manifests/1", "text/plain", b"");
    assert_eq!(manifest().status, 404, "a tag of half an image");
    daemon.start_again();
    daemon.bulkhead(&["push", &name]).success();
    assert_eq!(manifest().status, 200);
    daemon.bulkhead(&["rmi", &name]).success();
    daemon.bulkhead(&["pull", &name]).success();
}
