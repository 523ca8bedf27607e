//! Which containers a list shows: Docker's filters of `GET /containers/json`.

use std::collections::HashSet;

use bulkhead_api::Filters;
use bulkhead_api::container::ContainerSummary;
use bulkhead_api::filters::InvalidFilter;
use regex::{Regex, RegexBuilder};

use super::filters::{flag, has_labels};

const KNOWN: [&str; 15] = [
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];
const STATES: [&str; 7] = [
    "created",
    "dead",
    "exited",
    "paused",
    "removing",
    "restarting",
    "running",
];
const HEALTH: [&str; 4] = ["healthy", "none", "starting", "unhealthy"];
/// The largest program that a client's regular expression may become, bytes.
const REGEX_SIZE: usize = 256 * 1024;

/// Filters whose values make sense.
#[derive(Debug)]
pub struct Selection {
    filters: Filters,
    names: Vec<Regex>,
    ids: Vec<Regex>,
    published: Vec<Ports>,
    exposed: Vec<Ports>,
    exited: Vec<i32>,
    /// Containers made before this moment only, nanoseconds since the epoch.
    pub before: Option<u64>,
    /// Containers made after this moment only.
    pub since: Option<u64>,
    /// Ids of the images that `ancestor` means and of those made from them.
    pub images: HashSet<String>,
}

/// What the filters ask of a container beyond its row.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Nanoseconds since the epoch.
    pub created_at: u64,
    /// The exit code of one that ran and ended.
    pub exited: Option<i32>,
    /// `none`, `starting`, …
    pub health: &'a str,
}

/// Ports of one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ports {
    first: u16,
    last: u16,
    protocol: String,
}

impl Selection {
    /// Checks every name and value. `before`, `since` and `images` are for
    /// the caller to fill, who can look things up.
    pub fn new(filters: Filters) -> Result<Self, InvalidFilter> {
        filters.only(&KNOWN)?;
        one_of(&filters, "status", &STATES)?;
        one_of(&filters, "health", &HEALTH)?;
        flag(&filters, "is-task")?;
        let each = |name| filters.values(name);
        Ok(Self {
            names: each("name").filter_map(pattern).collect(),
            ids: each("id").filter_map(pattern).collect(),
            published: each("publish")
                .map(|text| Ports::parse("publish", text))
                .collect::<Result<_, _>>()?,
            exposed: each("expose")
                .map(|text| Ports::parse("expose", text))
                .collect::<Result<_, _>>()?,
            exited: each("exited")
                .map(|text| number("exited", text))
                .collect::<Result<_, _>>()?,
            before: None,
            since: None,
            images: HashSet::new(),
            filters,
        })
    }

    /// The values of one filter.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.filters.values(name)
    }

    /// Whether containers that do not run are asked for by their state.
    pub fn names_states(&self) -> bool {
        self.values("status").next().is_some()
    }

    /// Whether a container is chosen. What `network` means is matched with
    /// names and ids of the row's networks.
    pub fn takes(&self, row: &ContainerSummary, facts: &Facts<'_>) -> bool {
        let given = |name: &str| self.values(name).next().is_some();
        let networks = &row.network_settings.networks;
        self.before.is_none_or(|before| facts.created_at < before)
            && self.since.is_none_or(|since| facts.created_at > since)
            && (!given("ancestor") || self.images.contains(&row.image_id))
            && (!given("id") || self.ids.iter().any(|id| id.is_match(&row.id)))
            && (!given("name") || row.names.iter().any(|name| self.is_named(name)))
            && (!given("exited") || facts.exited.is_some_and(|code| self.exited.contains(&code)))
            && self.filters.matches("status", |state| row.state == state)
            && self
                .filters
                .matches("health", |health| facts.health == health)
            && self
                .filters
                .matches("is-task", |v| matches!(v, "0" | "false"))
            && self.filters.matches("volume", |volume| {
                let mut mounts = row.mounts.iter();
                mounts.any(|m| m.name == volume || m.destination == volume)
            })
            && self.filters.matches("network", |network| {
                let mut joined = networks.iter();
                joined.any(|(name, n)| name == network || n.network_id == network)
            })
            && has_labels(&row.labels, &self.filters)
            && self.has_port(row)
    }

    fn is_named(&self, name: &str) -> bool {
        let bare = name.trim_start_matches('/');
        self.names
            .iter()
            .any(|pattern| pattern.is_match(name) || pattern.is_match(bare))
    }

    /// `publish` and `expose` together choose what has any of them.
    fn has_port(&self, row: &ContainerSummary) -> bool {
        let none = self.published.is_empty() && self.exposed.is_empty();
        none || row.ports.iter().any(|port| {
            let within = |wanted: &[Ports], number: u16| {
                wanted.iter().any(|w| w.has(number, &port.protocol))
            };
            within(&self.published, port.public_port) || within(&self.exposed, port.private_port)
        })
    }
}

impl Ports {
    /// `80`, `80/udp`, `80-90/tcp`.
    fn parse(name: &'static str, text: &str) -> Result<Self, InvalidFilter> {
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let bad = || InvalidFilter::Value(name, text.to_owned());
        let port = |text: &str| text.parse::<u16>().map_err(|_| bad());
        let (first, last) = (port(first)?, port(last)?);
        let known = matches!(protocol, "tcp" | "udp" | "sctp");
        if first > last || !known {
            return Err(bad());
        }
        Ok(Self {
            first,
            last,
            protocol: protocol.to_owned(),
        })
    }

    fn has(&self, port: u16, protocol: &str) -> bool {
        port != 0 && (self.first..=self.last).contains(&port) && self.protocol == protocol
    }
}

fn one_of(filters: &Filters, name: &'static str, known: &[&str]) -> Result<(), InvalidFilter> {
    match filters.values(name).find(|value| !known.contains(value)) {
        Some(value) => Err(InvalidFilter::Value(name, value.to_owned())),
        None => Ok(()),
    }
}

fn number(name: &'static str, text: &str) -> Result<i32, InvalidFilter> {
    text.parse()
        .map_err(|_| InvalidFilter::Value(name, text.to_owned()))
}

/// As in Docker, an expression that cannot be read matches nothing.
pub fn pattern(text: &str) -> Option<Regex> {
    let built = RegexBuilder::new(text).size_limit(REGEX_SIZE).build();
    built.ok()
}

#[cfg(test)]
mod tests {
    use bulkhead_api::container::SummaryPort;

    use super::*;

    fn row() -> ContainerSummary {
        let port = |private_port, public_port| SummaryPort {
            private_port,
            public_port,
            protocol: "tcp".into(),
            ..SummaryPort::default()
        };
        ContainerSummary {
            id: "abcdef".into(),
            names: vec!["/web.1".into()],
            image_id: "sha256:1".into(),
            state: "exited".into(),
            ports: vec![port(80, 8080), port(443, 0)],
            labels: [("a".to_owned(), "1".to_owned())].into(),
            ..ContainerSummary::default()
        }
    }

    fn takes(json: &str) -> bool {
        let selection = Selection::new(Filters::parse(json).unwrap()).unwrap();
        let facts = Facts {
            created_at: 5,
            exited: Some(3),
            health: "none",
        };
        selection.takes(&row(), &facts)
    }

    #[test]
    fn filters_choose_as_dockers_do() {
        for (json, chosen) in [
            (r#"{"name":["web"]}"#, true),
            (r#"{"name":["^/?web\\.[0-9]$"]}"#, true),
            (r#"{"name":["^eb"]}"#, false),
            (r#"{"name":["["]}"#, false),
            (r#"{"id":["abc"]}"#, true),
            (r#"{"id":["^bc"]}"#, false),
            (r#"{"exited":["3"]}"#, true),
            (r#"{"exited":["0"]}"#, false),
            (r#"{"status":["running","exited"]}"#, true),
            (r#"{"status":["running"]}"#, false),
            (r#"{"health":["none"]}"#, true),
            (r#"{"is-task":["false"]}"#, true),
            (r#"{"is-task":["true"]}"#, false),
            (r#"{"publish":["8080"]}"#, true),
            (r#"{"publish":["80"]}"#, false),
            (r#"{"publish":["8000-9000/tcp"]}"#, true),
            (r#"{"publish":["8080/udp"]}"#, false),
            (r#"{"expose":["443"]}"#, true),
            (r#"{"expose":["0-1000"],"publish":["1"]}"#, true),
            (r#"{"label":["a=1"]}"#, true),
            (r#"{"label":["a=2"]}"#, false),
            (r#"{"ancestor":["busybox"]}"#, false),
            (r#"{"volume":["v"]}"#, false),
            (r#"{"network":["bridge"]}"#, false),
        ] {
            assert_eq!(takes(json), chosen, "{json}");
        }
    }

    #[test]
    fn names_and_values_that_make_no_sense_are_refused() {
        for (json, text) in [
            (r#"{"colour":["red"]}"#, "invalid filter 'colour'"),
            (r#"{"label!":["a"]}"#, "invalid filter 'label!'"),
            (r#"{"status":["x"]}"#, "invalid filter 'status=x'"),
            (r#"{"health":["x"]}"#, "invalid filter 'health=x'"),
            (r#"{"exited":["x"]}"#, "invalid filter 'exited=x'"),
            (r#"{"publish":["99999"]}"#, "invalid filter 'publish=99999'"),
            (r#"{"expose":[":80"]}"#, "invalid filter 'expose=:80'"),
            (r#"{"is-task":["x"]}"#, "invalid filter 'is-task=[x]'"),
        ] {
            let error = Selection::new(Filters::parse(json).unwrap()).unwrap_err();
            assert_eq!(error.to_string(), text);
        }
    }
}
