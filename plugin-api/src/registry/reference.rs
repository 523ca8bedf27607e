//! What the user asked for.

use std::fmt;

use crate::Digest;

/// A normalised reference: `docker.io`, `library/busybox`, tag `latest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `docker.io`, `localhost:5000`, …
    pub domain: String,
    /// The repository.
    pub path: String,
    /// The tag.
    pub tag: Option<String>,
    /// The digest.
    pub digest: Option<Digest>,
}

const DOCKER_HUB: &str = "docker.io";

impl Reference {
    /// The digest or the tag, whichever a registry is asked for.
    pub fn tag_or_digest(&self) -> &str {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.as_str(),
            (None, Some(tag)) => tag,
            (None, None) => "latest",
        }
    }

    /// The repository as users write it: `busybox`, `localhost:5000/x`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DOCKER_HUB {
            return format!("{}/{}", self.domain, self.path);
        }
        match self.path.strip_prefix("library/") {
            Some(short) if !short.contains('/') => short.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// The whole reference as users write it: `busybox:latest`.
    pub fn familiar(&self) -> String {
        self.familiar_name() + &self.suffix()
    }

    fn suffix(&self) -> String {
        let tag = self.tag.iter().map(|tag| format!(":{tag}"));
        let digest = self.digest.iter().map(|digest| format!("@{digest}"));
        tag.chain(digest).collect()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.domain, self.path, self.suffix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_familiar_form_drops_what_docker_adds() {
        let mut reference = Reference {
            domain: DOCKER_HUB.into(),
            path: "library/busybox".into(),
            tag: Some("1".into()),
            digest: None,
        };
        assert_eq!(reference.familiar(), "busybox:1");
        assert_eq!(reference.to_string(), "docker.io/library/busybox:1");
        reference.path = "user/x".into();
        assert_eq!(reference.familiar_name(), "user/x");
        reference.domain = "localhost:5000".into();
        assert_eq!(reference.familiar(), "localhost:5000/user/x:1");
    }

    #[test]
    fn a_digest_is_asked_for_before_a_tag() {
        let digest: Digest = format!("sha256:{}", "1".repeat(64)).parse().unwrap();
        let reference = Reference {
            domain: DOCKER_HUB.into(),
            path: "a/b".into(),
            tag: Some("t".into()),
            digest: Some(digest.clone()),
        };
        assert_eq!(reference.tag_or_digest(), digest.as_str());
        assert_eq!(reference.familiar(), format!("a/b:t@{digest}"));
    }
}
