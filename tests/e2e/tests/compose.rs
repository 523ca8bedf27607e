//! Debian's docker-compose with an ordinary file, unchanged.

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bulkhead_test_support::{Daemon, images, own_network, run};

const LIMIT: Duration = Duration::from_secs(120);

/// In a network of this test alone: on this machine another engine's packet
/// filter may be in the way.
fn with_busybox() -> Daemon {
    own_network();
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
}

struct Project<'a> {
    daemon: &'a Daemon,
    file: PathBuf,
}

impl<'a> Project<'a> {
    fn new(daemon: &'a Daemon, name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compose");
        let file = folder.join(name).join("docker-compose.yml");
        Self { daemon, file }
    }

    #[track_caller]
    fn compose(&self, arguments: &[&str]) -> String {
        let file = self.file.to_str().unwrap();
        let arguments = [&["-f", file, "--ansi", "never"], arguments].concat();
        let mut compose = self.daemon.client(Path::new("docker-compose"), &arguments);
        let output = run(&mut compose, LIMIT);
        let said = format!("{}\n{}", output.stdout, output.stderr);
        assert_eq!(
            output.status,
            Some(0),
            "{arguments:?}\n{said}\n{}",
            self.daemon.log()
        );
        output.stdout
    }

    /// What the first web answers on its published port.
    fn fetch(&self) -> String {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let said = self.compose(&["port", "web", "80"]);
            let port = said.trim().rsplit(':').next().unwrap().parse().unwrap();
            let mut text = String::new();
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
                stream
                    .set_read_timeout(Some(Duration::from_secs(20)))
                    .unwrap();
                // A backend that is not there yet closes the connection.
                let _ = stream.read_to_string(&mut text);
            }
            if !text.is_empty() {
                return text;
            }
            assert!(
                Instant::now() < end,
                "no answer\n{}",
                self.compose(&["logs"])
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn running(&self, service: &str) -> usize {
        let ids = self.daemon.docker(&[
            "ps",
            "-q",
            "--filter",
            &format!("label=com.docker.compose.service={service}"),
        ]);
        ids.success().lines().count()
    }
}

/// From `up` to `down -v`; what is left is what was there before.
fn a_life(project: &Project<'_>) {
    let count = |target: &str, key: Option<&str>| {
        let answer = project.daemon.request("GET", target).json();
        let list = key.map_or(&answer, |key| &answer[key]);
        list.as_array().map_or(0, Vec::len)
    };
    project.compose(&["up", "-d"]);
    let born = project.fetch();
    assert!(born.starts_with("born "), "{born}");
    assert!(project.compose(&["ps"]).contains("Up"));
    assert!(project.compose(&["logs", "web"]).contains("web starts"));
    let executed = project.compose(&["exec", "-T", "web", "sh", "-c", "echo in $0", "web"]);
    assert_eq!(executed, "in web\n");
    project.compose(&["up", "-d", "--scale", "web=3"]);
    assert_eq!(project.running("web"), 3);
    project.compose(&["up", "-d", "--scale", "web=1"]);
    assert_eq!(project.running("web"), 1);
    project.compose(&["restart", "-t", "1"]);
    // The volume has what the first life of the database wrote.
    assert_eq!(project.fetch(), born);
    project.compose(&["stop", "-t", "1"]);
    assert_eq!((project.running("web"), project.running("db")), (0, 0));
    project.compose(&["up", "-d", "--force-recreate", "-t", "1"]);
    assert_eq!(project.fetch(), born);
    project.compose(&["down", "-v", "-t", "1"]);
    assert_eq!(count("/containers/json?all=1", None), 0);
    assert_eq!(count("/networks", None), 3);
    assert_eq!(count("/volumes", Some("Volumes")), 0);
}

#[test]
fn docker_compose_brings_a_project_up_scales_it_and_takes_it_down() {
    let daemon = with_busybox();
    a_life(&Project::new(&daemon, "plain"));
}

/// A database with a health check, a volume, and a web that waits for both.
#[test]
fn docker_compose_starts_a_service_when_the_one_it_needs_is_healthy() {
    let daemon = with_busybox();
    a_life(&Project::new(&daemon, "shop"));
}
