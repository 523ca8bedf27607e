//! `cargo xtask tidy`.

use anyhow::{Result, ensure};

use crate::tidy::{self, Weight};

pub(crate) fn run() -> Result<()> {
    let findings = tidy::check()?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    let errors = findings
        .iter()
        .filter(|finding| finding.weight == Weight::Error)
        .count();
    ensure!(errors == 0, "{errors} rules broken");
    Ok(())
}
