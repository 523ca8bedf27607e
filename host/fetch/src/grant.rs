//! Which hosts a registry plugin may have fetched from.

use crate::target::{Registry, Target};

/// The host patterns of a plugin's manifest.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    patterns: Vec<String>,
}

impl Grant {
    pub(crate) fn new(patterns: &[String]) -> Self {
        Self {
            patterns: patterns.iter().map(|p| p.to_ascii_lowercase()).collect(),
        }
    }

    /// `*` is any host, `{registry}` the one the user named, `*.suffix` any
    /// host below it, anything else a host. A pattern without a port covers
    /// the scheme's own port only.
    pub(crate) fn covers(&self, target: &Target, registry: &Registry) -> bool {
        self.patterns.iter().any(|pattern| match pattern.as_str() {
            "*" => true,
            "{registry}" => registry.is_at(target),
            pattern => matches_host(pattern, target),
        })
    }

    pub(crate) fn shown(&self) -> String {
        if self.patterns.is_empty() {
            "none".to_owned()
        } else {
            self.patterns.join(", ")
        }
    }
}

fn matches_host(pattern: &str, target: &Target) -> bool {
    let (host, port) = match pattern.rsplit_once(':') {
        Some((host, port)) if !pattern.ends_with(']') => (host, port.parse().ok()),
        _ => (pattern, Some(target.default_port())),
    };
    let host_fits = match host.strip_prefix("*.") {
        Some(suffix) => target
            .host
            .strip_suffix(suffix)
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => host == target.host,
    };
    host_fits && port == Some(target.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(patterns: &[&str], url: &str) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        Grant::new(&patterns).covers(
            &Target::parse(url).unwrap(),
            &Registry::new("reg.example:5000"),
        )
    }

    #[test]
    fn a_grant_covers_what_its_patterns_say_and_nothing_else() {
        assert!(covers(&["*"], "https://any.where:1234/"));
        assert!(covers(&["{registry}"], "https://reg.example:5000/v2/"));
        assert!(!covers(&["{registry}"], "https://reg.example/v2/"));
        assert!(!covers(&["{registry}"], "https://reg.example:5001/v2/"));
        assert!(covers(&["auth.example"], "https://auth.example/token"));
        assert!(covers(&["AUTH.example"], "https://Auth.Example/token"));
        assert!(!covers(
            &["auth.example"],
            "https://auth.example:8443/token"
        ));
        assert!(covers(
            &["auth.example:8443"],
            "https://auth.example:8443/token"
        ));
        assert!(covers(&["*.example.org"], "https://a.b.example.org/"));
        assert!(!covers(&["*.example.org"], "https://example.org/"));
        assert!(!covers(&["*.example.org"], "https://evilexample.org/"));
        assert!(!covers(
            &["*.example.org"],
            "https://a.example.org.evil.net/"
        ));
        assert!(!covers(&[], "https://reg.example:5000/"));
    }
}
