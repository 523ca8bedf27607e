//! `bulkheadd`: wires the host's crates together and serves the API.
//!
//! Invariants: no wasm runs in this process; wire types are known here and in
//! `api` only; every operation is the engine's.

#![allow(unreachable_pub)] // A program: nothing is reachable from outside.

mod config;
mod convert;
mod daemon;
mod default_pools;
mod firewall;
mod follow;
mod hijack;
mod listen;
mod log_watch;
mod logging;
mod machine;
mod names;
mod pid_file;
mod prunes;
mod relay;
mod reload;
mod reply;
mod resolver;
mod routes;
mod samplers;
mod server;
mod source;
mod status;
mod storage_driver;
mod subordinate;
mod websocket;
mod wiring;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bulkhead_sys::process::{Resource, rlimit, set_rlimit};
use clap::Parser;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use config::{Flags, Settings};
use daemon::Daemon;
use logging::Level;

fn main() -> ExitCode {
    let flags = Flags::parse();
    let settings = match flags.settings() {
        Ok(settings) => settings,
        Err(error) => return refuse(&error.into()),
    };
    if flags.validate {
        eprintln!("configuration OK");
        return ExitCode::SUCCESS;
    }
    let level = logging::start(settings.log_level, settings.log_json);
    match run(&flags, &settings, &level) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &anyhow::Error) -> ExitCode {
    eprintln!("bulkheadd: {error:#}");
    ExitCode::FAILURE
}

fn run(flags: &Flags, settings: &Settings, level: &Level) -> anyhow::Result<()> {
    anyhow::ensure!(
        nix::unistd::geteuid().is_root(),
        "the daemon needs root: run it with sudo"
    );
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let served = runtime.block_on(serve(flags, settings, level));
    // Blocking workers may be in the middle of a download: they are not waited for.
    runtime.shutdown_background();
    served
}

/// Every client and container takes descriptors. Containers inherit the limit,
/// as they do from dockerd; beyond this, programs that close all descriptors
/// one by one become slow.
fn raise_descriptor_limit() {
    const ENOUGH: u64 = 1 << 20;
    let Some(nofile) = Resource::named("nofile") else {
        return;
    };
    let raised = rlimit(nofile).and_then(|(soft, hard)| {
        let wanted = hard.min(ENOUGH).max(soft);
        set_rlimit(nofile, wanted, hard)
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "raising the limit of open files");
    }
}

async fn serve(flags: &Flags, settings: &Settings, level: &Level) -> anyhow::Result<()> {
    let _pid_file = settings
        .pidfile
        .as_deref()
        .map(pid_file::PidFile::create)
        .transpose()?;
    let handle = tokio::runtime::Handle::current();
    let daemon = tokio::task::block_in_place(|| wiring::build(settings, handle))?;
    let daemon = Arc::new(daemon);
    tokio::task::block_in_place(|| daemon.engine.recover()).context("recovering containers")?;
    for (id, running) in tokio::task::block_in_place(|| daemon.engine.recover_execs()) {
        daemon.follow_exec(id, running);
    }
    tokio::task::block_in_place(|| daemon.engine.sweep()).context("removing left-overs")?;
    if let Err(error) = firewall::watch(&daemon.engine, &daemon.runtime) {
        tracing::warn!(%error, "a packet filter that loses our rules is not noticed");
    }
    let (listeners, sockets) = listen::bind(settings).await?;
    for listener in listeners {
        tokio::spawn(server::serve(listener, daemon.clone()));
    }
    tell_systemd(&[NotifyState::Ready]);
    until_the_end(flags, &daemon, level).await?;
    tell_systemd(&[NotifyState::Stopping]);
    for socket in &sockets {
        let _ = std::fs::remove_file(socket);
    }
    end(&daemon).await;
    Ok(())
}

/// Serves signals until one ends the daemon.
async fn until_the_end(flags: &Flags, daemon: &Arc<Daemon>, level: &Level) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => tokio::task::block_in_place(|| reload::reload(flags, daemon, level)),
        }
    }
}

/// Containers go on, unless the administrator wants them to end with the daemon.
async fn end(daemon: &Arc<Daemon>) {
    let settings = daemon.settings();
    if settings.live_restore {
        tracing::info!("stopped; containers go on");
    } else {
        let limit =
            u64::try_from(settings.shutdown_timeout).map_or(Duration::MAX, Duration::from_secs);
        daemon.stop_all(limit).await;
        tracing::info!("stopped, and with it all containers");
    }
    tokio::task::block_in_place(|| {
        daemon.retire();
        if let Err(error) = daemon.engine.store.checkpoint() {
            tracing::warn!(%error, "settling the database");
        }
    });
}

/// Nobody listens when the daemon was not started by systemd.
fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "telling systemd");
    }
}
