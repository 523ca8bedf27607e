//! Tars that reach for the host, by each way a tar comes in, and layers that
//! are far more than they look like.

use std::path::Path;
use std::time::Duration;

use bulkhead_test_support::scripted::Content;
use bulkhead_test_support::{
    Daemon, Image, Output, Registry, ScriptedRegistry, Tree, images, run_with_input,
};

const LIMIT: Duration = Duration::from_secs(120);

/// MiB that the daemon may have taken at any time.
const MEMORY: u64 = 128;

/// Each wants to change, replace or remove the file `keep` of `outside`.
fn hostile(outside: &str) -> Vec<Tree> {
    let keep = format!("{outside}/keep");
    let up = "../".repeat(12);
    let evil = |tree: Tree, name: &str| tree.file(name, 0o666, b"evil");
    vec![
        evil(Tree::new(), &keep),
        evil(Tree::new(), &format!("{up}{keep}")),
        evil(Tree::new(), &format!("a/../{up}{keep}")),
        evil(Tree::new().symlink("d", outside), "d/keep"),
        evil(Tree::new().symlink("d", "/"), &format!("d{keep}")),
        evil(Tree::new().symlink("d", &up), &format!("d{keep}")),
        evil(
            Tree::new().symlink("a", "b").symlink("b", outside),
            "a/keep",
        ),
        evil(Tree::new().dir("d", 0o755).symlink("d", outside), "d/keep"),
        evil(Tree::new().symlink("keep", &keep), "keep"),
        evil(Tree::new().hardlink("mine", &keep), "mine"),
        evil(Tree::new().hardlink("mine", &format!("{up}{keep}")), "mine"),
        Tree::new().symlink("d", outside).hardlink("keep", "d/keep"),
        Tree::new().symlink("d", outside).whiteout("d/keep"),
        Tree::new().whiteout(&format!("{up}{keep}")),
        evil(Tree::new().symlink("d", outside), "d/.wh..wh..opq"),
        Tree::new().symlink("d", outside).dir("d/keep", 0o777),
    ]
}

fn with_input(daemon: &Daemon, arguments: &[&str], input: &[u8]) -> Output {
    run_with_input(&mut daemon.bulkhead_command(arguments), input, LIMIT)
}

/// What the kernel says the daemon took at most, MiB (proc_pid_status(5)).
fn peak(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib / 1024
}

#[test]
fn no_tar_changes_what_is_outside_by_whichever_way_it_comes() {
    let (daemon, registry) = (Daemon::start(), Registry::start());
    daemon.load("busybox:latest", &images::busybox());
    let create = ["create", "--name", "target", "--network", "none", "busybox"];
    daemon.bulkhead(&create).success();
    let canary = tempfile::tempdir().unwrap();
    let outside = canary.path().to_str().unwrap();
    std::fs::write(canary.path().join("keep"), "kept").unwrap();
    for (number, tree) in hostile(outside).into_iter().enumerate() {
        let tar = tree.into_tar();
        // With a layer below, whose directories could be followed too.
        let base = Tree::new().dir("d", 0o755).dir("tmp", 0o1777).into_tar();
        let image = Image::new(vec![base, tar.clone()]);
        let reference = registry.push(&format!("hostile:{number}"), &image);
        let archive = image.docker_archive(&format!("loaded:{number}"));
        // Refused or harmless: both are well.
        for (arguments, input) in [
            (&["pull", &reference][..], &b""[..]),
            (&["load"], &archive),
            (&["import", "-", "imported"], &tar),
            (&["cp", "-", "target:/tmp"], &tar),
        ] {
            let output = with_input(&daemon, arguments, input);
            assert!(matches!(output.status, Some(0 | 1)), "{number}: {output:?}");
            assert_kept(canary.path(), &format!("tar {number} by {arguments:?}"));
        }
    }
    assert!(peak(&daemon) < MEMORY, "{} MiB", peak(&daemon));
}

#[track_caller]
fn assert_kept(canary: &Path, after: &str) {
    let names: Vec<_> = std::fs::read_dir(canary)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["keep"], "{after}");
    let content = std::fs::read_to_string(canary.join("keep")).unwrap();
    assert_eq!(content, "kept", "{after}");
}

#[test]
fn layers_of_very_many_names_and_of_one_name_very_often_cost_no_memory() {
    let daemon = Daemon::start();
    let mut many = Tree::new();
    for number in 0..100_000 {
        many = many.file(&format!("d/{number}"), 0o644, b"");
    }
    let mut same = Tree::new();
    for number in 0..20_000 {
        same = match number % 3 {
            0 => same.file("x", 0o644, b"x"),
            1 => same.dir("x", 0o755),
            _ => same.symlink("x", "y"),
        };
    }
    let image = Image::new(vec![many.into_tar(), same.into_tar()]);
    let registry = ScriptedRegistry::start(Content::of(&image), |_, _| false);
    let reference = registry.reference("many");
    daemon.bulkhead(&["pull", &reference]).success();
    assert!(peak(&daemon) < MEMORY, "{} MiB", peak(&daemon));
    daemon.bulkhead(&["rmi", &reference]).success();
}
