//! Streams over TCP, plain and with TLS, with the real docker client: the
//! daemon relays there what it hands over on a unix socket.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bulkhead_e2e::Certificates;
use bulkhead_test_support::{Daemon, Terminal, images, own_network, run_with_input, wait_until};

const LIMIT: Duration = Duration::from_secs(120);
const ADDRESS: &str = "tcp://127.0.0.1:23750";

/// A daemon that listens on the loopback of a network of its own.
struct Remote {
    daemon: Daemon,
    certificates: Option<Certificates>,
}

impl Remote {
    fn start(certificates: Option<Certificates>) -> Self {
        own_network();
        let mut builder = Daemon::builder().argument("-H").argument(ADDRESS);
        if let Some(files) = &certificates {
            let file = |flag: &str, name: &str| {
                let path = files.path("server");
                format!("--{flag}={path}/{name}")
            };
            builder = builder
                .argument("--tlsverify")
                .argument(&file("tlscacert", "ca.pem"))
                .argument(&file("tlscert", "cert.pem"))
                .argument(&file("tlskey", "key.pem"));
        }
        let daemon = builder.start();
        daemon.load("busybox:latest", &images::busybox());
        Self {
            daemon,
            certificates,
        }
    }

    fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = self.daemon.client(Path::new("docker"), arguments);
        command.env("DOCKER_HOST", ADDRESS);
        if let Some(files) = &self.certificates {
            command
                .env("DOCKER_TLS_VERIFY", "1")
                .env("DOCKER_CERT_PATH", files.path("client"));
        }
        command
    }

    fn told(&self, arguments: &[&str], input: &[u8]) -> String {
        run_with_input(&mut self.docker(arguments), input, LIMIT).success()
    }

    /// Ten megabytes through each way in, to the end and back.
    fn streams(&self) {
        let line = "0123456789abcdef ten megabytes of this\n";
        let input = line.repeat((10 << 20) / line.len());
        let same = |arguments: &[&str]| {
            let output = self.told(arguments, input.as_bytes());
            assert!(output == input, "{arguments:?}: {} bytes", output.len());
        };
        same(&["run", "--rm", "-i", "busybox", "cat"]);
        self.told(
            &["create", "-i", "--name", "started", "busybox", "cat"],
            b"",
        );
        same(&["start", "-ai", "started"]);
        self.told(
            &["create", "-i", "--name", "attached", "busybox", "cat"],
            b"",
        );
        self.told(&["start", "attached"], b"");
        same(&["attach", "attached"]);
        self.told(
            &["run", "-d", "--name", "box", "busybox", "sleep", "1000"],
            b"",
        );
        same(&["exec", "-i", "box", "cat"]);
        // What is said after the input's end still arrives.
        let script = "wc -c; echo end; echo error >&2; exit 3";
        let mut half = self.docker(&["exec", "-i", "box", "sh", "-c", script]);
        let half = run_with_input(&mut half, input.as_bytes(), LIMIT);
        assert_eq!(half.stdout, format!("{}\nend\n", input.len()));
        assert_eq!((half.status, half.stderr.as_str()), (Some(3), "error\n"));
    }

    fn terminal(&self) {
        let mut shell = Terminal::start(&self.docker(&["exec", "-it", "box", "sh"]));
        shell.wait_for("# ", LIMIT);
        shell.keys("echo $((40 + 2)); tty\r");
        shell.wait_for("42", LIMIT);
        shell.wait_for("/dev/pts/", LIMIT);
        shell.keys("exit 7\r");
        assert_eq!(shell.wait(LIMIT), Some(7));
    }

    /// The container's input ends with its client, and nothing stays open.
    fn client_killed(&self) {
        let open = || {
            let folder = format!("/proc/{}/fd", self.daemon.pid());
            std::fs::read_dir(folder).map_or(0, Iterator::count)
        };
        let before = open();
        let mut client = self.docker(&["run", "-i", "--name", "left", "busybox", "cat"]);
        client.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut client = client.spawn().unwrap();
        let mut input = client.stdin.take().unwrap();
        input.write_all(b"hello\n").unwrap();
        let mut heard = [0; 6];
        client
            .stdout
            .take()
            .unwrap()
            .read_exact(&mut heard)
            .unwrap();
        assert_eq!(&heard, b"hello\n");
        client.kill().unwrap();
        client.wait().unwrap();
        let state = [
            "inspect",
            "-f",
            "{{.State.Status}} {{.State.ExitCode}}",
            "left",
        ];
        wait_until(|| self.daemon.docker(&state).success() == "exited 0\n");
        wait_until(|| open() <= before);
    }
}

#[test]
fn streams_over_plain_tcp_on_the_loopback() {
    let remote = Remote::start(None);
    remote.streams();
    remote.terminal();
    remote.client_killed();
}

#[test]
fn streams_over_tls() {
    let remote = Remote::start(Some(Certificates::make()));
    remote.streams();
    remote.terminal();
    remote.client_killed();
}
