//! `ps -a` with five hundred containers.

use std::path::Path;

use anyhow::{Result, ensure};
use bulkhead_test_support::{Daemon, Registry, call, images};
use serde_json::{Value, json};

use crate::Options;
use crate::measure::{Contender, in_turn, succeed};
use crate::peers::Docker;
use crate::table;

const CONTAINERS: usize = 500;

pub(crate) fn run(options: &Options) -> Result<()> {
    let registry = Registry::start();
    let reference = registry.push("busybox:latest", &images::busybox());
    let daemon = Daemon::start();
    daemon.bulkhead(&["pull", &reference]).success();
    let docker = Docker::start()?;
    docker.run(&["pull", "--quiet", &reference])?;
    let (ours, theirs) = (daemon.socket(), docker.socket());
    for socket in [&ours, &theirs] {
        fill(socket, &reference)?;
    }
    let contenders = vec![
        Contender::new("bulkhead ps -a, 500 containers", || {
            succeed(&mut daemon.bulkhead_command(&["ps", "-a"]))
        })
        .served_by(vec![daemon.pid()]),
        Contender::new("docker ps -a, 500 containers", || docker.run(&["ps", "-a"]))
            .served_by(vec![docker.pid()]),
        Contender::new("bulkhead, the API call alone", || listed(&ours))
            .served_by(vec![daemon.pid()]),
        Contender::new("docker, the API call alone", || listed(&theirs))
            .served_by(vec![docker.pid()]),
    ];
    table::print(&in_turn(contenders, options.runs)?);
    Ok(())
}

fn fill(socket: &Path, image: &str) -> Result<()> {
    for _ in 0..CONTAINERS {
        let body = json!({"Image": image, "Cmd": ["true"]});
        let created = call(socket, "POST", "/v1.41/containers/create", &body)?;
        ensure!(created.status == 201, "{}", created.text());
    }
    Ok(())
}

fn listed(socket: &Path) -> Result<()> {
    let list = call(socket, "GET", "/v1.41/containers/json?all=1", &Value::Null)?;
    let count = list.json().as_array().map_or(0, Vec::len);
    ensure!(count == CONTAINERS, "{count} of {CONTAINERS} listed");
    Ok(())
}
