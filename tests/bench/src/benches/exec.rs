//! From the command line to a process in a container that runs already.

use anyhow::Result;
use bulkhead_test_support::{Daemon, Registry, images};

use crate::Options;
use crate::measure::{Contender, in_turn, succeed};
use crate::peers::{Bundle, Docker};
use crate::table;

const NAME: &str = "bench-exec";

pub(crate) fn run(options: &Options) -> Result<()> {
    let image = images::busybox();
    let registry = Registry::start();
    let reference = registry.push("busybox:latest", &image);
    let sleep = [
        "run",
        "--detach",
        "--name",
        NAME,
        "--network=none",
        &reference,
        "sleep",
        "3600",
    ];
    let daemon = Daemon::start();
    daemon.bulkhead(&sleep).success();
    let docker = Docker::start()?;
    docker.run(&sleep)?;
    let bundle = Bundle::new(image.layer_bytes(0))?.started()?;
    let exec = ["exec", NAME, "true"];
    let contenders = vec![
        Contender::new("runc exec", || bundle.exec()),
        Contender::new("bulkhead exec", || {
            succeed(&mut daemon.bulkhead_command(&exec))
        })
        .served_by(vec![daemon.pid()]),
        Contender::new("docker exec", || docker.run(&exec)).served_by(vec![docker.pid()]),
    ];
    table::print(&in_turn(contenders, options.runs)?);
    docker.run(&["rm", "--force", NAME])
}
