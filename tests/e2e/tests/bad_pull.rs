//! What registries answer wrong: a clear error, and nothing left behind.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bulkhead_test_support::scripted::{Content, Request, head, reply};
use bulkhead_test_support::{Daemon, Image, ScriptedRegistry, Tree, digest, images};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn image() -> Image {
    let bulk: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    images::busybox().layer(Tree::new().file("bulk", 0o644, &bulk))
}

/// Pulls from a registry that answers requests for the upper layer by
/// `script`, and returns what the user reads.
#[track_caller]
fn pull_with_bad_layer(
    script: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static,
) -> (Daemon, String) {
    let content = Content::of(&image());
    let bad = format!("/blobs/{}", content.layer(1));
    let registry = ScriptedRegistry::start(content, move |request, stream| {
        let hit = request.target.ends_with(&bad);
        if hit {
            script(request, stream);
        }
        hit
    });
    let daemon = Daemon::start();
    let said = daemon
        .bulkhead(&["pull", &registry.reference("bad")])
        .failure(1);
    assert_no_image(&daemon);
    (daemon, said)
}

/// No image, no layer, no blob.
#[track_caller]
fn assert_nothing_left(daemon: &Daemon) {
    assert_no_image(daemon);
    let data = daemon.folder().join("data");
    assert_eq!(names(&data.join("blobs/sha256")), [""; 0], "blobs");
    assert_eq!(names(&data.join("staging")), [""; 0], "beginnings of blobs");
}

/// No image and no layer. Blobs whose digests are right may wait for another
/// attempt when the network was to blame.
#[track_caller]
fn assert_no_image(daemon: &Daemon) {
    assert_eq!(daemon.bulkhead(&["images", "-aq"]).success(), "");
    assert_eq!(daemon.snapshots(), [""; 0], "snapshots");
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_layer_with_other_bytes_is_refused() {
    let good = Content::of(&image());
    let wanted = good.layer(1).to_owned();
    let (daemon, said) = pull_with_bad_layer(move |_, stream| {
        let mut bytes = good.blob(good.layer(1)).to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        reply(stream, "200 OK", &[], &bytes);
    });
    assert!(said.contains("digest") && said.contains(&wanted), "{said}");
    assert_nothing_left(&daemon);
}

#[test]
fn a_layer_that_always_breaks_off_is_given_up() {
    let (_daemon, said) = pull_with_bad_layer(|_, stream| {
        head(stream, "200 OK", &[], 1_000_000);
        let _ = stream.write_all(b"only this");
    });
    assert!(
        said.contains("EOF") || said.contains("broke off") || said.contains("ended"),
        "{said}"
    );
}

#[test]
fn an_endless_layer_is_cut_off_at_its_size() {
    let began = Instant::now();
    let (daemon, said) = pull_with_bad_layer(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        let block = [0; 65536];
        while stream.write_all(&block).is_ok() {}
    });
    assert!(began.elapsed() < Duration::from_secs(100));
    assert!(
        said.contains("longer") || said.contains("more than"),
        "{said}"
    );
    assert_nothing_left(&daemon);
}

#[test]
fn redirects_in_a_circle_are_given_up() {
    let (_daemon, said) = pull_with_bad_layer(|request, stream| {
        let location = [("Location", request.target.as_str())];
        reply(stream, "307 Temporary Redirect", &location, b"");
    });
    assert!(said.contains("redirect"), "{said}");
}

#[test]
fn a_stalled_layer_is_taken_up_again_where_it_stopped() {
    let content = Content::of(&image());
    let (path, bytes) = (
        format!("/blobs/{}", content.layer(1)),
        content.blob(content.layer(1)).to_vec(),
    );
    let half = bytes.len() / 2;
    let registry = ScriptedRegistry::start(content, move |request, stream| {
        let first = request.target.ends_with(&path) && request.header("range").is_none();
        if first {
            head(stream, "200 OK", &[], bytes.len());
            let _ = stream.write_all(&bytes[..half]);
            std::thread::sleep(Duration::from_secs(50));
        }
        first
    });
    let daemon = Daemon::start();
    daemon
        .bulkhead(&["pull", &registry.reference("slow")])
        .success();
    let asked = registry.requests();
    let range = asked.iter().find_map(|request| request.header("range"));
    assert_eq!(range, Some(format!("bytes={half}-").as_str()));
    let staged = names(&daemon.folder().join("data/staging"));
    assert_eq!(staged, [""; 0]);
}

/// Pulls from a registry with one document in place of the manifest.
#[track_caller]
fn pull_document(media_type: &str, bytes: &[u8]) -> String {
    let mut content = Content::default();
    content.put_manifest("latest", media_type, bytes);
    pull_content(content)
}

#[track_caller]
fn pull_content(content: Content) -> String {
    let registry = ScriptedRegistry::start(content, |_, _| false);
    let daemon = Daemon::start();
    let said = daemon
        .bulkhead(&["pull", &registry.reference("bad")])
        .failure(1);
    assert_nothing_left(&daemon);
    said
}

#[test]
fn malformed_manifests_are_refused_naming_the_field() {
    let said = pull_document(OCI_MANIFEST, b"{ not json");
    assert!(said.contains("manifest"), "{said}");
    let no_config = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","layers":[]}}"#);
    let said = pull_document(OCI_MANIFEST, no_config.as_bytes());
    assert!(said.contains("config"), "{said}");
    let both = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","layers":[],"manifests":[],"config":{{}}}}"#
    );
    let said = pull_document(OCI_MANIFEST, both.as_bytes());
    assert!(said.contains("an index and an image at once"), "{said}");
    let escape = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:../../../etc/passwd","size":2}},"layers":[]}}"#
    );
    let said = pull_document(OCI_MANIFEST, escape.as_bytes());
    assert!(said.contains("digest"), "{said}");
}

/// A manifest around `config`, with `layers` layers that are not there.
fn around(config: &[u8], layers: usize) -> Content {
    let mut content = Content::default();
    let config_digest = content.put_blob(config);
    let layer = format!(
        r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":9}}"#,
        digest(b"a layer")
    );
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config_digest}","size":{}}},"layers":[{}]}}"#,
        config.len(),
        vec![layer; layers].join(",")
    );
    content.put_manifest("latest", OCI_MANIFEST, manifest.as_bytes());
    content
}

#[test]
fn malformed_configurations_are_refused() {
    let said = pull_content(around(b"{ not json", 0));
    assert!(said.contains("configuration"), "{said}");
    let config =
        br#"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let said = pull_content(around(config, 2));
    assert!(
        said.contains("2 layers") && said.contains("0 diff_ids"),
        "{said}"
    );
}

#[test]
fn giant_documents_are_refused_within_bounded_memory() {
    // A million layers: 100 MB of manifest. A gigabyte by its own word.
    let config =
        br#"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let said = pull_content(around(config, 20_000));
    assert!(said.contains("20000 layers"), "{said}");
    let said = pull_content(around(config, 1_000_000));
    assert!(said.contains("larger than 4194304"), "{said}");
    let registry = ScriptedRegistry::start(Content::default(), |request, stream| {
        let hit = request.target.contains("/manifests/");
        if hit {
            head(stream, "200 OK", &[("Content-Type", OCI_MANIFEST)], 1 << 30);
            let block = [b' '; 65536];
            for _ in 0..(1 << 30) / block.len() {
                if stream.write_all(&block).is_err() {
                    break;
                }
            }
        }
        hit
    });
    let daemon = Daemon::start();
    let said = daemon
        .bulkhead(&["pull", &registry.reference("giant")])
        .failure(1);
    assert!(said.contains("limit") || said.contains("larger"), "{said}");
    assert!(peak_memory(daemon.pid()) < 128 << 10, "the daemon grew");
}

/// The most memory a process ever had, KiB (proc_pid_status(5), `VmHWM`).
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}
