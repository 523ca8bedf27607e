//! Answers about a neighbour, asked for inside a container's network, beside
//! those of a thread there that sends back what it gets.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bulkhead_sys::netlink::in_namespace;
use bulkhead_test_support::{Daemon, Registry, images};

use crate::Options;
use crate::measure::{Contender, in_turn};
use crate::peers::Docker;
use crate::table;

const RESOLVER: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 0, 11), 53);
/// So that milliseconds of a run are microseconds of a question.
const ONE_BY_ONE: usize = 1000;
const TOGETHER: usize = 20_000;
const WINDOW: usize = 32;
const NAME: &str = "neighbour";

pub(crate) fn run(options: &Options) -> Result<()> {
    let registry = Registry::start();
    let reference = registry.push("busybox:latest", &images::busybox());
    let daemon = Daemon::start();
    let docker = Docker::start()?;
    let ours = started(|arguments| daemon.bulkhead_command(arguments), &reference)?;
    let theirs = started(|arguments| docker.command(arguments), &reference)?;
    let echo = echo(ours)?;
    let (ours, theirs) = (
        socket(ours, RESOLVER.into())?,
        socket(theirs, RESOLVER.into())?,
    );
    let servants = [vec![], vec![daemon.pid()], vec![docker.pid()]];
    for (count, window, labels) in [
        (
            ONE_BY_ONE,
            1,
            [
                "echo, 1,000 one by one",
                "bulkhead, 1,000 one by one",
                "docker, 1,000 one by one",
            ],
        ),
        (
            TOGETHER,
            WINDOW,
            [
                "echo, 20,000, 32 at once",
                "bulkhead, 20,000, 32 at once",
                "docker, 20,000, 32 at once",
            ],
        ),
    ] {
        let sockets = [&echo, &ours, &theirs];
        let contenders = labels.into_iter().zip(sockets).zip(servants.clone());
        let contenders = contenders.map(|((label, socket), servants)| {
            Contender::new(label, move || ask(socket, count, window)).served_by(servants)
        });
        table::print(&in_turn(contenders.collect(), options.runs)?);
        println!();
    }
    docker.run(&["rm", "--force", NAME])
}

/// A container that knows itself by name; its pid.
fn started(command: impl Fn(&[&str]) -> Command, reference: &str) -> Result<u64> {
    let said = |arguments: &[&str]| -> Result<String> {
        let output = command(arguments).output()?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?)
    };
    said(&["pull", "--quiet", reference])?;
    said(&["network", "create", "shop"])?;
    let run = [
        "run",
        "--detach",
        "--name",
        NAME,
        "--network",
        "shop",
        reference,
        "sleep",
        "600",
    ];
    said(&run)?;
    let pid = said(&["inspect", "--format", "{{.State.Pid}}", NAME])?;
    pid.trim().parse().context("a pid")
}

fn inside<T: Send>(pid: u64, work: impl FnOnce() -> std::io::Result<T> + Send) -> Result<T> {
    let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
    Ok(in_namespace(namespace.as_fd(), work)??)
}

fn socket(pid: u64, server: SocketAddr) -> Result<UdpSocket> {
    inside(pid, || {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        socket.connect(server)?;
        Ok(socket)
    })
}

/// A socket whose peer sends back what it gets; the thread ends with the program.
fn echo(pid: u64) -> Result<UdpSocket> {
    let server = inside(pid, || UdpSocket::bind("127.0.0.1:0"))?;
    let address = server.local_addr()?;
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = server.recv_from(&mut buffer) {
            let _ = server.send_to(&buffer[..length], client);
        }
    });
    socket(pid, address)
}

fn ask(socket: &UdpSocket, count: usize, window: usize) -> Result<()> {
    let question = question();
    let mut buffer = [0; 512];
    for _ in 0..count / window {
        for _ in 0..window {
            socket.send(&question)?;
        }
        for _ in 0..window {
            let length = socket.recv(&mut buffer).context("no answer")?;
            ensure!(buffer[..2] == question[..2] && length >= question.len());
        }
    }
    Ok(())
}

/// `neighbour` A IN (RFC 1035 section 4).
fn question() -> Vec<u8> {
    let mut bytes = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x09".to_vec();
    bytes.extend(NAME.as_bytes());
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}
