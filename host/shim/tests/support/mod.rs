//! A runtime of its own for each test: data root, exec root, cgroup parent,
//! and a busybox root filesystem. Runs as root on the real kernel.

#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bulkhead_model::error::Failure;
use bulkhead_model::network::NetworkPlan;
use bulkhead_model::process::{
    Attachment, ContainerPlan, ExecPlan, ExitStatus, LogConfig, ProcessRef, Rotation, Running,
    Runtime as _,
};
use bulkhead_model::storage::{DirName, DirPath, RootMount};
use bulkhead_model::{ContainerId, ExecId};
use bulkhead_runtime::network::NetworkContext;
use bulkhead_runtime::shim_protocol::{Event, Message, Request, read_event};
use bulkhead_runtime::{Config, Runtime};

/// Docker's fourteen.
pub const DOCKER_CAPABILITIES: u64 = 0xa804_25fb;

pub struct Machine {
    pub temp: tempfile::TempDir,
    pub runtime: Runtime,
    pub parent: String,
}

/// How often a test repeats what it does: `few` times, or `many` with
/// `BULKHEAD_LONG=1`.
pub fn times(few: usize, many: usize) -> usize {
    if std::env::var_os("BULKHEAD_LONG").is_some() {
        many
    } else {
        few
    }
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

impl Machine {
    pub fn new() -> Self {
        Self::new_in(std::env::temp_dir())
    }

    /// One whose directories are beneath that one.
    pub fn new_in(directory: impl AsRef<Path>) -> Self {
        let temp = tempfile::tempdir_in(directory).unwrap();
        let parent = format!(
            "bulkhead-test-{}-{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        let runtime = Runtime::open(&Config {
            data_root: temp.path().join("data"),
            exec_root: temp.path().join("exec"),
            cgroup_parent: parent.clone(),
            network: NetworkContext::open(&parent).unwrap(),
            shim: env!("CARGO_BIN_EXE_bulkhead-shim").into(),
        })
        .unwrap();
        let machine = Self {
            temp,
            runtime,
            parent,
        };
        machine.make_rootfs();
        machine
    }

    /// A second runtime over the same directories: the daemon after a restart.
    pub fn reopen(&self) -> Runtime {
        Runtime::open(&Config {
            data_root: self.temp.path().join("data"),
            exec_root: self.temp.path().join("exec"),
            cgroup_parent: self.parent.clone(),
            network: NetworkContext::open(&self.parent).unwrap(),
            shim: env!("CARGO_BIN_EXE_bulkhead-shim").into(),
        })
        .unwrap()
    }

    pub fn rootfs(&self) -> PathBuf {
        self.temp.path().join("data/storage/test/root")
    }

    fn make_rootfs(&self) {
        let root = self.rootfs();
        for dir in ["bin", "etc", "tmp", "root", "usr"] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        std::fs::set_permissions(root.join("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
        std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
        let list = std::process::Command::new("/bin/busybox")
            .arg("--list")
            .output()
            .unwrap();
        for applet in String::from_utf8(list.stdout)
            .unwrap()
            .lines()
            .filter(|a| *a != "busybox")
        {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        std::fs::write(
            root.join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/tmp:/bin/sh\n",
        )
        .unwrap();
        std::fs::write(
            root.join("etc/group"),
            "root:x:0:\nweb:x:33:\nextra:x:44:web\n",
        )
        .unwrap();
    }

    pub fn plan(&self, args: &[&str]) -> ContainerPlan {
        let id = ContainerId::from_bytes(bulkhead_sys::random::bytes().unwrap());
        ContainerPlan {
            hostname: id.short().to_owned(),
            id,
            storage_driver: "test".into(),
            rootfs: RootMount::Bind {
                source: DirPath(vec![DirName::new("root").unwrap()]),
                read_only: false,
            },
            read_only: false,
            domainname: String::new(),
            init: false,
            groups: Vec::new(),
            apparmor: None,
            masked_paths: Default::default(),
            read_only_paths: Default::default(),
            devices: Vec::new(),
            device_rules: Vec::new(),
            cgroup_parent: None,
            tmpfs: Vec::new(),
            args: args.iter().map(|a| (*a).to_owned()).collect(),
            env: vec!["PATH=/usr/bin:/bin".into()],
            cwd: "/".into(),
            user: String::new(),
            terminal: false,
            stdin: false,
            stdin_once: false,
            console_size: None,
            capabilities: DOCKER_CAPABILITIES,
            privileged: false,
            no_new_privileges: false,
            seccomp: Default::default(),
            shared: Default::default(),
            user_namespace: Vec::new(),
            resources: Default::default(),
            rlimits: Vec::new(),
            oom_score_adj: 0,
            shm_size: 64 << 20,
            sysctls: Vec::new(),
            mounts: Vec::new(),
            files: Vec::new(),
            log: LogConfig::JsonFile {
                rotation: Rotation {
                    max_size: 10 << 20,
                    max_files: 3,
                    compress: false,
                },
                attributes: Vec::new(),
            },
        }
    }

    pub fn sh(&self, script: &str) -> ContainerPlan {
        self.plan(&["sh", "-c", script])
    }

    /// Starts it with one client, which wants everything.
    pub fn start(&self, plan: &ContainerPlan) -> Result<Started, Failure> {
        let (client, attachment) = client(plan);
        let network = NetworkPlan::default();
        let running = self.runtime.start(plan, &network, vec![attachment])?;
        let limit = Some(Duration::from_secs(30));
        running.shim.set_read_timeout(limit).unwrap();
        Ok(Started { running, client })
    }

    pub fn try_run(&self, plan: &ContainerPlan) -> Result<Outcome, Failure> {
        let outcome = self.start(plan)?.finish();
        self.runtime.cleanup(&plan.id).unwrap();
        Ok(outcome)
    }

    pub fn run(&self, plan: &ContainerPlan) -> Outcome {
        self.try_run(plan).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Runs a script and gives its trimmed output; panics unless it exits with 0.
    pub fn output(&self, script: &str) -> String {
        let outcome = self.run(&self.sh(script));
        assert_eq!(outcome.exit.code, 0, "{outcome:?}");
        outcome.out()
    }

    pub fn log(&self, plan: &ContainerPlan) -> String {
        let id = plan.id.as_str();
        std::fs::read_to_string(
            self.temp
                .path()
                .join(format!("data/containers/{id}/{id}-json.log")),
        )
        .unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        remove_parent(&self.parent);
    }
}

pub fn remove_parent(parent: &str) {
    let base = Path::new("/sys/fs/cgroup");
    for hierarchy in std::fs::read_dir(base).unwrap().flatten() {
        remove_cgroups(&hierarchy.path().join(parent));
    }
    remove_cgroups(&base.join(parent));
}

fn remove_cgroups(path: &Path) {
    let Ok(entries) = std::fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten().filter(|e| e.path().is_dir()) {
        remove_cgroups(&entry.path());
    }
    let until = Instant::now() + Duration::from_secs(60);
    while std::fs::remove_dir(path).is_err_and(|e| e.kind() == std::io::ErrorKind::ResourceBusy)
        && Instant::now() < until
    {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[derive(Debug)]
pub struct Outcome {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub exit: ExitStatus,
    pub warnings: Vec<String>,
}

impl Outcome {
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }
}

/// A container that runs, and its client.
pub struct Started {
    pub running: Running,
    pub client: Client,
}

impl Started {
    pub fn finish(mut self) -> Outcome {
        let (stdout, stderr) = self.client.rest();
        Outcome {
            stdout,
            stderr,
            exit: exit(&self.running.shim),
            warnings: self.running.warnings,
        }
    }
}

/// The far end of an attached socket.
pub struct Client {
    pub socket: UnixStream,
    framed: bool,
    seen: Vec<u8>,
}

/// A client as the daemon attaches one that wants everything.
pub fn client(plan: &ContainerPlan) -> (Client, Attachment) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let client = Client {
        socket: ours,
        framed: !plan.terminal,
        seen: Vec::new(),
    };
    let attachment = Attachment {
        stream: theirs.into(),
        early: Vec::new(),
        stdin: plan.stdin,
        stdout: true,
        stderr: true,
        framed: !plan.terminal,
        close_stdin: plan.stdin_once,
        detach_keys: Vec::new(),
    };
    (client, attachment)
}

impl Client {
    pub fn type_in(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    pub fn close_input(&self) {
        self.socket.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// All output that is left, by stream.
    pub fn rest(&mut self) -> (Vec<u8>, Vec<u8>) {
        let mut bytes = std::mem::take(&mut self.seen);
        self.socket.read_to_end(&mut bytes).unwrap();
        if self.framed {
            unframe(&bytes)
        } else {
            (bytes, Vec::new())
        }
    }

    /// Reads until the text has been shown.
    pub fn wait_for(&mut self, text: &[u8]) {
        let mut all = Vec::new();
        while !all.windows(text.len()).any(|w| w == text) {
            let mut piece = [0; 4096];
            let count = self.socket.read(&mut piece).unwrap();
            assert!(count > 0, "{:?}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&piece[..count]);
        }
    }
}

fn unframe(mut bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut out = [Vec::new(), Vec::new()];
    while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        out[usize::from(head[0]) - 1].extend_from_slice(&rest[..length]);
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty());
    let [stdout, stderr] = out;
    (stdout, stderr)
}

/// The end, as the shim tells it.
pub fn exit(mut shim: &UnixStream) -> ExitStatus {
    loop {
        if let Event::Exited(exit) = read_event(&mut shim).expect("the shim answers") {
            return exit;
        }
    }
}

pub fn first(plan: &ContainerPlan) -> ProcessRef {
    ProcessRef::first(&plan.id)
}

pub fn send(mut shim: &UnixStream, request: &Request) {
    let mut bytes = Vec::new();
    request.encode(&mut bytes);
    shim.write_all(&bytes).unwrap();
}

/// One more process that is as the container's first.
pub fn exec_like(container: &ContainerPlan, id: &ExecId) -> ExecPlan {
    ExecPlan {
        process: ProcessRef::exec(&container.id, id),
        args: container.args.clone(),
        env: container.env.clone(),
        cwd: "/".into(),
        user: String::new(),
        groups: Vec::new(),
        terminal: false,
        stdin: false,
        console_size: None,
        capabilities: container.capabilities,
        filter_capabilities: container.capabilities,
        no_new_privileges: false,
        seccomp: Default::default(),
        apparmor: None,
        rlimits: Vec::new(),
        oom_score_adj: 0,
        note: Vec::new(),
    }
}
