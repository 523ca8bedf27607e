//! Which images must be signed by whom.

use bulkhead_model::Reference;

use super::Key;

/// What holds for the repositories of one scope.
#[derive(Clone, Debug)]
pub struct Rule {
    scope: String,
    /// Any of these suffices; none at all: unsigned images are fine.
    keys: Vec<Key>,
}

impl Rule {
    /// `scope` is `*`, a registry (`registry.example:5000`), or a registry
    /// with the beginning of a path (`docker.io/library`).
    pub fn new(scope: &str, keys: Vec<Key>) -> Self {
        Self {
            scope: scope.trim_end_matches('/').to_owned(),
            keys,
        }
    }

    pub(super) fn scope(&self) -> &str {
        &self.scope
    }

    pub(super) fn accepts_unsigned(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.keys.iter().any(|key| key.verifies(message, signature))
    }

    fn covers(&self, repository: &str) -> bool {
        let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
        self.scope == "*"
            || repository
                .strip_prefix(self.scope.as_str())
                .is_some_and(below)
    }
}

/// All rules. Without any, nothing must be signed.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
}

impl Policy {
    /// A policy of these rules.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// The rule with the longest scope that covers an image.
    pub(super) fn rule_for(&self, reference: &Reference) -> Option<&Rule> {
        let repository = format!("{}/{}", reference.domain, reference.path);
        let covering = self.rules.iter().filter(|rule| rule.covers(&repository));
        covering.max_by_key(|rule| match rule.scope.as_str() {
            "*" => 0,
            scope => scope.len(),
        })
    }
}
