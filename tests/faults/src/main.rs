//! `cargo xtask faults [--rounds N] [--seed N]`.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

/// How many rounds when nobody says.
const ROUNDS: u64 = 300;

fn main() -> ExitCode {
    match faults() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn faults() -> Result<()> {
    let (mut rounds, mut seed) = (ROUNDS, u64::from(std::process::id()));
    let mut rest = std::env::args().skip(1);
    while let Some(argument) = rest.next() {
        let mut number = || -> Result<u64> {
            let text = rest.next();
            let text = text.with_context(|| format!("{argument} without a number"))?;
            Ok(text.parse()?)
        };
        match argument.as_str() {
            "--rounds" => rounds = number()?,
            "--seed" => seed = number()?,
            other => bail!("unknown argument {other:?}"),
        }
    }
    println!("seed: {seed}");
    print!("{}", bulkhead_faults::run(rounds, seed)?);
    println!("inconsistencies: 0, leaks: 0");
    Ok(())
}
