//! From the command line to a process in a container and back.

use std::process::Command;

use anyhow::Result;
use bulkhead_test_support::{Daemon, Registry, images};

use crate::Options;
use crate::measure::{Contender, in_turn, succeed};
use crate::peers::{Bundle, Docker};
use crate::table;

pub(crate) fn run(options: &Options) -> Result<()> {
    let image = images::busybox();
    let registry = Registry::start();
    let reference = registry.push("busybox:latest", &image);
    let bridge = ["run", "--rm", &reference, "true"];
    let none = ["run", "--rm", "--network=none", &reference, "true"];
    let daemon = Daemon::start();
    let docker = Docker::start()?;
    let bundle = Bundle::new(image.layer_bytes(0))?;
    let ours = |arguments: &'_ [&str]| succeed(&mut daemon.bulkhead_command(arguments));
    let theirs = |arguments: &'_ [&str]| docker.run(arguments);
    let contenders = vec![
        Contender::new("bulkhead run, bridge", || ours(&bridge)).served_by(vec![daemon.pid()]),
        Contender::new("docker run, bridge", || theirs(&bridge)).served_by(vec![docker.pid()]),
        Contender::new("bulkhead run, no network", || ours(&none)).served_by(vec![daemon.pid()]),
        Contender::new("docker run, no network", || theirs(&none)).served_by(vec![docker.pid()]),
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
