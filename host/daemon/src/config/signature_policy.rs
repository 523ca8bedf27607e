//! The file that says which images must be signed:
//!
//! ```json
//! { "rules": [
//!     { "scope": "registry.example/team", "keys": ["/etc/bulkhead/keys/team.pem"] },
//!     { "scope": "docker.io/library", "unsigned": true },
//!     { "scope": "*", "keys": ["/etc/bulkhead/keys/us.pem"] }
//! ] }
//! ```
//!
//! The longest scope that covers an image decides; any of its keys suffices.

use std::path::{Path, PathBuf};

use bulkhead_engine::signature::{Key, Policy, Rule};
use serde::Deserialize;

/// Why a policy cannot be used. Then the daemon does not start: no policy
/// would let everything in.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // The texts say what each is.
pub enum PolicyError {
    #[error("signature policy {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("signature policy {}: {source}", path.display())]
    Json {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "signature policy {}: scope {scope:?} must have either keys or \"unsigned\": true", path.display()
    )]
    Either { path: PathBuf, scope: String },
    #[error("signature policy {}: the scope {scope:?} stands there twice or is empty", path.display())]
    Scope { path: PathBuf, scope: String },
    #[error("key {}: {source}", path.display())]
    Key {
        path: PathBuf,
        source: bulkhead_engine::signature::InvalidKey,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rules: Vec<RuleFields>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFields {
    scope: String,
    #[serde(default)]
    keys: Vec<PathBuf>,
    #[serde(default)]
    unsigned: bool,
}

/// Reads a policy and the keys it names.
pub fn read(path: &Path) -> Result<Policy, PolicyError> {
    let text = text(path)?;
    let file: File = serde_json::from_str(&text).map_err(|source| PolicyError::Json {
        path: path.to_owned(),
        source,
    })?;
    let mut scopes: Vec<&str> = Vec::new();
    for rule in &file.rules {
        let (path, scope) = (path.to_owned(), rule.scope.clone());
        if rule.keys.is_empty() != rule.unsigned {
            return Err(PolicyError::Either { path, scope });
        }
        if scope.is_empty() || scopes.contains(&rule.scope.as_str()) {
            return Err(PolicyError::Scope { path, scope });
        }
        scopes.push(&rule.scope);
    }
    let rules = file.rules.iter().map(|rule| {
        let keys = rule.keys.iter().map(|path| key(path));
        Ok(Rule::new(&rule.scope, keys.collect::<Result<_, _>>()?))
    });
    Ok(Policy::new(rules.collect::<Result<_, PolicyError>>()?))
}

fn key(path: &Path) -> Result<Key, PolicyError> {
    Key::from_pem(&text(path)?).map_err(|source| PolicyError::Key {
        path: path.to_owned(),
        source,
    })
}

fn text(path: &Path) -> Result<String, PolicyError> {
    std::fs::read_to_string(path).map_err(|source| PolicyError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_says_nothing_clear_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.json");
        let outcome = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read(&file).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(
            outcome(r#"{"rules":[{"scope":"*","unsigned":true}]}"#),
            Ok(())
        );
        for (text, said) in [
            (r#"{"rules":[{"scope":"*"}]}"#, "either keys or"),
            (
                r#"{"rules":[{"scope":"*","keys":["/k"],"unsigned":true}]}"#,
                "either keys or",
            ),
            (r#"{"rules":[{"scope":"","unsigned":true}]}"#, "is empty"),
            (r#"{"rules":[{"scope":"*","key":"/k"}]}"#, "unknown field"),
            (
                r#"{"rules":[{"scope":"*","keys":["/none"]}]}"#,
                "No such file",
            ),
            (r#"{}"#, "missing field"),
        ] {
            let error = outcome(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
