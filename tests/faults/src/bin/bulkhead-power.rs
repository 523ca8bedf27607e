//! What `cargo xtask power-cut` runs: `prepare` on the host, `step` in the
//! machine whose power is cut.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use bulkhead_faults::power::{self, Cut, Operation};

fn main() -> ExitCode {
    match power() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `prepare SHARE OPERATION NUMBER` or
/// `step SHARE OPERATION NUMBER DISK DRIVER after|before|never`.
fn power() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["prepare", share, operation, number] => {
            power::prepare(&PathBuf::from(share), named(operation)?, number.parse()?)
        }
        ["step", share, operation, number, disk, driver, cut] => {
            let cut = match *cut {
                "after" => Cut::After,
                "before" => Cut::Before,
                "never" => Cut::Never,
                other => bail!("{other:?}: expected after, before or never"),
            };
            let next = (named(operation)?, number.parse()?);
            power::step(
                &PathBuf::from(share),
                &PathBuf::from(disk),
                driver,
                next,
                cut,
            )
        }
        _ => bail!("unknown arguments {words:?}"),
    }
}

fn named(name: &str) -> Result<Operation> {
    let found = Operation::ALL.into_iter().find(|o| o.name() == name);
    found.with_context(|| format!("no operation {name:?}"))
}
