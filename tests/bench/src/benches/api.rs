//! Whole lives of containers through the API, several at a time: create,
//! start, wait, remove. No client program is measured, only engines.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use bulkhead_test_support::{Daemon, Registry, call, images};
use serde_json::{Value, json};

use crate::Options;
use crate::measure::{Contender, in_turn};
use crate::peers::Docker;
use crate::table;

const CONTAINERS: usize = 200;
const AT_ONCE: usize = 8;

pub(crate) fn run(options: &Options) -> Result<()> {
    let registry = Registry::start();
    let reference = registry.push("busybox:latest", &images::busybox());
    let daemon = Daemon::start();
    daemon.bulkhead(&["pull", &reference]).success();
    let docker = Docker::start()?;
    docker.run(&["pull", "--quiet", &reference])?;
    let (ours, theirs) = (daemon.socket(), docker.socket());
    let contenders = vec![
        Contender::new("bulkhead, 200 lives, 8 at a time", || {
            lives(&ours, &reference)
        })
        .served_by(vec![daemon.pid()]),
        Contender::new("docker, 200 lives, 8 at a time", || {
            lives(&theirs, &reference)
        })
        .served_by(vec![docker.pid()]),
    ];
    table::print(&in_turn(contenders, options.runs.min(3))?);
    Ok(())
}

fn lives(socket: &Path, image: &str) -> Result<()> {
    let begun = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let worker = || -> Result<()> {
            while begun.fetch_add(1, Ordering::Relaxed) < CONTAINERS {
                life(socket, image)?;
            }
            Ok(())
        };
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            worker.join().ok().context("a worker panicked")??;
        }
        Ok(())
    })
}

fn life(socket: &Path, image: &str) -> Result<()> {
    let created = expect(
        socket,
        ("POST", "/v1.41/containers/create"),
        &json!({"Image": image, "Cmd": ["true"]}),
        201,
    )?;
    let id = created["Id"].as_str().context("no id")?;
    let of = |action: &str| format!("/v1.41/containers/{id}{action}");
    expect(socket, ("POST", &of("/start")), &Value::Null, 204)?;
    let ended = expect(socket, ("POST", &of("/wait")), &Value::Null, 200)?;
    ensure!(ended["StatusCode"] == 0, "ended with {ended}");
    expect(socket, ("DELETE", &of("")), &Value::Null, 204)?;
    Ok(())
}

fn expect(socket: &Path, call_of: (&str, &str), body: &Value, status: u16) -> Result<Value> {
    let response = call(socket, call_of.0, call_of.1, body)?;
    ensure!(
        response.status == status,
        "{call_of:?}: {} {}",
        response.status,
        response.text()
    );
    Ok(response.json())
}
