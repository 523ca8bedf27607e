//! A disk that is full in the middle: the error says so, nothing half-made
//! stays, what makes room goes on, and the next attempt is as any other.

use bulkhead_test_support::{Daemon, Filesystem, Image, Registry, Tree, images, wait_until};

const ROOMY: Filesystem = Filesystem::Tmpfs { inodes: 100_000 };

const FULL: &str = "no space left on device";

/// Bytes that no compressor makes smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005) + 1;
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// An image of three layers with files of less than a page and more.
fn small() -> Image {
    let mut image = Image::new(Vec::new());
    for layer in 0..3 {
        let mut tree = Tree::new().symlink(&format!("l{layer}/link"), "f0");
        for file in 0..6 {
            let content = noise(file * 1_500);
            tree = tree.file(&format!("l{layer}/d{file}/f"), 0o644, &content);
        }
        image = image.layer(tree);
    }
    image
}

/// Files that commands read, on another disk.
struct Inputs {
    folder: tempfile::TempDir,
}

impl Inputs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inputs = Inputs { folder };
        std::fs::write(inputs.path("big"), noise(1 << 20)).unwrap();
        std::fs::write(inputs.path("image"), small().docker_archive("loaded:1")).unwrap();
        let tree = Tree::new().file("f", 0o644, &noise(1 << 20));
        std::fs::write(inputs.path("tree"), tree.into_tar()).unwrap();
        inputs
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// A container that ended and one that runs, both with files of their own, an
/// image, a volume.
fn populated(registry: &Registry, inputs: &Inputs) -> Daemon {
    let daemon = Daemon::builder().disk(ROOMY, 64).start();
    daemon.load("busybox:latest", &images::busybox());
    let (big, tree) = (inputs.path("big"), inputs.path("tree"));
    let image = format!("{}/mine:1", registry.address());
    let beat = "n=0; while sleep 0.05; do n=$((n+1)); echo $n; done";
    let commands: [&[&str]; 9] = [
        &[
            "run",
            "--name",
            "ended",
            "--network",
            "none",
            "busybox",
            "true",
        ],
        &[
            "run",
            "-d",
            "--name",
            "runs",
            "--network",
            "none",
            "busybox",
            "sh",
            "-c",
            beat,
        ],
        &["cp", &big, "ended:/changed"],
        &["cp", &big, "runs:/changed"],
        &[
            "create",
            "--name",
            "spare",
            "--network",
            "none",
            "busybox",
            "true",
        ],
        &["volume", "create", "full"],
        &["volume", "restore", "-i", &tree, "full"],
        &["commit", "ended", &image],
        &["tag", &image, "another"],
    ];
    for command in commands {
        daemon.bulkhead(command).success();
    }
    daemon
}

#[test]
fn what_a_full_disk_refuses_is_told_and_nothing_of_it_stays() {
    let (registry, inputs) = (Registry::start(), Inputs::new());
    let pulled = registry.push("small:1", &small());
    let daemon = populated(&registry, &inputs);
    let (big, tree) = (inputs.path("big"), inputs.path("tree"));
    let pushed = format!("{}/mine:1", registry.address());
    let commands: [&[&str]; 12] = [
        &["pull", &pulled],
        &["commit", "ended", "new"],
        &["commit", "runs", "new"],
        &["cp", &big, "ended:/more"],
        &["cp", &big, "runs:/more"],
        &["volume", "restore", "-i", &tree, "full"],
        &["volume", "restore", "-i", &tree, "other"],
        &["push", &pushed],
        &["import", &tree, "imported"],
        &["load", "-i", &inputs.path("image")],
        &["exec", "runs", "cp", "/changed", "/copy"],
        &["start", "spare"],
    ];
    let before = daemon.disk().listing();
    // What a process in a container leaves is its own; a file that was begun is
    // written anew at the next start.
    let of_start = ["/data/containers/", "/work/work", "/fs/copy"];
    let own = |line: &String| of_start.iter().any(|part| line.contains(part));
    let new = |line: &String| !before.contains(line) && !own(line);
    for left in [0, 2, 20] {
        for command in &commands[..if left == 0 { 12 } else { 11 }] {
            daemon.disk().leave(left << 12);
            let said = daemon.bulkhead(command).failure(1).to_lowercase();
            assert!(
                said.contains(FULL),
                "{command:?}, {left} pages left: {said}"
            );
            let after: Vec<_> = daemon.disk().listing().into_iter().filter(new).collect();
            assert_eq!(after, [""; 0], "{command:?}, {left} pages left");
        }
    }
    daemon.disk().relieve();
    for command in commands {
        daemon.bulkhead(command).success();
    }
}

#[test]
fn with_a_full_disk_records_are_written_and_things_removed_to_make_room() {
    let (registry, inputs) = (Registry::start(), Inputs::new());
    let mut daemon = populated(&registry, &inputs);
    daemon.disk().leave(0);
    let lines = |daemon: &Daemon| daemon.bulkhead(&["logs", "runs"]).success().lines().count();
    let commands: [&[&str]; 11] = [
        &["ps", "-a"],
        &["tag", "another", "other"],
        &["rename", "spare", "renamed"],
        &["update", "--restart", "on-failure", "ended"],
        &["pause", "runs"],
        &["unpause", "runs"],
        &["volume", "create", "empty"],
        &["volume", "rm", "empty"],
        &["rmi", "other"],
        &["exec", "runs", "true"],
        &["save", "-o", &inputs.path("saved"), "busybox"],
    ];
    for command in commands {
        daemon.bulkhead(command).success();
    }
    daemon.stop();
    daemon.disk().leave(0);
    daemon.start_again();
    assert_eq!(daemon.disk().free(), 0);
    daemon.bulkhead(&["rm", "renamed"]).success();
    daemon.bulkhead(&["rm", "ended"]).success();
    wait_until(|| daemon.disk().free() >= 1 << 20);
    // The container never noticed, and its log goes on.
    let before = lines(&daemon);
    wait_until(|| lines(&daemon) > before);
    daemon.bulkhead(&["stop", "-t", "0", "runs"]).success();
    let again = ["run", "--rm", "--network", "none", "busybox", "echo", "hi"];
    assert_eq!(daemon.bulkhead(&again).success(), "hi\n");
}

/// Pulls, commits and forgets again with less room than that takes, at each of
/// `points`; how many attempts failed.
fn attempts(
    daemon: &Daemon,
    pulled: &str,
    points: impl Iterator<Item = u64>,
    leave: impl Fn(u64),
) -> usize {
    let before = daemon.disk().listing();
    let mut failed = 0;
    for point in points {
        leave(point);
        for command in [["pull", pulled, ""], ["commit", "changed", "new:1"]] {
            let words: Vec<_> = command.into_iter().filter(|w| !w.is_empty()).collect();
            let output = daemon.bulkhead(&words);
            if output.status == Some(0) {
                let made = words[words.len() - 1];
                daemon.bulkhead(&["rmi", made]).success();
            } else {
                failed += 1;
                let said = output.failure(1).to_lowercase();
                assert!(said.contains(FULL), "{words:?} with {point} left: {said}");
            }
            assert_eq!(
                daemon.disk().listing(),
                before,
                "{words:?} with {point} left"
            );
        }
    }
    daemon.disk().relieve();
    failed
}

/// A daemon with a container of some changes, and what to pull.
fn for_attempts(registry: &Registry, filesystem: Filesystem) -> (Daemon, String) {
    let pulled = registry.push("small:1", &small());
    let daemon = Daemon::builder().disk(filesystem, 48).start();
    daemon.load("busybox:latest", &images::busybox());
    let folder = tempfile::tempdir().unwrap();
    for file in 0..20 {
        std::fs::write(folder.path().join(file.to_string()), noise(file * 500)).unwrap();
    }
    let create = [
        "create",
        "--name",
        "changed",
        "--network",
        "none",
        "busybox",
    ];
    daemon.bulkhead(&create).success();
    let folder = folder.path().display().to_string();
    daemon
        .bulkhead(&["cp", &folder, "changed:/files"])
        .success();
    (daemon, pulled)
}

#[test]
fn with_every_page_less_a_pull_and_a_commit_are_done_or_leave_nothing() {
    let registry = Registry::start();
    let (daemon, pulled) = for_attempts(&registry, ROOMY);
    let leave = |pages| daemon.disk().leave(pages << 12);
    let failed = attempts(&daemon, &pulled, 0..100, leave);
    assert!(
        (50..200).contains(&failed),
        "{failed} of 200 attempts failed"
    );
}

#[test]
fn with_every_inode_less_a_pull_and_a_commit_are_done_or_leave_nothing() {
    let registry = Registry::start();
    let (daemon, pulled) = for_attempts(&registry, Filesystem::Tmpfs { inodes: 1_500 });
    let leave = |inodes| daemon.disk().leave_inodes(inodes);
    let failed = attempts(&daemon, &pulled, 0..60, leave);
    assert!(
        (30..120).contains(&failed),
        "{failed} of 120 attempts failed"
    );
}

#[test]
fn on_ext4_a_pull_and_a_commit_are_done_or_leave_nothing() {
    let registry = Registry::start();
    let (daemon, pulled) = for_attempts(&registry, Filesystem::Ext4);
    let leave = |kib| daemon.disk().leave(kib << 10);
    let failed = attempts(&daemon, &pulled, (0..400).step_by(40), leave);
    assert!((5..20).contains(&failed), "{failed} of 20 attempts failed");
}
