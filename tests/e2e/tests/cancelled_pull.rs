//! A pull that nobody waits for any more.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bulkhead_test_support::scripted::{Content, head};
use bulkhead_test_support::{Daemon, ScriptedRegistry, Tree, images, wait_until};

#[test]
fn a_client_that_leaves_ends_its_pull_and_the_next_one_goes_on_from_there() {
    let bulk: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    let content = Content::of(&images::busybox().layer(Tree::new().file("bulk", 0o644, &bulk)));
    let hex = content.layer(1).trim_start_matches("sha256:").to_owned();
    let path = format!("/blobs/{}", content.layer(1));
    let blob = path.clone();
    let bytes = content.blob(content.layer(1)).to_vec();
    let half = bytes.len() / 2;
    let hung_up = Arc::new(AtomicBool::new(false));
    let seen = hung_up.clone();
    let registry = ScriptedRegistry::start(content, move |request, stream| {
        let first = request.target.ends_with(&path) && request.header("range").is_none();
        if first {
            head(stream, "200 OK", &[], bytes.len());
            let _ = stream.write_all(&bytes[..half]);
            // The rest would take an hour.
            for byte in &bytes[half..] {
                if stream.write_all(&[*byte]).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            seen.store(true, Ordering::Relaxed);
        }
        first
    });
    let daemon = Daemon::start();
    let reference = registry.reference("slow");
    let mut client = daemon
        .bulkhead_command(&["pull", "-q", &reference])
        .spawn()
        .unwrap();
    let partial = daemon.folder().join("data/staging").join(hex + ".partial");
    let size = || std::fs::metadata(&partial).map_or(0, |file| file.len());
    wait_until(|| size() >= half as u64);
    client.kill().unwrap();
    client.wait().unwrap();
    wait_until(|| hung_up.load(Ordering::Relaxed));
    wait_until(|| daemon.log().contains("nobody waits for it any more"));
    assert_eq!(daemon.bulkhead(&["images", "-q"]).success(), "");
    assert_eq!(daemon.snapshots(), [""; 0]);
    let kept = size();
    assert!(kept >= half as u64, "{kept}");

    daemon.bulkhead(&["pull", "-q", &reference]).success();
    let asked = registry.requests();
    let mut of_layer = (asked.iter()).filter(|request| request.target.ends_with(&blob));
    let range = of_layer.find_map(|request| request.header("range"));
    assert_eq!(range, Some(format!("bytes={kept}-").as_str()));
    let look = [
        "run",
        "--rm",
        "--network",
        "none",
        &reference,
        "stat",
        "-c",
        "%s",
        "/bulk",
    ];
    let said = daemon.bulkhead(&look).success();
    assert_eq!(said.trim(), bulk.len().to_string());
}
