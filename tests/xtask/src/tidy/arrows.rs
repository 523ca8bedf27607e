//! Who may import whom. The picture is in ARCHITECTURE.md; this keeps it true.

use std::path::Path;

use super::{Finding, Weight};
use crate::workspace::Package;

/// Each crate of the host and what of ours it may import. What is not listed
/// may import nothing.
const ARROWS: [(&str, &[&str]); 11] = [
    ("runtime", &["model", "sys"]),
    ("store", &["model", "sys"]),
    ("fetch", &["model", "store"]),
    ("plugin-host", &["model", "wire", "sys"]),
    ("sandbox", &["wire", "sys"]),
    ("compiler", &["sandbox", "wire", "sys"]),
    ("shim", &["model", "runtime", "sys"]),
    ("engine", &["model", "store"]),
    ("cli", &["api", "model"]),
    (
        "daemon",
        &[
            "api",
            "engine",
            "fetch",
            "hello",
            "model",
            "plugin-host",
            "runtime",
            "store",
            "sys",
        ],
    ),
    ("hello", &[]),
];

/// Foreign crates that only these of ours may use.
const RESERVED: [(&str, &[&str]); 3] = [
    ("wasmtime", &["sandbox", "compiler"]),
    ("rusqlite", &["store"]),
    ("axum", &["daemon"]),
];

pub(super) fn check(packages: &[Package], root: &Path) -> Vec<Finding> {
    packages
        .iter()
        .flat_map(|package| check_package(package, root))
        .collect()
}

fn check_package(package: &Package, root: &Path) -> Vec<Finding> {
    let folder = package.dir.strip_prefix(root).unwrap_or(&package.dir);
    if folder.starts_with("tests") {
        return Vec::new();
    }
    let own = short(&package.name);
    let allowed = allowed(folder, own);
    let stray = package
        .ours
        .iter()
        .filter(|name| !allowed.contains(&short(name)));
    let reserved = package.others.iter().filter(|name| !may_use(own, name));
    stray
        .chain(reserved)
        .map(|name| Finding {
            weight: Weight::Error,
            place: folder.join("Cargo.toml").display().to_string(),
            message: format!("imports {name}"),
        })
        .collect()
}

fn allowed(folder: &Path, own: &str) -> &'static [&'static str] {
    if folder.starts_with("plugins") {
        return &["plugin-api"];
    }
    let listed = ARROWS.iter().find(|(name, _)| *name == own);
    listed.map_or(&[], |(_, allowed)| *allowed)
}

fn may_use(own: &str, foreign: &str) -> bool {
    let rule = RESERVED.iter().find(|(name, _)| *name == foreign);
    rule.is_none_or(|(_, users)| users.contains(&own))
}

fn short(name: &str) -> &str {
    name.trim_start_matches("bulkhead-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(folder: &str, name: &str, ours: &[&str], others: &[&str]) -> usize {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        let package = Package {
            name: format!("bulkhead-{name}"),
            dir: Path::new("/src").join(folder),
            ours: owned(ours),
            others: owned(others),
            cdylib: None,
        };
        check(&[package], Path::new("/src")).len()
    }

    #[test]
    fn an_import_against_the_arrows_is_refused() {
        assert_eq!(findings("host/engine", "engine", &["bulkhead-sys"], &[]), 1);
        assert_eq!(
            findings("host/engine", "engine", &["bulkhead-store"], &[]),
            0
        );
        assert_eq!(findings("host/model", "model", &["bulkhead-sys"], &[]), 1);
        assert_eq!(findings("plugins/a", "a", &["bulkhead-model"], &[]), 1);
        assert_eq!(
            findings("tests/cli", "cli-tests", &["bulkhead-engine"], &[]),
            0
        );
    }

    #[test]
    fn a_crate_that_only_the_sandbox_may_use_is_refused_elsewhere() {
        assert_eq!(findings("host/daemon", "daemon", &[], &["wasmtime"]), 1);
        assert_eq!(findings("host/sandbox", "sandbox", &[], &["wasmtime"]), 0);
    }
}
