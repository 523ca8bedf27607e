//! `bulkheadd`: wires the host's crates together and serves the API.
//!
//! Invariants: no wasm runs in this process; wire types are known here and in
//! `api` only; every operation is the engine's.

#![allow(unreachable_pub)] // A program: nothing is reachable from outside.

mod args;
mod convert;
mod daemon;
mod hub;
mod listen;
mod names;
mod reply;
mod routes;
mod server;
mod source;
mod status;
mod subordinate;
mod wiring;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(&args.log_level))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bulkheadd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!(
        nix::unistd::geteuid().is_root(),
        "the daemon needs root: run it with sudo"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let served = runtime.block_on(serve(args));
    // Blocking workers may be in the middle of a download: they are not waited for.
    runtime.shutdown_background();
    served
}

async fn serve(args: &Args) -> anyhow::Result<()> {
    let _pid_file = args
        .pidfile
        .as_deref()
        .map(listen::PidFile::create)
        .transpose()?;
    let handle = tokio::runtime::Handle::current();
    let daemon = tokio::task::block_in_place(|| wiring::build(args, handle))?;
    let daemon = Arc::new(daemon);
    for recovered in
        tokio::task::block_in_place(|| daemon.engine.recover()).context("recovering containers")?
    {
        daemon.follow(recovered.id, recovered.running, false);
    }
    tokio::task::block_in_place(|| daemon.engine.sweep()).context("removing left-overs")?;
    let sockets = args.sockets()?;
    for socket in &sockets {
        let listener = listen::bind(socket)?;
        tracing::info!(socket = %socket.display(), "listening");
        tokio::spawn(server::serve(listener, daemon.clone()));
    }
    wait_for_end().await?;
    for socket in &sockets {
        let _ = std::fs::remove_file(socket);
    }
    tokio::task::block_in_place(|| daemon.retire());
    tracing::info!("stopped; containers go on");
    Ok(())
}

async fn wait_for_end() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
