//! `cargo xtask leaks {snapshot FILE|check FILE}`.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::leaks::{self, Snapshot};

pub(crate) fn run(args: &[String]) -> Result<()> {
    match args {
        [verb, file] if verb == "snapshot" => write(file),
        [verb, file] if verb == "check" => check(file),
        _ => bail!("usage: cargo xtask leaks {{snapshot FILE|check FILE}}"),
    }
}

fn write(file: &str) -> Result<()> {
    let lines: Vec<String> = leaks::snapshot().into_iter().collect();
    fs::write(file, lines.join("\n")).with_context(|| format!("write {file}"))
}

fn check(file: &str) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("read {file}"))?;
    let before: Snapshot = text.lines().map(str::to_owned).collect();
    let left = leaks::since(&before);
    for line in &left {
        eprintln!("left behind: {line}");
    }
    ensure!(left.is_empty(), "{} objects left behind", left.len());
    Ok(())
}
