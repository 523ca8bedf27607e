//! One call into a sandboxed driver and back, with its host calls. There is no
//! peer: others call their drivers as functions.

use std::process::Command;

use anyhow::{Result, bail};
use bulkhead_test_support::release_dir;

use crate::Options;

/// Built by `cargo xtask bench`; it prints microseconds.
const PROGRAM: &str = "examples/op-bench";

pub(crate) fn run(_: &Options) -> Result<()> {
    let binaries = release_dir();
    let program = binaries.join(PROGRAM);
    if !program.exists() {
        bail!("{} is missing", program.display());
    }
    let output = Command::new(program).arg(binaries).output()?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
