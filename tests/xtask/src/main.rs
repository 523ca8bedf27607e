//! `cargo xtask <command>`: everything that is done to the project rather
//! than by it. One file per command; what several of them need stands beside
//! `commands`.

mod cache;
mod commands;
mod leaks;
mod packages;
mod process;
mod tally;
mod tidy;
mod toolchain;
mod vm;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask <command>

  plugins                 build every plugin and guest fixture into a component
  build                   plugins, then every binary, in release
  demo                    build, start a private daemon, run a container, clean up
  test [--no-vm] [FILTER] every gate and every test; what .ci/run calls
  tidy                    the rules about the source that no compiler checks
  leaks snapshot FILE     write down what the kernel holds for containers now
  leaks check FILE        fail when more than that is held
  vm [--] COMMAND         run a shell command in a machine with pure cgroup v2
  compare-cli             compare the command line with docker's, write host/cli/COMPARISON.md
  conformance [OPTIONS]   every storage driver through the conformance suite
  bench [NAME]            measure against peers in the same run
  faults [--images [--driver NAME]] [--rounds N] [--seed N]
                          random lifecycle commands with kill -9 in between
  power-cut [--rounds N] [--driver NAME]
                          cut a machine's power in and after operations that write
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => bail!("no command given\n\n{USAGE}"),
    };
    match command {
        "plugins" => commands::plugins::run(),
        "build" => commands::build::run(),
        "demo" => commands::demo::run(),
        "test" => commands::test::run(rest),
        "tidy" => commands::tidy::run(),
        "leaks" => commands::leaks::run(rest),
        "vm" => commands::vm::run(rest),
        "compare-cli" => commands::compare_cli::run(),
        "conformance" => commands::conformance::run(rest),
        "bench" => commands::bench::run(rest),
        "faults" => commands::faults::run(rest),
        "power-cut" => commands::power_cut::run(rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("no command {other:?}\n\n{USAGE}"),
    }
}
