//! The rules about the source that no compiler checks. Each is a function
//! from text to findings, tested on text that breaks it.

mod arrows;
mod lexer;
mod manifests;
mod names;
mod promises;
mod sizes;
mod unsafe_code;
mod words;

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{process, workspace};

/// One file of the checkout, its path relative to the top.
pub(crate) struct Source {
    path: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn error(&self, line: usize, message: impl Into<String>) -> Finding {
        self.finding(Weight::Error, line, message)
    }

    fn warning(&self, line: usize, message: impl Into<String>) -> Finding {
        self.finding(Weight::Warning, line, message)
    }

    fn finding(&self, weight: Weight, line: usize, message: impl Into<String>) -> Finding {
        Finding {
            weight,
            place: format!("{}:{line}", self.path),
            message: message.into(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// A question for the author.
    Warning,
    /// Fails the gate.
    Error,
}

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) weight: Weight,
    place: String,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Warning => "warning",
            Weight::Error => "error",
        };
        write!(f, "{weight}: {}: {}", self.place, self.message)
    }
}

/// Every finding in the checkout.
pub(crate) fn check() -> Result<Vec<Finding>> {
    let root = workspace::root();
    let sources = sources(&root)?;
    let mut findings = Vec::new();
    for source in &sources {
        findings.extend(check_source(source, &root));
    }
    findings.extend(promises::check(&sources));
    findings.extend(manifests::check(&sources));
    for manifest in ["Cargo.toml", "plugins/Cargo.toml"] {
        let manifest = root.join(manifest);
        if manifest.exists() {
            findings.extend(arrows::check(&workspace::packages(&manifest)?, &root));
        }
    }
    Ok(findings)
}

fn check_source(source: &Source, root: &Path) -> Vec<Finding> {
    let mut findings = words::check(source, root);
    if source.is_rust() {
        let code = lexer::code_only(&source.text);
        findings.extend(names::check(source));
        findings.extend(sizes::check(source, &code));
        findings.extend(unsafe_code::check(source, &code));
    }
    findings
}

/// What git tracks or would track; files that are not text are left out.
fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut git = Command::new("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ])
    .current_dir(root);
    let list = process::stdout_of(&mut git, Duration::from_secs(60))
        .context("list the checkout's files")?;
    let read = |path: &str| {
        let text = std::fs::read_to_string(root.join(path)).ok()?;
        Some(Source {
            path: path.to_owned(),
            text,
        })
    };
    Ok(list
        .split('\0')
        .filter(|path| !path.is_empty())
        .filter_map(read)
        .collect())
}

#[cfg(test)]
fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_tidy() {
        let errors: Vec<String> = check()
            .unwrap()
            .into_iter()
            .filter(|finding| finding.weight == Weight::Error)
            .map(|finding| finding.to_string())
            .collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
}
