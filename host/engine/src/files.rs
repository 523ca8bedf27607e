//! The files the engine writes for a container: `/etc/hosts`,
//! `/etc/hostname` and `/etc/resolv.conf`, with Docker's contents.

mod host_resolver;
mod running;

use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use bulkhead_model::ContainerId;
use bulkhead_model::network::RESOLVER;
use bulkhead_model::process::{ContainerPlan, InjectedFile};

use crate::spec::{ContainerSpec, HOST_GATEWAY};

pub use host_resolver::HostResolver;

/// The files' names, in `/etc` and in the container's state folder.
pub(crate) const NAMES: [&str; 3] = ["hostname", "hosts", "resolv.conf"];

/// Used when the host's own name servers cannot be reached from a container.
const PUBLIC_NAME_SERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// Whom a container asks for names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameServers {
    /// Those of the request, or the host's that are not on its loopback.
    Reachable,
    /// Those of the request, or the host's: it shares the host's network.
    Host,
    /// Its own resolver, which forwards to those.
    Resolver,
}

/// Addresses in a container's hosts file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addresses<'a> {
    /// The container's.
    pub own: &'a [IpAddr],
    /// The host's, as the container reaches it.
    pub host_gateway: Option<IpAddr>,
    /// Those of containers it links to, and their names.
    pub linked: &'a [(IpAddr, String)],
}

/// The three files; `host_resolv` is the host's resolv.conf.
pub fn injected(
    spec: &ContainerSpec,
    hostname: &str,
    addresses: &Addresses<'_>,
    host_resolv: &str,
    servers: NameServers,
) -> Vec<InjectedFile> {
    let file = |name: &'static str, content: String| InjectedFile {
        name,
        target: PathBuf::from("/etc").join(name),
        content: content.into_bytes(),
        of: None,
    };
    vec![
        file("hostname", format!("{hostname}\n")),
        file("hosts", hosts(spec, hostname, addresses)),
        file("resolv.conf", resolv_conf(spec, host_resolv, servers)),
    ]
}

/// The three files of the container whose network is shared.
pub fn shared(owner: &ContainerId) -> Vec<InjectedFile> {
    let file = |name: &'static str| InjectedFile {
        name,
        target: PathBuf::from("/etc").join(name),
        content: Vec::new(),
        of: Some(owner.clone()),
    };
    ["hostname", "hosts", "resolv.conf"].map(file).to_vec()
}

fn hosts(spec: &ContainerSpec, hostname: &str, addresses: &Addresses<'_>) -> String {
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
    );
    for entry in &spec.extra_hosts {
        if let Some((name, addr)) = entry.split_once([':', '=']) {
            let _ = match (addr, addresses.host_gateway) {
                (HOST_GATEWAY, Some(gateway)) => writeln!(text, "{gateway}\t{name}"),
                _ => writeln!(text, "{addr}\t{name}"),
            };
        }
    }
    for (addr, names) in addresses.linked {
        let _ = writeln!(text, "{addr}\t{names}");
    }
    for addr in addresses.own {
        let _ = writeln!(text, "{}", host_line(addr, hostname, &spec.domainname));
    }
    text
}

/// A container's own line in its hosts file.
fn host_line(addr: &IpAddr, hostname: &str, domainname: &str) -> String {
    match domainname {
        "" => format!("{addr}\t{hostname}"),
        domain => format!("{addr}\t{hostname}.{domain} {hostname}"),
    }
}

/// The resolv.conf among a plan's files; empty when it is another container's.
pub(crate) fn resolv_conf_of(plan: &ContainerPlan) -> String {
    let mut files = plan.files.iter();
    let found = files.find(|file| file.name == "resolv.conf");
    found.map_or_else(String::new, |file| {
        String::from_utf8_lossy(&file.content).into_owned()
    })
}

/// What a container's resolv.conf(5) says; `host` is the host's.
pub(crate) fn resolv_conf(spec: &ContainerSpec, host: &str, asked: NameServers) -> String {
    let servers = match asked {
        NameServers::Resolver => vec![RESOLVER.to_string()],
        _ => forwarders(spec, host, asked == NameServers::Host),
    };
    let mut text = String::new();
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    let mut options = own_or_hosts(&spec.dns_options, host, "options");
    if asked == NameServers::Resolver && !options.contains("ndots:") {
        // A name of one word is first asked for as it is: it may be a neighbour's.
        options = format!("{options} ndots:0").trim_start().to_owned();
    }
    for (key, value) in [
        ("search", own_or_hosts(&spec.dns_search, host, "search")),
        ("options", options),
    ] {
        if !value.is_empty() && value != "." {
            let _ = writeln!(text, "{key} {value}");
        }
    }
    text
}

/// Whether the options that a container gets complete names of one label
/// before they are asked for (resolv.conf(5), `ndots`).
pub(crate) fn sets_ndots(spec: &ContainerSpec, host: &str) -> bool {
    let options = own_or_hosts(&spec.dns_options, host, "options");
    let ndots = |word: &str| word.strip_prefix("ndots:")?.parse::<u8>().ok();
    let set = options.split_whitespace().find_map(ndots);
    set.is_some_and(|dots| dots > 0)
}

/// The request's words, or those of the host's line that starts with `key`.
fn own_or_hosts(own: &[String], host: &str, key: &str) -> String {
    if !own.is_empty() {
        return own.join(" ");
    }
    let value = |line: &str| {
        let rest = line.trim().strip_prefix(key)?;
        rest.starts_with([' ', '\t'])
            .then(|| rest.trim().to_owned())
    };
    host.lines().find_map(value).unwrap_or_default()
}

/// The servers of the request, or the host's, or public ones. Those on the
/// host's loopback can only be reached from its own network namespace.
pub fn forwarders(spec: &ContainerSpec, host: &str, host_namespace: bool) -> Vec<String> {
    if !spec.dns.is_empty() {
        return spec.dns.clone();
    }
    let servers: Vec<String> = servers(host)
        .filter(|s| host_namespace || !is_loopback(s))
        .map(str::to_owned)
        .collect();
    match servers.is_empty() {
        true => PUBLIC_NAME_SERVERS.map(str::to_owned).to_vec(),
        false => servers,
    }
}

/// The servers that a resolv.conf(5) names.
fn servers(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next())?
    })
}

fn is_loopback(server: &str) -> bool {
    server.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_on_the_hosts_loopback_are_left_out() {
        let spec = ContainerSpec::default();
        let host = "nameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch a.example b.example\noptions edns0\n";
        assert_eq!(
            resolv_conf(&spec, host, NameServers::Reachable),
            "nameserver 10.0.0.1\nsearch a.example b.example\noptions edns0\n"
        );
        assert_eq!(
            resolv_conf(&spec, "nameserver 127.0.0.1\n", NameServers::Reachable),
            "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"
        );
        assert_eq!(
            resolv_conf(&spec, "nameserver 127.0.0.1\n", NameServers::Host),
            "nameserver 127.0.0.1\n"
        );
    }

    #[test]
    fn a_container_with_names_asks_its_own_resolver_first_for_the_bare_name() {
        let spec = ContainerSpec::default();
        let host = "nameserver 10.0.0.1\noptions edns0\n";
        assert_eq!(
            resolv_conf(&spec, host, NameServers::Resolver),
            "nameserver 127.0.0.11\noptions edns0 ndots:0\n"
        );
        let own = ContainerSpec {
            dns_options: vec!["ndots:2".into()],
            ..Default::default()
        };
        assert_eq!(
            resolv_conf(&own, host, NameServers::Resolver),
            "nameserver 127.0.0.11\noptions ndots:2\n"
        );
    }

    #[test]
    fn the_requests_servers_come_before_the_hosts() {
        let spec = ContainerSpec {
            dns: vec!["1.1.1.1".into()],
            dns_search: vec!["x.example".into()],
            ..Default::default()
        };
        assert_eq!(
            resolv_conf(&spec, "nameserver 10.0.0.1\n", NameServers::Reachable),
            "nameserver 1.1.1.1\nsearch x.example\n"
        );
    }

    #[test]
    fn hosts_names_the_container_and_what_the_user_added() {
        let spec = ContainerSpec {
            extra_hosts: vec!["db:10.1.1.1".into(), "up:host-gateway".into()],
            ..Default::default()
        };
        let text = hosts(
            &spec,
            "box",
            &Addresses {
                own: &["172.17.0.2".parse().unwrap()],
                host_gateway: "172.17.0.1".parse().ok(),
                linked: &[],
            },
        );
        assert!(
            text.contains("10.1.1.1\tdb\n172.17.0.1\tup\n") && text.ends_with("172.17.0.2\tbox\n"),
            "{text}"
        );
    }
}
