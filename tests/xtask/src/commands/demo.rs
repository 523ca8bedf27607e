//! `cargo xtask demo`: from a fresh clone to a container, and nothing left.

mod private_daemon;

use std::io::IsTerminal;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::commands::build;
use crate::leaks;
use crate::packages::{self, Need};
use private_daemon::PrivateDaemon;

const NEEDS: [Need; 1] = [Need {
    file: "cc",
    package: "gcc",
}];

/// A distribution that everybody knows, small enough to wait for.
const IMAGE: &str = "docker.io/library/debian:stable-slim";
const REGISTRY: (&str, u16) = ("registry-1.docker.io", 443);

pub(crate) fn run() -> Result<()> {
    ensure!(
        nix::unistd::Uid::effective().is_root(),
        "containers need root: run `sudo -E cargo xtask demo`"
    );
    packages::install(&NEEDS)?;
    timed("build", build::run)?;
    let before = leaks::snapshot();
    containers()?;
    let left = leaks::since(&before);
    ensure!(left.is_empty(), "left behind: {left:?}");
    eprintln!("\nnothing is left: no process, mount, link, cgroup or file");
    Ok(())
}

fn containers() -> Result<()> {
    let started = Instant::now();
    let daemon = PrivateDaemon::start()?;
    eprintln!(
        "daemon: {:.0} ms until it answered",
        started.elapsed().as_secs_f64() * 1e3
    );
    daemon.run(&["run", "--rm", "hello"])?;
    match image() {
        Some(image) => distribution(&daemon, &image)?,
        None => {
            eprintln!("\nno registry is reachable; BULKHEAD_DEMO_IMAGE names an image of another")
        }
    }
    daemon.stop()
}

/// A shell for a person; a command that ends by itself for everyone else.
fn distribution(daemon: &PrivateDaemon, image: &str) -> Result<()> {
    daemon.run(&["pull", image])?;
    match std::io::stdin().is_terminal() {
        true => daemon.run(&["run", "--rm", "-it", image]),
        false => daemon.run(&["run", "--rm", image, "cat", "/etc/os-release"]),
    }
}

fn image() -> Option<String> {
    let named = std::env::var("BULKHEAD_DEMO_IMAGE").ok();
    named.or_else(|| reachable(REGISTRY).then(|| IMAGE.to_owned()))
}

/// Whether somebody listens there. A resolver may take longer than anybody
/// wants to wait, so it is asked aside.
fn reachable(address: (&'static str, u16)) -> bool {
    let (found, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let mut addresses = address.to_socket_addrs().into_iter().flatten();
        let connects =
            |address| TcpStream::connect_timeout(&address, Duration::from_secs(4)).is_ok();
        // Nobody listens any more when this took too long.
        let _ = found.send(addresses.any(connects));
    });
    answer.recv_timeout(Duration::from_secs(5)).unwrap_or(false)
}

fn timed(name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    let started = Instant::now();
    run()?;
    eprintln!("{name}: {:.1} s", started.elapsed().as_secs_f32());
    Ok(())
}
