//! `cargo xtask faults [--images [--driver NAME]] [--rounds N] [--seed N]`.

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
    let (mut of_images, mut driver) = (false, "overlay".to_owned());
    let mut rest = std::env::args().skip(1);
    while let Some(argument) = rest.next() {
        let mut value = || {
            let value = rest.next();
            value.with_context(|| format!("{argument} without a value"))
        };
        match argument.as_str() {
            "--rounds" => rounds = value()?.parse()?,
            "--seed" => seed = value()?.parse()?,
            "--images" => of_images = true,
            "--driver" => driver = value()?,
            other => bail!("unknown argument {other:?}"),
        }
    }
    println!("seed: {seed}");
    if of_images {
        println!("storage driver: {driver}");
        print!("{}", bulkhead_faults::run_images(&driver, rounds, seed)?);
    } else {
        print!("{}", bulkhead_faults::run(rounds, seed)?);
    }
    println!("inconsistencies: 0, leaks: 0");
    Ok(())
}
