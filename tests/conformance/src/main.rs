//! `bulkhead-conformance FILE.wasm…`: what `bulkhead plugin test` becomes.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use bulkhead_conformance::{Component, Level, Options, Report, cases, run};
use clap::Parser;

/// Try storage drivers against the conformance suite
#[derive(Parser, Debug)]
#[command(
    name = "bulkhead-conformance",
    bin_name = "bulkhead plugin test",
    version
)]
struct Arguments {
    /// Components to try, each with its plugin.toml beside it
    #[arg(value_name = "FILE.wasm", required_unless_present = "list")]
    components: Vec<PathBuf>,
    /// The manifest, if it is elsewhere
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Run only this case (may be given several times)
    #[arg(long, value_name = "NAME")]
    case: Vec<String>,
    /// List the cases and what each is for
    #[arg(long)]
    list: bool,
    /// Check plans only, on a host in memory
    #[arg(long)]
    plans_only: bool,
    /// Lay files out in this folder instead of in memory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Set one of the driver's own options
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    storage_opt: Vec<(String, String)>,
    /// Print only the figures of each driver, and what failed
    #[arg(long, short)]
    quiet: bool,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((parts.0.to_owned(), parts.1.to_owned()))
}

fn main() -> ExitCode {
    let _ = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::ERROR)
        .with_writer(std::io::stderr)
        .try_init();
    match test(&Arguments::parse()) {
        Ok(code) => code,
        // The reader of our output went away: 128 plus SIGPIPE, as a shell has it.
        Err(error) if is_broken_pipe(&error) => ExitCode::from(141),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn test(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.list {
        return list();
    }
    let known = cases();
    let is_unknown = |name: &&String| !known.iter().any(|(_, case, _)| case == name);
    if let Some(name) = arguments.case.iter().find(is_unknown) {
        bail!("there is no case {name:?}: see --list");
    }
    if arguments.manifest.is_some() && arguments.components.len() > 1 {
        bail!("--manifest is for one component");
    }
    let level = level(arguments)?;
    let options = Options {
        cases: arguments.case.clone(),
        plans_only: level == Level::Plans,
        dir: arguments.dir.clone(),
    };
    let bin = std::env::current_exe().context("where this program is")?;
    let bin = bin.parent().context("a folder of this program")?;
    let mut code = ExitCode::SUCCESS;
    for wasm in &arguments.components {
        let opened = Component::open(
            wasm,
            arguments.manifest.as_deref(),
            &arguments.storage_opt,
            bin,
        );
        let component = opened.with_context(|| wasm.display().to_string())?;
        let report = run(&component, &options)?;
        show(&report, arguments.quiet)?;
        if !report.is_ok() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// Set in the user namespace that this program made for itself.
const MAPPED: &str = "BULKHEAD_CONFORMANCE_MAPPED";

/// How far the suite can go here. The sandbox is built by root, if only by
/// the root of a user namespace: without root this program runs itself again
/// in one.
fn level(arguments: &Arguments) -> Result<Level> {
    if std::env::var_os(MAPPED).is_some() {
        return Ok(Level::Plans);
    }
    if rustix::process::geteuid().is_root() {
        return Ok(match arguments.plans_only {
            true => Level::Plans,
            false => Level::Kernel,
        });
    }
    eprintln!(
        "Without root only plans are checked, on a host in memory; run it as root for the rest."
    );
    let this = std::env::current_exe().context("where this program is")?;
    let error = Command::new("unshare")
        .args(["--user", "--map-auto", "--map-root-user", "--"])
        .arg(this)
        .args(std::env::args_os().skip(1))
        .env(MAPPED, "1")
        .exec();
    Err(error).context("run unshare(1), which makes a user namespace for the sandbox")
}

fn show(report: &Report, quiet: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if !quiet {
        write!(out, "{report}")?;
        return Ok(());
    }
    for finding in report.failed() {
        writeln!(out, "{finding}")?;
    }
    writeln!(out, "{}", report.summary())?;
    Ok(())
}

fn list() -> Result<ExitCode> {
    let cases = cases();
    let width = cases.iter().map(|(_, name, _)| name.len()).max();
    let width = width.unwrap_or(0);
    let mut out = std::io::stdout().lock();
    for (level, name, why) in cases {
        writeln!(out, "{:<6}  {name:<width$}  {why}", level.as_str())?;
    }
    Ok(ExitCode::SUCCESS)
}
