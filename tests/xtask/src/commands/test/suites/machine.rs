//! Tests run again in a machine with pure cgroup v2: those of packages whose
//! Cargo.toml says so.
//!
//! ```toml
//! [package.metadata.vm]
//! filters = ["cgroup"]    # libtest's; all tests when empty
//! ```

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{LIMIT, Suites, WITHOUT_WASMTIME};
use crate::commands::test::report::Suite;
use crate::tally::Tally;
use crate::vm::{Machine, Outcome};
use crate::{process, workspace};

/// One test program and what to run of it.
struct Program {
    /// Relative to the release folder.
    path: String,
    /// Its package's folder, where tests expect to start.
    folder: String,
    filters: Vec<String>,
}

impl Suites {
    pub(in crate::commands::test) fn machine(&self) -> Result<Suite> {
        let programs = self.programs()?;
        if programs.is_empty() {
            return Ok(Suite {
                tally: Tally::default(),
                ok: true,
            });
        }
        let machine = Machine {
            command: script(&programs),
            share: Some(workspace::release_dir()),
            disks: Vec::new(),
            power_cut: None,
            limit: Duration::from_secs(1200),
        };
        let Outcome::Ended { output, status } = machine.run()? else {
            anyhow::bail!("the machine lost its power");
        };
        print!("{output}");
        let lines: Vec<String> = output.lines().map(str::to_owned).collect();
        Ok(Suite {
            tally: Tally::of(&lines),
            ok: status == 0,
        })
    }

    fn programs(&self) -> Result<Vec<Program>> {
        let marked = marked_packages()?;
        if marked.is_empty() {
            return Ok(Vec::new());
        }
        let mut cargo =
            workspace::cargo(&["test", "--release", "--no-run", "--message-format=json"]);
        let messages = process::stdout_of(cargo.args(WITHOUT_WASMTIME), LIMIT)?;
        let messages = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(messages
            .filter_map(|message| self.program(&message, &marked))
            .collect())
    }

    fn program(&self, message: &Value, marked: &[(String, Vec<String>)]) -> Option<Program> {
        let manifest = message["manifest_path"].as_str()?;
        let (_, filters) = marked.iter().find(|(known, _)| known == manifest)?;
        let is_test = message["profile"]["test"] == true;
        let executable = is_test.then(|| message["executable"].as_str())??;
        let path = Path::new(executable)
            .strip_prefix(workspace::release_dir())
            .ok()?;
        Some(Program {
            path: path.to_str()?.to_owned(),
            folder: Path::new(manifest).parent()?.to_str()?.to_owned(),
            filters: self
                .filter
                .clone()
                .map_or_else(|| filters.clone(), |filter| vec![filter]),
        })
    }
}

/// Manifests of packages that want the machine, with their filters.
fn marked_packages() -> Result<Vec<(String, Vec<String>)>> {
    let mut cargo = workspace::cargo(&["metadata", "--format-version=1", "--no-deps"]);
    let metadata = process::stdout_of(&mut cargo, LIMIT)?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata: no packages")?;
    let marked = |package: &Value| {
        let filters = package["metadata"]["vm"]["filters"].as_array()?;
        let filters = filters
            .iter()
            .filter_map(|filter| Some(filter.as_str()?.to_owned()))
            .collect();
        Some((package["manifest_path"].as_str()?.to_owned(), filters))
    };
    Ok(packages.iter().filter_map(marked).collect())
}

/// Runs every program, whatever the others found; zero when all did well.
fn script(programs: &[Program]) -> String {
    let mut lines = vec![
        "export CI=true BULKHEAD_BIN_DIR=/share BULKHEAD_CACHE=/tmp/cache".to_owned(),
        "worst=0".to_owned(),
    ];
    for Program {
        path,
        folder,
        filters,
    } in programs
    {
        let filters = filters.join(" ");
        lines.push(format!("cd '{folder}' 2>/dev/null || cd /"));
        lines.push(format!("echo; echo '-- {path}'"));
        lines.push(format!(
            "timeout 600 '/share/{path}' --test-threads=1 {filters} || worst=1"
        ));
    }
    lines.push("exit $worst".to_owned());
    lines.join("\n")
}
