//! From the command line to a process in a container and back.

use std::process::Command;

use anyhow::Result;
use bulkhead_test_support::{Daemon, images};

use crate::Options;
use crate::measure::{Contender, in_turn, succeed};
use crate::peers::{Bundle, Docker};
use crate::table;

const BRIDGE: [&str; 4] = ["run", "--rm", "busybox", "true"];
const NONE: [&str; 5] = ["run", "--rm", "--network=none", "busybox", "true"];

pub(crate) fn run(options: &Options) -> Result<()> {
    let image = images::busybox();
    let daemon = Daemon::start();
    daemon.load("busybox", &image);
    let docker = Docker::start()?;
    docker.load("busybox", &image)?;
    let bundle = Bundle::new(image.layer_bytes(0))?;
    let ours = |arguments: &'static [&str]| {
        let daemon = &daemon;
        move || succeed(&mut daemon.bulkhead_command(arguments))
    };
    let theirs = |arguments: &'static [&str]| {
        let docker = &docker;
        move || docker.run(arguments)
    };
    let contenders = vec![
        Contender::new("bulkhead run, bridge", ours(&BRIDGE)).served_by(vec![daemon.pid()]),
        Contender::new("docker run, bridge", theirs(&BRIDGE)).served_by(vec![docker.pid()]),
        Contender::new("bulkhead run, no network", ours(&NONE)).served_by(vec![daemon.pid()]),
        Contender::new("docker run, no network", theirs(&NONE)).served_by(vec![docker.pid()]),
        Contender::new("runc run, no network, no image", || bundle.run()),
        Contender::new("unshare and chroot (floor)", || {
            succeed(&mut floor(&bundle))
        }),
    ];
    table::print(&in_turn(contenders, options.runs)?);
    Ok(())
}

/// The same namespaces around the same program, and nothing else.
fn floor(bundle: &Bundle) -> Command {
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork", "--root",
        ])
        .arg(bundle.root())
        .arg("/bin/true");
    command
}
