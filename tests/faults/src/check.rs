//! Records, kernel and disk against each other and against what clients know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bulkhead_test_support::Daemon;
use serde_json::Value;

use crate::Figures;
use crate::clients::{Clients, KINDS, Told};
use crate::kernel::{Held, Kernel};

/// What goes by itself: ends that are under way, restarts that are due.
const PATIENCE: Duration = Duration::from_secs(15);

/// Waits until everything fits; what does not fit in time is an error.
pub(crate) fn all(
    daemon: &Daemon,
    kernel: &Kernel,
    clients: &Clients,
    before: &BTreeSet<PathBuf>,
    figures: &mut Figures,
) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    let containers = loop {
        match once(daemon, kernel, clients, before) {
            Ok(containers) => break containers,
            Err(error) if Instant::now() > until => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    for container in containers.values() {
        let state = text(&container["State"]["Status"]);
        *figures.states.entry(state).or_default() += 1;
    }
    let strange = clients.strange();
    ensure!(strange.is_empty(), "strange answers: {strange:#?}");
    Ok(())
}

fn once(
    daemon: &Daemon,
    kernel: &Kernel,
    clients: &Clients,
    before: &BTreeSet<PathBuf>,
) -> Result<BTreeMap<String, Value>> {
    let containers = inspected(clients)?;
    for (id, known) in clients.known() {
        let there = containers.contains_key(&id);
        match known.told {
            Told::There => ensure!(there, "{id} is gone, nobody removed it"),
            Told::Gone => ensure!(!there, "{id} is there, it was removed"),
            Told::Perhaps => {}
        }
        if let (Some(container), Some(kind)) = (containers.get(&id), KINDS.get(known.kind)) {
            check_end(container, kind.codes)?;
        }
    }
    for container in containers.values() {
        check_state(container)?;
    }
    let (held, wanted) = (kernel.held(), wanted(&containers));
    ensure!(
        held == wanted,
        "the kernel holds {held:#?}, wanted {wanted:#?}"
    );
    check_addresses(&containers)?;
    check_folders(daemon, kernel, &containers, before)?;
    Ok(containers)
}

fn inspected(clients: &Clients) -> Result<BTreeMap<String, Value>> {
    let list = clients.get("/containers/json?all=1")?.json();
    let mut containers = BTreeMap::new();
    for row in list.as_array().context("a list")? {
        let id = text(&row["Id"]);
        let shown = clients.get(&format!("/containers/{id}/json"))?;
        ensure!(shown.status == 200, "{id} went away");
        containers.insert(id, shown.json());
    }
    let lasting = containers.get(&clients.lasting);
    let lasting = lasting.context("the lasting container is gone")?;
    ensure!(is_running(lasting), "the lasting container ended");
    Ok(containers)
}

fn is_running(container: &Value) -> bool {
    let status = container["State"]["Status"].as_str();
    matches!(status, Some("running" | "paused"))
}

fn check_state(container: &Value) -> Result<()> {
    let state = &container["State"];
    let pid = state["Pid"].as_i64().unwrap_or(0);
    match state["Status"].as_str() {
        Some("running" | "paused") => {
            let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup"));
            let cgroup = cgroup.with_context(|| format!("no process {pid}: {state}"))?;
            let ours = cgroup.contains(&text(&container["Id"]));
            ensure!(ours, "{pid} is another's: {cgroup}");
        }
        // Dead: the runner went in the middle of its removal.
        Some("created" | "exited" | "dead") => ensure!(pid == 0, "{state}"),
        _ => bail!("not at rest: {state}"),
    }
    Ok(())
}

/// A container that ended did so in one of its ways.
fn check_end(container: &Value, codes: &[i64]) -> Result<()> {
    let state = &container["State"];
    let code = state["ExitCode"].as_i64().context("a code")?;
    let ended = state["Status"] == "exited" && state["Error"] == "";
    let right = codes.is_empty() || codes.contains(&code);
    ensure!(!ended || right, "ended with {code}: {state}");
    Ok(())
}

/// What the running containers need.
fn wanted(containers: &BTreeMap<String, Value>) -> Held {
    let running = containers.iter().filter(|(_, c)| is_running(c));
    let ids: BTreeSet<String> = running.clone().map(|(id, _)| id.clone()).collect();
    let ports = running.map(|(_, c)| {
        let ports = c["NetworkSettings"]["Ports"].as_object();
        ports.map_or(0, |p| p.values().filter(|b| b.is_array()).count())
    });
    Held {
        links: ids.len(),
        ports: ports.sum(),
        cgroups: ids.clone(),
        shims: ids,
        mounts: 0,
    }
}

fn check_addresses(containers: &BTreeMap<String, Value>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for container in containers.values().filter(|c| is_running(c)) {
        let networks = &container["NetworkSettings"]["Networks"];
        let address = text(&networks["bridge"]["IPAddress"]);
        ensure!(!address.is_empty(), "no address: {networks:#}");
        ensure!(seen.insert(address.clone()), "{address} is given twice");
    }
    Ok(())
}

/// Each folder beyond those of the beginning belongs to a container.
fn check_folders(
    daemon: &Daemon,
    kernel: &Kernel,
    containers: &BTreeMap<String, Value>,
    before: &BTreeSet<PathBuf>,
) -> Result<()> {
    let mounts = |c: &Value| c["Mounts"].as_array().cloned().unwrap_or_default();
    let volumes: BTreeSet<String> = (containers.values().flat_map(mounts))
        .map(|mount| text(&mount["Name"]))
        .collect();
    for folder in kernel.folders(daemon).difference(before) {
        let name = folder.file_name().map(|n| n.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let of_container = containers.keys().any(|id| name.contains(id.as_str()));
        let owned = of_container || volumes.contains(&name);
        ensure!(owned, "left over: {}", folder.display());
    }
    let sources = containers
        .values()
        .flat_map(mounts)
        .map(|m| text(&m["Source"]));
    for source in sources {
        ensure!(Path::new(&source).is_dir(), "{source} is missing");
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
