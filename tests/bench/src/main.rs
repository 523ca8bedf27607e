//! `cargo xtask bench [NAME...] [--runs N]`: our figures beside those of
//! peers, taken in turns in the same run.
//!
//! All of it happens in a network and a mount namespace of its own, with every
//! file on a tmpfs: nothing stays behind, no two runs differ by the disk's
//! state, and what a disk costs is left out for everyone alike.

mod benches;
mod fresh;
mod machine;
mod measure;
mod peers;
mod private;
mod table;

use anyhow::{Context, Result, bail};

/// How many times each contender runs when nobody says.
const RUNS: usize = 15;

/// What to measure.
pub(crate) struct Options {
    names: Vec<String>,
    runs: usize,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = parse(&arguments)?;
    if !private::entered() {
        // It needs the network, which the namespace does not have.
        bulkhead_test_support::images::debian_tar();
        return private::enter(&arguments);
    }
    print!("{}", machine::describe());
    for (name, bench) in benches::ALL {
        if options.names.is_empty() || options.names.iter().any(|wanted| wanted == name) {
            println!("\n## {name}\n");
            bench(&options).with_context(|| format!("bench {name}"))?;
        }
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        names: Vec::new(),
        runs: RUNS,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--runs" => options.runs = rest.next().context("--runs without a number")?.parse()?,
            name if benches::ALL.iter().any(|(known, _)| *known == name) => {
                options.names.push(name.to_owned())
            }
            other => bail!(
                "no bench {other:?}; there are {:?}",
                benches::ALL.map(|(name, _)| name)
            ),
        }
    }
    Ok(options)
}
