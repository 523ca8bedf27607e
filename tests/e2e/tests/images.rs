//! Images made and removed here: commit, history, tag, rmi, prune, lists.

use bulkhead_test_support::{Daemon, images};

/// Drivers with an upper directory, with subvolumes, with block volumes, with copies.
const DRIVERS: [&str; 4] = ["overlay", "btrfs", "devmapper", "vfs"];

fn with_busybox(driver: &str) -> Daemon {
    let daemon = Daemon::builder().storage_driver(driver).start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

/// What a container writes: files, links, whiteouts, a directory made anew,
/// a file that was a link.
const WRITES: &str = "echo one > /etc/one; mkdir -p /srv/a; echo b > /srv/a/b; ln /srv/a/b /srv/a/c; \
     ln -s /etc/one /srv/link; rm /bin/wget; rm -r /home; mkdir /home; echo new > /home/new; \
     rm /bin/tac; echo text > /bin/tac; mkfifo /srv/pipe; chmod 700 /var; echo x > /data/lost";

const LOOK: &str = "cat /etc/one /srv/link /home/new /bin/tac; ls -A /home; test ! -e /bin/wget && \
     test /srv/a/b -ef /srv/a/c && test -p /srv/pipe && stat -c %a /var && ls -A /data | wc -l";

#[test]
fn what_a_container_changed_is_in_the_image_made_of_it() {
    for driver in DRIVERS {
        let daemon = with_busybox(driver);
        let run = [
            "run", "--name", "box", "-v", "/data", "-e", "A=1", "-l", "k=v", "busybox",
        ];
        daemon
            .docker(&[&run[..], &["sh", "-c", WRITES]].concat())
            .success();
        let changes = ["-c", "CMD [\"sh\"]", "-c", "ENV B=$A", "-c", "EXPOSE 80"];
        let commit = [
            &["commit", "-m", "a message", "-a", "me"][..],
            &changes,
            &["box", "made:1"],
        ];
        let id = daemon.docker(&commit.concat()).success();
        let looked = daemon.docker(&["run", "--rm", "made:1", "sh", "-c", LOOK]);
        assert_eq!(
            looked.success(),
            "one\none\nnew\ntext\nnew\n700\n0\n",
            "{driver}"
        );
        let shown = "{{.Parent}} {{.Comment}} {{.Author}} {{.Config.Env}} {{.Config.ExposedPorts}} {{.Config.Labels}}";
        let base = daemon
            .docker(&["inspect", "-f", "{{.Id}}", "busybox"])
            .success();
        let inspected = daemon
            .docker(&["inspect", "-f", shown, id.trim()])
            .success();
        assert!(
            inspected.starts_with(&format!("{} a message me [", base.trim())),
            "{inspected}"
        );
        assert!(
            inspected.contains("A=1") && inspected.contains("B=1"),
            "{inspected}"
        );
        assert!(
            inspected.contains("80/tcp") && inspected.contains("k:v"),
            "{inspected}"
        );
        let history = daemon.docker(&[
            "history",
            "--format",
            "{{.CreatedBy}}|{{.Comment}}",
            "made:1",
        ]);
        assert!(history.success().contains("|a message\n"));
        // The same container gives the same layer, and nothing beside the image.
        let layers = |image: &str| {
            daemon
                .docker(&["inspect", "-f", "{{.RootFS.Layers}}", image])
                .success()
        };
        let again = daemon.bulkhead(&["commit", "box"]).success();
        assert_eq!(layers("made:1"), layers(again.trim()), "{driver}");
    }
}

#[test]
fn a_container_that_changed_nothing_adds_no_layer_and_holds_still_only_when_asked() {
    let daemon = with_busybox("overlay");
    daemon
        .docker(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"])
        .success();
    let since = daemon.docker(&["info", "-f", "{{.SystemTime}}"]).success();
    daemon.docker(&["commit", "box", "same"]).success();
    daemon.docker(&["commit", "--pause=false", "box"]).success();
    let layers = |name| {
        daemon
            .docker(&["inspect", "-f", "{{len .RootFS.Layers}}", name])
            .success()
    };
    assert_eq!(layers("same"), layers("busybox"));
    let until = daemon.docker(&["info", "-f", "{{.SystemTime}}"]).success();
    let told = [
        "events",
        "--since",
        since.trim(),
        "--until",
        until.trim(),
        "--format",
        "{{.Action}}",
    ];
    let told = daemon.docker(&told).success();
    let told: Vec<_> = told.lines().collect();
    assert_eq!(told, ["pause", "tag", "commit", "unpause", "commit"]);
    assert_eq!(
        daemon
            .docker(&["inspect", "-f", "{{.State.Status}}", "box"])
            .success(),
        "running\n"
    );
    daemon.docker(&["rm", "-f", "box"]).success();
}

#[test]
fn names_and_images_go_by_dockers_rules() {
    let daemon = with_busybox("overlay");
    daemon
        .docker(&["run", "--name", "box", "busybox", "touch", "/new"])
        .success();
    daemon.docker(&["commit", "box", "child:1"]).success();
    let refused = |words: &[&str]| daemon.docker(words).failure(1);
    assert!(refused(&["rmi", "busybox"]).contains("(must force) - container"));
    daemon.docker(&["rm", "box"]).success();
    daemon
        .docker(&["tag", "child:1", "other/child:2"])
        .success();
    let child = daemon
        .docker(&["images", "-q", "--no-trunc", "child:1"])
        .success();
    assert!(
        refused(&["rmi", child.trim()])
            .contains("(must be forced) - image is referenced in multiple repositories")
    );
    let base = daemon.docker(&["images", "-q", "busybox"]).success();
    assert!(
        refused(&["rmi", "-f", base.trim()])
            .contains("(cannot be forced) - image has dependent child images")
    );
    assert_eq!(
        daemon.docker(&["rmi", "child:1"]).success(),
        "Untagged: child:1\n"
    );
    // The parent, without a name, goes with its last child.
    let untagged = daemon.docker(&["rmi", "busybox"]).success();
    assert!(untagged.starts_with("Untagged: busybox:latest\n") && !untagged.contains("Deleted"));
    assert_eq!(
        daemon.docker(&["images", "-q"]).success().lines().count(),
        1
    );
    assert_eq!(
        daemon.docker(&["images", "-aq"]).success().lines().count(),
        2
    );
    let removed = daemon.docker(&["rmi", "other/child:2"]).success();
    assert_eq!(removed.matches("Deleted: ").count(), 4, "{removed}");
    assert_eq!(daemon.snapshots(), Vec::<String>::new());
    let blobs = std::fs::read_dir(daemon.folder().join("data/blobs/sha256")).unwrap();
    assert_eq!(blobs.count(), 0);
    assert!(refused(&["rmi", "nope"]).contains("No such image: nope:latest"));
}

#[test]
fn lists_are_filtered_and_dangling_images_pruned() {
    let daemon = with_busybox("overlay");
    for n in ["1", "2"] {
        daemon
            .docker(&[
                "run", "--rm", "--name", "box", "-d", "busybox", "sleep", "100",
            ])
            .success();
        daemon
            .docker(&["exec", "box", "touch", &format!("/{n}")])
            .success();
        daemon
            .docker(&["commit", "-c", &format!("LABEL n={n}"), "box", "made:1"])
            .success();
        daemon.docker(&["rm", "-f", "box"]).success();
        // Lists are sorted by the second.
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    let names = |filters: &[&str]| {
        let list = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
        let filters: Vec<&str> = filters.iter().flat_map(|f| ["-f", *f]).collect();
        let listed = daemon.docker(&[&list[..], &filters].concat()).success();
        listed.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["made:1", "<none>:<none>", "busybox:latest"]);
    assert_eq!(names(&["dangling=true"]), ["<none>:<none>"]);
    assert_eq!(names(&["dangling=false"]), ["made:1", "busybox:latest"]);
    assert_eq!(names(&["label=n=2"]), ["made:1"]);
    assert_eq!(names(&["reference=busy*"]), ["busybox:latest"]);
    assert_eq!(
        names(&["before=made:1"]),
        ["<none>:<none>", "busybox:latest"]
    );
    assert_eq!(names(&["since=busybox"]), ["made:1", "<none>:<none>"]);
    let pruned = daemon.docker(&["image", "prune", "-f"]).success();
    assert_eq!(pruned.matches("deleted: ").count(), 2, "{pruned}");
    assert_eq!(names(&[]), ["made:1", "busybox:latest"]);
    let tree = daemon.bulkhead(&["images", "--tree"]).success();
    assert!(tree.contains("made:1") && tree.contains("DISK USAGE"));
    daemon.bulkhead(&["image", "prune", "-af"]).success();
    assert_eq!(names(&[]), Vec::<String>::new());
    assert_eq!(daemon.snapshots(), Vec::<String>::new());
}

#[test]
fn kills_in_the_middle_of_commits_and_removals_leave_whole_images_and_nothing_else() {
    let mut daemon = with_busybox("overlay");
    let write = "i=0; while [ $i -lt 300 ]; do echo $i > /srv-$i; i=$((i+1)); done";
    daemon
        .docker(&["run", "--name", "box", "busybox", "sh", "-c", write])
        .success();
    for round in 0..12u64 {
        let name = format!("made:{round}");
        let before = format!("made:{}", round.saturating_sub(1));
        let mut commit = daemon
            .docker_command(&["commit", "box", &name])
            .spawn()
            .unwrap();
        let mut remove = daemon.docker_command(&["rmi", &before]).spawn().unwrap();
        // Spread over the time that both take; on a slow machine over less of it.
        std::thread::sleep(std::time::Duration::from_millis(round * 23));
        daemon.kill();
        commit.wait().unwrap();
        remove.wait().unwrap();
        daemon.start_again();
        if daemon
            .docker(&["inspect", "-f", "{{.State.Paused}}", "box"])
            .success()
            == "true\n"
        {
            daemon.docker(&["unpause", "box"]).success();
        }
        for image in daemon
            .docker(&["images", "-q", "--no-trunc"])
            .success()
            .lines()
        {
            let run = [
                "run",
                "--rm",
                image,
                "sh",
                "-c",
                "test -e /srv-299 || test ! -e /srv-0",
            ];
            daemon.docker(&run).success();
        }
        let checked = daemon.bulkhead(&["system", "check"]);
        assert_eq!(
            checked.status,
            Some(0),
            "{} {}",
            checked.stdout,
            checked.stderr
        );
    }
    daemon.docker(&["rm", "-f", "box"]).success();
    daemon.docker(&["image", "prune", "-af"]).success();
    daemon.stop();
    daemon.start_again();
    assert_eq!(daemon.snapshots(), Vec::<String>::new());
}
