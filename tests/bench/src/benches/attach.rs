//! How fast bytes get out of a container and into it, beside a plain pipe
//! between the same programs. A client that only reads, or only writes, stays
//! attached to a container that answers each request with so many bytes:
//! nothing is started while the clock runs. The clients of the command line
//! are measured from start to end.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use bulkhead_test_support::{Daemon, Registry, images};
use serde_json::{Value, json};

use crate::Options;
use crate::measure::{Contender, in_turn};
use crate::peers::{Docker, Streams};
use crate::table;

/// Bytes of one run; the clients of the command line move more.
const BYTES: usize = 256 << 20;
const CLIENT_BYTES: usize = 1 << 30;

const ZEROS: &str = "head -c $BYTES /dev/zero";
const TEXT: &str =
    "yes 'The quick brown fox jumps over the lazy dog, and then back.' | head -c $BYTES";
const SINK: &str = "head -c $BYTES >/dev/null";

pub(crate) fn run(options: &Options) -> Result<()> {
    let registry = Registry::start();
    let reference = registry.push("debian:latest", &images::debian());
    let daemon = Daemon::start();
    daemon.bulkhead(&["pull", &reference]).success();
    let docker = Docker::start()?;
    docker.run(&["pull", "--quiet", &reference])?;
    let bench = Bench {
        options,
        reference,
        daemon,
        docker,
    };
    println!("output, zeros, 256 MiB");
    bench.output(ZEROS)?;
    println!("\noutput, lines of text, 256 MiB");
    bench.output(TEXT)?;
    println!("\ninput, zeros, 256 MiB");
    bench.input()?;
    println!("\noutput by the command line's client, zeros, 1 GiB");
    bench.clients()
}

struct Bench<'a> {
    options: &'a Options,
    reference: String,
    daemon: Daemon,
    docker: Docker,
}

impl Bench<'_> {
    /// A container of ours and one of Docker's that run `script`.
    fn pair(&self, script: &str, log: &Value) -> Result<[Streams; 2]> {
        let script = script.replace("$BYTES", &BYTES.to_string());
        let open = |socket| Streams::open(socket, &self.reference, &script, log);
        Ok([open(&self.daemon.socket())?, open(&self.docker.socket())?])
    }

    fn output(&self, source: &str) -> Result<()> {
        let script = format!("while read line; do {source}; done");
        let [mut ours, mut theirs] = self.pair(&script, &no_log())?;
        let [mut ours_logged, mut theirs_logged] = self.pair(&script, &json_file())?;
        let fetch = |streams: &mut Streams| {
            streams.send(b"\n")?;
            streams.receive(BYTES)
        };
        let (our_pid, their_pid) = (vec![self.daemon.pid()], vec![self.docker.pid()]);
        let kept = tempfile::NamedTempFile::new()?;
        let tee = format!("tee {}", kept.path().display());
        let contenders = vec![
            Contender::new("plain pipe (floor)", || pipe(source, "cat", BYTES)),
            Contender::new("plain pipe and a file", || pipe(source, &tee, BYTES)),
            Contender::new("bulkhead, no log", || fetch(&mut ours)).served_by(our_pid.clone()),
            Contender::new("docker, no log", || fetch(&mut theirs)).served_by(their_pid.clone()),
            Contender::new("bulkhead, json-file", || fetch(&mut ours_logged)).served_by(our_pid),
            Contender::new("docker, json-file", || fetch(&mut theirs_logged)).served_by(their_pid),
        ];
        table::print(&in_turn(contenders, self.options.runs.min(5))?);
        Ok(())
    }

    fn input(&self) -> Result<()> {
        let script = format!("while true; do {SINK}; echo; done");
        let [mut ours, mut theirs] = self.pair(&script, &no_log())?;
        let zeros = vec![0; 1 << 20];
        let feed = |streams: &mut Streams| {
            for _ in 0..BYTES / zeros.len() {
                streams.send(&zeros)?;
            }
            streams.receive(1)
        };
        let contenders = vec![
            Contender::new("plain pipe (floor)", || pipe(ZEROS, SINK, BYTES)),
            Contender::new("bulkhead", || feed(&mut ours)).served_by(vec![self.daemon.pid()]),
            Contender::new("docker", || feed(&mut theirs)).served_by(vec![self.docker.pid()]),
        ];
        table::print(&in_turn(contenders, self.options.runs.min(5))?);
        Ok(())
    }

    fn clients(&self) -> Result<()> {
        let bytes = CLIENT_BYTES.to_string();
        let arguments = |log| {
            let options = ["run", "--rm", "--network=none", log];
            let program = [&self.reference, "head", "-c", &bytes, "/dev/zero"];
            [&options[..], &program].concat()
        };
        let (none, json) = (
            arguments("--log-driver=none"),
            arguments("--log-opt=max-size=16m"),
        );
        let ours = |arguments: &[&str]| discard(&mut self.daemon.bulkhead_command(arguments));
        let theirs = |arguments: &[&str]| discard(&mut self.docker.command(arguments));
        let contenders = vec![
            Contender::new("plain pipe (floor)", || pipe(ZEROS, "cat", CLIENT_BYTES)),
            Contender::new("bulkhead run, no log", || ours(&none))
                .served_by(vec![self.daemon.pid()]),
            Contender::new("docker run, no log", || theirs(&none))
                .served_by(vec![self.docker.pid()]),
            Contender::new("bulkhead run, json-file", || ours(&json))
                .served_by(vec![self.daemon.pid()]),
        ];
        table::print(&in_turn(contenders, self.options.runs.min(3))?);
        Ok(())
    }
}

fn no_log() -> Value {
    json!({"Type": "none"})
}

/// Rotated: without it, the log of the zeros alone would be 1.5 GiB.
fn json_file() -> Value {
    json!({"Type": "json-file", "Config": {"max-size": "16m", "max-file": "2"}})
}

fn pipe(source: &str, sink: &str, bytes: usize) -> Result<()> {
    let script = format!("{source} | {sink}").replace("$BYTES", &bytes.to_string());
    discard(Command::new("bash").args(["-c", &script]))
}

fn discard(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("start {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
