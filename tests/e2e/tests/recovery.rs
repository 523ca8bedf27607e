//! A daemon killed at any point leaves nothing half made: the next one finds
//! running containers as they were, and removes the rest.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bulkhead_test_support::{Daemon, images, wait_until};
use serde_json::{Value, json};

/// What takes a moment to go by itself: shims that end, links that follow
/// their namespace.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon with one container that runs throughout, and what is looked at
/// from outside.
struct Machine {
    daemon: Daemon,
    lasting: Value,
    /// The cgroup parent's and the packet filter table's name.
    name: String,
    port: u16,
}

/// Things of the kernel's that containers hold.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    cgroups: BTreeSet<String>,
    shims: BTreeSet<String>,
    links: usize,
    ports: usize,
}

impl Machine {
    fn new() -> Self {
        let daemon = Daemon::start();
        daemon.load("busybox:latest", &images::busybox());
        daemon
            .bulkhead(&[
                "run", "-d", "--name", "lasting", "busybox", "sleep", "100000",
            ])
            .success();
        let lasting = inspect(&daemon, "lasting");
        let pid = &lasting["State"]["Pid"];
        let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let name = cgroups.lines().next().unwrap().split('/').nth(1).unwrap();
        let free = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        Self {
            name: name.to_owned(),
            lasting,
            port: free.local_addr().unwrap().port(),
            daemon,
        }
    }

    /// What to create: a container with a published port, the same each time.
    fn wish(&self, script: &str) -> Value {
        let binding = json!([{ "HostPort": self.port.to_string() }]);
        json!({
            "Image": "busybox",
            "Cmd": ["sh", "-c", script],
            "HostConfig": { "PortBindings": { "80/tcp": binding } },
        })
    }

    fn create(&self, script: &str) -> String {
        let made = self
            .daemon
            .request_json("POST", "/containers/create", &self.wish(script));
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["Id"].as_str().unwrap().to_owned()
    }

    /// Sends a request and kills the daemon `delay` later.
    fn cut_off(&mut self, target: &str, body: &Value, delay: Duration) {
        let body = body.to_string();
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = UnixStream::connect(self.daemon.socket()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        std::thread::sleep(delay);
        self.daemon.kill();
        self.daemon.start_again();
    }

    /// The states of all containers but the lasting one.
    fn others(&self) -> Vec<Value> {
        let list = self.daemon.request("GET", "/containers/json?all=1").json();
        let ids = list.as_array().unwrap().iter().map(|c| c["Id"].clone());
        ids.filter(|id| *id != self.lasting["Id"])
            .map(|id| inspect(&self.daemon, id.as_str().unwrap()))
            .collect()
    }

    /// The lasting container is as it was, and what the kernel holds for us
    /// belongs to containers that run.
    fn check(&self) {
        let lasting = inspect(&self.daemon, "lasting");
        assert_eq!(lasting["State"]["Pid"], self.lasting["State"]["Pid"]);
        let address = |c: &Value| c["NetworkSettings"]["IPAddress"].clone();
        assert_eq!(address(&lasting), address(&self.lasting));
        let until = Instant::now() + PATIENCE;
        // Containers of the test may end while it looks.
        loop {
            let (held, wanted) = (self.held(), self.wanted());
            if held == wanted {
                return;
            }
            let log = self.daemon.log();
            assert!(
                Instant::now() < until,
                "held {held:#?}\nwanted {wanted:#?}\n{log}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn held(&self) -> Held {
        Held {
            cgroups: self.cgroups(),
            shims: self.shims(),
            links: self.links(),
            ports: self.ports(),
        }
    }

    /// What the running containers need: all have a link, and all but the
    /// lasting one a port.
    fn wanted(&self) -> Held {
        let running = self.others().into_iter().filter(|c| {
            let pid = &c["State"]["Pid"];
            c["State"]["Running"] == true && Path::new(&format!("/proc/{pid}")).exists()
        });
        let mut ids: BTreeSet<String> = running.map(|c| plain(&c["Id"])).collect();
        let ports = ids.len();
        ids.insert(plain(&self.lasting["Id"]));
        Held {
            links: ids.len(),
            cgroups: ids.clone(),
            shims: ids,
            ports,
        }
    }

    fn parents(&self) -> Vec<PathBuf> {
        let base = Path::new("/sys/fs/cgroup");
        let hierarchies = std::fs::read_dir(base).unwrap().flatten();
        let below = hierarchies.map(|h| h.path().join(&self.name));
        below
            .chain([base.join(&self.name)])
            .filter(|p| p.exists())
            .collect()
    }

    fn cgroups(&self) -> BTreeSet<String> {
        let entries = self
            .parents()
            .into_iter()
            .flat_map(|p| std::fs::read_dir(p).unwrap());
        let dirs = entries.flatten().filter(|e| e.path().is_dir());
        let names = dirs.map(|e| e.file_name().into_string().unwrap());
        names.filter(|name| name != "shims").collect()
    }

    /// The containers whose shims run.
    fn shims(&self) -> BTreeSet<String> {
        let read = |parent: PathBuf| std::fs::read_to_string(parent.join("shims/cgroup.procs"));
        let pids = self.parents().into_iter().filter_map(|p| read(p).ok());
        let pids: BTreeSet<String> = pids
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let argument = |pid: String| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            line.split('\0').nth(1).map(str::to_owned)
        };
        pids.into_iter()
            .filter_map(argument)
            .filter(|id| !id.is_empty())
            .collect()
    }

    /// Links of containers on the bridge.
    fn links(&self) -> usize {
        let bridge = self.name.replace("bulkhead-", "bh-");
        let links = std::fs::read_dir(format!("/sys/class/net/{bridge}/brif"));
        links.map_or(0, Iterator::count)
    }

    /// Published ports in the packet filter.
    fn ports(&self) -> usize {
        let list = std::process::Command::new("nft")
            .args(["list", "map", "ip", &self.name, "published_any"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&list.stdout).into_owned();
        text.matches("comment").count()
    }

    fn folders(&self) -> BTreeSet<PathBuf> {
        let data = self.daemon.folder().join("data");
        ["containers", "storage/overlay/snapshots", "volumes"]
            .iter()
            .filter_map(|name| std::fs::read_dir(data.join(name)).ok())
            .flat_map(|entries| entries.flatten().map(|e| e.path()))
            .collect()
    }
}

fn plain(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn inspect(daemon: &Daemon, id: &str) -> Value {
    let answer = daemon.request("GET", &format!("/containers/{id}/json"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// 0 to 30 ms, most of them short: a start takes some ten. Differently in each run.
fn delay(round: u32, rounds: u32) -> Duration {
    let offset = u64::from(std::process::id()) % 500;
    let (round, rounds) = (u64::from(round), u64::from(rounds));
    Duration::from_micros(30_000 * round * round / (rounds * rounds) + offset)
}

/// How often a daemon is killed in one test; many times more with `BULKHEAD_LONG=1`.
fn rounds() -> u32 {
    if std::env::var_os("BULKHEAD_LONG").is_some() {
        600
    } else {
        60
    }
}

#[test]
fn a_start_that_is_cut_off_happened_or_did_not() {
    let mut machine = Machine::new();
    let before = machine.folders();
    let (mut created, mut running, mut exited) = (0, 0, 0);
    for round in 0..rounds() {
        let script = ["exit 7", "sleep 0.02; exit 7", "exec sleep 1000"][round as usize % 3];
        let id = machine.create(script);
        machine.cut_off(
            &format!("/containers/{id}/start"),
            &Value::Null,
            delay(round, rounds()),
        );
        machine.check();
        let state = inspect(&machine.daemon, &id)["State"].clone();
        match state["Status"].as_str().unwrap() {
            "created" => created += 1,
            "running" => running += 1,
            "exited" => {
                exited += 1;
                assert_eq!(state["ExitCode"], 7, "{state:#}\n{}", machine.daemon.log());
            }
            other => panic!("{other}"),
        }
        // Whatever it is, it is of use.
        let again = machine
            .daemon
            .request("POST", &format!("/containers/{id}/start"));
        assert!(matches!(again.status, 204 | 304), "{}", again.text());
        let gone = machine
            .daemon
            .request("DELETE", &format!("/containers/{id}?force=1"));
        assert_eq!(gone.status, 204, "{}", gone.text());
        machine.check();
    }
    assert_eq!(machine.folders(), before);
    println!("found created {created}, running {running}, exited {exited} times");
}

#[test]
fn a_create_that_is_cut_off_happened_or_did_not() {
    let mut machine = Machine::new();
    let before = machine.folders();
    let mut made = 0;
    for round in 0..rounds() {
        let wish = machine.wish("exit 5");
        machine.cut_off(
            "/containers/create?name=half",
            &wish,
            delay(round, rounds()),
        );
        machine.check();
        let others = machine.others();
        assert!(others.len() <= 1, "{others:#?}");
        if let Some(container) = others.first() {
            made += 1;
            assert_eq!(container["Name"], "/half");
            machine.daemon.bulkhead(&["start", "-a", "half"]).failure(5);
            machine.daemon.bulkhead(&["rm", "half"]).success();
        }
        assert_eq!(machine.folders(), before, "round {round}");
    }
    machine.check();
    println!("{made} of {} were made", rounds());
}

#[test]
fn a_flushed_packet_filter_is_written_again_for_running_containers() {
    let mut machine = Machine::new();
    let id = machine.create("exec sleep 1000");
    let started = machine
        .daemon
        .request("POST", &format!("/containers/{id}/start"));
    assert_eq!(started.status, 204, "{}", started.text());
    assert_eq!(machine.ports(), 1);
    machine.daemon.kill();
    let deleted = std::process::Command::new("nft")
        .args(["delete", "table", "ip", &machine.name])
        .status()
        .unwrap();
    assert!(deleted.success());
    machine.daemon.start_again();
    machine.check();
    let taken = machine.create("true");
    let refused = machine
        .daemon
        .request("POST", &format!("/containers/{taken}/start"));
    assert!(
        refused.text().contains("port is already allocated"),
        "{}",
        refused.text()
    );
}

#[test]
fn addresses_of_running_containers_are_not_given_away_after_a_crash() {
    let mut machine = Machine::new();
    let ids: Vec<String> = (0..3)
        .map(|_| {
            let run = ["run", "-d", "busybox", "sleep", "1000"];
            machine.daemon.bulkhead(&run).success().trim().to_owned()
        })
        .collect();
    machine.daemon.kill();
    machine.daemon.start_again();
    let new = machine
        .daemon
        .bulkhead(&["run", "-d", "busybox", "sleep", "1000"])
        .success();
    let own = |shown: &Value| shown["NetworkSettings"]["Networks"]["bridge"]["IPAddress"].clone();
    let address = |id: &str| own(&inspect(&machine.daemon, id));
    let mut all: Vec<Value> = ids.iter().map(|id| address(id)).collect();
    all.extend([address(new.trim()), own(&machine.lasting)]);
    let distinct: BTreeSet<String> = all.iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), 5, "{all:?}");
    assert!(!distinct.contains("\"\""), "{all:?}");
}

#[test]
fn a_container_that_a_commit_froze_goes_on_when_the_daemon_is_killed_meanwhile() {
    let mut daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    // Large enough that the commit is not done before it is seen.
    let beat = "truncate -s 2G /hole; while sleep 0.05; do echo; done";
    for name in ["committed", "paused"] {
        let run = ["run", "-d", "--network", "none", "--name", name, "busybox"];
        let arguments = [&run[..], &["sh", "-c", beat]].concat();
        daemon.bulkhead(&arguments).success();
    }
    daemon.bulkhead(&["pause", "paused"]).success();
    let mut commit = daemon
        .bulkhead_command(&["commit", "committed", "new"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let paused = |daemon: &Daemon, name| inspect(daemon, name)["State"]["Paused"] == true;
    wait_until(|| paused(&daemon, "committed"));
    daemon.kill();
    assert!(!commit.wait().unwrap().success());
    daemon.start_again();
    assert!(!paused(&daemon, "committed") && paused(&daemon, "paused"));
    let lines = || daemon.bulkhead(&["logs", "committed"]).success().len();
    let before = lines();
    wait_until(|| lines() > before);
}
