//! The daemon as a service: configuration, reload, TLS, socket activation.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use bulkhead_test_support::{Daemon, binary, images};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

fn signal(pid: u32, signal: Signal) {
    nix::sys::signal::kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

fn validate(json: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daemon.json");
    std::fs::write(&file, json).unwrap();
    let mut command = Command::new(binary("bulkheadd"));
    command.args(["--validate", "--config-file"]).arg(&file);
    command.args(arguments).output().unwrap()
}

#[test]
fn a_configuration_is_checked_without_starting_anything() {
    let fine = validate(
        r#"{"debug": true, "hosts": ["unix:///run/never.sock"]}"#,
        &[],
    );
    assert!(fine.status.success());
    assert_eq!(fine.stderr, b"configuration OK\n");
    assert!(!Path::new("/run/never.sock").exists());
    for (json, said) in [
        (
            r#"{"deubg": true}"#,
            "match any configuration option: deubg",
        ),
        (r#"{"hosts": ["tcp://0.0.0.0:2375"]}"#, "would be root here"),
        (r#"{"mtu": -1}"#, "invalid value: integer `-1`"),
    ] {
        let refused = validate(json, &[]);
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && error.contains(said), "{error}");
    }
}

#[test]
fn a_hangup_reloads_what_can_change_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daemon.json");
    std::fs::write(&file, r#"{"labels": ["stage=one"]}"#).unwrap();
    let daemon = Daemon::builder()
        .argument("--config-file")
        .argument(file.to_str().unwrap())
        .start();
    let hang_up = |json: &str, logged: &str| {
        let seen = daemon.log().len();
        std::fs::write(&file, json).unwrap();
        signal(daemon.pid(), Signal::SIGHUP);
        let deadline = Instant::now() + Duration::from_secs(60);
        while !daemon.log()[seen..].contains(logged) {
            assert!(
                Instant::now() < deadline,
                "never logged {logged:?}:\n{}",
                daemon.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let limits = r#"{"labels": ["stage=two"], "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 77, "Hard": 99}}}"#;
    hang_up(limits, "configuration reloaded");
    daemon.load("busybox:latest", &images::busybox());
    let limit = daemon.bulkhead(&["run", "--rm", "busybox", "sh", "-c", "ulimit -n"]);
    assert_eq!(limit.success(), "77\n");
    hang_up(r#"{"labels": 1}"#, "the configuration stays as it is");
    hang_up(r#"{"mtu": 1400}"#, "these need a restart of the daemon");
    daemon.bulkhead(&["ps"]).success();
}

#[test]
fn containers_end_with_a_daemon_that_was_told_so() {
    let mut daemon = Daemon::builder().argument("--live-restore=false").start();
    daemon.load("busybox:latest", &images::busybox());
    daemon
        .bulkhead(&[
            "run",
            "-d",
            "--name",
            "lasting",
            "--stop-timeout",
            "0",
            "busybox",
            "sleep",
            "1000",
        ])
        .success();
    daemon.stop();
    daemon.start_again();
    let state = daemon.bulkhead(&[
        "inspect",
        "-f",
        "{{.State.Status}} {{.State.ExitCode}}",
        "lasting",
    ]);
    assert_eq!(state.success(), "exited 137\n");
}

struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// An authority, a server and a client in the names that docker's client
    /// looks for; and a client of somebody else's authority.
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = |name: &str| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, name);
            CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
        };
        let (ours, foreign) = (authority("ours"), authority("foreign"));
        for (sub, issuer) in [("server", &ours), ("client", &ours), ("stranger", &foreign)] {
            let dir = folder.path().join(sub);
            std::fs::create_dir(&dir).unwrap();
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()]);
            let certificate = params.unwrap().signed_by(&key, issuer).unwrap();
            std::fs::write(dir.join("ca.pem"), ours.pem()).unwrap();
            std::fs::write(dir.join("cert.pem"), certificate.pem()).unwrap();
            std::fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

#[test]
fn only_clients_with_a_certificate_of_ours_get_in_over_tcp() {
    let certificates = Certificates::make();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("tcp://127.0.0.1:{port}");
    let daemon = Daemon::builder()
        .argument("-H")
        .argument(&address)
        .argument("--tlsverify")
        .argument(&format!(
            "--tlscacert={}",
            certificates.path("server/ca.pem")
        ))
        .argument(&format!(
            "--tlscert={}",
            certificates.path("server/cert.pem")
        ))
        .argument(&format!("--tlskey={}", certificates.path("server/key.pem")))
        .start();
    daemon.load("busybox:latest", &images::busybox());
    let bulkhead = daemon.bulkhead_command(&[]).get_program().to_owned();
    let client = |program: &OsStr, who: Option<&str>, arguments: &[&str]| {
        let mut command = Command::new("timeout");
        command.arg("30").arg(program).args(["-H", &address]);
        if let Some(who) = who {
            command
                .arg("--tlsverify")
                .env("DOCKER_CERT_PATH", certificates.path(who));
        }
        command.args(arguments);
        command
    };
    for program in [OsStr::new("docker"), &bulkhead] {
        let script = "cat; echo end";
        let arguments = ["run", "--rm", "-i", "busybox", "sh", "-c", script];
        let mut run = client(program, Some("client"), &arguments);
        let run = run
            .stdin(File::open("/proc/version").unwrap())
            .output()
            .unwrap();
        let version = std::fs::read_to_string("/proc/version").unwrap();
        let told = String::from_utf8_lossy(&run.stdout).into_owned();
        assert_eq!(told, format!("{version}end\n"), "{run:?}");
        for who in [Some("stranger"), None] {
            let refused = client(program, who, &["version"]).output().unwrap();
            assert!(!refused.status.success(), "{who:?} got in: {refused:?}");
        }
    }
}

#[test]
fn a_socket_that_systemd_passes_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passed.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let release = binary("bulkheadd").parent().unwrap().to_owned();
    // The socket comes as standard input and goes where systemd puts it; the
    // variable must hold the pid of the process that reads it.
    let pass = r#"exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@""#;
    let mut command = Command::new("sh");
    command
        .args(["-c", pass, "sh"])
        .arg(binary("bulkheadd"))
        .args(["-H", "fd://", "--bip", "10.213.77.1/24", "--data-root"])
        .arg(folder.path().join("data"))
        .arg("--exec-root")
        .arg(folder.path().join("exec"))
        .arg("--component-cache")
        .arg(release.join("component-cache"))
        .arg("--plugin-dir")
        .arg(release.join("plugins"))
        .stdin(std::os::fd::OwnedFd::from(listener));
    let mut child = command.spawn().unwrap();
    let version = Command::new("timeout")
        .args(["60", "docker", "-H"])
        .arg(format!("unix://{}", path.display()))
        .args(["version", "--format", "{{.Server.Version}}"])
        .output();
    signal(child.id(), Signal::SIGTERM);
    child.wait().unwrap();
    assert!(version.unwrap().status.success());
    assert!(path.exists(), "the socket is systemd's to remove");
}
