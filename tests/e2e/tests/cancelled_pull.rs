//! Pulls that end before they are through.

use std::io::Write;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bulkhead_test_support::scripted::{Content, head};
use bulkhead_test_support::{Daemon, ScriptedRegistry, Tree, images, wait_until};

/// A registry that sends the first half of a layer at once and the rest, to
/// whoever wants all of it, as slowly as it may.
struct Slow {
    registry: ScriptedRegistry,
    layer: String,
    size: usize,
    /// The client of the slow answer has left.
    hung_up: Arc<AtomicBool>,
    /// From now on it is fast.
    hurry: Arc<AtomicBool>,
}

fn bulk() -> Vec<u8> {
    (0..300_000u32).flat_map(u32::to_le_bytes).collect()
}

impl Slow {
    fn start() -> Self {
        let image = images::busybox().layer(Tree::new().file("bulk", 0o644, &bulk()));
        let content = Content::of(&image);
        let layer = content.layer(1).to_owned();
        let path = format!("/blobs/{layer}");
        let bytes = content.blob(&layer).to_vec();
        let size = bytes.len();
        let (hung_up, hurry) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (seen, fast) = (hung_up.clone(), hurry.clone());
        let registry = ScriptedRegistry::start(content, move |request, stream| {
            let first = request.target.ends_with(&path) && request.header("range").is_none();
            if first {
                head(stream, "200 OK", &[], size);
                let _ = stream.write_all(&bytes[..size / 2]);
                // The rest would take an hour.
                for byte in &bytes[size / 2..] {
                    if stream.write_all(&[*byte]).is_err() {
                        break;
                    }
                    if !fast.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(50));
                    }
                }
                seen.store(true, Ordering::Relaxed);
            }
            first
        });
        Self {
            registry,
            layer,
            size,
            hung_up,
            hurry,
        }
    }

    fn half(&self) -> u64 {
        self.size as u64 / 2
    }

    fn partial(&self, daemon: &Daemon) -> PathBuf {
        let hex = self.layer.trim_start_matches("sha256:");
        daemon.folder().join(format!("data/staging/{hex}.partial"))
    }

    fn here(&self, daemon: &Daemon) -> u64 {
        std::fs::metadata(self.partial(daemon)).map_or(0, |file| file.len())
    }

    /// Pulls until half of the layer is here.
    fn begin(&self, daemon: &Daemon) -> Child {
        let reference = self.registry.reference("slow");
        let mut pull = daemon.bulkhead_command(&["pull", "-q", &reference]);
        let client = pull.spawn().unwrap();
        wait_until(|| self.here(daemon) >= self.half());
        client
    }

    /// The ranges that the layer was asked for.
    fn ranges(&self) -> Vec<Option<String>> {
        let asked = self.registry.requests().into_iter();
        let of_layer = asked.filter(|request| request.target.ends_with(&self.layer));
        let range = |name: &bulkhead_test_support::scripted::Request| {
            name.header("range").map(str::to_owned)
        };
        of_layer.map(|request| range(&request)).collect()
    }

    /// The next pull asks for what is missing and makes a whole image.
    fn goes_on(&self, daemon: &Daemon, kept: u64) {
        let reference = self.registry.reference("slow");
        daemon.bulkhead(&["pull", "-q", &reference]).success();
        assert_eq!(self.ranges(), [None, Some(format!("bytes={kept}-"))]);
        let look = ["run", "--rm", "--network", "none", &reference];
        let look = [&look[..], &["stat", "-c", "%s", "/bulk"]].concat();
        let said = daemon.bulkhead(&look).success();
        assert_eq!(said.trim(), bulk().len().to_string());
    }
}

#[test]
fn a_client_that_leaves_ends_its_pull_and_the_next_one_goes_on_from_there() {
    let (slow, daemon) = (Slow::start(), Daemon::start());
    let mut client = slow.begin(&daemon);
    client.kill().unwrap();
    client.wait().unwrap();
    wait_until(|| slow.hung_up.load(Ordering::Relaxed));
    wait_until(|| daemon.log().contains("nobody waits for it any more"));
    assert_eq!(daemon.bulkhead(&["images", "-q"]).success(), "");
    assert_eq!(daemon.snapshots(), [""; 0]);
    let kept = slow.here(&daemon);
    assert!(kept >= slow.half(), "{kept}");
    slow.goes_on(&daemon, kept);
}

#[test]
fn after_a_crash_in_the_middle_of_a_layer_the_next_pull_goes_on_from_there() {
    let (slow, mut daemon) = (Slow::start(), Daemon::start());
    let mut client = slow.begin(&daemon);
    daemon.kill();
    client.wait().unwrap();
    let kept = slow.here(&daemon);
    daemon.start_again();
    assert_eq!(daemon.bulkhead(&["images", "-q"]).success(), "");
    wait_until(|| daemon.snapshots().is_empty());
    slow.goes_on(&daemon, kept);
}

#[test]
fn two_pulls_of_one_layer_bring_it_once() {
    let (slow, daemon) = (Slow::start(), Daemon::start());
    let mut first = slow.begin(&daemon);
    let other = slow.registry.reference("other");
    let mut second = daemon
        .bulkhead_command(&["pull", "-q", &other])
        .spawn()
        .unwrap();
    let asked_for = |text: &str| {
        let asked = slow.registry.requests();
        asked.iter().any(|request| request.target.contains(text))
    };
    wait_until(|| asked_for("/other/manifests/"));
    slow.hurry.store(true, Ordering::Relaxed);
    assert!(first.wait().unwrap().success());
    assert!(second.wait().unwrap().success());
    assert_eq!(slow.ranges(), [None]);
}
