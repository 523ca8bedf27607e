//! URLs as far as they decide where a request goes, and the registry a
//! session is for.

use std::net::IpAddr;

use reqwest::Url;

use crate::error::FetchError;

/// A checked URL.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: Url,
    /// Lower case; an IPv6 address in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Target {
    /// Reads an absolute http or https URL without credentials.
    pub(crate) fn parse(text: &str) -> Result<Self, FetchError> {
        let invalid = |reason| {
            // What is before an @ may be a password.
            let shown = text
                .rsplit('@')
                .next()
                .unwrap_or_default()
                .chars()
                .take(300)
                .collect();
            FetchError::InvalidUrl { url: shown, reason }
        };
        let url = Url::parse(text).map_err(|_| invalid("it cannot be parsed"))?;
        Self::of(url).map_err(invalid)
    }

    /// Where a `Location` header leads from here.
    pub(crate) fn join(&self, location: &str) -> Result<Self, FetchError> {
        let invalid = |reason| FetchError::InvalidUrl {
            url: location
                .rsplit('@')
                .next()
                .unwrap_or_default()
                .chars()
                .take(300)
                .collect(),
            reason,
        };
        let url = self
            .url
            .join(location)
            .map_err(|_| invalid("the redirect's target cannot be parsed"))?;
        Self::of(url).map_err(invalid)
    }

    fn of(mut url: Url) -> Result<Self, &'static str> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err("only http and https are spoken");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it holds credentials");
        }
        url.set_fragment(None);
        let host = url
            .host_str()
            .ok_or("it names no host")?
            .trim_end_matches('.')
            .to_owned();
        let port = url.port_or_known_default().ok_or("it has no port")?;
        Ok(Self { url, host, port })
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    pub(crate) fn default_port(&self) -> u16 {
        if self.is_plain() { 80 } else { 443 }
    }

    pub(crate) fn literal(&self) -> Option<IpAddr> {
        literal(&self.host)
    }

    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// `host[:port]`, the port when it is not the scheme's own.
    pub(crate) fn authority(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

/// The registry the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registry {
    /// As in the reference: `docker.io`, `localhost:5000`.
    pub(crate) name: String,
    host: String,
    port: Option<u16>,
}

/// Docker Hub answers under names of its own.
const HUB: [&str; 3] = ["docker.io", "registry-1.docker.io", "index.docker.io"];

impl Registry {
    pub(crate) fn new(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let (host, port) = match name.rsplit_once(':') {
            Some((host, port)) if !name.ends_with(']') => (host.to_owned(), port.parse().ok()),
            _ => (name.clone(), None),
        };
        Self { name, host, port }
    }

    /// Whether a URL is this registry's.
    pub(crate) fn is_at(&self, target: &Target) -> bool {
        let port = self.port.unwrap_or(target.default_port());
        let host =
            self.host == target.host || (self.is_hub() && HUB.contains(&target.host.as_str()));
        host && port == target.port
    }

    /// Whether `name` means this registry.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        let other = Self::new(name);
        other == *self || (self.is_hub() && other.is_hub())
    }

    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    pub(crate) fn literal(&self) -> Option<IpAddr> {
        literal(&self.host)
    }

    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        let host = if self.is_hub() { HUB[1] } else { &self.host };
        (host, self.port.unwrap_or(443))
    }

    fn is_hub(&self) -> bool {
        self.port.is_none_or(|p| p == 443) && HUB.contains(&self.host.as_str())
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || literal(host).is_some_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_hub_goes_by_several_names() {
        let hub = Registry::new("docker.io");
        assert!(hub.is_at(&Target::parse("https://registry-1.docker.io/v2/").unwrap()));
        assert!(!hub.is_at(&Target::parse("https://auth.docker.io/token").unwrap()));
        assert!(hub.is_called("registry-1.docker.io"));
        assert!(!Registry::new("a.example").is_called("b.example"));
    }

    #[test]
    fn urls_with_credentials_or_other_schemes_are_refused_without_repeating_them() {
        for bad in [
            "ftp://a/",
            "file:///etc/passwd",
            "https://",
            "a/b",
            "unix:///x",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
        let error = Target::parse("https://user:secret@a/")
            .unwrap_err()
            .to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn loopback_is_told_from_what_looks_like_it() {
        for yes in [
            "http://127.0.0.1:5000/",
            "http://127.9.9.9/",
            "http://[::1]:5000/",
            "http://LOCALHOST/",
            "http://2130706433/",
        ] {
            assert!(Target::parse(yes).unwrap().is_loopback(), "{yes}");
        }
        for no in [
            "http://127.0.0.1.evil.net/",
            "http://localhost.evil.net/",
            "http://10.0.0.1/",
        ] {
            assert!(!Target::parse(no).unwrap().is_loopback(), "{no}");
        }
    }
}
