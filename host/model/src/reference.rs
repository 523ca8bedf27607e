//! Image references as users type them, in the grammar of the CNCF
//! distribution project (`reference/reference.go`), normalised as Docker does:
//! `busybox` is `docker.io/library/busybox:latest`.

use std::fmt;
use std::str::FromStr;

use crate::Digest;

/// A normalised reference: registry, repository, and a tag or a digest.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Reference {
    /// `docker.io`, `localhost:5000`, `127.0.0.1:5000`, …
    pub domain: String,
    /// `library/busybox`
    pub path: String,
    /// `latest`; absent when only a digest was given.
    pub tag: Option<String>,
    /// The digest after `@`.
    pub digest: Option<Digest>,
}

/// The text is not a reference. Docker's words.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidReference {
    /// Nothing there, or characters that do not belong.
    #[error("invalid reference format")]
    Format,
    /// Docker refuses upper case in the repository with words of its own.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    UpperCase(String),
    /// More than 255 characters.
    #[error("repository name must not be more than 255 characters")]
    TooLong,
    /// 64 hex digits would be taken for an image id.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId(String),
}

const DEFAULT_DOMAIN: &str = "docker.io";

impl Reference {
    /// The repository as users write it: `busybox`, `localhost:5000/x`.
    pub fn familiar_name(&self) -> String {
        match (self.domain.as_str(), self.path.strip_prefix("library/")) {
            (DEFAULT_DOMAIN, Some(short)) if !short.contains('/') => short.to_owned(),
            (DEFAULT_DOMAIN, _) => self.path.clone(),
            _ => format!("{}/{}", self.domain, self.path),
        }
    }

    /// The whole reference as users write it.
    pub fn familiar(&self) -> String {
        self.with_suffix(self.familiar_name())
    }

    /// Whether both are of one repository, whatever tag or digest they have.
    pub fn same_repository(&self, other: &Self) -> bool {
        (&self.domain, &self.path) == (&other.domain, &other.path)
    }

    /// The tag or the digest, whichever a registry is asked for.
    pub fn tag_or_digest(&self) -> &str {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.as_str(),
            (None, Some(tag)) => tag,
            (None, None) => "latest",
        }
    }

    fn with_suffix(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text = text + ":" + tag;
        }
        if let Some(digest) = &self.digest {
            text = text + "@" + digest.as_str();
        }
        text
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffix(format!("{}/{}", self.domain, self.path)))
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        if text.len() == 64
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            return Err(InvalidReference::LooksLikeId(text.to_owned()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (
                rest,
                Some(digest.parse().map_err(|_| InvalidReference::Format)?),
            ),
            None => (text, None),
        };
        let (name, tag) = split_tag(rest);
        let (domain, path) = split_domain(name);
        let path = match (domain, path) {
            (DEFAULT_DOMAIN, path) if !path.is_empty() && !path.contains('/') => {
                format!("library/{path}")
            }
            (_, path) => path.to_owned(),
        };
        check_path(&path)?;
        if domain.len() + 1 + path.len() > 255 {
            return Err(InvalidReference::TooLong);
        }
        let tag = match tag {
            Some(tag) if is_tag(tag) => Some(tag.to_owned()),
            Some(_) => return Err(InvalidReference::Format),
            None if digest.is_none() => Some("latest".to_owned()),
            None => None,
        };
        if !is_domain(domain) {
            return Err(InvalidReference::Format);
        }
        Ok(Self {
            domain: domain.to_owned(),
            path,
            tag,
            digest,
        })
    }
}

/// A colon after the last slash starts a tag; one before it is a port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rfind(':') {
        Some(at) if !text[at..].contains('/') => (&text[..at], Some(&text[at + 1..])),
        _ => (text, None),
    }
}

/// The part before the first slash is a registry only if it looks like one.
fn split_domain(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, path))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (
                if first == "index.docker.io" {
                    DEFAULT_DOMAIN
                } else {
                    first
                },
                path,
            )
        }
        _ => (DEFAULT_DOMAIN, name),
    }
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !domain.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let v6 = |h: &str| {
        h.strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok())
    };
    (host.split('.').all(label) || v6(host)) && port.is_none_or(|p| p.parse::<u16>().is_ok())
}

fn check_path(path: &str) -> Result<(), InvalidReference> {
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(InvalidReference::UpperCase(path.to_owned()));
    }
    if path.is_empty() || !path.split('/').all(is_path_component) {
        return Err(InvalidReference::Format);
    }
    Ok(())
}

/// Lower-case letters and digits, separated by one `.`, one or two `_`, or dashes.
fn is_path_component(component: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = |b: Option<&u8>| b.is_some_and(|b| plain(*b));
    let bytes = component.as_bytes();
    ends(bytes.first())
        && ends(bytes.last())
        && bytes
            .iter()
            .all(|&b| plain(b) || matches!(b, b'.' | b'_' | b'-'))
        && component
            .split(|c: char| c.is_ascii_alphanumeric())
            .all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&tag.len())
        && word(tag.as_bytes()[0])
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> String {
        text.parse::<Reference>().unwrap().to_string()
    }

    #[test]
    fn short_names_are_normalised_as_docker_does() {
        assert_eq!(full("busybox"), "docker.io/library/busybox:latest");
        assert_eq!(full("user/x:1"), "docker.io/user/x:1");
        assert_eq!(
            full("index.docker.io/busybox"),
            "docker.io/library/busybox:latest"
        );
        assert_eq!(full("localhost/x"), "localhost/x:latest");
        assert_eq!(
            full("127.0.0.1:5000/debian:bookworm"),
            "127.0.0.1:5000/debian:bookworm"
        );
        assert_eq!(
            full("[::1]:5000/a__b/c-d.e"),
            "[::1]:5000/a__b/c-d.e:latest"
        );
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(
            full(&format!("x@{digest}")),
            format!("docker.io/library/x@{digest}")
        );
    }

    #[test]
    fn the_familiar_form_drops_what_docker_adds() {
        for text in ["busybox:latest", "user/x:1", "localhost:5000/x:latest"] {
            assert_eq!(text.parse::<Reference>().unwrap().familiar(), text);
        }
    }

    #[test]
    fn malformed_references_are_refused() {
        for bad in [
            "",
            ":tag",
            "a b",
            "a//b",
            "a/../b",
            "-a",
            "a___b",
            "a:",
            "a:b:c",
            "x@sha256:1",
            "host:99999/a",
            &"a/".repeat(200),
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "Busybox".parse::<Reference>(),
            Err(InvalidReference::UpperCase("library/Busybox".into()))
        );
        assert!(matches!(
            "a".repeat(64).parse::<Reference>(),
            Err(InvalidReference::LooksLikeId(_))
        ));
    }
}
