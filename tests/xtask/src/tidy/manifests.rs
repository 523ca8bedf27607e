//! Every plugin says what it asks for and why, before anybody installs it.

use super::{Finding, Source};

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let has = |path: &str| sources.iter().any(|source| source.path == path);
    let lacks = |source: &&Source| {
        let folder = plugin_folder(&source.path);
        folder.is_some_and(|folder| !has(&format!("{folder}/plugin.toml")))
    };
    let missing = sources.iter().filter(lacks);
    missing
        .map(|source| source.error(1, "a plugin without plugin.toml"))
        .collect()
}

/// `plugins/<name>` of `plugins/<name>/Cargo.toml`.
fn plugin_folder(path: &str) -> Option<&str> {
    let folder = path.strip_suffix("/Cargo.toml")?;
    let name = folder.strip_prefix("plugins/")?;
    (!name.contains('/')).then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    #[test]
    fn a_plugin_without_a_manifest_is_refused() {
        let cargo = || source("plugins/a/Cargo.toml", "");
        assert_eq!(check(&[cargo()]).len(), 1);
        assert_eq!(
            check(&[cargo(), source("plugins/a/plugin.toml", "")]).len(),
            0
        );
        assert_eq!(check(&[source("plugins/Cargo.toml", "")]).len(), 0);
    }
}
