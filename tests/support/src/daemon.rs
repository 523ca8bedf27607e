//! A daemon of one test: own state, own socket, own subnet.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::client::{self, Output};
use crate::disk::{Disk, Filesystem};
use crate::free::Subnet;
use crate::http::{self, Request, Response};
use crate::image::Image;
use crate::pty::Terminal;
use crate::{binaries, leftovers, subordinate};

/// The first daemon on a machine compiles every plugin.
const START: Duration = Duration::from_secs(150);
const STOP: Duration = Duration::from_secs(60);
const CLIENT: Duration = Duration::from_secs(120);

/// A running daemon. Dropping it removes its containers, stops it, and panics
/// when something of it stays behind.
pub struct Daemon {
    child: Child,
    builder: DaemonBuilder,
    subnet: Subnet,
    disk: Option<Disk>,
    folder: TempDir,
}

/// How to start a daemon.
#[derive(Clone, Default)]
pub struct DaemonBuilder {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    remapped: bool,
    place: Option<PathBuf>,
    disk: Option<(Filesystem, u64)>,
}

impl DaemonBuilder {
    /// Another storage driver than the default one.
    pub fn storage_driver(self, name: &str) -> Self {
        self.argument("--storage-driver").argument(name)
    }

    /// Containers in user namespaces of their own, see
    /// [`FIRST_SUBORDINATE_ID`](crate::FIRST_SUBORDINATE_ID).
    pub fn userns_remap(mut self) -> Self {
        self.remapped = true;
        self.argument("--userns-remap").argument(subordinate::USER)
    }

    /// Its state is beneath `place`.
    pub fn inside(mut self, place: &Path) -> Self {
        self.place = Some(place.to_owned());
        self
    }

    /// A disk of its own for its data, of so many MiB.
    pub fn disk(mut self, filesystem: Filesystem, mib: u64) -> Self {
        self.disk = Some((filesystem, mib));
        self
    }

    /// One more argument for the daemon.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A variable of the daemon's environment.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until it answers. Panics with its log when it does not.
    #[track_caller]
    pub fn start(self) -> Daemon {
        let place = self.place.clone().unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::Builder::new()
            .prefix("bulkhead-test-")
            .tempdir_in(place)
            .expect("temporary folder");
        let subnet = Subnet::take();
        let mount = |(filesystem, mib)| Disk::mount(folder.path(), filesystem, mib);
        let disk = self.disk.map(mount);
        let child = spawn(&self, folder.path(), &subnet);
        let mut daemon = Daemon {
            child,
            builder: self,
            subnet,
            disk,
            folder,
        };
        daemon.wait_until_it_answers();
        daemon
    }
}

fn spawn(builder: &DaemonBuilder, folder: &Path, subnet: &Subnet) -> Child {
    let log = File::options()
        .append(true)
        .create(true)
        .open(folder.join("log"))
        .expect("open the log");
    let components = binaries::release_dir().join("component-cache");
    let program = binaries::binary("bulkheadd");
    let mut command = if builder.remapped {
        let mut command = subordinate::with_user(folder);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command
        .arg("--data-root")
        .arg(folder.join("data"))
        .arg("--exec-root")
        .arg(folder.join("exec"))
        .arg("--pidfile")
        .arg(folder.join("pid"))
        .arg("-H")
        .arg(format!("unix://{}", folder.join("socket").display()))
        .arg("--plugin-dir")
        .arg(binaries::release_dir().join("plugins"))
        .arg("--component-cache")
        .arg(components)
        .args(["--bip", &subnet.bridge_address()])
        .args(&builder.arguments)
        .envs(
            builder
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("clone the log"))
        .stderr(log);
    command.spawn().expect("start bulkheadd")
}

impl Daemon {
    /// Starts a daemon as users have it.
    #[track_caller]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// To start one otherwise.
    pub fn builder() -> DaemonBuilder {
        DaemonBuilder::default()
    }

    /// The folder that holds `data`, `exec`, `log`, `pid` and `socket`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The disk of its own that it was started with.
    #[track_caller]
    pub fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("a disk of its own")
    }

    /// The Unix socket of its API.
    pub fn socket(&self) -> PathBuf {
        self.folder().join("socket")
    }

    /// Its address as `DOCKER_HOST` takes it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The daemon's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    /// The snapshots that storage drivers hold, as `driver/key`, sorted.
    pub fn snapshots(&self) -> Vec<String> {
        let storage = self.folder().join("data/storage");
        let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut found: Vec<String> = entries(&storage)
            .flat_map(|driver| entries(&driver.path()).map(|entry| entry.path()))
            .filter_map(|path| Some(path.strip_prefix(&storage).ok()?.display().to_string()))
            .collect();
        found.sort();
        found
    }

    /// The `bulkhead` client bound to this daemon, not yet run.
    pub fn bulkhead_command(&self, arguments: &[&str]) -> Command {
        self.client(&binaries::binary("bulkhead"), arguments)
    }

    /// The real `docker` client bound to this daemon, not yet run.
    pub fn docker_command(&self, arguments: &[&str]) -> Command {
        self.client(Path::new("docker"), arguments)
    }

    /// Any other client bound to this daemon by its environment, not yet run.
    pub fn client(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("DOCKER_HOST", self.host())
            .env("BULKHEAD_HOST", self.host())
            // Nobody's credentials, contexts or aliases.
            .env("DOCKER_CONFIG", self.folder().join("config"))
            .env("HOME", self.folder());
        command
    }

    /// Keeps a user's password for `registry` where `docker login` would.
    pub fn log_in(&self, registry: &str, user: &str, password: &str) {
        let folder = self.folder().join("config");
        std::fs::create_dir_all(&folder).expect("create the client's folder");
        let auth = base64(format!("{user}:{password}").as_bytes());
        let config = serde_json::json!({ "auths": { registry: { "auth": auth } } });
        std::fs::write(folder.join("config.json"), config.to_string())
            .expect("write the client's settings");
    }

    /// Runs `bulkhead` with `arguments`, for two minutes at most.
    #[track_caller]
    pub fn bulkhead(&self, arguments: &[&str]) -> Output {
        client::run(&mut self.bulkhead_command(arguments), CLIENT)
    }

    /// Runs the real `docker` with `arguments`, for two minutes at most.
    #[track_caller]
    pub fn docker(&self, arguments: &[&str]) -> Output {
        client::run(&mut self.docker_command(arguments), CLIENT)
    }

    /// Runs `bulkhead` with `arguments` at a terminal.
    #[track_caller]
    pub fn terminal(&self, arguments: &[&str]) -> Terminal {
        Terminal::start(&self.bulkhead_command(arguments))
    }

    /// One API request without a body; `target` is path and query.
    #[track_caller]
    pub fn request(&self, method: &str, target: &str) -> Response {
        self.send(method, target, "application/json", b"")
    }

    /// One API request with a JSON body.
    #[track_caller]
    pub fn request_json(&self, method: &str, target: &str, body: &serde_json::Value) -> Response {
        self.send(
            method,
            target,
            "application/json",
            body.to_string().as_bytes(),
        )
    }

    /// One API request with any body.
    #[track_caller]
    pub fn send(&self, method: &str, target: &str, content_type: &str, body: &[u8]) -> Response {
        let request = Request {
            method,
            target,
            content_type,
            authorization: "",
            body,
        };
        http::over_unix(&self.socket(), &request)
            .unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()))
    }

    /// Brings `image` in as `name` (`repository:tag`, one component), without
    /// a registry: from a directory in OCI layout.
    #[track_caller]
    pub fn load(&self, name: &str, image: &Image) {
        let (repository, tag) = name.split_once(':').expect("a tag");
        let folder = tempfile::tempdir().expect("a folder for the layout");
        let layout = folder.path().join(repository);
        image.write_layout(&layout, tag);
        let target = format!(
            "/images/create?fromImage=oci-layout:{}:{tag}",
            layout.display()
        );
        let response = self.send("POST", &target, "text/plain", b"");
        let done = response.status == 200 && !response.text().contains("\"error\"");
        assert!(done, "load {name}: {}", response.text());
    }

    /// Ends the daemon without a chance to tidy up, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill the daemon");
        self.child.wait().expect("wait for the daemon");
    }

    /// Asks the daemon to end and waits for it. Panics when it does not.
    #[track_caller]
    pub fn stop(&mut self) {
        assert!(
            self.terminate(),
            "the daemon ignored SIGTERM\n{}",
            self.log()
        );
    }

    /// Starts the daemon again on the same state, after `stop` or `kill`.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.child = spawn(&self.builder, self.folder.path(), &self.subnet);
        self.wait_until_it_answers();
    }

    /// [`Daemon::start_again`] of one that may refuse: how it ended then.
    #[track_caller]
    pub fn try_again(&mut self) -> Result<(), ExitStatus> {
        self.child = spawn(&self.builder, self.folder.path(), &self.subnet);
        self.answers_or_ends()
    }

    #[track_caller]
    fn wait_until_it_answers(&mut self) {
        if let Err(status) = self.answers_or_ends() {
            panic!("the daemon ended with {status}\n{}", self.log());
        }
    }

    #[track_caller]
    fn answers_or_ends(&mut self) -> Result<(), ExitStatus> {
        let deadline = Instant::now() + START;
        let ping = Request {
            method: "GET",
            target: "/_ping",
            content_type: "text/plain",
            authorization: "",
            body: b"",
        };
        while !http::over_unix(&self.socket(), &ping).is_ok_and(|response| response.status == 200) {
            if let Some(status) = self.child.try_wait().expect("wait for the daemon") {
                return Err(status);
            }
            assert!(
                Instant::now() < deadline,
                "no answer in {START:?}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Sends SIGTERM; false when that did not end it, and it was killed.
    fn terminate(&mut self) -> bool {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        if self
            .child
            .try_wait()
            .expect("wait for the daemon")
            .is_none()
        {
            // A child that was not waited for keeps its id.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let ended = client::ended_within(&mut self.child, STOP);
        if !ended {
            self.kill();
        }
        ended
    }

    /// The ids of all containers; none when the daemon does not answer.
    fn containers(&self) -> Vec<String> {
        let request = Request {
            method: "GET",
            target: "/containers/json?all=1",
            content_type: "text/plain",
            authorization: "",
            body: b"",
        };
        let Ok(response) = http::over_unix(&self.socket(), &request) else {
            return Vec::new();
        };
        let list = response.json();
        let entries = list.as_array().map(Vec::as_slice).unwrap_or_default();
        entries
            .iter()
            .filter_map(|entry| Some(entry["Id"].as_str()?.to_owned()))
            .collect()
    }

    fn remove_containers(&self) {
        for id in self.containers() {
            let target = format!("/containers/{id}?force=1&v=1");
            let request = Request {
                method: "DELETE",
                target: &target,
                content_type: "text/plain",
                authorization: "",
                body: b"",
            };
            // What this leaves is found by the sweep.
            let _ = http::over_unix(&self.socket(), &request);
        }
    }
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit > group.len() {
                '='
            } else {
                char::from(ALPHABET[index as usize])
            });
        }
    }
    text
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.remove_containers();
        }
        let ended = self.terminate();
        drop(self.disk.take());
        let left = leftovers::sweep(self.folder());
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
            return;
        }
        assert!(ended, "the daemon ignored SIGTERM\n{}", self.log());
        assert!(left.is_empty(), "left behind: {left:#?}\n{}", self.log());
    }
}
